// Sparse attention patterns: which positions a token may look at, as a text, a rule and a table.
#include "stc/Compress/AttentionPattern.h"

#include "stc/Support/Random.h"

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include <algorithm>
#include <cstdlib>

namespace stc {

namespace {

using Kind = AttentionPattern::Kind;

constexpr int64_t kLargest = (int64_t(1) << 24) - 1;
constexpr int64_t kMostRandoms = 64;
/// Kernels take so many positions at once: all of them are in one block.
constexpr int64_t kBlockUnit = 16;

/// Digits only: SimpleAtoi would take signs and blanks as well.
bool parseNumber(absl::string_view text, int64_t least, int64_t &value) {
  if (text.empty() || text.size() > 8 || text.find_first_not_of("0123456789") != text.npos)
    return false;
  return absl::SimpleAtoi(text, &value) && value >= least && value <= kLargest;
}

/// Takes a number from the front of `text`, up to `end` (which goes too; 0: all of it).
bool takeNumber(absl::string_view &text, char end, int64_t least, int64_t &value) {
  size_t length = end ? text.find(end) : text.size();
  if (length == text.npos || !parseNumber(text.substr(0, length), least, value))
    return false;
  text.remove_prefix(std::min(text.size(), length + 1));
  return true;
}

/// "0/0,1/1,2", with every block in its own list.
bool parseLists(absl::string_view text, std::vector<std::vector<int64_t>> &lists) {
  for (absl::string_view row : absl::StrSplit(text, '/')) {
    std::vector<int64_t> blocks;
    for (absl::string_view number : absl::StrSplit(row, ','))
      if (!parseNumber(number, 0, blocks.emplace_back()))
        return false;
    absl::c_sort(blocks);
    blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
    if (!absl::c_binary_search(blocks, int64_t(lists.size())))
      return false;
    lists.push_back(std::move(blocks));
  }
  return true;
}

/// What stands behind the name of the pattern, which says what `pattern.kind` is.
bool parseNumbers(absl::string_view text, AttentionPattern &pattern) {
  bool inBlocks = pattern.hasTable();
  switch (pattern.kind) {
  case Kind::None:
    return false;
  case Kind::Window:
    if (text.find('+') == text.npos)
      return takeNumber(text, 0, 1, pattern.size);
    [[fallthrough]];
  case Kind::Local:
    return takeNumber(text, '+', 1, pattern.size) && takeNumber(text, 0, 0, pattern.globals);
  case Kind::Dilated:
    return takeNumber(text, 'x', 1, pattern.size) && takeNumber(text, 0, 1, pattern.step);
  case Kind::Strided:
    return takeNumber(text, 0, 1, pattern.size);
  case Kind::Fixed:
    return takeNumber(text, 'x', 1, pattern.size) && takeNumber(text, 0, 1, pattern.summary) &&
           pattern.summary <= pattern.size;
  case Kind::BigBird:
    if (!takeNumber(text, 'x', 1, pattern.size) || !takeNumber(text, '+', 1, pattern.window) ||
        !takeNumber(text, '+', 0, pattern.globals) || !takeNumber(text, '@', 0, pattern.randoms) ||
        !takeNumber(text, 0, 0, pattern.seed) || pattern.window % 2 == 0 ||
        pattern.randoms > kMostRandoms)
      return false;
    break;
  case Kind::Blocks:
    if (!takeNumber(text, ':', 1, pattern.size) || !parseLists(text, pattern.lists))
      return false;
    break;
  }
  return inBlocks && pattern.size % kBlockUnit == 0;
}

constexpr std::pair<Kind, absl::string_view> kNames[] = {
    {Kind::Window, "window:"}, {Kind::Dilated, "dilated:"}, {Kind::Strided, "strided:"},
    {Kind::Fixed, "fixed:"},   {Kind::Local, "local:"},     {Kind::BigBird, "bigbird:"},
    {Kind::Blocks, "blocks:"}};

} // namespace

absl::StatusOr<AttentionPattern> AttentionPattern::parse(absl::string_view text) {
  AttentionPattern pattern;
  if (text == "none")
    return pattern;
  for (auto [kind, name] : kNames) {
    if (text.substr(0, name.size()) != name)
      continue;
    pattern.kind = kind;
    if (parseNumbers(text.substr(name.size()), pattern))
      return pattern;
  }
  return formatError(
      {"", "attention", {}},
      "none, window:KEYS or window:KEYS+SINKS, dilated:KEYSxEVERY, strided:L, fixed:LxC with C <= "
      "L, local:KEYS+GLOBALS, bigbird:BLOCKxODD+GLOBALS+RANDOMS@SEED with at most 64 randoms, or "
      "blocks:BLOCK:0/0,1/... with each block in its own list; a BLOCK is a multiple of 16",
      printable(text));
}

std::string AttentionPattern::str() const {
  switch (kind) {
  case Kind::None:
    return "none";
  case Kind::Window:
    return globals ? absl::StrCat("window:", size, "+", globals) : absl::StrCat("window:", size);
  case Kind::Dilated:
    return absl::StrCat("dilated:", size, "x", step);
  case Kind::Strided:
    return absl::StrCat("strided:", size);
  case Kind::Fixed:
    return absl::StrCat("fixed:", size, "x", summary);
  case Kind::Local:
    return absl::StrCat("local:", size, "+", globals);
  case Kind::BigBird:
    return absl::StrCat("bigbird:", size, "x", window, "+", globals, "+", randoms, "@", seed);
  case Kind::Blocks:
    return absl::StrCat("blocks:", size, ":",
                        absl::StrJoin(lists, "/", [](std::string *out, const auto &row) {
                          absl::StrAppend(out, absl::StrJoin(row, ","));
                        }));
  }
  return "none";
}

/// BigBird's random blocks of query block `own`.
static std::vector<int64_t> randomBlocks(const AttentionPattern &pattern, int64_t own) {
  // Candidates are `count` blocks from `globals` on.
  int64_t count = own - pattern.window / 2 - pattern.globals;
  int64_t wanted = std::min(pattern.randoms, count);
  std::vector<int64_t> chosen;
  if (wanted <= 0)
    return chosen;
  Random random((uint64_t(pattern.seed) << 32) + uint64_t(own));
  for (int64_t last = count - wanted; last < count; ++last) {
    int64_t number = std::min(last, int64_t(random.uniform() * double(last + 1)));
    if (absl::c_linear_search(chosen, pattern.globals + number))
      number = last;
    chosen.push_back(pattern.globals + number);
  }
  return chosen;
}

bool AttentionPattern::sees(int64_t query, int64_t key) const {
  int64_t distance = std::abs(query - key);
  switch (kind) {
  case Kind::None:
    return true;
  case Kind::Window:
    return distance < size || key < globals;
  case Kind::Dilated:
    return distance % step == 0 && distance / step < size;
  case Kind::Strided:
    return distance < size || distance % size == 0;
  case Kind::Fixed:
    return key / size == query / size || key % size >= size - summary;
  case Kind::Local:
    return distance < size || key < globals || query < globals;
  case Kind::BigBird: {
    int64_t own = query / size, block = key / size;
    return std::abs(own - block) <= window / 2 || block < globals || own < globals ||
           (block < own && absl::c_linear_search(randomBlocks(*this, own), block));
  }
  case Kind::Blocks: {
    int64_t own = query / size, row = std::min(own, int64_t(lists.size()) - 1);
    return absl::c_binary_search(lists[size_t(row)], key / size - (own - row));
  }
  }
  return true;
}

int64_t AttentionPattern::countCausal(int64_t query) const {
  int64_t count = 0;
  for (int64_t key = 0; key <= query; ++key)
    count += sees(query, key);
  return count;
}

int64_t AttentionPattern::countCausalBlocks(int64_t query, int64_t blockSize) const {
  int64_t count = 0;
  for (int64_t start = 0; start <= query; start += blockSize) {
    bool any = false;
    for (int64_t key = start; key <= std::min(query, start + blockSize - 1) && !any; ++key)
      any = sees(query, key);
    count += any;
  }
  return count;
}

std::vector<int64_t> AttentionPattern::keyBlocks(int64_t queryBlock) const {
  std::vector<int64_t> blocks;
  if (kind == Kind::Blocks) {
    int64_t row = std::min(queryBlock, int64_t(lists.size()) - 1);
    for (int64_t block : lists[size_t(row)])
      if (block + queryBlock - row >= 0)
        blocks.push_back(block + queryBlock - row);
    return blocks;
  }
  blocks = randomBlocks(*this, queryBlock);
  for (int64_t block = 0; block < globals; ++block)
    blocks.push_back(block);
  for (int64_t away = -(window / 2); away <= window / 2; ++away)
    if (queryBlock + away >= 0)
      blocks.push_back(queryBlock + away);
  absl::c_sort(blocks);
  blocks.erase(std::unique(blocks.begin(), blocks.end()), blocks.end());
  return blocks;
}

int64_t AttentionPattern::tableWidth() const {
  if (kind == Kind::BigBird)
    return window + globals + randoms;
  size_t most = 0;
  for (const std::vector<int64_t> &row : lists)
    most = std::max(most, row.size());
  return int64_t(most);
}

int64_t AttentionPattern::tableRows(int64_t positions) const {
  return kind == Kind::Blocks ? int64_t(lists.size()) : (positions + size - 1) / size;
}

std::vector<int32_t> AttentionPattern::table(int64_t rows, int64_t width) const {
  std::vector<int32_t> result(size_t(rows * width), kNoBlock);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<int64_t> blocks = keyBlocks(row);
    std::copy(blocks.begin(), blocks.end(), result.begin() + row * width);
  }
  return result;
}

} // namespace stc
