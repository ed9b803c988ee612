// Copies within a GPU's memory, timed by its own clock.
#include "stc/Runtime/Gpu/GpuProbe.h"

#include "stc/Runtime/Benchmark.h"

#include <algorithm>
#include <vector>

namespace stc {

absl::StatusOr<double> measureGpuBandwidth(GpuDevice &device) {
  constexpr uint64_t wanted = 1 << 30;
  constexpr int repetitions = 10;
  STC_ASSIGN_OR_RETURN(uint64_t free, device.freeBytes());
  uint64_t bytes = std::min(wanted, free / 4); // there are two buffers
  STC_ASSIGN_OR_RETURN(GpuMemory from,
                       GpuMemory::allocate(device, bytes, "the bandwidth measurement"));
  STC_ASSIGN_OR_RETURN(GpuMemory to,
                       GpuMemory::allocate(device, bytes, "the bandwidth measurement"));
  STC_RETURN_IF_ERROR(device.zero(from.address(), bytes));
  std::vector<double> rates;
  for (int i = 0; i <= repetitions; ++i) {
    STC_ASSIGN_OR_RETURN(double seconds, device.measure([&] {
      return device.copy(to.address(), from.address(), bytes);
    }));
    if (i > 0) // the first waits for the zeros, and for the clock to rise
      rates.push_back(2 * double(bytes) / std::max(seconds, 1e-9));
  }
  return median(rates);
}

} // namespace stc
