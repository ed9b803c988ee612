// Dense tiles: the codes of several steps share bytes, so that masks and shifts of whole vectors
// unpack them.
#include "Tile.h"

#include <cstring>

namespace stc {

namespace {

/// Steps are moved as words of eight code bytes.
using Word = uint64_t;
constexpr int64_t kWordBytes = sizeof(Word), kMostSteps = 8;

Word loadWord(const uint8_t *bytes) {
  Word word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// A word of equal bytes.
constexpr Word bytesOf(int64_t byte) { return Word(byte) * 0x0101010101010101u; }

/// The words of some codes in each of the three vectors of a block of eight steps of int3: two bits
/// of each code in the first two, the third bit in the last.
void joinSteps(const Word *steps, Word *vectors) {
  vectors[0] = vectors[1] = vectors[2] = 0;
  for (int step = 0; step < 8; ++step) {
    vectors[step / 4] |= (steps[step] & bytesOf(3)) << (step % 4 * 2);
    vectors[2] |= (steps[step] >> 2 & bytesOf(1)) << step;
  }
}

void splitSteps(const Layout &layout, const Word *vectors, Word *steps) {
  if (layout.element == ElementKind::I3) {
    for (int step = 0; step < 8; ++step)
      steps[step] = (vectors[step / 4] >> (step % 4 * 2) & bytesOf(3)) |
                    (vectors[2] >> step & bytesOf(1)) << 2;
    return;
  }
  Word width = bytesOf((1 << layout.codeBits()) - 1);
  for (int64_t step = 0; step < layout.denseSteps(); ++step)
    steps[step] = vectors[0] >> (step * layout.codeBits()) & width;
}

/// Codes of which `Steps` share a byte.
template <int Steps> void encodeShared(int64_t blocks, const uint8_t *codes, uint8_t *values) {
  constexpr int bits = 8 / Steps;
  for (int64_t block = 0; block < blocks; ++block, codes += Steps * kStepBytes)
    for (int64_t at = 0; at < kStepBytes; at += kWordBytes, values += kWordBytes) {
      Word word = 0;
      for (int step = 0; step < Steps; ++step)
        word |= loadWord(codes + step * kStepBytes + at) << (step * bits);
      std::memcpy(values, &word, sizeof(word));
    }
}

} // namespace

int64_t encodeDense(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                    uint8_t *values) {
  int64_t blockSteps = layout.denseSteps();
  int64_t blocks = geometry.steps / blockSteps, vectors = blockSteps * layout.codeBits() / 8;
  int64_t bytes = blocks * vectors * kStepBytes;
  if (layout.element != ElementKind::I3) {
    auto encode = blockSteps == 1   ? encodeShared<1>
                  : blockSteps == 2 ? encodeShared<2>
                                    : encodeShared<4>;
    encode(blocks, codes, values);
    return bytes;
  }
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t at = 0; at < kStepBytes; at += kWordBytes) {
      Word steps[kMostSteps], words[3];
      for (int64_t step = 0; step < blockSteps; ++step)
        steps[step] = loadWord(codes + (block * blockSteps + step) * kStepBytes + at);
      joinSteps(steps, words);
      for (int64_t vector = 0; vector < vectors; ++vector)
        std::memcpy(values + (block * vectors + vector) * kStepBytes + at, words + vector,
                    sizeof(Word));
    }
  return bytes;
}

void decodeDense(const Layout &layout, const TileGeometry &geometry, const uint8_t *values,
                 uint8_t *codes) {
  int64_t blockSteps = layout.denseSteps();
  int64_t blocks = geometry.steps / blockSteps, vectors = blockSteps * layout.codeBits() / 8;
  for (int64_t block = 0; block < blocks; ++block)
    for (int64_t at = 0; at < kStepBytes; at += kWordBytes) {
      Word steps[kMostSteps], words[3];
      for (int64_t vector = 0; vector < vectors; ++vector)
        words[vector] = loadWord(values + (block * vectors + vector) * kStepBytes + at);
      splitSteps(layout, words, steps);
      for (int64_t step = 0; step < blockSteps; ++step)
        std::memcpy(codes + (block * blockSteps + step) * kStepBytes + at, steps + step,
                    sizeof(Word));
    }
}

} // namespace stc
