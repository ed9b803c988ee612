// The lookup tables of a vocabulary: text to id, byte to id, id to the bytes it stands for.
#ifndef STC_LIB_TOKENIZER_VOCABULARY_H
#define STC_LIB_TOKENIZER_VOCABULARY_H

#include "stc/Tokenizer/Tokenizer.h"

#include "absl/container/flat_hash_map.h"

#include <array>

namespace stc {

/// GPT-2's printable stand-ins for bytes: '!'..'~' and most of Latin-1 mean themselves, the other
/// bytes are numbered from U+0100 on in ascending order.
uint32_t byteToCharacter(uint8_t byte);
/// The byte a stand-in means, or -1 for any other character.
int characterToByte(uint32_t codePoint);

/// Built once from a specification, which must outlive it; checks the tokens on the way.
class Vocabulary {
public:
  absl::Status build(const TokenizerSpec &spec, const std::string &file);

  size_t size() const { return pieceEnds.size(); }
  /// The id of a token that merging may produce (never a control, unknown or byte token), or -1.
  int32_t findMergeable(absl::string_view text) const { return find(text).mergeable; }
  /// The same, but any token with this text if there is no mergeable one.
  int32_t findAny(absl::string_view text) const {
    Ids ids = find(text);
    return ids.mergeable >= 0 ? ids.mergeable : ids.other;
  }
  /// The token of one byte: its stand-in character (byte level) or `<0xNN>`; -1 if there is none.
  int32_t byteToken(uint8_t byte) const { return byteTokens[byte]; }
  /// Length of the longest text that `findMergeable` knows.
  size_t longestMergeable() const { return longest; }
  /// The bytes a token adds in the middle of a text; empty for control and unknown tokens.
  absl::string_view piece(int32_t id) const;

private:
  /// The tokens with one text: an ordinary one is never hidden by a control token.
  struct Ids {
    int32_t mergeable = -1, other = -1;
  };
  Ids find(absl::string_view text) const {
    auto found = texts.find(text);
    return found == texts.end() ? Ids() : found->second;
  }
  absl::Status checkToken(const TokenizerSpec &spec, size_t id, const std::string &file);

  absl::flat_hash_map<absl::string_view, Ids> texts;
  std::array<int32_t, 256> byteTokens;
  size_t longest = 0;
  std::string pieces; // all pieces joined
  std::vector<size_t> pieceEnds;
};

} // namespace stc

#endif // STC_LIB_TOKENIZER_VOCABULARY_H
