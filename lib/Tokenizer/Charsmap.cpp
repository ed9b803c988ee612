// Reads and searches precompiled normalization rules; no unit of the trie is trusted.
#include "Charsmap.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

constexpr uint32_t kLeaf = uint32_t(1) << 31;

uint32_t readUnit(absl::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i)
    value |= uint32_t(uint8_t(bytes[at + size_t(i)])) << (8 * i);
  return value;
}

uint32_t childOffset(uint32_t unit) { return unit >> 10 << ((unit & 1 << 9) >> 6); }

} // namespace

absl::StatusOr<Charsmap> Charsmap::create(absl::string_view bytes, const ErrorSite &site) {
  if (bytes.size() < 4)
    return formatError(site, "normalization rules of at least 4 bytes", absl::StrCat(bytes.size()));
  size_t trieBytes = readUnit(bytes, 0);
  if (trieBytes % 4 != 0 || trieBytes > bytes.size() - 4)
    return formatError(
        site, absl::StrCat("a trie of whole units in at most ", bytes.size() - 4, " bytes"),
        absl::StrCat(trieBytes, " bytes"));
  Charsmap map;
  map.units.reserve(trieBytes / 4);
  for (size_t at = 4; at < 4 + trieBytes; at += 4)
    map.units.push_back(readUnit(bytes, at));
  map.replacements = std::string(bytes.substr(4 + trieBytes));
  if (!map.replacements.empty() && map.replacements.back() != '\0')
    return formatError(site, "replacements that end with a zero byte", "an end without one");
  if (!isValidUtf8(map.replacements))
    return formatError(site, "replacements in UTF-8", "malformed bytes");
  return map;
}

Charsmap::Match Charsmap::find(absl::string_view text, size_t at) const {
  Match match;
  if (units.empty())
    return match;
  size_t position = childOffset(units[0]);
  for (size_t end = at; end < text.size(); ++end) {
    uint8_t byte = uint8_t(text[end]);
    position ^= byte;
    if (position >= units.size())
      return match;
    uint32_t unit = units[position];
    if ((unit & (kLeaf | 0xFF)) != byte)
      return match;
    position ^= childOffset(unit);
    if (!(unit >> 8 & 1))
      continue;
    if (position >= units.size())
      return match;
    size_t begin = units[position] & ~kLeaf;
    if (begin >= replacements.size())
      return match;
    match.length = end + 1 - at;
    match.replacement = absl::string_view(replacements).substr(begin);
    match.replacement = match.replacement.substr(0, match.replacement.find('\0'));
  }
  return match;
}

} // namespace stc
