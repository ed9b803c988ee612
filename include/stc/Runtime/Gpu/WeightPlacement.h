// Which weights lie in a device's memory, and which in this machine's, where not all fit.
#ifndef STC_RUNTIME_GPU_WEIGHTPLACEMENT_H
#define STC_RUNTIME_GPU_WEIGHTPLACEMENT_H

#include "stc/Packing/Bundle.h"
#include "stc/Runtime/Gpu/GpuDevice.h"

namespace stc {

struct WeightPlacement {
  struct Range {
    uint64_t begin, end; // within the weights section
    GpuPlace place;
    uint64_t bytes() const { return end - begin; }
  };
  /// In order and without gaps; neighbours lie in different places.
  std::vector<Range> ranges;
  uint64_t hostBytes = 0; // of this machine's memory
  /// What a decoded token reads, on the mean: in all, and of it from this machine's memory.
  double bytesPerToken = 0, hostBytesPerToken = 0;

  /// Of a section of `bytes` that the device has room for.
  static WeightPlacement whole(uint64_t bytes);
};

/// Gives pages of `pageBytes` to the device, at most `deviceBytes` in all: first those of which a
/// token reads most, of equal ones the first. `records` are a section's tensors, `shares` how often
/// each is read (see weightReads), `bytes` the section's length.
WeightPlacement placeWeights(absl::Span<const WeightRecord> records,
                             absl::Span<const double> shares, uint64_t bytes, uint64_t deviceBytes,
                             uint64_t pageBytes);

} // namespace stc

#endif // STC_RUNTIME_GPU_WEIGHTPLACEMENT_H
