// Packing of whole matrices, their sizes, and the checks of what is to be packed.
#include "stc/Packing/Pack.h"

#include "Tile.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

namespace stc {

namespace {

constexpr int64_t kMaxExtent = int64_t(1) << 31;

absl::Status verifyShape(int64_t rows, int64_t columns) {
  if (rows >= 1 && rows < kMaxExtent && columns >= 1 && columns < kMaxExtent)
    return absl::OkStatus();
  return formatError({"", "matrix shape", {}}, "rows and columns from 1 to 2^31 - 1",
                     absl::StrCat(rows, "x", columns));
}

absl::Status sizeError(int64_t rows, int64_t columns) {
  return formatError({"", "matrix shape", {}}, "a packed size below 2^62 bytes",
                     absl::StrCat(rows, "x", columns));
}

/// Bytes of `count` parts of `size` and the slack, or an error where they would not fit.
absl::StatusOr<int64_t> totalBytes(int64_t size, int64_t count, int64_t rows, int64_t columns) {
  int64_t bytes = 0;
  if (__builtin_mul_overflow(size, count, &bytes) || bytes > (int64_t(1) << 62))
    return sizeError(rows, columns);
  return roundUp(bytes, kSectionAlignment) + kTailSlack;
}

/// Stores `count` values, `stride` elements apart, as the element that `bitsOf` makes of each.
template <typename Stored, typename BitsOf>
void storeAs(const float *values, int64_t count, int64_t stride, uint8_t *out, BitsOf bitsOf) {
  for (int64_t i = 0; i < count; ++i) {
    Stored bits = bitsOf(values[i]);
    std::memcpy(out + i * stride * int64_t(sizeof(bits)), &bits, sizeof(bits));
  }
}

void storeFloats(ElementKind element, const float *values, int64_t count, int64_t stride,
                 uint8_t *out) {
  auto toBfloat16 = [](float value) { return floatToBfloat16(value); };
  if (element == ElementKind::F32)
    storeAs<uint32_t>(values, count, stride, out, [](float value) { return floatBits(value); });
  else if (element == ElementKind::F16)
    storeAs<uint16_t>(values, count, stride, out, [](float value) { return floatToHalf(value); });
  else if (stride == 1) // a loop of its own, as it is one of vectors
    storeAs<uint16_t>(values, count, 1, out, toBfloat16);
  else
    storeAs<uint16_t>(values, count, stride, out, toBfloat16);
}

} // namespace

absl::Status checkFinite(absl::Span<const float> values, absl::string_view name) {
  // In blocks, so that the common case vectorizes and the first culprit is still found.
  constexpr size_t block = 4096;
  for (size_t begin = 0; begin < values.size(); begin += block) {
    size_t end = std::min(begin + block, values.size());
    uint32_t bad = 0;
    for (size_t i = begin; i < end; ++i)
      bad |= uint32_t((floatBits(values[i]) & 0x7F800000) == 0x7F800000);
    if (!bad)
      continue;
    for (size_t i = begin; i < end; ++i)
      if (!std::isfinite(values[i]))
        return formatError({"", std::string(name), {}}, "finite values",
                           absl::StrCat(std::isnan(values[i]) ? "NaN"
                                        : values[i] > 0       ? "infinity"
                                                              : "-infinity",
                                        " at element ", i));
  }
  return absl::OkStatus();
}

float QuantizedMatrix::minimumOf(int64_t row, int64_t groupNumber) const {
  return minimums.empty() ? 0 : halfToFloat(minimums[size_t(row * groups() + groupNumber)]);
}

absl::Status verifyQuantizedMatrix(const QuantizedMatrix &matrix, const Layout &layout) {
  auto error = [](absl::string_view field, const std::string &expected, const std::string &got) {
    return formatError({"", absl::StrCat("quantized matrix ", field), {}}, expected, got);
  };
  STC_RETURN_IF_ERROR(verifyShape(matrix.rows, matrix.columns));
  if (matrix.group <= 0)
    return error("group", "a positive number", absl::StrCat(matrix.group));
  int64_t weights = matrix.rows * matrix.columns;
  if (int64_t(matrix.codes.size()) != weights)
    return error("codes", absl::StrCat(weights), absl::StrCat(matrix.codes.size()));
  int64_t scales = matrix.rows * matrix.groups(), zeros = layout.asymmetric ? scales : 0;
  if (int64_t(matrix.scales.size()) != scales)
    return error("scales", absl::StrCat(scales), absl::StrCat(matrix.scales.size()));
  if (int64_t(matrix.zeros.size()) != zeros)
    return error("zeros", absl::StrCat(zeros), absl::StrCat(matrix.zeros.size()));
  int64_t zeroPoint = layout.zeroPoint(), minimums = layout.minimums ? scales : 0;
  if (int64_t(matrix.minimums.size()) != minimums)
    return error("minimums", absl::StrCat(minimums), absl::StrCat(matrix.minimums.size()));
  if (int64_t zero = layout.minimums ? -zeroPoint : 0; matrix.commonZero != zero)
    return error("common zero", absl::StrCat(zero), absl::StrCat(int(matrix.commonZero)));
  auto fit = [&](const std::vector<int8_t> &codes) {
    // In bytes, so that as many codes fit a vector.
    uint8_t outside = 0, zero = uint8_t(zeroPoint), above = uint8_t(~(2 * zeroPoint - 1));
    for (int8_t code : codes)
      outside |= uint8_t(uint8_t(code) + zero) & above;
    return outside == 0;
  };
  std::string range = absl::StrCat("values from ", -zeroPoint, " to ", zeroPoint - 1);
  if (!fit(matrix.codes))
    return error("codes", range, "values outside");
  if (!fit(matrix.zeros))
    return error("zeros", range, "values outside");
  auto areFinite = [](const std::vector<uint16_t> &halves) {
    return std::none_of(halves.begin(), halves.end(),
                        [](uint16_t half) { return (half & 0x7C00) == 0x7C00; });
  };
  if (!areFinite(matrix.scales))
    return error("scales", "finite values", "NaN or infinity");
  if (!areFinite(matrix.minimums))
    return error("minimums", "finite values", "NaN or infinity");
  return absl::OkStatus();
}

std::vector<float> dequantize(const QuantizedMatrix &matrix) {
  std::vector<float> values(matrix.codes.size());
  int64_t groups = matrix.groups();
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      float scale = halfToFloat(matrix.scales[size_t(row * groups + group)]);
      int zero = matrix.zeroOf(row, group);
      float minimum = matrix.minimumOf(row, group);
      int64_t first = row * matrix.columns + group * matrix.group;
      int64_t last = row * matrix.columns + std::min(matrix.columns, (group + 1) * matrix.group);
      for (int64_t i = first; i < last; ++i)
        values[size_t(i)] = float(matrix.codes[size_t(i)] - zero) * scale - minimum;
    }
  return values;
}

/// How many of `codes` differ from `zero`, counted in bytes as long as one cannot overflow.
static int64_t countOthers(absl::Span<const int8_t> codes, int8_t zero) {
  constexpr size_t block = 255;
  int64_t total = 0;
  for (size_t begin = 0; begin < codes.size(); begin += block) {
    uint8_t count = 0;
    for (int8_t code : codes.subspan(begin, block))
      count = uint8_t(count + (code != zero));
    total += count;
  }
  return total;
}

int64_t countNonZero(const QuantizedMatrix &matrix) {
  if (!matrix.minimums.empty()) {
    std::vector<float> values = dequantize(matrix);
    return int64_t(values.size()) - std::count(values.begin(), values.end(), 0.0f);
  }
  absl::Span<const int8_t> codes = matrix.codes;
  if (matrix.zeros.empty())
    return countOthers(codes, matrix.commonZero);
  int64_t count = 0, groups = matrix.groups();
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int64_t size = std::min(matrix.group, matrix.columns - group * matrix.group);
      size_t begin = size_t(row * matrix.columns + group * matrix.group);
      count += countOthers(codes.subspan(begin, size_t(size)), int8_t(matrix.zeroOf(row, group)));
    }
  return count;
}

absl::Status verifyPackedShape(const Layout &layout, int64_t rows, int64_t columns) {
  STC_RETURN_IF_ERROR(verifyLayout(layout));
  STC_RETURN_IF_ERROR(verifyShape(rows, columns));
  int64_t most = kMaxBlockSteps * kDotColumns / std::max<int64_t>(layout.group, 1) * layout.group;
  if (layout.kind == LayoutKind::Block && columns > most)
    return formatError({"", "matrix columns", {}}, absl::StrCat("at most ", most, " in blocks"),
                       absl::StrCat(columns));
  return absl::OkStatus();
}

absl::StatusOr<int64_t> packedBytes(const Layout &layout, int64_t rows, int64_t columns) {
  STC_RETURN_IF_ERROR(verifyPackedShape(layout, rows, columns));
  if (layout.hasTable())
    return formatError({"", "packed size", {}}, "a layout whose size the shape determines",
                       layout.str());
  if (layout.kind == LayoutKind::Rows)
    return totalBytes(layout.floatBytes(), rows * columns, rows, columns);
  TileGeometry geometry = tileGeometry(layout, rows, columns);
  return totalBytes(geometry.tileBytes, geometry.rowTiles, rows, columns);
}

/// Adds to the count of each column whether its code is not zero.
static void addNonZero(const int8_t *codes, int64_t columns, uint8_t *counts) {
  for (int64_t column = 0; column < columns; ++column)
    counts[column] = uint8_t(counts[column] + (codes[column] != 0));
}

int64_t packedTableBytes(const Layout &layout, const QuantizedMatrix &matrix) {
  TileGeometry geometry = tileGeometry(layout, matrix.rows, matrix.columns);
  int64_t bytes = geometry.tableBytes + kTailSlack;
  std::vector<uint8_t> ofColumns(size_t(geometry.paddedColumns));
  std::vector<int64_t> counts(size_t(geometry.steps));
  for (int64_t first = 0; first < matrix.rows; first += kTileRows) {
    std::fill(ofColumns.begin(), ofColumns.end(), uint8_t(0));
    for (int64_t row = first; row < std::min(first + kTileRows, matrix.rows); ++row)
      addNonZero(matrix.codes.data() + row * matrix.columns, matrix.columns, ofColumns.data());
    for (size_t step = 0; step < counts.size(); ++step) {
      const uint8_t *columns = ofColumns.data() + step * size_t(kDotColumns);
      counts[step] = std::accumulate(columns, columns + kDotColumns, int64_t(0));
    }
    int64_t valuesOffset = geometry.valuesOffset, values = 0;
    if (layout.kind == LayoutKind::Block) {
      int64_t stored = int64_t(counts.size()) - std::count(counts.begin(), counts.end(), 0);
      valuesOffset = blockValuesOffset(geometry, stored);
      values = stored * blockStepBytes(layout);
    } else {
      for (size_t step = 0; step < counts.size(); step += size_t(layout.lanes()))
        values += layout.lanes() == 1 ? counts[step] : std::max(counts[step], counts[step + 1]);
    }
    bytes += valuesOffset + roundUp(values, kSectionAlignment);
  }
  return bytes;
}

int64_t packedTableBytes(const Layout &layout, int64_t rows, int64_t columns,
                         absl::Span<const float> values) {
  TileGeometry geometry = tileGeometry(layout, rows, columns);
  int64_t bytes = geometry.tableBytes + kTailSlack;
  for (int64_t first = 0; first < rows; first += kTileRows) {
    size_t count = size_t(std::min(kTileRows, rows - first) * columns);
    absl::Span<const float> tile = values.subspan(size_t(first * columns), count);
    int64_t stored = std::count_if(tile.begin(), tile.end(), [&](float value) {
      return elementFloat(layout.element, elementBits(layout.element, value)) != 0;
    });
    bytes += geometry.valuesOffset + roundUp(stored * layout.floatBytes(), kSectionAlignment);
  }
  return bytes;
}

/// The tiles that `encode` makes of the rows from a number on, behind their table where the layout
/// has one, and the slack.
static absl::StatusOr<std::vector<uint8_t>>
packTiles(const Layout &layout, int64_t rows, int64_t columns,
          const std::function<absl::StatusOr<absl::Span<const uint8_t>>(int64_t)> &encode) {
  TileGeometry geometry = tileGeometry(layout, rows, columns);
  bool table = layout.hasTable();
  std::vector<uint8_t> packed;
  if (!table) {
    STC_ASSIGN_OR_RETURN(int64_t bytes, packedBytes(layout, rows, columns));
    packed.reserve(size_t(bytes));
  }
  packed.resize(size_t(geometry.tableBytes), 0);
  for (int64_t tile = 0; tile <= geometry.rowTiles; ++tile) {
    if (table) {
      uint64_t offset = packed.size() / kSectionAlignment;
      if (offset > UINT32_MAX)
        return sizeError(rows, columns);
      uint32_t entry = uint32_t(offset);
      std::memcpy(packed.data() + tile * 4, &entry, 4);
    }
    if (tile == geometry.rowTiles)
      break;
    STC_ASSIGN_OR_RETURN(auto bytes, encode(tile * kTileRows));
    packed.insert(packed.end(), bytes.begin(), bytes.end());
  }
  packed.resize(packed.size() + kTailSlack, 0);
  return packed;
}

absl::StatusOr<std::vector<uint8_t>> packFloats(const Layout &layout, int64_t rows, int64_t columns,
                                                absl::Span<const float> values) {
  if (layout.isQuantized())
    return formatError({"", "layout", {}}, "a float layout", layout.str());
  STC_RETURN_IF_ERROR(verifyPackedShape(layout, rows, columns));
  if (int64_t(values.size()) != rows * columns)
    return formatError({"", "matrix values", {}}, absl::StrCat(rows * columns),
                       absl::StrCat(values.size()));
  STC_RETURN_IF_ERROR(checkFinite(values, "matrix"));
  // Half a step past the largest value rounds to infinity.
  bool half = layout.element == ElementKind::F16;
  uint32_t infinite = floatBits(half ? 65520.0f : floatFromBits(0x7F7F8000));
  uint32_t largest = 0;
  for (float value : values)
    largest = std::max(largest, floatBits(value) & 0x7FFFFFFF);
  if (layout.element != ElementKind::F32 && largest >= infinite)
    for (size_t i = 0; i < values.size(); ++i)
      if ((floatBits(values[i]) & 0x7FFFFFFF) >= infinite)
        return formatError({"", "matrix", {}},
                           absl::StrCat("values within the range of ", half ? "f16" : "bf16"),
                           absl::StrCat(values[i], " at element ", i));
  if (layout.hasMasks()) {
    FloatTileEncoder encoder(layout, tileGeometry(layout, rows, columns));
    return packTiles(layout, rows, columns, [&](int64_t firstRow) {
      return encoder.encode(values, rows, columns, firstRow);
    });
  }
  STC_ASSIGN_OR_RETURN(int64_t bytes, packedBytes(layout, rows, columns));
  std::vector<uint8_t> packed(size_t(bytes), 0);
  int64_t size = layout.floatBytes();
  if (layout.kind == LayoutKind::Rows) {
    storeFloats(layout.element, values.data(), rows * columns, 1, packed.data());
    return packed;
  }
  TileGeometry geometry = tileGeometry(layout, rows, columns);
  // Few columns of all 16 rows at a time: what is written stays in the first cache.
  constexpr int64_t block = 16;
  for (int64_t tile = 0; tile < geometry.rowTiles; ++tile)
    for (int64_t first = 0; first < columns; first += block)
      for (int64_t row = tile * kTileRows; row < std::min((tile + 1) * kTileRows, rows); ++row) {
        const float *in = values.data() + row * columns;
        uint8_t *out = packed.data() + tile * geometry.tileBytes + row % kTileRows * size;
        storeFloats(layout.element, in + first, std::min(block, columns - first), kTileRows,
                    out + first * kTileRows * size);
      }
  return packed;
}

absl::StatusOr<std::vector<uint8_t>> packQuantized(const Layout &layout,
                                                   const QuantizedMatrix &matrix) {
  STC_RETURN_IF_ERROR(verifyLayout(layout));
  if (!layout.isQuantized())
    return formatError({"", "layout", {}}, "a quantized layout", layout.str());
  STC_RETURN_IF_ERROR(verifyQuantizedMatrix(matrix, layout));
  STC_RETURN_IF_ERROR(verifyPackedShape(layout, matrix.rows, matrix.columns));
  if (int64_t group = layout.scaleColumns(matrix.columns); matrix.group != group)
    return formatError({"", "quantized matrix group", {}}, absl::StrCat(group),
                       absl::StrCat(matrix.group));
  TileEncoder encoder(layout, tileGeometry(layout, matrix.rows, matrix.columns));
  return packTiles(layout, matrix.rows, matrix.columns,
                   [&](int64_t firstRow) { return encoder.encode(matrix, firstRow); });
}

float quantizeActivations(absl::Span<const float> x, absl::Span<int8_t> codes) {
  float largest = 0;
  for (float value : x)
    largest = std::max(largest, std::fabs(value));
  float scale = largest / 127.0f;
  float inverse = largest > 0 ? 1.0f / scale : 0.0f;
  for (size_t i = 0; i < x.size(); ++i) {
    float code = std::nearbyint(x[i] * inverse);
    // The comparisons are false for NaN, which would be undefined to convert.
    codes[i] = int8_t(code >= -127.0f ? std::min(code, 127.0f) : code < 0 ? -127.0f : 0.0f);
  }
  return scale;
}

SplitActivation splitActivation(float x) {
  // From here on bits would round to infinity, or are infinite or not a number already.
  constexpr uint32_t cutFrom = 0x7F7F8000, infinity = 0x7F800000;
  uint32_t magnitude = floatBits(x) & 0x7FFFFFFF;
  SplitActivation split;
  split.high = magnitude < cutFrom ? floatToBfloat16(x) : uint16_t(floatBits(x) >> 16);
  split.low = magnitude < infinity ? floatToBfloat16(x - bfloat16ToFloat(split.high)) : 0;
  return split;
}

uint16_t roundActivation(ElementKind element, float x) {
  if (element == ElementKind::BF16)
    return splitActivation(x).high;
  // From here on bits would round to infinity, or are infinite or not a number already.
  constexpr uint32_t cutFrom = 0x477FF000, infinity = 0x7F800000;
  constexpr uint16_t largest = 0x7BFF;
  uint32_t magnitude = floatBits(x) & 0x7FFFFFFF;
  if (magnitude < cutFrom || magnitude >= infinity)
    return floatToHalf(x);
  return uint16_t(largest | (std::signbit(x) ? 0x8000 : 0));
}

void splitActivations(absl::Span<const float> x, absl::Span<uint16_t> halves) {
  size_t half = size_t(splitHalfColumns(int64_t(x.size())));
  std::fill(halves.begin(), halves.end(), uint16_t(0));
  for (size_t k = 0; k < x.size(); ++k) {
    SplitActivation split = splitActivation(x[k]);
    halves[k] = split.high;
    halves[half + k] = split.low;
  }
}

void roundActivations(ElementKind element, absl::Span<const float> x,
                      absl::Span<uint16_t> rounded) {
  std::fill(rounded.begin(), rounded.end(), uint16_t(0));
  std::transform(x.begin(), x.end(), rounded.begin(),
                 [&](float value) { return roundActivation(element, value); });
}

} // namespace stc
