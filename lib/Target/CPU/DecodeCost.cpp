// How long a processor takes for one token, by layout.
#include "stc/Target/CPU/DecodeCost.h"

namespace stc::cpu {

double decodeEfficiency(const Layout &layout) {
  switch (layout.kind) {
  case LayoutKind::Rows:
    return 0.87;
  case LayoutKind::Dense:
    if (layout.element == ElementKind::I8)
      return 0.87;
    if (layout.element == ElementKind::I4)
      return layout.group <= 32 ? 0.89 : 0.90;
    return 0.90; // int3 and int2 in groups of 128; floats read as much and compute less
  case LayoutKind::Bitmap:
    return 0.82; // 50 % kept: 0.86, 30 %: 0.78
  case LayoutKind::NM:
    return 0.84;
  case LayoutKind::Pairs:
    return 0.81;
  case LayoutKind::Block:
    return 0.74; // kernels alone, of which a quarter of the bytes is left
  }
  return 0.8;
}

double decodeSeconds(const Layout &layout, int64_t bytes, double bandwidth) {
  // What is left of a token of blocks when bytes are subtracted (1.2 ms for 154 matrices).
  constexpr double kSecondsPerMatrix = 8e-6;
  return double(bytes) / (bandwidth * decodeEfficiency(layout)) + kSecondsPerMatrix;
}

} // namespace stc::cpu
