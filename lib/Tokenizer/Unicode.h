// What tokenizers ask of Unicode: character classes, NFC, and the marker SentencePiece uses for
// spaces.
#ifndef STC_LIB_TOKENIZER_UNICODE_H
#define STC_LIB_TOKENIZER_UNICODE_H

#include "stc/Support/Utf8.h"

#include "absl/strings/string_view.h"

#include <string>

namespace stc {

/// U+2581, which stands for a space inside SentencePiece vocabularies.
inline constexpr absl::string_view kSpaceMarker = "\xE2\x96\x81";

/// General category N (Nd, Nl, No).
bool isNumeric(uint32_t codePoint);
/// The White_Space property.
bool isWhiteSpace(uint32_t codePoint);
/// What `\w` matches: letters, marks, digits, letter numbers and connector punctuation.
bool isWordCharacter(uint32_t codePoint);

/// The length of the well-formed or of the malformed stretch that begins at `at` (and is not
/// empty); `valid` says which of the two it is.
size_t utf8StretchLength(absl::string_view text, size_t at, bool &valid);

/// NFC of the well-formed stretches of `text`; malformed bytes are kept as they are.
std::string normalizeNfc(absl::string_view text);

/// `text` with every space turned into U+2581, and back.
std::string escapeSpaces(absl::string_view text);
std::string unescapeSpaces(absl::string_view text);

} // namespace stc

#endif // STC_LIB_TOKENIZER_UNICODE_H
