// Leftmost-longest search for added tokens in linear time.
#include "SpecialTokens.h"

#include "Unicode.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

/// Far beyond real added tokens; they bound the size of the automaton.
constexpr size_t kLongestSpecial = 1024, kMostNodes = 1 << 20;

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
  ErrorSite site{file, absl::StrCat("tokens[", id, "]"), {}};
  if (text.size() > kLongestSpecial)
    return formatError(site, absl::StrCat("an added token of at most ", kLongestSpecial, " bytes"),
                       absl::StrCat(text.size(), " bytes"));
  if (nodes.size() + text.size() > kMostNodes)
    return formatError(site, absl::StrCat("at most ", kMostNodes, " bytes of added tokens"),
                       "more than that");
  uint32_t node = 0;
  for (size_t i = text.size(); i-- > 0;) {
    auto [found, isNew] = edges.try_emplace(edge(node, uint8_t(text[i])), uint32_t(nodes.size()));
    if (isNew)
      nodes.push_back({0, -1, node, nodes[node].depth + 1, uint8_t(text[i])});
    node = found->second;
  }
  nodes[node].longest = int32_t(entries.size());
  entries.push_back({text.size(), id, token.leftStrip, token.rightStrip, token.singleWord});
  leavesRoot[uint8_t(text.back())] = true;
  return absl::OkStatus();
}

uint32_t SpecialTokenMatcher::advance(uint32_t node, uint8_t byte) const {
  while (true) {
    if (node == 0 && !leavesRoot[byte])
      return 0;
    if (auto found = edges.find(edge(node, byte)); found != edges.end())
      return found->second;
    node = nodes[node].fail;
  }
}

void SpecialTokenMatcher::finish() {
  // Suffixes are shorter, so going by depth finds them complete.
  std::vector<uint32_t> order(nodes.size());
  for (uint32_t i = 0; i < order.size(); ++i)
    order[i] = i;
  std::sort(order.begin(), order.end(),
            [this](uint32_t a, uint32_t b) { return nodes[a].depth < nodes[b].depth; });
  for (uint32_t index : order) {
    Node &node = nodes[index];
    if (node.depth > 1)
      node.fail = advance(nodes[node.parent].fail, node.byte);
    if (node.longest < 0)
      node.longest = nodes[node.fail].longest;
  }
}

void SpecialTokenMatcher::findAll(absl::string_view text, std::vector<Hit> &hits) const {
  uint32_t node = 0;
  for (size_t at = entries.empty() ? 0 : text.size(); at-- > 0;) {
    node = advance(node, uint8_t(text[at]));
    if (nodes[node].longest >= 0)
      hits.push_back({at, nodes[node].longest});
  }
}

void SpecialTokenMatcher::split(absl::string_view text,
                                std::vector<TextFragment> &fragments) const {
  std::vector<Hit> hits;
  findAll(text, hits);
  size_t covered = 0, at = 0;
  for (; !hits.empty(); hits.pop_back()) {
    size_t begin = hits.back().begin;
    if (begin < at)
      continue;
    const Entry *match = &entries[size_t(hits.back().entry)];
    size_t end = begin + match->length;
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
