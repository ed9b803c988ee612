// Unpacking of matrices, with every stored byte checked.
#include "Tile.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace stc {

namespace {

/// Spreads stored codes over the weights of one step whose mask bits are set.
const uint8_t *expand(uint64_t mask, const uint8_t *values, int shift, uint8_t width,
                      uint8_t *codes) {
  for (; mask; mask &= mask - 1)
    codes[__builtin_ctzll(mask)] = uint8_t(*values++ >> shift) & width;
  return values;
}

/// Expands the values of a tile whose size was already compared with the masks.
void decodeMasked(const Layout &layout, const TileGeometry &geometry, const uint8_t *values,
                  absl::Span<const uint64_t> masks, uint8_t *codes) {
  int64_t chunkSteps = layout.chunkSteps();
  for (int64_t step = 0; step < geometry.steps;) {
    if (layout.lanes() == 1) {
      values = expand(masks[size_t(step)], values, 0, 0xFF, codes + step * kStepBytes);
      ++step;
      continue;
    }
    const uint8_t *ends[2] = {values, values};
    for (int lane = 0; lane < 2; ++lane)
      for (int64_t i = 0; i < chunkSteps; ++i, ++step)
        ends[lane] =
            expand(masks[size_t(step)], ends[lane], lane * 4, 0x0F, codes + step * kStepBytes);
    values = std::max(ends[0], ends[1]);
  }
}

/// Finds the first byte that packing would have written otherwise.
absl::Status compareTile(const Layout &layout, absl::Span<const uint8_t> stored,
                         absl::Span<const uint8_t> expected, int64_t offset) {
  size_t size = std::min(stored.size(), expected.size());
  size_t at = size_t(std::mismatch(stored.begin(), stored.begin() + size, expected.begin()).first -
                     stored.begin());
  if (at < size)
    return packedError(layout, offset + int64_t(at),
                       absl::StrCat("the byte packing writes, 0x", absl::Hex(expected[at])),
                       absl::StrCat("0x", absl::Hex(stored[at])));
  if (stored.size() != expected.size())
    return packedError(layout, offset, absl::StrCat("a tile of ", expected.size(), " bytes"),
                       absl::StrCat(stored.size()));
  return absl::OkStatus();
}

absl::Status checkSlack(const Layout &layout, absl::Span<const uint8_t> bytes, int64_t begin) {
  for (int64_t at = begin; at < int64_t(bytes.size()); ++at)
    if (bytes[size_t(at)] != 0)
      return packedError(layout, at, "zero padding",
                         absl::StrCat("0x", absl::Hex(bytes[size_t(at)])));
  return absl::OkStatus();
}

absl::Status checkSize(const Layout &layout, int64_t expected, size_t got) {
  if (int64_t(got) == expected)
    return absl::OkStatus();
  return formatError({"", absl::StrCat("packed ", layout.str()), {}},
                     absl::StrCat(expected, " bytes"), absl::StrCat(got));
}

/// Checks the table of a Bitmap or a Block and returns the tiles' offsets in bytes, the end of the
/// last included.
absl::StatusOr<std::vector<int64_t>> readTable(const Layout &layout, const TileGeometry &geometry,
                                               absl::Span<const uint8_t> bytes) {
  int64_t size = int64_t(bytes.size());
  int64_t smallest = geometry.tableBytes + geometry.rowTiles * geometry.valuesOffset + kTailSlack;
  if (size < smallest)
    return formatError({"", absl::StrCat("packed ", layout.str()), {}},
                       absl::StrCat("at least ", smallest, " bytes"), absl::StrCat(size));
  std::vector<int64_t> offsets;
  offsets.reserve(size_t(geometry.rowTiles) + 1);
  int64_t lowest = geometry.tableBytes;
  for (int64_t tile = 0; tile <= geometry.rowTiles; ++tile) {
    uint32_t entry;
    std::memcpy(&entry, bytes.data() + tile * 4, sizeof(entry));
    int64_t offset = int64_t(entry) * kSectionAlignment;
    bool exact = tile == 0 || tile == geometry.rowTiles;
    int64_t expected = tile == 0 ? lowest : size - kTailSlack;
    if (exact ? offset != expected : offset < lowest || offset > size - kTailSlack)
      return packedError(layout, tile * 4,
                         exact ? absl::StrCat("tile offset 0x", absl::Hex(expected))
                               : absl::StrCat("a tile offset from 0x", absl::Hex(lowest), " to 0x",
                                              absl::Hex(size - kTailSlack)),
                         absl::StrCat("0x", absl::Hex(offset)));
    offsets.push_back(offset);
    lowest = offset + geometry.valuesOffset;
  }
  STC_RETURN_IF_ERROR(
      checkSlack(layout, bytes.first(size_t(geometry.tableBytes)), (geometry.rowTiles + 1) * 4));
  return offsets;
}

/// Where each tile starts, the end of the last included.
absl::StatusOr<std::vector<int64_t>> tileOffsets(const Layout &layout, const TileGeometry &geometry,
                                                 int64_t rows, int64_t columns,
                                                 absl::Span<const uint8_t> bytes) {
  if (layout.hasTable())
    return readTable(layout, geometry, bytes);
  STC_ASSIGN_OR_RETURN(int64_t exact, packedBytes(layout, rows, columns));
  STC_RETURN_IF_ERROR(checkSize(layout, exact, bytes.size()));
  std::vector<int64_t> offsets;
  for (int64_t tile = 0; tile <= geometry.rowTiles; ++tile)
    offsets.push_back(tile * geometry.tileBytes);
  return offsets;
}

absl::StatusOr<std::vector<float>> unpackSparseFloats(const Layout &layout, int64_t rows,
                                                      int64_t columns,
                                                      absl::Span<const uint8_t> bytes) {
  STC_RETURN_IF_ERROR(verifyPackedShape(layout, rows, columns));
  TileGeometry geometry = tileGeometry(layout, rows, columns);
  STC_ASSIGN_OR_RETURN(auto offsets, tileOffsets(layout, geometry, rows, columns, bytes));
  std::vector<float> values(size_t(rows * columns), 0.0f);
  FloatTileEncoder encoder(layout, geometry);
  for (int64_t tile = 0; tile < geometry.rowTiles; ++tile) {
    int64_t offset = offsets[size_t(tile)], firstRow = tile * kTileRows;
    auto stored = bytes.subspan(size_t(offset), size_t(offsets[size_t(tile) + 1] - offset));
    STC_RETURN_IF_ERROR(decodeFloatTile(layout, geometry, stored, offset, firstRow, columns,
                                        absl::MakeSpan(values)));
    int64_t count = std::min(kTileRows, rows - firstRow) * columns;
    STC_RETURN_IF_ERROR(
        checkFinite(absl::MakeConstSpan(values).subspan(size_t(firstRow * columns), size_t(count)),
                    absl::StrCat("packed ", layout.str())));
    auto encoded = encoder.encode(values, rows, columns, firstRow);
    if (!encoded.ok())
      return packedError(layout, offset + geometry.masksOffset, "weights that can be stored",
                         encoded.status().message());
    STC_RETURN_IF_ERROR(compareTile(layout, stored, *encoded, offset));
  }
  STC_RETURN_IF_ERROR(checkSlack(layout, bytes, offsets.back()));
  return values;
}

absl::StatusOr<std::vector<float>> unpackFloats(const Layout &layout, int64_t rows, int64_t columns,
                                                absl::Span<const uint8_t> bytes) {
  STC_ASSIGN_OR_RETURN(int64_t expected, packedBytes(layout, rows, columns));
  STC_RETURN_IF_ERROR(checkSize(layout, expected, bytes.size()));
  TileGeometry geometry = tileGeometry(layout, rows, columns);
  int64_t size = layout.floatBytes();
  auto load = [&](int64_t offset) {
    uint32_t bits = 0;
    std::memcpy(&bits, bytes.data() + offset, size_t(size));
    return elementFloat(layout.element, bits);
  };
  std::vector<float> values(size_t(rows * columns));
  if (layout.kind == LayoutKind::Rows) {
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = load(int64_t(i) * size);
    STC_RETURN_IF_ERROR(checkSlack(layout, bytes, rows * columns * size));
  } else {
    for (int64_t row = 0; row < geometry.rowTiles * kTileRows; ++row) {
      int64_t base = row / kTileRows * geometry.tileBytes + row % kTileRows * size;
      for (int64_t column = 0; column < columns; ++column) {
        int64_t at = base + column * kTileRows * size;
        if (row < rows)
          values[size_t(row * columns + column)] = load(at);
        else
          STC_RETURN_IF_ERROR(checkSlack(layout, bytes.first(size_t(at + size)), at));
      }
    }
    int64_t used = columns * kTileRows * size;
    for (int64_t tile = 0; tile < geometry.rowTiles; ++tile)
      STC_RETURN_IF_ERROR(checkSlack(layout, bytes.first(size_t((tile + 1) * geometry.tileBytes)),
                                     tile * geometry.tileBytes + used));
    STC_RETURN_IF_ERROR(checkSlack(layout, bytes, geometry.rowTiles * geometry.tileBytes));
  }
  STC_RETURN_IF_ERROR(checkFinite(values, absl::StrCat("packed ", layout.str())));
  return values;
}

} // namespace

absl::Status packedError(const Layout &layout, int64_t offset, absl::string_view expected,
                         absl::string_view got) {
  return formatError({"", absl::StrCat("packed ", layout.str()), uint64_t(offset)}, expected, got);
}

std::vector<uint64_t> loadMasks(const TileGeometry &geometry, absl::Span<const uint8_t> tile) {
  std::vector<uint64_t> masks(size_t(geometry.steps));
  std::memcpy(masks.data(), tile.data() + geometry.masksOffset, masks.size() * 8);
  return masks;
}

/// Reads the scales, and the zeros or minimums that the layout has, of the rows that exist.
static absl::Status decodeScales(const Layout &layout, const TileGeometry &geometry,
                                 absl::Span<const uint8_t> bytes, int64_t offset, int64_t firstRow,
                                 QuantizedMatrix &matrix) {
  int64_t rows = std::min(kTileRows, matrix.rows - firstRow), zeroPoint = layout.zeroPoint();
  for (int64_t group = 0; group < geometry.scaleGroups; ++group)
    for (int64_t row = 0; row < rows; ++row) {
      size_t to = size_t((firstRow + row) * geometry.scaleGroups + group);
      auto readHalf = [&](int64_t section, absl::string_view expected, uint16_t &half) {
        int64_t at = section + (group * kTileRows + row) * 2;
        std::memcpy(&half, bytes.data() + at, sizeof(half));
        return (half & 0x7C00) == 0x7C00
                   ? packedError(layout, offset + at, expected, "NaN or infinity")
                   : absl::OkStatus();
      };
      STC_RETURN_IF_ERROR(readHalf(geometry.scalesOffset, "a finite scale", matrix.scales[to]));
      if (layout.minimums)
        STC_RETURN_IF_ERROR(
            readHalf(geometry.minimumsOffset, "a finite minimum", matrix.minimums[to]));
      if (!layout.asymmetric)
        continue;
      int64_t at = geometry.zerosOffset + group * kTileRows + row;
      int zero = bytes[size_t(at)];
      if (zero >= 2 * zeroPoint)
        return packedError(layout, offset + at,
                           absl::StrCat("a zero from 0 to ", 2 * zeroPoint - 1),
                           absl::StrCat(zero));
      matrix.zeros[to] = int8_t(zero - zeroPoint);
    }
  return absl::OkStatus();
}

/// Reads masks, and the codes they place.
static absl::Status decodeMaskedTile(const Layout &layout, const TileGeometry &geometry,
                                     absl::Span<const uint8_t> bytes, int64_t offset,
                                     uint8_t *codes) {
  std::vector<uint64_t> masks = loadMasks(geometry, bytes);
  int64_t needed = geometry.valuesOffset + roundUp(valueBytes(layout, masks), kSectionAlignment);
  if (needed != int64_t(bytes.size()))
    return packedError(layout, offset + geometry.masksOffset,
                       absl::StrCat("masks of a tile of ", bytes.size(), " bytes"),
                       absl::StrCat("masks of ", needed, " bytes"));
  decodeMasked(layout, geometry, bytes.data() + geometry.valuesOffset, masks, codes);
  return absl::OkStatus();
}

absl::Status decodeTile(const Layout &layout, const TileGeometry &geometry,
                        absl::Span<const uint8_t> bytes, int64_t offset, int64_t firstRow,
                        QuantizedMatrix &matrix) {
  STC_RETURN_IF_ERROR(decodeScales(layout, geometry, bytes, offset, firstRow, matrix));
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  std::vector<uint8_t> codes(size_t(kTileRows * geometry.paddedColumns), zeroPoint);
  const uint8_t *values = bytes.data() + geometry.valuesOffset;
  switch (layout.kind) {
  case LayoutKind::Rows:
    break;
  case LayoutKind::Dense:
    decodeDense(layout, geometry, values, codes.data());
    break;
  case LayoutKind::Bitmap:
  case LayoutKind::NM:
    STC_RETURN_IF_ERROR(decodeMaskedTile(layout, geometry, bytes, offset, codes.data()));
    break;
  case LayoutKind::Pairs:
    STC_RETURN_IF_ERROR(
        decodePairs(layout, geometry, values, offset + geometry.valuesOffset, codes.data()));
    break;
  case LayoutKind::Block:
    STC_RETURN_IF_ERROR(decodeBlocks(layout, geometry, bytes, offset, codes.data()));
    break;
  }
  int64_t rows = std::min(kTileRows, matrix.rows - firstRow);
  for (int64_t row = 0; row < rows; ++row) {
    int8_t *out = matrix.codes.data() + (firstRow + row) * matrix.columns;
    for (int64_t column = 0; column < matrix.columns; ++column)
      out[column] = int8_t(uint8_t(codes[size_t(codeIndex(row, column))] - zeroPoint));
  }
  return absl::OkStatus();
}

absl::StatusOr<QuantizedMatrix> unpackQuantized(const Layout &layout, int64_t rows, int64_t columns,
                                                absl::Span<const uint8_t> bytes) {
  STC_RETURN_IF_ERROR(verifyLayout(layout));
  if (!layout.isQuantized())
    return formatError({"", "layout", {}}, "a quantized layout", layout.str());
  STC_RETURN_IF_ERROR(verifyPackedShape(layout, rows, columns));
  TileGeometry geometry = tileGeometry(layout, rows, columns);
  STC_ASSIGN_OR_RETURN(auto offsets, tileOffsets(layout, geometry, rows, columns, bytes));
  QuantizedMatrix matrix;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.group = layout.scaleColumns(columns);
  matrix.codes.resize(size_t(rows * columns));
  matrix.scales.resize(size_t(rows * geometry.scaleGroups));
  if (layout.asymmetric)
    matrix.zeros.resize(matrix.scales.size());
  if (layout.minimums) {
    matrix.minimums.resize(matrix.scales.size());
    matrix.commonZero = int8_t(-layout.zeroPoint());
  }
  TileEncoder encoder(layout, geometry);
  for (int64_t tile = 0; tile < geometry.rowTiles; ++tile) {
    int64_t offset = offsets[size_t(tile)];
    auto stored = bytes.subspan(size_t(offset), size_t(offsets[size_t(tile) + 1] - offset));
    STC_RETURN_IF_ERROR(decodeTile(layout, geometry, stored, offset, tile * kTileRows, matrix));
    auto encoded = encoder.encode(matrix, tile * kTileRows);
    if (!encoded.ok())
      return packedError(layout, offset + geometry.masksOffset, "codes that can be stored",
                         encoded.status().message());
    STC_RETURN_IF_ERROR(compareTile(layout, stored, *encoded, offset));
  }
  STC_RETURN_IF_ERROR(checkSlack(layout, bytes, offsets.back()));
  return matrix;
}

absl::StatusOr<std::vector<float>> unpack(const Layout &layout, int64_t rows, int64_t columns,
                                          absl::Span<const uint8_t> bytes) {
  STC_RETURN_IF_ERROR(verifyLayout(layout));
  if (!layout.isQuantized())
    return layout.hasMasks() ? unpackSparseFloats(layout, rows, columns, bytes)
                             : unpackFloats(layout, rows, columns, bytes);
  STC_ASSIGN_OR_RETURN(QuantizedMatrix matrix, unpackQuantized(layout, rows, columns, bytes));
  return dequantize(matrix);
}

} // namespace stc
