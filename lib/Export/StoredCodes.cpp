// Codes in the bytes that other formats give them.
#include "stc/Export/StoredCodes.h"

#include <algorithm>

namespace stc {

namespace {

constexpr int64_t kBlock = 32; // elements of a GGML block

/// Appends bytes of an f16 number.
void appendHalf(uint16_t half, std::vector<uint8_t> &bytes) {
  bytes.push_back(uint8_t(half));
  bytes.push_back(uint8_t(half >> 8));
}

/// Calls encode(codes of a block) after each block's scale and, if there are any, its minimum.
template <typename Encode>
std::vector<uint8_t> encodeBlocks(const QuantizedMatrix &matrix, int64_t blockBytes,
                                  Encode encode) {
  std::vector<uint8_t> bytes;
  bytes.reserve(size_t(matrix.rows * matrix.groups() * blockBytes));
  for (size_t block = 0; block < matrix.scales.size(); ++block) {
    appendHalf(matrix.scales[block], bytes);
    if (!matrix.minimums.empty())
      appendHalf(matrix.minimums[block] ^ 0x8000, bytes);
    encode(matrix.codes.data() + block * kBlock, bytes);
  }
  return bytes;
}

} // namespace

std::vector<uint32_t> packWords(absl::Span<const int8_t> codes, int64_t rows, int64_t columns,
                                int bits) {
  int64_t words = (columns * bits + 31) / 32;
  std::vector<uint32_t> packed(size_t(rows * words));
  int offset = 1 << (bits - 1);
  for (int64_t row = 0; row < rows; ++row) {
    uint32_t *out = packed.data() + row * words;
    for (int64_t column = 0; column < columns; ++column) {
      uint64_t code = uint64_t(codes[size_t(row * columns + column)] + offset);
      int64_t bit = column * bits, shift = bit % 32;
      out[bit / 32] |= uint32_t(code << shift);
      if (shift + bits > 32)
        out[bit / 32 + 1] |= uint32_t(code >> (32 - shift));
    }
  }
  return packed;
}

std::vector<uint32_t> packWordsByColumn(absl::Span<const int8_t> codes, int64_t rows,
                                        int64_t columns, int bits) {
  auto transpose = [](auto from, int64_t height, int64_t width) {
    auto to = from;
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < width; ++j)
        to[size_t(j * height + i)] = from[size_t(i * width + j)];
    return to;
  };
  std::vector<int8_t> turned =
      transpose(std::vector<int8_t>(codes.begin(), codes.end()), rows, columns);
  return transpose(packWords(turned, columns, rows, bits), columns, (rows * bits + 31) / 32);
}

/// 16 bytes of the low halves of codes plus `offset`.
static void appendNibbles(const int8_t *codes, int offset, std::vector<uint8_t> &bytes) {
  for (int j = 0; j < kBlock / 2; ++j)
    bytes.push_back(
        uint8_t(((codes[j] + offset) & 15) | ((codes[j + kBlock / 2] + offset) & 15) << 4));
}

std::vector<uint8_t> encodeQ4_0(const QuantizedMatrix &matrix) {
  return encodeBlocks(matrix, 18, [](const int8_t *codes, std::vector<uint8_t> &bytes) {
    appendNibbles(codes, 8, bytes);
  });
}

std::vector<uint8_t> encodeQ4_1(const QuantizedMatrix &matrix) {
  return encodeBlocks(matrix, 20, [](const int8_t *codes, std::vector<uint8_t> &bytes) {
    appendNibbles(codes, 8, bytes);
  });
}

std::vector<uint8_t> encodeQ5_1(const QuantizedMatrix &matrix) {
  return encodeBlocks(matrix, 24, [](const int8_t *codes, std::vector<uint8_t> &bytes) {
    for (int first = 0; first < kBlock; first += 8) {
      int fifths = 0;
      for (int j = 0; j < 8; ++j)
        fifths |= (codes[first + j] + 128) >> 4 << j;
      bytes.push_back(uint8_t(fifths));
    }
    appendNibbles(codes, 128, bytes);
  });
}

std::vector<uint8_t> encodeQ8_0(const QuantizedMatrix &matrix) {
  return encodeBlocks(matrix, 34, [](const int8_t *codes, std::vector<uint8_t> &bytes) {
    bytes.insert(bytes.end(), codes, codes + kBlock);
  });
}

} // namespace stc
