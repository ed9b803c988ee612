// Codes of 2:4 matrices in the order of the Marlin kernel -> rows of codes.
#include "Marlin24.h"

#include "absl/strings/str_cat.h"

#include <array>
#include <cstring>

namespace stc {

namespace {

constexpr int kTile = 16; // columns of a tile, and rows of each of four
constexpr int kTileCodes = kTile * int(kMarlin24Rows); // of a tile of 64 rows

template <typename T> T load(const TensorView &tensor, int64_t index) {
  T value;
  std::memcpy(&value, tensor.bytes.data() + int64_t(sizeof(T)) * index, sizeof(T));
  return value;
}

/// Where each stored code of a tile is from: column * 16 + row within 16 rows, plus 256 for each 16
/// rows before them.
std::array<int16_t, kTileCodes> tileOrder(int bits) {
  // A thread of 32 holds eight codes for each of four neighbouring rows: two pairs of columns, of
  // its four rows and of those four rows on.
  std::array<int16_t, kTileCodes> natural;
  size_t next = 0;
  for (int thread = 0; thread < 32; ++thread)
    for (int row = 0; row < 4; ++row)
      for (int further : {0, 4})
        for (int column : {0, 1, 8, 9}) {
          int ofThread = thread / 8 * 256 + thread / 4 % 2 * 8 + row + further;
          natural[next++] = int16_t((2 * (thread % 4) + column) * kTile + ofThread);
        }
  // Words hold every other code first, so that one mask takes two of them to 16-bit halves.
  constexpr int ofFour[] = {0, 2, 4, 6, 1, 3, 5, 7}, ofEight[] = {0, 2, 1, 3};
  int perWord = 32 / bits;
  std::array<int16_t, kTileCodes> order;
  for (int i = 0; i < kTileCodes; ++i)
    order[size_t(i)] = natural[size_t(i / perWord * perWord +
                                      (bits == 4 ? ofFour[i % perWord] : ofEight[i % perWord]))];
  return order;
}

/// The element of `positions` that is for 16 columns of a row: rows are dealt out within 64, then
/// the corners of each two rows of two elements change places.
int64_t positionsIndex(int64_t row, int64_t sixteen, int64_t rows) {
  int64_t to = row / 64 * 64 + row % 4 / 2 * 32 + row % 64 / 8 * 4 + row % 2 * 2 + row % 8 / 4;
  int64_t half = sixteen % 2;
  if (to % 2 != half) {
    to += half ? 1 : -1;
    half = 1 - half;
  }
  return sixteen / 2 * 2 * rows + to * 2 + half;
}

} // namespace

absl::StatusOr<std::vector<int8_t>> readMarlin24(const TensorView &words,
                                                 const TensorView &positions, int64_t rows,
                                                 int64_t columns, int bits) {
  // The kept codes [rows][columns / 2].
  int64_t kept = columns / 2, perWord = 32 / bits, tileWords = kTileCodes / perWord;
  std::vector<int8_t> half(size_t(rows * kept));
  std::array<int16_t, kTileCodes> order = tileOrder(bits);
  int64_t tilesOfRows = rows / kMarlin24Rows;
  for (int64_t tile = 0; tile < kept / kTile * tilesOfRows; ++tile)
    for (int64_t i = 0; i < kTileCodes; ++i) {
      uint32_t word = load<uint32_t>(words, tile * tileWords + i / perWord);
      int code = int(word >> (i % perWord * bits) & ((1u << bits) - 1)) - (1 << (bits - 1));
      int from = order[size_t(i)];
      int64_t row = tile % tilesOfRows * kMarlin24Rows + from / 256 * kTile + from % kTile;
      int64_t column = tile / tilesOfRows * kTile + from % 256 / kTile;
      half[size_t(row * kept + column)] = int8_t(code);
    }
  std::vector<int8_t> codes(size_t(rows * columns));
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t four = 0; four < columns / 4; ++four) {
      int64_t index = positionsIndex(row, four / 4, rows);
      int places = load<uint16_t>(positions, index) >> (four % 4 * 4) & 15;
      int first = places & 3, second = places >> 2;
      if (first >= second)
        return formatError(
            {std::string(positions.file), absl::StrCat("tensor ", positions.name), {}},
            "two ascending places among four columns",
            absl::StrCat(first, " and ", second, " in element ", index));
      const int8_t *from = &half[size_t(row * kept + 2 * four)];
      codes[size_t(row * columns + 4 * four + first)] = from[0];
      codes[size_t(row * columns + 4 * four + second)] = from[1];
    }
  return codes;
}

} // namespace stc
