// Character classes and normalization by utf8proc.
#include "Unicode.h"

#include "absl/strings/match.h"
#include "absl/strings/str_replace.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>

namespace stc {

bool isNumeric(uint32_t codePoint) {
  if (codePoint < 0x80)
    return codePoint >= '0' && codePoint <= '9';
  utf8proc_category_t category = utf8proc_category(utf8proc_int32_t(codePoint));
  return category == UTF8PROC_CATEGORY_ND || category == UTF8PROC_CATEGORY_NL ||
         category == UTF8PROC_CATEGORY_NO;
}

bool isWhiteSpace(uint32_t codePoint) {
  if (codePoint < 0x80)
    return codePoint == ' ' || (codePoint >= '\t' && codePoint <= '\r');
  if (codePoint == 0x85)
    return true;
  utf8proc_category_t category = utf8proc_category(utf8proc_int32_t(codePoint));
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

bool isWordCharacter(uint32_t codePoint) {
  switch (utf8proc_category(utf8proc_int32_t(codePoint))) {
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_PC:
    return true;
  default:
    return false;
  }
}

bool isMark(uint32_t codePoint) {
  utf8proc_category_t category = utf8proc_category(utf8proc_int32_t(codePoint));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

bool isNonspacingMark(uint32_t codePoint) {
  return utf8proc_category(utf8proc_int32_t(codePoint)) == UTF8PROC_CATEGORY_MN;
}

bool isControl(uint32_t codePoint) {
  utf8proc_category_t category = utf8proc_category(utf8proc_int32_t(codePoint));
  return category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_CF ||
         category == UTF8PROC_CATEGORY_CO;
}

void appendLowercase(std::string &text, uint32_t codePoint) {
  // The one character whose lower case is two whatever stands around it (SpecialCasing.txt).
  if (codePoint == 0x130) {
    text += "i\xCC\x87";
    return;
  }
  appendUtf8(text, uint32_t(utf8proc_tolower(utf8proc_int32_t(codePoint))));
}

size_t utf8StretchLength(absl::string_view text, size_t at, bool &valid) {
  size_t end = at, length = decodeUtf8(text, at).length;
  valid = length != 0;
  while ((length != 0) == valid) {
    end += valid ? length : 1;
    if (end == text.size())
      break;
    length = decodeUtf8(text, end).length;
  }
  return end - at;
}

std::string toNormalizationForm(absl::string_view text, NormalizationForm form) {
  bool composed = form == NormalizationForm::Nfc || form == NormalizationForm::Nfkc;
  bool compatible = form == NormalizationForm::Nfkc || form == NormalizationForm::Nfkd;
  int options = UTF8PROC_STABLE | (composed ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                (compatible ? UTF8PROC_COMPAT : 0);
  // ASCII is in every form already, and most text is ASCII.
  if (std::all_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x80; }))
    return std::string(text);
  std::string result;
  for (size_t at = 0; at < text.size();) {
    bool valid;
    size_t length = utf8StretchLength(text, at, valid);
    utf8proc_uint8_t *mapped = nullptr;
    utf8proc_ssize_t size = -1;
    if (valid)
      size = utf8proc_map(reinterpret_cast<const utf8proc_uint8_t *>(text.data() + at),
                          utf8proc_ssize_t(length), &mapped, utf8proc_option_t(options));
    // The only failure left for well-formed text is memory; the text itself is the best answer.
    if (size < 0)
      result.append(text.data() + at, length);
    else
      result.append(reinterpret_cast<const char *>(mapped), size_t(size));
    std::free(mapped);
    at += length;
  }
  return result;
}

bool crossesSpaceMarker(absl::string_view text) {
  for (size_t at = text.find(kSpaceMarker); at != absl::string_view::npos;
       at = text.find(kSpaceMarker, at + kSpaceMarker.size()))
    if (at > 0 && !absl::EndsWith(text.substr(0, at), kSpaceMarker))
      return true;
  return false;
}

std::string escapeSpaces(absl::string_view text) {
  return absl::StrReplaceAll(text, {{" ", kSpaceMarker}});
}

std::string unescapeSpaces(absl::string_view text) {
  return absl::StrReplaceAll(text, {{kSpaceMarker, " "}});
}

} // namespace stc
