// Leftmost-longest search for added tokens, by narrowing a sorted list byte by byte.
#include "SpecialTokens.h"

#include "Unicode.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

/// The search may look this far ahead at every byte of a text.
constexpr size_t kLongestSpecial = 1024;

/// The character that ends at `end`; malformed bytes count as no character (code point 0).
Utf8Char characterBefore(absl::string_view text, size_t end) {
  for (size_t length = 1; length <= std::min<size_t>(4, end); ++length) {
    Utf8Char found = decodeUtf8(text, end - length);
    if (found.length == length)
      return found;
  }
  return {0, 1};
}

bool standsAlone(absl::string_view text, size_t begin, size_t end) {
  bool wordBefore = begin > 0 && isWordCharacter(characterBefore(text, begin).codePoint);
  bool wordAfter = end < text.size() && isWordCharacter(decodeUtf8(text, end).codePoint);
  return !wordBefore && !wordAfter;
}

} // namespace

absl::Status SpecialTokenMatcher::add(absl::string_view text, int32_t id,
                                      const TokenizerSpec::Token &token, const std::string &file) {
  if (text.empty())
    return absl::OkStatus();
  if (text.size() > kLongestSpecial)
    return formatError({file, absl::StrCat("tokens[", id, "]"), {}},
                       absl::StrCat("an added token of at most ", kLongestSpecial, " bytes"),
                       absl::StrCat(text.size(), " bytes"));
  entries.push_back({text, id, token.leftStrip, token.rightStrip, token.singleWord});
  firstBytes[uint8_t(text[0])] = true;
  return absl::OkStatus();
}

void SpecialTokenMatcher::finish() {
  // By id within equal texts, so that the later token is the one found.
  std::sort(entries.begin(), entries.end(), [](const Entry &a, const Entry &b) {
    return a.text != b.text ? a.text < b.text : a.id < b.id;
  });
}

const SpecialTokenMatcher::Entry *SpecialTokenMatcher::matchAt(absl::string_view text,
                                                               size_t at) const {
  if (!firstBytes[uint8_t(text[at])])
    return nullptr;
  const Entry *longest = nullptr;
  auto low = entries.begin(), high = entries.end();
  for (size_t depth = 0; low != high; ++depth) {
    // All of [low, high) begin with the `depth` bytes seen; those that end here sort first.
    while (low != high && low->text.size() == depth)
      longest = &*low++;
    if (at + depth == text.size())
      break;
    auto byteAt = [depth](const Entry &entry) { return uint8_t(entry.text[depth]); };
    uint8_t byte = uint8_t(text[at + depth]);
    low = std::partition_point(low, high, [&](const Entry &e) { return byteAt(e) < byte; });
    high = std::partition_point(low, high, [&](const Entry &e) { return byteAt(e) == byte; });
  }
  return longest;
}

void SpecialTokenMatcher::split(absl::string_view text,
                                std::vector<TextFragment> &fragments) const {
  size_t covered = 0;
  for (size_t at = 0; at < text.size();) {
    const Entry *match = matchAt(text, at);
    if (!match) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + match->text.size();
    at = end;
    if (match->singleWord && !standsAlone(text, begin, end))
      continue;
    if (match->leftStrip) {
      while (begin > covered) {
        Utf8Char before = characterBefore(text, begin);
        if (!isWhiteSpace(before.codePoint))
          break;
        begin -= before.length;
      }
    }
    while (match->rightStrip && end < text.size()) {
      Utf8Char after = decodeUtf8(text, end);
      if (after.length == 0 || !isWhiteSpace(after.codePoint))
        break;
      end += after.length;
    }
    if (covered < begin)
      fragments.push_back({covered, begin, -1});
    fragments.push_back({begin, end, match->id});
    covered = at = end;
  }
  if (covered < text.size())
    fragments.push_back({covered, text.size(), -1});
}

} // namespace stc
