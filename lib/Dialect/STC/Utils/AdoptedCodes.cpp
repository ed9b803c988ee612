// Codes as a checkpoint stores them -> codes as a layout holds them.
#include "stc/Dialect/STC/Utils/AdoptedCodes.h"

#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"

#include <cmath>

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

/// The groups of a layout that the stored ones make up, the same size first.
std::optional<std::vector<int64_t>> chooseGroups(const CodedMatrix &stored, QuantizeSpec &spec) {
  std::vector<int64_t> sizes = {128, 64, 32};
  if (stored.group == 32 || stored.group == 64)
    sizes.insert(sizes.begin(), stored.group);
  else if (stored.group != 128)
    sizes.insert(sizes.begin(), stored.columns);
  for (int64_t size : sizes) {
    std::optional<std::vector<int64_t>> groups = groupsOfRuns(stored, size);
    if (!groups)
      continue;
    spec.perRow = size == stored.columns && size != 32 && size != 64 && size != 128;
    spec.group = spec.perRow ? kRowScaleGroup : size;
    return groups;
  }
  return std::nullopt;
}

ElementKind elementOf(int bits) {
  return bits <= 2   ? ElementKind::I2
         : bits == 3 ? ElementKind::I3
         : bits == 4 ? ElementKind::I4
                     : ElementKind::I8;
}

} // namespace

AdoptedCodes adoptCodes(const CodedMatrix &stored) {
  AdoptedCodes adopted;
  QuantizeSpec &spec = adopted.spec;
  spec.method = "stored";
  spec.enabled = true;
  spec.element = elementOf(stored.bits);
  spec.asymmetric = !stored.zeros.empty();
  if (!stored.minimums.empty()) {
    adopted.why = "minimums of groups";
    return adopted;
  }
  std::optional<std::vector<int64_t>> groups = chooseGroups(stored, spec);
  if (!groups) {
    adopted.why = stored.groupOf.empty()
                      ? absl::StrCat("groups of ", stored.group, " columns")
                      : std::string("groups of columns that are not beside each other");
    return adopted;
  }
  QuantizedMatrix matrix;
  matrix.rows = stored.rows;
  matrix.columns = stored.columns;
  matrix.group = spec.groupOf(stored.columns);
  bool isExact = true;
  for (int64_t row = 0; row < stored.rows; ++row)
    for (int64_t group : *groups) {
      size_t at = size_t(row * stored.groups() + group);
      uint16_t scale = floatToHalf(stored.scales[at]);
      isExact &= halfToFloat(scale) == stored.scales[at];
      if (!std::isfinite(halfToFloat(scale))) {
        adopted.why = "scales beyond f16";
        return adopted;
      }
      matrix.scales.push_back(scale);
      if (!stored.zeros.empty())
        matrix.zeros.push_back(stored.zeros[at]);
    }
  matrix.codes = stored.codes;
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

CodedMatrix takeCodes(const CodedMatrix &stored, absl::Span<const int64_t> rows,
                      absl::Span<const int64_t> columns) {
  CodedMatrix taken;
  taken.rows = int64_t(rows.size());
  taken.columns = int64_t(columns.size());
  taken.bits = stored.bits;
  taken.group = stored.group;
  int64_t groups = stored.groups();
  bool isAll = taken.columns == stored.columns;
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
