// What tokenizers ask of Unicode: character classes, case, normalization forms, and the marker
// SentencePiece uses for spaces.
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

/// Any mark (M), and a nonspacing one (Mn).
bool isMark(uint32_t codePoint);
bool isNonspacingMark(uint32_t codePoint);
/// Control, format and private-use characters (Cc, Cf, Co). Unassigned ones do not count, so that
/// characters newer than the Unicode data at hand are kept.
bool isControl(uint32_t codePoint);

/// Appends the lower case of a character (two characters for U+0130).
void appendLowercase(std::string &text, uint32_t codePoint);

enum class NormalizationForm { Nfc, Nfd, Nfkc, Nfkd };
/// `form` of the well-formed stretches of `text`; malformed bytes are kept as they are.
std::string toNormalizationForm(absl::string_view text, NormalizationForm form);

/// Whether `text` has a space marker right after something else.
bool crossesSpaceMarker(absl::string_view text);

/// `text` with every space turned into U+2581, and back.
std::string escapeSpaces(absl::string_view text);
std::string unescapeSpaces(absl::string_view text);

} // namespace stc

#endif // STC_LIB_TOKENIZER_UNICODE_H
