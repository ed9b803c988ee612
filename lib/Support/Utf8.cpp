// Decoding of UTF-8 one character at a time, with every malformed sequence told apart.
#include "stc/Support/Utf8.h"

namespace stc {

Utf8Char decodeUtf8(absl::string_view text, size_t at) {
  uint8_t lead = uint8_t(text[at]);
  if (lead < 0x80)
    return {lead, 1};
  size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() - at < length)
    return {};
  uint32_t codePoint = lead & (0x7F >> length);
  for (size_t i = 1; i < length; ++i) {
    uint8_t next = uint8_t(text[at + i]);
    if ((next & 0xC0) != 0x80)
      return {};
    codePoint = codePoint << 6 | (next & 0x3F);
  }
  bool overlong = codePoint < (length == 4 ? 0x10000u : length == 3 ? 0x800u : 0x80u);
  bool surrogate = codePoint >= 0xD800 && codePoint < 0xE000;
  if (overlong || surrogate || codePoint > 0x10FFFF)
    return {};
  return {codePoint, length};
}

void appendUtf8(std::string &text, uint32_t codePoint) {
  if (codePoint < 0x80) {
    text += char(codePoint);
    return;
  }
  if (codePoint < 0x800) {
    text += char(0xC0 | codePoint >> 6);
  } else {
    if (codePoint < 0x10000) {
      text += char(0xE0 | codePoint >> 12);
    } else {
      text += char(0xF0 | codePoint >> 18);
      text += char(0x80 | (codePoint >> 12 & 0x3F));
    }
    text += char(0x80 | (codePoint >> 6 & 0x3F));
  }
  text += char(0x80 | (codePoint & 0x3F));
}

bool isValidUtf8(absl::string_view text) {
  for (size_t at = 0; at < text.size();) {
    size_t length = decodeUtf8(text, at).length;
    if (length == 0)
      return false;
    at += length;
  }
  return true;
}

} // namespace stc
