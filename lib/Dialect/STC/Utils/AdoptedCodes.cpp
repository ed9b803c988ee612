// Codes as a checkpoint stores them -> codes as a layout holds them.
#include "stc/Dialect/STC/Utils/AdoptedCodes.h"

#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numeric>

namespace stc {

namespace {

int64_t groupAt(const CodedMatrix &stored, int64_t column) {
  return stored.groupOf.empty() ? column / stored.group : stored.groupOf[size_t(column)];
}

/// The stored group of each run of `size` columns; nothing where a run has several.
std::optional<std::vector<int64_t>> groupsOfRuns(const CodedMatrix &stored, int64_t size) {
  std::vector<int64_t> groups;
  for (int64_t column = 0; column < stored.columns; ++column) {
    if (column % size == 0)
      groups.push_back(groupAt(stored, column));
    else if (groupAt(stored, column) != groups.back())
      return std::nullopt;
  }
  return groups;
}

bool isGroup(int64_t columns) {
  return columns == 16 || columns == 32 || columns == 64 || columns == 128;
}

/// The groups of a layout that the stored ones make up, the same size first. Sets the group of
/// `spec`, and where the layout would not exist otherwise its element.
std::optional<std::vector<int64_t>> chooseGroups(const CodedMatrix &stored, QuantizeSpec &spec) {
  std::vector<int64_t> sizes = {128, 64, 32, 16};
  if (isGroup(stored.group))
    sizes.insert(sizes.begin(), stored.group);
  else if (!spec.minimums)
    sizes.insert(sizes.begin(), stored.columns);
  for (int64_t size : sizes) {
    std::optional<std::vector<int64_t>> groups = groupsOfRuns(stored, size);
    if (!groups)
      continue;
    spec.perRow = size == stored.columns && !isGroup(size);
    spec.group = spec.perRow ? kRowScaleGroup : size;
    // int3 has no groups of 16.
    if (spec.element == ElementKind::I3 && !verifyLayout(spec.layout()).ok())
      spec.element = ElementKind::I4;
    return groups;
  }
  return std::nullopt;
}

/// Distances from zeros and the scales of columns beside each other, as multiples of one scale.
struct JoinedRun {
  float scale = 0;
  int low = 0, high = 0; // of the multiples, with 0 between them
  std::vector<int> multiples;
};

/// The multiples of scale `number` divided by `parts`; nothing where some are not whole, or where
/// eight bits do not hold all of them.
std::optional<JoinedRun> multiplesOf(absl::Span<const int> distances,
                                     absl::Span<const float> scales, size_t number, int parts) {
  JoinedRun run;
  double whole = scales[number];
  run.scale = float(whole / parts);
  if (double(run.scale) * parts != whole)
    return std::nullopt;
  run.multiples.reserve(distances.size());
  for (size_t i = 0; i < distances.size(); ++i) {
    double exact = double(scales[i]) * parts;
    double multiple = distances[i] == 0 ? 0 : std::nearbyint(exact / whole);
    bool isWhole = distances[i] == 0 || multiple * whole == exact;
    if (!isWhole || std::fabs(multiple) > 255)
      return std::nullopt;
    run.multiples.push_back(distances[i] * int(multiple));
    run.low = std::min(run.low, run.multiples.back());
    run.high = std::max(run.high, run.multiples.back());
  }
  if (run.high - run.low > 255)
    return std::nullopt;
  // -128 is a signed byte, 128 is none: a scale of the other sign spares a zero.
  if (run.high == 128 && run.low > -128) {
    run.scale = -run.scale;
    for (int &multiple : run.multiples)
      multiple = -multiple;
    run.high = -run.low;
    run.low = -128;
  }
  return std::make_optional(std::move(run));
}

/// One scale for columns of several, one that f16 has if there is such a one.
std::optional<JoinedRun> joinRun(absl::Span<const int> distances, absl::Span<const float> scales) {
  size_t number = 0;
  while (number < distances.size() && (distances[number] == 0 || scales[number] == 0))
    ++number;
  std::optional<JoinedRun> joined;
  if (number == distances.size()) {
    joined.emplace();
    joined->multiples.resize(distances.size());
    return joined;
  }
  for (int parts = 1; parts * std::abs(distances[number]) <= 255; ++parts) {
    std::optional<JoinedRun> run = multiplesOf(distances, scales, number, parts);
    if (!run)
      continue;
    bool isHalf = halfToFloat(floatToHalf(run->scale)) == run->scale;
    if (isHalf || !joined)
      joined = std::move(run);
    if (isHalf)
      break;
  }
  return joined;
}

/// The same matrix with eight bits in groups of 32, whose scales are those that the scales of each
/// 32 columns are small multiples of: those of Q3_K are products of one number with whole ones up
/// to 32. Nothing where there are no such scales.
std::optional<CodedMatrix> joinGroups(const CodedMatrix &stored) {
  constexpr int64_t kRun = 32;
  CodedMatrix joined;
  joined.rows = stored.rows;
  joined.columns = stored.columns;
  joined.group = kRun;
  std::vector<int> distances;
  std::vector<float> scales;
  bool hasZeros = false;
  for (int64_t row = 0; row < stored.rows; ++row)
    for (int64_t first = 0; first < stored.columns; first += kRun) {
      distances.clear();
      scales.clear();
      for (int64_t column = first; column < std::min(stored.columns, first + kRun); ++column) {
        size_t group = size_t(row * stored.groups() + groupAt(stored, column));
        int zero = stored.zeros.empty() ? 0 : stored.zeros[group];
        distances.push_back(stored.codes[size_t(row * stored.columns + column)] - zero);
        scales.push_back(stored.scales[group]);
      }
      std::optional<JoinedRun> run = joinRun(distances, scales);
      if (!run)
        return std::nullopt;
      int zero = run->high > 127 ? 127 - run->high : run->low < -128 ? -128 - run->low : 0;
      hasZeros |= zero != 0;
      joined.scales.push_back(run->scale);
      joined.zeros.push_back(int8_t(zero));
      for (int multiple : run->multiples)
        joined.codes.push_back(int8_t(multiple + zero));
    }
  if (!hasZeros)
    joined.zeros.clear();
  return joined;
}

/// Rounds scales or minimums to f16. `isExact` becomes false where that changes one.
uint16_t roundToHalf(float value, bool &isExact) {
  uint16_t half = floatToHalf(value);
  isExact &= halfToFloat(half) == value;
  return half;
}

ElementKind elementOf(int bits) {
  return bits <= 2   ? ElementKind::I2
         : bits == 3 ? ElementKind::I3
         : bits == 4 ? ElementKind::I4
                     : ElementKind::I8;
}

} // namespace

std::vector<int32_t> sortingOrder(const CodedMatrix &stored) {
  QuantizeSpec spec;
  if (stored.groupOf.empty() || chooseGroups(stored, spec))
    return {};
  std::vector<int32_t> order(size_t(stored.columns));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
    return std::pair(stored.groupOf[size_t(a)], a) < std::pair(stored.groupOf[size_t(b)], b);
  });
  CodedMatrix sorted;
  sorted.columns = stored.columns;
  sorted.group = stored.group;
  for (int32_t column : order)
    sorted.groupOf.push_back(stored.groupOf[size_t(column)]);
  return chooseGroups(sorted, spec) ? order : std::vector<int32_t>();
}

/// The codes in these groups, or why the layout of `spec` does not hold them.
static AdoptedCodes adoptGroups(const CodedMatrix &stored, absl::Span<const int64_t> groups,
                                const QuantizeSpec &spec) {
  AdoptedCodes adopted;
  adopted.spec = spec;
  QuantizedMatrix matrix;
  matrix.rows = stored.rows;
  matrix.columns = stored.columns;
  matrix.group = spec.groupOf(stored.columns);
  bool isExact = true;
  for (int64_t row = 0; row < stored.rows; ++row)
    for (int64_t group : groups) {
      size_t at = size_t(row * stored.groups() + group);
      matrix.scales.push_back(roundToHalf(stored.scales[at], isExact));
      if (spec.minimums)
        matrix.minimums.push_back(roundToHalf(stored.minimums[at], isExact));
      bool isFinite = std::isfinite(halfToFloat(matrix.scales.back())) &&
                      (!spec.minimums || std::isfinite(halfToFloat(matrix.minimums.back())));
      if (!isFinite) {
        adopted.why = "scales beyond f16";
        return adopted;
      }
      if (!stored.zeros.empty())
        matrix.zeros.push_back(stored.zeros[at]);
    }
  matrix.codes = stored.codes;
  if (spec.minimums) {
    // Codes from 0 on become those of a signed number of as many bits.
    matrix.commonZero = int8_t(-spec.layout().zeroPoint());
    for (int8_t &code : matrix.codes)
      code = int8_t(code + matrix.commonZero);
  }
  if (!isExact) {
    double error = relativeError(matrix, decode(stored));
    if (!(error <= kMostScaleError)) {
      adopted.why = "scales too small for f16";
      return adopted;
    }
    adopted.error = error;
  }
  adopted.matrix = std::move(matrix);
  return adopted;
}

AdoptedCodes adoptCodes(const CodedMatrix &stored) {
  QuantizeSpec spec;
  spec.method = "stored";
  spec.enabled = true;
  spec.asymmetric = !stored.zeros.empty();
  if (!stored.table.empty()) {
    AdoptedCodes adopted;
    adopted.spec = spec;
    adopted.why = "numbers of entries of a table (nf4, fp4)";
    return adopted;
  }
  spec.minimums = !stored.minimums.empty();
  // With minimums, codes from 0 on have a bit less than is told, which is the sign's.
  spec.element = elementOf(stored.bits - spec.minimums);
  std::optional<std::vector<int64_t>> groups = chooseGroups(stored, spec);
  // Larger groups of eight bits take less, and their codes are exact.
  bool mayJoin = !spec.minimums && (!groups || spec.layout().group < 32);
  if (mayJoin && (!groups || spec.element == ElementKind::I8))
    if (std::optional<CodedMatrix> joined = joinGroups(stored))
      if (AdoptedCodes adopted = adoptCodes(*joined); adopted.matrix || !groups)
        return adopted;
  if (groups)
    return adoptGroups(stored, *groups, spec);
  AdoptedCodes adopted;
  adopted.spec = spec;
  adopted.why = stored.groupOf.empty()
                    ? absl::StrCat("groups of ", stored.group, " columns")
                    : std::string("groups of columns that are not beside each other");
  return adopted;
}

CodedMatrix takeCodes(const CodedMatrix &stored, absl::Span<const int64_t> rows,
                      absl::Span<const int64_t> columns) {
  CodedMatrix taken;
  taken.rows = int64_t(rows.size());
  taken.columns = int64_t(columns.size());
  taken.bits = stored.bits;
  taken.group = stored.group;
  taken.table = stored.table;
  int64_t groups = stored.groups();
  bool isAll = taken.columns == stored.columns && std::is_sorted(columns.begin(), columns.end());
  // Scales stay those of the stored groups: columns say which of them they have.
  if (!isAll || !stored.groupOf.empty())
    for (int64_t column : columns)
      taken.groupOf.push_back(int32_t(groupAt(stored, column)));
  taken.storedGroups = groups;
  for (int64_t row : rows) {
    const int8_t *codes = stored.codes.data() + row * stored.columns;
    for (int64_t column : columns)
      taken.codes.push_back(codes[column]);
    taken.scales.insert(taken.scales.end(), stored.scales.begin() + row * groups,
                        stored.scales.begin() + (row + 1) * groups);
    if (!stored.zeros.empty())
      taken.zeros.insert(taken.zeros.end(), stored.zeros.begin() + row * groups,
                         stored.zeros.begin() + (row + 1) * groups);
    if (!stored.minimums.empty())
      taken.minimums.insert(taken.minimums.end(), stored.minimums.begin() + row * groups,
                            stored.minimums.begin() + (row + 1) * groups);
  }
  return taken;
}

} // namespace stc
