// Holds back the bytes of a character until it is whole.
#include "stc/Tokenizer/StreamDecoder.h"

#include "stc/Support/Utf8.h"

namespace stc {

namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";

/// Whether the bytes at the end of a text may still become a character with more bytes to come.
bool mayContinue(absl::string_view bytes) {
  uint8_t lead = uint8_t(bytes[0]);
  if (lead < 0xC2 || lead > 0xF4)
    return false;
  size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (bytes.size() >= length)
    return false;
  // The second byte decides whether the sequence is overlong, a surrogate or past U+10FFFF.
  uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (bytes.size() > 1 && (uint8_t(bytes[1]) < low || uint8_t(bytes[1]) > high))
    return false;
  return bytes.size() < 3 || (uint8_t(bytes[2]) & 0xC0) == 0x80;
}

} // namespace

StreamDecoder::StreamDecoder(const Tokenizer &tokenizer, bool midText)
    : tokenizer(tokenizer), stripSpace(!midText && tokenizer.spec().stripPrefixSpaceOnDecode) {}

std::string StreamDecoder::push(int32_t id) {
  std::string bytes = tokenizer.piece(id);
  if (stripSpace && !bytes.empty()) {
    if (bytes[0] == ' ')
      bytes.erase(0, 1);
    stripSpace = false;
  }
  pending += bytes;
  std::string whole;
  size_t at = 0;
  while (at < pending.size()) {
    size_t length = decodeUtf8(pending, at).length;
    if (length > 0) {
      whole.append(pending, at, length);
      at += length;
      continue;
    }
    if (mayContinue(absl::string_view(pending).substr(at)))
      break;
    whole.append(kReplacement.data(), kReplacement.size());
    ++at;
  }
  pending.erase(0, at);
  return whole;
}

std::string StreamDecoder::finish() {
  std::string rest = pending.empty() ? std::string() : std::string(kReplacement);
  pending.clear();
  return rest;
}

} // namespace stc
