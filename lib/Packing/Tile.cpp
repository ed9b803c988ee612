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
/// Bytes of two lanes that are joined at once: what is written may end so much later.
constexpr int64_t kTogether = 16;

int64_t popcount(uint64_t bits) { return __builtin_popcountll(bits); }

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
  stored.resize(size_t(most + kSectionAlignment));
}

/// Writes the stored codes of a step.
STC_ALWAYS_INLINE uint8_t *compact(uint64_t mask, const uint8_t *codes, uint8_t *out) {
  for (; mask; mask &= mask - 1)
    *out++ = codes[__builtin_ctzll(mask)];
  return out;
}

/// Writes the stored codes of a tile, one or two lanes of them, and returns the bytes.
STC_PROCESSOR_CLONES
static int64_t encodeMasked(int64_t lanes, int64_t chunkSteps, int64_t steps, const uint64_t *masks,
                            const uint8_t *codes, uint8_t *out) {
  uint8_t *begin = out;
  if (lanes == 1) {
    for (int64_t step = 0; step < steps; ++step)
      out = compact(masks[step], codes + step * kStepBytes, out);
    return out - begin;
  }
  for (int64_t step = 0; step < steps;) {
    // Codes of both lanes, and zeros as far as the other may have more.
    uint8_t both[2][kMaxChunkCodes + kStepBytes + kTogether];
    int64_t counts[2];
    for (int lane = 0; lane < 2; ++lane) {
      uint8_t *end = both[lane];
      for (int64_t i = 0; i < chunkSteps; ++i, ++step)
        end = compact(masks[step], codes + step * kStepBytes, end);
      counts[lane] = end - both[lane];
      std::memset(end, 0, size_t(kStepBytes + kTogether));
    }
    int64_t count = std::max(counts[0], counts[1]);
    for (int64_t first = 0; first < count; first += kTogether)
      for (int64_t i = first; i < first + kTogether; ++i)
        out[i] = uint8_t(both[0][i] | both[1][i] << 4);
    out += count;
  }
  return out - begin;
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
    for (int64_t step = 0; step < geometry.steps; ++step)
      masks[size_t(step)] =
          differing<kStepBytes>(codes.data() + step * kStepBytes, uint8_t(layout.zeroPoint()));
    if (layout.kind == LayoutKind::NM)
      STC_RETURN_IF_ERROR(fillMasks(layout, firstRow, absl::MakeSpan(masks)));
    std::memcpy(stored.data() + geometry.masksOffset, masks.data(), masks.size() * 8);
    end = geometry.valuesOffset + encodeMasked(layout.lanes(), layout.chunkSteps(), geometry.steps,
                                               masks.data(), codes.data(), values);
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
      if (layout.minimums)
        std::memcpy(stored.data() + geometry.minimumsOffset + at * 2,
                    matrix.minimums.data() + first + group, 2);
      if (zeros)
        zeros[at] = uint8_t(matrix.zeros[first + size_t(group)] + zeroPoint);
    }
  }
}

void TileEncoder::loadCodes(const QuantizedMatrix &matrix, int64_t firstRow) {
  // Adding the zero point modulo the code's width is flipping its top bit.
  uint8_t zeroPoint = uint8_t(layout.zeroPoint());
  uint8_t width = uint8_t((1 << layout.codeBits()) - 1);
  const uint32_t flips = zeroPoint * 0x01010101u, widths = width * 0x01010101u;
  // In variables of their own, which no store to codes can change.
  const int64_t rows = std::min(kTileRows, matrix.rows - firstRow), columns = matrix.columns;
  const int64_t whole = columns / kDotColumns, paddedColumns = geometry.paddedColumns;
  const int8_t *from = matrix.codes.data() + firstRow * columns;
  uint8_t *to = codes.data();
  // Few steps of all rows at a time: what is written stays in the first cache, and what is read
  // is whole lines of it.
  constexpr int64_t together = 16;
  for (int64_t first = 0; first < whole; first += together)
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t step = first; step < std::min(first + together, whole); ++step) {
        uint32_t word;
        std::memcpy(&word, from + row * columns + step * kDotColumns, sizeof(word));
        word = (word & widths) ^ flips;
        std::memcpy(to + step * kStepBytes + row * kDotColumns, &word, sizeof(word));
      }
  for (int64_t row = 0; row < rows; ++row) {
    // Padding is shorter than a group, so it has the zero of the last one.
    uint8_t zero = uint8_t(matrix.zeroOf(firstRow + row, geometry.scaleGroups - 1) + zeroPoint);
    for (int64_t column = whole * kDotColumns; column < paddedColumns; ++column)
      to[codeIndex(row, column)] =
          column < columns ? uint8_t((uint8_t(from[row * columns + column]) & width) ^ zeroPoint)
                           : zero;
  }
  for (int64_t step = 0; step < geometry.steps && rows < kTileRows; ++step)
    std::fill(to + step * kStepBytes + rows * kDotColumns, to + (step + 1) * kStepBytes, zeroPoint);
}

/// Bit counts of the 16 numbers of 4 bits in `mask`: those of even rows in the bytes of the first
/// word, those of odd ones in the second.
static void addCounts(uint64_t mask, uint64_t counts[2]) {
  uint64_t pairs = mask - (mask >> 1 & 0x5555555555555555u);
  uint64_t fours = (pairs & 0x3333333333333333u) + (pairs >> 2 & 0x3333333333333333u);
  counts[0] += fours & 0x0F0F0F0F0F0F0F0Fu;
  counts[1] += fours >> 4 & 0x0F0F0F0F0F0F0F0Fu;
}

absl::Status fillMasks(const Layout &layout, int64_t firstRow, absl::Span<uint64_t> masks) {
  int64_t chunkSteps = layout.chunkSteps();
  uint32_t all = (1u << layout.m) - 1;
  for (size_t first = 0; first < masks.size(); first += size_t(chunkSteps)) {
    uint64_t *chunk = masks.data() + first;
    uint64_t counts[2] = {0, 0}, full = uint64_t(layout.n) * 0x0101010101010101u;
    for (int64_t i = 0; i < chunkSteps; ++i)
      addCounts(chunk[i], counts);
    // Rows that have not N already, one byte each.
    uint64_t others[2] = {counts[0] ^ full, counts[1] ^ full};
    for (int64_t row = 0; (others[0] | others[1]) && row < kTileRows; ++row) {
      if (!(others[row % 2] >> (row / 2 * 8) & 0xFF))
        continue;
      uint32_t kept = 0;
      for (int64_t i = 0; i < chunkSteps; ++i)
        kept |= uint32_t(chunk[i] >> (row * 4) & 15) << (i * 4);
      int64_t count = popcount(kept);
      if (count > layout.n)
        return tooManyError(layout, firstRow + row, int64_t(first) * kDotColumns, count);
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

} // namespace stc
