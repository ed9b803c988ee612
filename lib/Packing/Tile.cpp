// Encoding of one quantized tile.
#include "Tile.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstring>

namespace stc {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "stored bytes are little endian");

namespace {

/// Most codes of a chunk: 16 rows of 16 columns.
constexpr int64_t kMaxChunkCodes = kTileRows * 16;

int64_t popcount(uint64_t bits) { return __builtin_popcountll(bits); }

/// Steps are moved as 32-bit words of four code bytes.
uint32_t loadWord(const uint8_t *bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

} // namespace

int64_t valueBytes(const Layout &layout, absl::Span<const uint64_t> masks) {
  int64_t bytes = 0;
  if (layout.lanes() == 1) {
    for (uint64_t mask : masks)
      bytes += popcount(mask);
    return bytes;
  }
  int64_t chunkSteps = layout.chunkSteps();
  for (size_t at = 0; at < masks.size();) {
    int64_t counts[2] = {0, 0};
    for (int64_t &count : counts)
      for (int64_t i = 0; i < chunkSteps; ++i)
        count += popcount(masks[at++]);
    bytes += std::max(counts[0], counts[1]);
  }
  return bytes;
}

absl::Status tooManyError(const Layout &layout, int64_t row, int64_t column, int64_t count) {
  return formatError({"", absl::StrCat("row ", row), {}},
                     absl::StrCat("at most ", layout.n, " non-zero weights in columns ", column,
                                  " to ", column + layout.m - 1),
                     absl::StrCat(count));
}

TileEncoder::TileEncoder(const Layout &layout, const TileGeometry &geometry)
    : layout(layout), geometry(geometry), codes(size_t(kTileRows * geometry.paddedColumns)),
      masks(size_t(layout.hasMasks() ? geometry.steps : 0)) {
  int64_t most = geometry.tileBytes;
  if (layout.hasMasks())
    most = geometry.valuesOffset + geometry.steps * kStepBytes / layout.lanes();
  else if (layout.kind == LayoutKind::Block)
    most = blockValuesOffset(geometry, geometry.steps) + geometry.steps * blockStepBytes(layout);
  // Compaction writes one byte past the last code it keeps.
  stored.resize(size_t(most + kSectionAlignment));
}

absl::StatusOr<absl::Span<const uint8_t>> TileEncoder::encode(const QuantizedMatrix &matrix,
                                                              int64_t firstRow) {
  loadCodes(matrix, firstRow);
  // The sections before the values, and what rounds them up.
  std::fill_n(stored.begin(), geometry.valuesOffset, uint8_t(0));
  storeScales(matrix, firstRow);
  uint8_t *values = stored.data() + geometry.valuesOffset;
  int64_t end = geometry.tileBytes;
  switch (layout.kind) {
  case LayoutKind::Rows:
    break;
  case LayoutKind::Dense:
    end = geometry.valuesOffset + encodeDense(layout, geometry, codes.data(), values);
    break;
  case LayoutKind::Bitmap:
  case LayoutKind::NM:
    STC_RETURN_IF_ERROR(fillMasks(firstRow));
    std::memcpy(stored.data() + geometry.masksOffset, masks.data(), masks.size() * 8);
    end = geometry.valuesOffset + encodeMasked(values);
    break;
  case LayoutKind::Pairs:
    STC_RETURN_IF_ERROR(encodePairs(layout, geometry, codes.data(), firstRow, values));
    break;
  case LayoutKind::Block:
    end = encodeBlocks(layout, geometry, codes.data(), stored.data());
    break;
  }
  int64_t rounded = roundUp(end, kSectionAlignment);
  std::fill(stored.begin() + end, stored.begin() + rounded, uint8_t(0));
  return absl::Span<const uint8_t>(stored.data(), size_t(rounded));
}

void TileEncoder::storeScales(const QuantizedMatrix &matrix, int64_t firstRow) {
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  uint8_t *zeros = layout.asymmetric ? stored.data() + geometry.zerosOffset : nullptr;
  if (zeros)
    std::fill_n(zeros, geometry.scaleGroups * kTileRows, zeroPoint);
  int64_t rows = std::min(kTileRows, matrix.rows - firstRow);
  for (int64_t row = 0; row < rows; ++row) {
    size_t first = size_t((firstRow + row) * geometry.scaleGroups);
    for (int64_t group = 0; group < geometry.scaleGroups; ++group) {
      int64_t at = group * kTileRows + row;
      std::memcpy(stored.data() + geometry.scalesOffset + at * 2,
                  matrix.scales.data() + first + group, 2);
      if (zeros)
        zeros[at] = uint8_t(matrix.zeros[first + size_t(group)] + zeroPoint);
    }
  }
}

void TileEncoder::loadCodes(const QuantizedMatrix &matrix, int64_t firstRow) {
  // Adding the zero point modulo the code's width is flipping its top bit.
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  uint8_t width = uint8_t((1 << layout.codeBits()) - 1);
  int64_t rows = std::min(kTileRows, matrix.rows - firstRow);
  for (int64_t row = 0; row < rows; ++row) {
    const int8_t *in = matrix.codes.data() + (firstRow + row) * matrix.columns;
    uint8_t *out = codes.data() + row * geometry.paddedColumns;
    for (int64_t column = 0; column < matrix.columns; ++column)
      out[column] = uint8_t((uint8_t(in[column]) & width) ^ zeroPoint);
    // Padding is shorter than a group, so it has the zero of the last one.
    uint8_t zero = uint8_t(matrix.zeroOf(firstRow + row, geometry.scaleGroups - 1) + zeroPoint);
    std::fill(out + matrix.columns, out + geometry.paddedColumns, zero);
  }
  std::fill(codes.begin() + rows * geometry.paddedColumns, codes.end(), zeroPoint);
}

uint64_t TileEncoder::nonZeroMask(int64_t step) const {
  uint64_t mask = 0;
  uint32_t zeros = uint32_t(layout.zeroPoint()) * 0x01010101u;
  const uint8_t *at = codes.data() + step * kDotColumns;
  for (int64_t row = 0; row < kTileRows; ++row, at += geometry.paddedColumns) {
    uint32_t word = loadWord(at) ^ zeros;
    // The top bit of each byte says whether the byte is non-zero; the product gathers the four.
    uint32_t bits = (((word & 0x7F7F7F7Fu) + 0x7F7F7F7Fu) | word) & 0x80808080u;
    mask |= uint64_t((bits >> 7) * 0x10204080u >> 28) << (row * kDotColumns);
  }
  return mask;
}

absl::Status TileEncoder::fillMasks(int64_t firstRow) {
  for (int64_t step = 0; step < geometry.steps; ++step)
    masks[size_t(step)] = nonZeroMask(step);
  if (layout.kind != LayoutKind::NM)
    return absl::OkStatus();
  int64_t chunkSteps = layout.chunkSteps();
  uint32_t all = (1u << layout.m) - 1;
  for (int64_t first = 0; first < geometry.steps; first += chunkSteps) {
    uint64_t *chunk = masks.data() + first;
    for (int64_t row = 0; row < kTileRows; ++row) {
      uint32_t kept = 0;
      for (int64_t i = 0; i < chunkSteps; ++i)
        kept |= uint32_t(chunk[i] >> (row * 4) & 15) << (i * 4);
      int64_t count = popcount(kept);
      if (count > layout.n)
        return tooManyError(layout, firstRow + row, first * kDotColumns, count);
      for (; count < layout.n; ++count) {
        uint32_t unused = ~kept & all;
        kept |= unused & (0 - unused);
      }
      for (int64_t i = 0; i < chunkSteps; ++i)
        chunk[i] |= uint64_t(kept >> (i * 4) & 15) << (row * 4);
    }
  }
  return absl::OkStatus();
}

/// Writes the stored codes of a step, and then one byte without meaning: no branch depends on data.
uint8_t *TileEncoder::compact(int64_t step, uint8_t *out) const {
  uint64_t mask = masks[size_t(step)];
  const uint8_t *in = codes.data() + step * kDotColumns;
  for (int64_t row = 0; row < kTileRows; ++row, in += geometry.paddedColumns)
    for (int64_t j = 0; j < kDotColumns; ++j, mask >>= 1) {
      *out = in[j];
      out += mask & 1;
    }
  return out;
}

int64_t TileEncoder::encodeMasked(uint8_t *out) const {
  uint8_t *begin = out;
  if (layout.lanes() == 1) {
    for (int64_t step = 0; step < geometry.steps; ++step)
      out = compact(step, out);
    return out - begin;
  }
  int64_t chunkSteps = layout.chunkSteps();
  for (int64_t step = 0; step < geometry.steps;) {
    uint8_t lanes[2][kMaxChunkCodes + 1];
    int64_t counts[2];
    for (int lane = 0; lane < 2; ++lane) {
      uint8_t *end = lanes[lane];
      for (int64_t i = 0; i < chunkSteps; ++i)
        end = compact(step++, end);
      counts[lane] = end - lanes[lane];
    }
    int64_t both = std::min(counts[0], counts[1]), longer = std::max(counts[0], counts[1]);
    for (int64_t i = 0; i < both; ++i)
      out[i] = uint8_t(lanes[0][i] | lanes[1][i] << 4);
    for (int64_t i = both; i < counts[0]; ++i)
      out[i] = lanes[0][i];
    for (int64_t i = both; i < counts[1]; ++i)
      out[i] = uint8_t(lanes[1][i] << 4);
    out += longer;
  }
  return out - begin;
}

} // namespace stc
