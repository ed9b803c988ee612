// Python's string operations, on UTF-8.
#include "Strings.h"

#include "stc/Support/Utf8.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <utf8proc.h>

#include <algorithm>

namespace stc::jinja {

namespace {

/// The character at `at`; a malformed byte has no code point.
Utf8Char characterAt(absl::string_view text, size_t at) {
  Utf8Char next = decodeUtf8(text, at);
  return next.length > 0 ? next : Utf8Char{UINT32_MAX, 1};
}

/// What str.isspace counts: the bidirectional types of white space and the category Zs.
bool isSpace(uint32_t c) {
  return c == ' ' || (c >= 0x9 && c <= 0xD) || (c >= 0x1C && c <= 0x1F) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

bool isCased(uint32_t c) {
  switch (utf8proc_category(utf8proc_int32_t(c))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
    return true;
  default:
    return false;
  }
}

/// Maps every character; `upper(isFirst, afterCased)` says which way.
template <typename Upper> std::string mapCase(absl::string_view text, Upper upper) {
  std::string result;
  bool afterCased = false;
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = characterAt(text, at);
    if (next.codePoint == UINT32_MAX) {
      result += text[at];
      afterCased = false;
    } else {
      utf8proc_int32_t c = utf8proc_int32_t(next.codePoint);
      bool up = upper(at == 0, afterCased);
      if (up && c == 0xDF) // two characters whatever stands around them
        result += "SS";
      else if (!up && c == 0x130)
        result += "i\xCC\x87";
      else
        appendUtf8(result, uint32_t(up ? utf8proc_toupper(c) : utf8proc_tolower(c)));
      afterCased = isCased(next.codePoint);
    }
    at += next.length;
  }
  return result;
}

} // namespace

std::vector<absl::string_view> charactersOf(absl::string_view text) {
  std::vector<absl::string_view> characters;
  for (size_t at = 0; at < text.size();) {
    size_t length = characterAt(text, at).length;
    characters.push_back(text.substr(at, length));
    at += length;
  }
  return characters;
}

size_t countCharacters(absl::string_view text) {
  size_t count = 0;
  for (size_t at = 0; at < text.size(); ++count)
    at += characterAt(text, at).length;
  return count;
}

absl::string_view strip(absl::string_view text, const absl::string_view *set, bool left,
                        bool right) {
  std::vector<absl::string_view> wanted;
  if (set)
    wanted = charactersOf(*set);
  auto goes = [&](absl::string_view character) {
    return set ? std::find(wanted.begin(), wanted.end(), character) != wanted.end()
               : isSpace(characterAt(character, 0).codePoint);
  };
  while (left && !text.empty()) {
    size_t length = characterAt(text, 0).length;
    if (!goes(text.substr(0, length)))
      break;
    text.remove_prefix(length);
  }
  while (right && !text.empty()) {
    size_t length = 1;
    for (size_t size = 2; size <= std::min<size_t>(4, text.size()); ++size)
      if (decodeUtf8(text, text.size() - size).length == size)
        length = size;
    if (!goes(text.substr(text.size() - length)))
      break;
    text.remove_suffix(length);
  }
  return text;
}

std::string upperCase(absl::string_view text) {
  return mapCase(text, [](bool, bool) { return true; });
}
std::string lowerCase(absl::string_view text) {
  return mapCase(text, [](bool, bool) { return false; });
}
std::string capitalize(absl::string_view text) {
  return mapCase(text, [](bool first, bool) { return first; });
}
std::string titleCase(absl::string_view text) {
  return mapCase(text, [](bool, bool afterCased) { return !afterCased; });
}

std::string capitalizeWords(absl::string_view text) {
  std::string result;
  while (!text.empty()) {
    size_t end = 0;
    auto divides = [&] {
      uint32_t c = characterAt(text, end).codePoint;
      return isSpace(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    };
    while (end < text.size() && !divides())
      end += characterAt(text, end).length;
    result += capitalize(text.substr(0, end));
    size_t word = end;
    while (end < text.size() && divides())
      end += characterAt(text, end).length;
    absl::StrAppend(&result, text.substr(word, end - word));
    text.remove_prefix(end);
  }
  return result;
}

std::vector<absl::string_view> splitWords(absl::string_view text, int64_t limit) {
  std::vector<absl::string_view> words;
  text = strip(text, nullptr, true, false);
  while (!text.empty()) {
    if (limit >= 0 && int64_t(words.size()) == limit) {
      words.push_back(text);
      break;
    }
    size_t end = 0;
    while (end < text.size() && !isSpace(characterAt(text, end).codePoint))
      end += characterAt(text, end).length;
    words.push_back(text.substr(0, end));
    text = strip(text.substr(end), nullptr, true, false);
  }
  return words;
}

std::vector<absl::string_view> splitAt(absl::string_view text, absl::string_view separator,
                                       int64_t limit, bool fromRight) {
  std::vector<absl::string_view> parts;
  while (limit < 0 || int64_t(parts.size()) < limit) {
    size_t found = fromRight ? text.rfind(separator) : text.find(separator);
    if (found == text.npos)
      break;
    parts.push_back(fromRight ? text.substr(found + separator.size()) : text.substr(0, found));
    text = fromRight ? text.substr(0, found) : text.substr(found + separator.size());
  }
  parts.push_back(text);
  if (fromRight)
    std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<absl::string_view> splitLines(absl::string_view text) {
  std::vector<absl::string_view> lines;
  while (!text.empty()) {
    size_t end = std::min(text.find_first_of("\n\r\v\f"), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(absl::StartsWith(text.substr(end), "\r\n") ? end + 2
                                                                  : std::min(end + 1, text.size()));
  }
  return lines;
}

std::string replaceAll(absl::string_view text, absl::string_view from, absl::string_view to,
                       int64_t limit) {
  std::string result;
  for (; limit != 0; --limit) {
    size_t found = text.find(from);
    if (found == text.npos)
      break;
    absl::StrAppend(&result, text.substr(0, found), to);
    text.remove_prefix(found + from.size());
  }
  absl::StrAppend(&result, text);
  return result;
}

} // namespace stc::jinja
