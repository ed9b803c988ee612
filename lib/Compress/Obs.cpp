// One pass over the columns of a matrix that prunes, quantizes and makes up for both.
#include "stc/Compress/Obs.h"

#include "Grid.h"
#include "GroupMask.h"
#include "Masks.h"
#include "stc/Compress/LinearAlgebra.h"
#include "stc/Compress/Scores.h"
#include "stc/Support/Float.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace stc {

namespace {

using Kind = PrunePattern::Kind;

/// Columns whose changes reach later ones in one product.
constexpr int64_t kBlockColumns = 128;
/// Rows that one thread works on at a time.
constexpr int64_t kRowChunk = 16;

/// What weights of dead inputs, whose values calibration says nothing of, count beside the others:
/// they go first.
constexpr double kDead = 1e-9;

/// Columns per block: about kBlockColumns, whole units of the pattern and, where that does not
/// take too many, whole groups, so that scales see up-to-date weights.
int64_t blockWidth(int64_t unit, int64_t group) {
  constexpr int64_t most = 1024;
  int64_t together = std::lcm(unit, std::max<int64_t>(group, 1));
  if (together > most)
    together = unit;
  return together * std::max<int64_t>(1, kBlockColumns / together);
}

/// The state of one pass. Positions are columns in the factor's order.
class Pass {
public:
  Pass(const ObsOptions &options, int64_t rows, absl::Span<const float> weights,
       const SecondMoments &moments, const InverseFactor &factor);
  ObsResult run();

private:
  /// Whether scales are those of weights that make up for what was lost before. In another order
  /// the columns of a group do not come together, and those of a row never do but at the start.
  bool choosesOnTheWay() const { return factor.order.empty() && !quantize.perRow; }
  void chooseAllGrids();
  void chooseColumns(int64_t begin, int64_t end);
  int64_t score(int64_t begin, int64_t end, std::vector<int32_t> &keys) const;
  void planColumns();
  void chooseUnit(const float *row, int64_t position, uint8_t *out) const;
  void chooseGroup(int64_t row, int64_t position);
  void processRow(int64_t row, int64_t begin, int64_t end);
  /// 1 where a weight of a group that begins stays, as far as is known.
  void foreseeMask(int64_t row, int64_t position, int64_t count, uint8_t *out) const;

  float *weightsOf(int64_t row) { return current.data() + row * columns; }
  const float *weightsOf(int64_t row) const { return current.data() + row * columns; }
  uint8_t *maskOf(int64_t row) { return mask.data() + row * columns; }
  const uint8_t *maskOf(int64_t row) const { return mask.data() + row * columns; }
  const float *factorOf(int64_t position) const { return r.data() + position * columns; }

  const PrunePattern pattern;
  const QuantizeSpec quantize;
  const SecondMoments &moments;
  const InverseFactor &factor;
  absl::Span<const float> r, original;
  const int64_t rows, columns, unit;
  const int64_t width, groups;     // columns that share a scale, and how many such groups there are
  const int64_t tileRows, heights; // rows decided on together, and how many such tiles there are
  std::vector<float> current;      // [rows][positions]
  std::vector<uint8_t> mask;       // [rows][positions]
  std::vector<float> lost;         // [rows][positions of a block]: what later positions make up for
  std::vector<float> losses;       // [positions]: what removing a weight of 1 costs
  std::vector<float> importance;   // [columns]: the damped diagonal of H
  std::vector<Grid> grids;         // [rows][groups]
  std::vector<int64_t> keptBefore; // weights (or blocks) to keep before each position (or unit)
};

Pass::Pass(const ObsOptions &options, int64_t rows, absl::Span<const float> weights,
           const SecondMoments &moments, const InverseFactor &factor)
    : pattern(options.mask.empty() ? options.pattern : PrunePattern()), quantize(options.quantize),
      moments(moments), factor(factor), r(factor.factor), original(weights), rows(rows),
      columns(factor.columns), unit(orderUnit(pattern)), width(quantize.groupOf(columns)),
      groups(quantize.enabled ? (columns + width - 1) / width : 0),
      tileRows(pattern.kind == Kind::Block ? pattern.blockRows : 1),
      heights((rows + tileRows - 1) / tileRows), current(weights.size()), mask(weights.size(), 1),
      grids(size_t(rows * groups)) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t position = 0; position < columns; ++position) {
      size_t from = size_t(row * columns + factor.columnAt(position));
      size_t to = size_t(row * columns + position);
      current[to] = weights[from];
      if (!options.mask.empty())
        mask[to] = options.mask[from];
      else if (pattern.kind == Kind::None)
        mask[to] = weights[from] != 0;
    }
  for (double square : moments.squares())
    importance.push_back(float(square + factor.damping));
  for (int64_t position = 0; position < columns; ++position) {
    size_t column = size_t(factor.columnAt(position));
    double pivot = factorOf(position)[position];
    losses.push_back(float((moments.squares()[column] > 0 ? 1 : kDead) / (pivot * pivot)));
  }
}

/// The loss of setting all of a unit's weights to zero one after the other: the sum of squares of
/// R^-T w with R the unit's part of the factor.
double unitLoss(const float *weights, const float *r, int64_t stride, int64_t count) {
  double loss = 0;
  std::vector<double> parts(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    double rest = weights[i];
    for (int64_t j = 0; j < i; ++j)
      rest -= parts[size_t(j)] * double(r[j * stride + i]);
    parts[size_t(i)] = rest / double(r[i * stride + i]);
    loss += parts[size_t(i)] * parts[size_t(i)];
  }
  return loss;
}

/// The losses of [rows][positions] weights, or of [row tiles][units] blocks, of the positions
/// [begin, end); all in a row of `keys` are of the same rows. Returns how long a row is.
int64_t Pass::score(int64_t begin, int64_t end, std::vector<int32_t> &keys) const {
  int64_t width = (end - begin + unit - 1) / unit;
  keys.resize(size_t(heights * width));
  parallelFor(heights, [&](int64_t tile) {
    int64_t first = tile * tileRows, last = std::min(rows, first + tileRows);
    for (int64_t i = 0; i < width; ++i) {
      int64_t position = begin + i * unit;
      double loss = 0;
      if (pattern.kind == Kind::Unstructured) {
        float weight = weightsOf(tile)[position];
        loss = double(weight * weight * losses[size_t(position)]);
      } else {
        for (int64_t row = first; row < last; ++row)
          loss += unitLoss(weightsOf(row) + position, factorOf(position) + position, columns,
                           std::min(unit, end - position));
      }
      keys[size_t(tile * width + i)] = magnitudeKey(float(loss));
    }
  });
  return width;
}

/// How much of each part of the columns stays, by the losses at the start over the whole matrix:
/// early columns, for which many others can still make up, lose more than late ones.
void Pass::planColumns() {
  std::vector<int32_t> keys;
  int64_t width = score(0, columns, keys);
  std::vector<uint8_t> keep(keys.size());
  keepLargest(keys, keptCount(pattern.ratio, int64_t(keys.size())), keep.data());
  keptBefore.assign(size_t(width) + 1, 0);
  for (size_t i = 0; i < keep.size(); ++i)
    keptBefore[i % size_t(width) + 1] += keep[i];
  for (size_t i = 0; i < size_t(width); ++i)
    keptBefore[i + 1] += keptBefore[i];
}

/// Chooses the mask of the positions [begin, end) where a pattern decides on all rows at once:
/// as many as planned, but by the losses as they are now.
void Pass::chooseColumns(int64_t begin, int64_t end) {
  std::vector<int32_t> keys;
  int64_t width = score(begin, end, keys), first = begin / unit;
  std::vector<uint8_t> keep(keys.size());
  keepLargest(keys, keptBefore[size_t(first + width)] - keptBefore[size_t(first)], keep.data());
  for (int64_t row = 0; row < rows; ++row) {
    const uint8_t *from = keep.data() + row / tileRows * width;
    for (int64_t position = begin; position < end; ++position)
      maskOf(row)[position] = from[(position - begin) / unit];
  }
}

void Pass::chooseUnit(const float *row, int64_t position, uint8_t *out) const {
  chooseGroupMask({std::min(unit, columns - position), row + position,
                   factorOf(position) + position, columns, losses.data() + position},
                  pattern.n, out);
}

void Pass::foreseeMask(int64_t row, int64_t position, int64_t count, uint8_t *out) const {
  std::copy_n(maskOf(row) + position, count, out);
  if (pattern.kind != Kind::NM)
    return;
  // Units chosen already keep their mask; a unit the group begins within is one of them.
  uint8_t chosen[kMaxPatternGroup];
  for (int64_t first = (position + unit - 1) / unit * unit; first < position + count;
       first += unit) {
    if (first == position)
      continue;
    chooseUnit(weightsOf(row), first, chosen);
    std::copy_n(chosen, std::min(unit, position + count - first), out + (first - position));
  }
}

void Pass::chooseGroup(int64_t row, int64_t position) {
  int64_t count = std::min(quantize.group, columns - position);
  uint8_t stays[kMaxGroup];
  float values[kMaxGroup];
  foreseeMask(row, position, count, stays);
  for (int64_t i = 0; i < count; ++i)
    values[i] = stays[i] ? weightsOf(row)[position + i] : 0.0f;
  grids[size_t(row * groups + position / quantize.group)] =
      chooseGrid(quantize.element, quantize.asymmetric, values, importance.data() + position, count,
                 quantize.group);
}

/// Scales in stored order, of the weights at the start, or as a pass that only prunes leaves them.
void Pass::chooseAllGrids() {
  std::vector<float> values(original.begin(), original.end());
  if (pattern.kind == Kind::None) {
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t position = 0; position < columns; ++position)
        if (!maskOf(row)[position])
          values[size_t(row * columns + factor.columnAt(position))] = 0;
  } else {
    // Pruning moves what stays so far that scales must be chosen after it.
    ObsOptions pruneOnly;
    pruneOnly.pattern = pattern;
    values = Pass(pruneOnly, rows, original, moments, factor).run().values;
  }
  parallelFor(rows, [&](int64_t row) {
    for (int64_t group = 0; group < groups; ++group) {
      int64_t first = group * width;
      grids[size_t(row * groups + group)] =
          chooseGrid(quantize.element, quantize.asymmetric, values.data() + row * columns + first,
                     importance.data() + first, std::min(width, columns - first), width);
    }
  });
}

/// Decides the positions [begin, end) of one row.
void Pass::processRow(int64_t row, int64_t begin, int64_t end) {
  float *weights = weightsOf(row), *changes = lost.data() + row * (end - begin);
  uint8_t *keep = maskOf(row);
  bool inOrder = choosesOnTheWay();
  for (int64_t position = begin; position < end; ++position) {
    if (pattern.kind == Kind::NM && position % unit == 0)
      chooseUnit(weights, position, keep + position);
    float value = 0;
    if (quantize.enabled) {
      if (inOrder && position % width == 0)
        chooseGroup(row, position);
      const Grid &grid = grids[size_t(row * groups + factor.columnAt(position) / width)];
      if (keep[position])
        value = grid.round(weights[position], grid.inverse()) * grid.scale;
    } else if (keep[position]) {
      value = weights[position];
    }
    const float *later = factorOf(position);
    float loss = (weights[position] - value) / later[position];
    weights[position] = value;
    changes[position - begin] = loss;
    if (loss != 0)
      for (int64_t i = position + 1; i < end; ++i)
        weights[i] -= loss * later[i];
  }
}

ObsResult Pass::run() {
  if (quantize.enabled && !choosesOnTheWay())
    chooseAllGrids();
  bool together = pattern.kind == Kind::Unstructured || pattern.kind == Kind::Block;
  if (together)
    planColumns();
  int64_t step = blockWidth(unit, groups && choosesOnTheWay() ? width : 1);
  for (int64_t begin = 0; begin < columns; begin += step) {
    int64_t end = std::min(columns, begin + step), width = end - begin;
    if (together)
      chooseColumns(begin, end);
    lost.resize(size_t(rows * width));
    parallelFor((rows + kRowChunk - 1) / kRowChunk, [&](int64_t chunk) {
      for (int64_t row = chunk * kRowChunk; row < std::min(rows, (chunk + 1) * kRowChunk); ++row)
        processRow(row, begin, end);
    });
    if (end < columns)
      linalg::multiply(rows, columns - end, width, -1, {lost.data(), width},
                       {factorOf(begin) + end, columns}, 1, current.data() + end, columns);
  }
  ObsResult result;
  result.values.resize(current.size());
  result.mask.resize(mask.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t position = 0; position < columns; ++position) {
      size_t to = size_t(row * columns + factor.columnAt(position));
      result.values[to] = weightsOf(row)[position];
      result.mask[to] = maskOf(row)[position];
    }
  result.error = outputError(moments, rows, original, result.values);
  if (quantize.enabled)
    result.quantized = encode(quantize, grids, rows, columns, result.values);
  return result;
}

} // namespace

int64_t orderUnit(const PrunePattern &pattern) {
  return pattern.kind == Kind::NM      ? pattern.m
         : pattern.kind == Kind::Block ? pattern.blockColumns
                                       : 1;
}

absl::StatusOr<ObsResult> solveObs(const ObsOptions &options, int64_t rows,
                                   absl::Span<const float> weights, const SecondMoments &moments,
                                   const InverseFactor &factor) {
  int64_t columns = moments.columns();
  if (rows < 1 || factor.columns != columns || int64_t(weights.size()) != rows * columns)
    return formatError(
        {"", "matrix", {}}, absl::StrCat("rows of ", columns, " weights"),
        absl::StrCat(weights.size(), " in ", rows, " rows, factor of ", factor.columns));
  if (!options.mask.empty() && options.mask.size() != weights.size())
    return formatError({"", "mask", {}}, absl::StrCat(weights.size(), " bytes"),
                       absl::StrCat(options.mask.size()));
  STC_RETURN_IF_ERROR(checkFinite(weights, "matrix"));
  int64_t unit = options.mask.empty() ? orderUnit(options.pattern) : 1;
  for (int64_t i = 0; unit > 1 && i < int64_t(factor.order.size()); ++i)
    if (factor.columnAt(i) % unit != i % unit ||
        factor.columnAt(i) / unit != factor.columnAt(i / unit * unit) / unit)
      return formatError(
          {"", "order", {}},
          absl::StrCat("units of ", unit, " columns for the pattern ", options.pattern.str()),
          absl::StrCat("column ", factor.columnAt(i), " at position ", i));
  return Pass(options, rows, weights, moments, factor).run();
}

} // namespace stc
