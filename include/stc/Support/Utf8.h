// Decoding of UTF-8 one character at a time, with every malformed sequence told apart.
#ifndef STC_SUPPORT_UTF8_H
#define STC_SUPPORT_UTF8_H

#include "absl/strings/string_view.h"

#include <cstddef>
#include <cstdint>
#include <string>

namespace stc {

/// One decoded character: its code point and its length in bytes. A malformed sequence (overlong,
/// surrogate, past U+10FFFF, cut short) has length 0.
struct Utf8Char {
  uint32_t codePoint = 0;
  size_t length = 0;
};

/// Decodes the character that begins at byte `at` (which must be inside `text`).
Utf8Char decodeUtf8(absl::string_view text, size_t at);

/// Appends `codePoint` (a Unicode scalar value) in UTF-8.
void appendUtf8(std::string &text, uint32_t codePoint);

/// Whether `text` is well-formed UTF-8 throughout.
bool isValidUtf8(absl::string_view text);

} // namespace stc

#endif // STC_SUPPORT_UTF8_H
