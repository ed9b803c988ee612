// The parser of grammars.
#ifndef STC_LIB_GRAMMAR_GRAMMARPARSER_H
#define STC_LIB_GRAMMAR_GRAMMARPARSER_H

#include "stc/Grammar/Grammar.h"

#include "absl/container/flat_hash_map.h"

#include <optional>

namespace stc {

/// Reads the notation into rules, then flattens them. Groups and repetitions become rules of their
/// own, characters become their UTF-8 bytes.
class GrammarParser {
public:
  GrammarParser(absl::string_view text, const std::string &file) : text(text), file(file) {}
  absl::StatusOr<std::shared_ptr<const Grammar>> parse();

private:
  struct Element {
    bool isRule;
    uint32_t index; // of a set of bytes or of a rule
  };
  using Sequence = std::vector<Element>;
  struct Rule {
    std::string name;
    int line = 0; // of its definition, 0 before
    std::vector<Sequence> alternatives;
  };

  absl::Status error(absl::string_view expected) const;
  absl::Status error(absl::string_view expected, absl::string_view got) const;
  int line() const;
  void skip(bool newlines);
  absl::string_view name();
  uint32_t ruleNamed(absl::string_view name);
  absl::StatusOr<uint32_t> addRule(std::vector<Sequence> alternatives);
  uint32_t addSet(const std::bitset<256> &set);

  absl::Status parseRule();
  /// `closing`: inside parentheses, where newlines do not end the rule.
  absl::StatusOr<std::vector<Sequence>> parseAlternatives(bool closing);
  absl::StatusOr<Sequence> parseSequence(bool closing);
  absl::StatusOr<std::optional<Sequence>> parseElement(bool closing);
  absl::StatusOr<Sequence> parseRepetition(Sequence element);
  absl::StatusOr<Sequence> repeat(const Sequence &element, uint64_t least,
                                  std::optional<uint64_t> most);
  absl::StatusOr<uint32_t> parseCharacter();
  absl::StatusOr<Sequence> parseString();
  absl::StatusOr<Sequence> parseClass();
  /// A rule for the characters in `ranges` (sorted, apart from each other).
  absl::StatusOr<Sequence> characters(const std::vector<std::pair<uint32_t, uint32_t>> &ranges);
  void appendByteRanges(uint32_t first, uint32_t last, std::vector<Sequence> &alternatives);
  absl::Status charge(size_t elements);

  absl::Status checkRules();
  std::shared_ptr<const Grammar> flatten() const;

  absl::string_view text;
  const std::string &file;
  size_t at = 0, elements = 0;
  mutable size_t counted = 0; // newlines before it are in `lines`
  mutable int lines = 1;
  int depth = 0;
  std::vector<Rule> rules;
  std::vector<uint32_t> repeated; // rules whose contents must not be empty, and where they stand
  std::vector<int> repeatedLines;
  absl::flat_hash_map<std::string, uint32_t> names;
  std::vector<std::bitset<256>> sets;
};

} // namespace stc

#endif // STC_LIB_GRAMMAR_GRAMMARPARSER_H
