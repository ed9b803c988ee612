// Grammars that a generated text must follow: parsed from a BNF notation, matched byte by byte.
#ifndef STC_GRAMMAR_GRAMMAR_H
#define STC_GRAMMAR_GRAMMAR_H

#include "stc/Support/Error.h"

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"

#include <bitset>
#include <memory>
#include <string>
#include <vector>

namespace stc {

/// A context-free grammar over bytes, flattened to items. In the notation (GBNF, as llama.cpp's
/// documentation describes it) a rule is `name ::= alternatives`, and the text follows `root`:
///   "text"  [a-z0-9]  [^"\n]  .  name  ( ... )  a | b  x*  x+  x?  x{2}  x{2,}  x{2,5}   # comment
/// Escapes: \n \r \t \\ \" \[ \] \- \^ and \xNN \uNNNN \UNNNNNNNN, which are characters.
class Grammar {
public:
  /// Errors (with the line): bad syntax, unknown or repeated rules, a rule that can begin with
  /// itself, repetition of what may be empty, more than 50,000 items, text
  /// over 1 MiB.
  static absl::StatusOr<std::shared_ptr<const Grammar>> parse(absl::string_view text,
                                                              const std::string &file);
  /// Any JSON value (RFC 8259), with at most one blank or line break between tokens.
  static std::shared_ptr<const Grammar> json();

private:
  friend class GrammarParser;
  friend class GrammarMatcher;
  struct Item {
    enum class Kind : uint8_t { Bytes, Rule, End };
    Kind kind = Kind::End;
    uint32_t index = 0; // into `sets` or `rules`
  };
  std::vector<Item> items; // of all alternatives, each closed by an End
  std::vector<std::bitset<256>> sets;
  std::vector<std::vector<uint32_t>> rules; // where their alternatives begin
  uint32_t root = 0;
};

/// A place in all texts of a grammar, as a set of stacks of items still to come. States are
/// numbered and their transitions remembered, since texts come by the same ones again and again.
class GrammarMatcher {
public:
  using State = int32_t;
  static constexpr State kDead = -1; // no text of the grammar begins like this

  explicit GrammarMatcher(std::shared_ptr<const Grammar> grammar);
  /// Before the first byte; kDead if the grammar is too ambiguous to begin.
  State start();
  /// The state after one more byte. Error: the grammar is too ambiguous to follow.
  absl::StatusOr<State> next(State state, uint8_t byte);
  /// Whether the text may end in `state`, and whether it must.
  bool canEnd(State state) const;
  bool mustEnd(State state) const;
  /// Whether so many states are remembered that it is time to forget them.
  bool isFull() const;
  /// Forgets all states but `state`, which gets a new number.
  State forgetOthers(State state);

private:
  /// A stack: the item on top and the stack below (0: the empty stack).
  struct Node {
    uint32_t item;
    uint32_t below;
  };
  using Stacks = std::vector<uint32_t>; // sorted nodes; 0 stands for the end of the text
  uint32_t intern(uint32_t item, uint32_t below);
  absl::Status expand(uint32_t item, uint32_t below, Stacks &stacks);
  State number(Stacks stacks);

  std::shared_ptr<const Grammar> grammar;
  std::vector<Node> nodes;
  absl::flat_hash_map<uint64_t, uint32_t> nodeIds;
  std::vector<Stacks> states;
  absl::flat_hash_map<Stacks, State> stateIds;
  absl::flat_hash_map<uint64_t, State> transitions;
};

} // namespace stc

#endif // STC_GRAMMAR_GRAMMAR_H
