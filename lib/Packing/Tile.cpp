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

TileEncoder::TileEncoder(const Layout &layout, const TileGeometry &geometry)
    : layout(layout), geometry(geometry), codes(size_t(kTileRows * geometry.paddedColumns)),
      masks(size_t(layout.hasMasks() ? geometry.steps : 0)) {
  // Compaction writes one byte past the last code it keeps.
  int64_t most = geometry.valuesOffset + geometry.steps * kStepBytes / layout.lanes();
  stored.resize(size_t(most + kSectionAlignment));
}

absl::StatusOr<absl::Span<const uint8_t>> TileEncoder::encode(const QuantizedMatrix &matrix,
                                                              int64_t firstRow) {
  loadCodes(matrix, firstRow);
  // The scales and masks sections, and what rounds them up.
  std::fill_n(stored.begin(), geometry.valuesOffset, uint8_t(0));
  int64_t rows = std::min(kTileRows, matrix.rows - firstRow);
  for (int64_t row = 0; row < rows; ++row) {
    const uint16_t *scales = matrix.scales.data() + (firstRow + row) * geometry.groups;
    uint8_t *out = stored.data() + geometry.scalesOffset + row * 2;
    for (int64_t group = 0; group < geometry.groups; ++group)
      std::memcpy(out + group * kTileRows * 2, scales + group, 2);
  }
  uint8_t *values = stored.data() + geometry.valuesOffset;
  int64_t bytes = 0;
  if (layout.hasMasks()) {
    STC_RETURN_IF_ERROR(fillMasks(firstRow));
    std::memcpy(stored.data() + geometry.masksOffset, masks.data(), masks.size() * 8);
    bytes = encodeSparse(values);
  } else {
    bytes = encodeDense(values);
  }
  int64_t rounded = roundUp(bytes, kSectionAlignment);
  std::fill(values + bytes, values + rounded, uint8_t(0));
  return absl::Span<const uint8_t>(stored.data(), size_t(geometry.valuesOffset + rounded));
}

void TileEncoder::loadCodes(const QuantizedMatrix &matrix, int64_t firstRow) {
  // Adding the zero point modulo the code's width is flipping its top bit.
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  uint8_t width = layout.element == ElementKind::I4 ? 0x0F : 0xFF;
  int64_t rows = std::min(kTileRows, matrix.rows - firstRow);
  for (int64_t row = 0; row < rows; ++row) {
    const int8_t *in = matrix.codes.data() + (firstRow + row) * matrix.columns;
    uint8_t *out = codes.data() + row * geometry.paddedColumns;
    for (int64_t column = 0; column < matrix.columns; ++column)
      out[column] = uint8_t((uint8_t(in[column]) & width) ^ zeroPoint);
    std::fill(out + matrix.columns, out + geometry.paddedColumns, zeroPoint);
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
        return formatError({"", absl::StrCat("row ", firstRow + row), {}},
                           absl::StrCat("at most ", layout.n, " non-zero weights in columns ",
                                        first * 4, " to ", first * 4 + layout.m - 1),
                           absl::StrCat(count));
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

int64_t TileEncoder::encodeDense(uint8_t *out) const {
  int64_t vectors = geometry.steps / layout.lanes();
  for (int64_t row = 0; row < kTileRows; ++row) {
    const uint8_t *in = codes.data() + row * geometry.paddedColumns;
    uint8_t *at = out + row * kDotColumns;
    for (int64_t vector = 0; vector < vectors; ++vector, at += kStepBytes) {
      uint32_t word = loadWord(in);
      in += kDotColumns;
      if (layout.element == ElementKind::I4) {
        word |= loadWord(in) << 4;
        in += kDotColumns;
      }
      std::memcpy(at, &word, sizeof(word));
    }
  }
  return vectors * kStepBytes;
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

int64_t TileEncoder::encodeSparse(uint8_t *out) const {
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
