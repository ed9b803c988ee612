// The text form of pruning patterns and specifications.
#include "stc/Compress/Prune.h"

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <cmath>
#include <cstdio>

namespace stc {

namespace {

constexpr int64_t kMaxBlock = 1024;

/// The shortest decimal that reads back as the same number.
std::string shortest(double value) {
  char text[40];
  for (int digits = 1; digits <= 17; ++digits) {
    std::snprintf(text, sizeof(text), "%.*g", digits, value);
    double back = 0;
    if (absl::SimpleAtod(text, &back) && back == value)
      break;
  }
  return text;
}

absl::Status specError(absl::string_view expected, absl::string_view got) {
  return formatError({"", "prune", {}}, expected, got);
}

/// Digits only: SimpleAtoi would take signs and blanks as well.
bool parseCount(absl::string_view text, int64_t limit, int64_t &value) {
  if (text.empty() || text.size() > 6 || text.find_first_not_of("0123456789") != text.npos)
    return false;
  return absl::SimpleAtoi(text, &value) && value >= 1 && value <= limit;
}

bool parseRatio(absl::string_view text, double &value) {
  if (text.empty() || text.find_first_not_of("0123456789.e-") != text.npos)
    return false;
  return absl::SimpleAtod(text, &value) && value > 0 && value < 1;
}

absl::StatusOr<PrunePattern> parsePattern(absl::string_view text, absl::string_view whole) {
  constexpr absl::string_view expected =
      "none, a ratio between 0 and 1 (0.5), N:M with N < M <= 64 (2:4, 4:16) or "
      "blockRxC:RATIO (block16x4:0.75), perhaps after magnitude:, wanda:, sparsegpt: or alps:";
  PrunePattern pattern;
  std::vector<absl::string_view> parts = absl::StrSplit(text, ':');
  if (parts[0].substr(0, 5) == "block" && parts.size() == 2) {
    std::vector<absl::string_view> sides = absl::StrSplit(parts[0].substr(5), 'x');
    pattern.kind = PrunePattern::Kind::Block;
    if (sides.size() == 2 && parseCount(sides[0], kMaxBlock, pattern.blockRows) &&
        parseCount(sides[1], kMaxBlock, pattern.blockColumns) &&
        parseRatio(parts[1], pattern.ratio))
      return pattern;
  } else if (parts.size() == 2) {
    pattern.kind = PrunePattern::Kind::NM;
    if (parseCount(parts[0], kMaxPatternGroup, pattern.n) &&
        parseCount(parts[1], kMaxPatternGroup, pattern.m) && pattern.n < pattern.m)
      return pattern;
  } else if (parts.size() == 1) {
    pattern.kind = PrunePattern::Kind::Unstructured;
    if (parseRatio(text, pattern.ratio))
      return pattern;
  }
  return specError(expected, whole);
}

} // namespace

std::string PrunePattern::str() const {
  switch (kind) {
  case Kind::None:
    return "none";
  case Kind::Unstructured:
    return shortest(ratio);
  case Kind::NM:
    return absl::StrCat(n, ":", m);
  case Kind::Block:
    return absl::StrCat("block", blockRows, "x", blockColumns, ":", shortest(ratio));
  }
  return "none";
}

absl::StatusOr<PruneSpec> parsePruneSpec(absl::string_view text) {
  PruneSpec spec;
  if (text == "none")
    return spec;
  absl::string_view pattern = text;
  size_t colon = text.find(':');
  // A method is a word that is no block pattern; numbers begin with a digit.
  absl::string_view word = text.substr(0, colon);
  if (!word.empty() && absl::ascii_isalpha(word[0]) && word.substr(0, 5) != "block") {
    constexpr absl::string_view methods[] = {"magnitude", "wanda", "sparsegpt", "alps"};
    bool known = absl::c_linear_search(methods, word);
    if (colon == text.npos)
      return specError("none, or a pattern with or without a method in front (0.5, 2:4, wanda:0.5, "
                       "sparsegpt:block16x4:0.75)",
                       text);
    if (!known)
      return specError("the method magnitude, wanda, sparsegpt or alps", word);
    spec.method = std::string(word);
    spec.methodGiven = true;
    pattern = text.substr(colon + 1);
  }
  STC_ASSIGN_OR_RETURN(spec.pattern, parsePattern(pattern, text));
  return spec;
}

} // namespace stc
