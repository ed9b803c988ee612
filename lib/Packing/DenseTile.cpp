// Dense tiles: the codes of several steps share bytes, so that masks and shifts of whole vectors
// unpack them.
#include "Tile.h"

#include <cstring>

namespace stc {

namespace {

constexpr int64_t kMostSteps = 8;

/// Steps are moved as 32-bit words of four code bytes, one row's.
uint32_t loadWord(const uint8_t *bytes) {
  uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return word;
}

/// The words of one row in each vector of a block of steps. No code reaches into its neighbor.
void joinSteps(const Layout &layout, const uint32_t *steps, uint32_t *vectors) {
  if (layout.element == ElementKind::I3) {
    vectors[0] = vectors[1] = vectors[2] = 0;
    for (int step = 0; step < 8; ++step) {
      vectors[step / 4] |= (steps[step] & 0x03030303u) << (step % 4 * 2);
      vectors[2] |= (steps[step] >> 2 & 0x01010101u) << step;
    }
    return;
  }
  vectors[0] = 0;
  for (int64_t step = 0; step < layout.denseSteps(); ++step)
    vectors[0] |= steps[step] << (step * layout.codeBits());
}

void splitSteps(const Layout &layout, const uint32_t *vectors, uint32_t *steps) {
  if (layout.element == ElementKind::I3) {
    for (int step = 0; step < 8; ++step)
      steps[step] = (vectors[step / 4] >> (step % 4 * 2) & 0x03030303u) |
                    (vectors[2] >> step & 0x01010101u) << 2;
    return;
  }
  uint32_t width = uint32_t((1 << layout.codeBits()) - 1) * 0x01010101u;
  for (int64_t step = 0; step < layout.denseSteps(); ++step)
    steps[step] = vectors[0] >> (step * layout.codeBits()) & width;
}

} // namespace

int64_t encodeDense(const Layout &layout, const TileGeometry &geometry, const uint8_t *codes,
                    uint8_t *values) {
  int64_t blockSteps = layout.denseSteps();
  int64_t blocks = geometry.steps / blockSteps, vectors = blockSteps * layout.codeBits() / 8;
  for (int64_t row = 0; row < kTileRows; ++row) {
    const uint8_t *in = codes + row * geometry.paddedColumns;
    uint8_t *out = values + row * kDotColumns;
    for (int64_t block = 0; block < blocks; ++block) {
      uint32_t steps[kMostSteps], words[3];
      for (int64_t step = 0; step < blockSteps; ++step, in += kDotColumns)
        steps[step] = loadWord(in);
      joinSteps(layout, steps, words);
      for (int64_t vector = 0; vector < vectors; ++vector, out += kStepBytes)
        std::memcpy(out, words + vector, sizeof(uint32_t));
    }
  }
  return blocks * vectors * kStepBytes;
}

void decodeDense(const Layout &layout, const TileGeometry &geometry, const uint8_t *values,
                 uint8_t *codes) {
  int64_t blockSteps = layout.denseSteps();
  int64_t blocks = geometry.steps / blockSteps, vectors = blockSteps * layout.codeBits() / 8;
  for (int64_t row = 0; row < kTileRows; ++row) {
    const uint8_t *in = values + row * kDotColumns;
    uint8_t *out = codes + row * geometry.paddedColumns;
    for (int64_t block = 0; block < blocks; ++block) {
      uint32_t steps[kMostSteps], words[3];
      for (int64_t vector = 0; vector < vectors; ++vector, in += kStepBytes)
        words[vector] = loadWord(in);
      splitSteps(layout, words, steps);
      for (int64_t step = 0; step < blockSteps; ++step, out += kDotColumns)
        std::memcpy(out, steps + step, sizeof(uint32_t));
    }
  }
}

} // namespace stc
