// Finds added tokens (control tokens and user-defined ones) inside a text.
#ifndef STC_LIB_TOKENIZER_SPECIALTOKENS_H
#define STC_LIB_TOKENIZER_SPECIALTOKENS_H

#include "stc/Tokenizer/Tokenizer.h"

#include "absl/container/flat_hash_map.h"

#include <array>

namespace stc {

/// A stretch of a text: one added token, or ordinary text (`id` is -1).
struct TextFragment {
  size_t begin, end;
  int32_t id;
};

/// A set of token texts to look for. Where several match, the leftmost counts, and of those that
/// begin at the same place the longest.
///
/// The search is an Aho-Corasick automaton of the reversed texts that reads from the end to the
/// beginning: its state then knows the longest token that begins at each place, and the time is
/// proportional to the text whatever the tokens are.
class SpecialTokenMatcher {
public:
  /// Adds `text` with the flags of `token`. Empty texts never match; of equal texts the last one
  /// added does.
  absl::Status add(absl::string_view text, int32_t id, const TokenizerSpec::Token &token,
                   const std::string &file);
  /// To be called once after the last `add`.
  void finish();
  /// Cuts `text` into added tokens and the text between, none of it empty.
  void split(absl::string_view text, std::vector<TextFragment> &fragments) const;

private:
  struct Entry {
    size_t length;
    int32_t id;
    bool leftStrip, rightStrip, singleWord;
  };
  struct Node {
    uint32_t fail = 0;    // the longest proper suffix that is a node, too
    int32_t longest = -1; // the longest entry that ends (read backwards) in this state
    uint32_t parent = 0, depth = 0;
    uint8_t byte = 0; // on the edge from the parent
  };
  struct Hit {
    size_t begin;
    int32_t entry;
  };
  static uint64_t edge(uint32_t node, uint8_t byte) { return uint64_t(node) << 8 | byte; }
  /// The state after reading `byte` in state `node`.
  uint32_t advance(uint32_t node, uint8_t byte) const;
  /// The longest entry at every place that has one, from the last place to the first.
  void findAll(absl::string_view text, std::vector<Hit> &hits) const;

  std::vector<Entry> entries;
  std::vector<Node> nodes{Node()};
  absl::flat_hash_map<uint64_t, uint32_t> edges;
  std::array<bool, 256> leavesRoot{};
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_SPECIALTOKENS_H
