// Copies within a GPU's memory, timed by its own clock.
#include "stc/Runtime/Gpu/GpuProbe.h"

#include "stc/Runtime/Benchmark.h"

#include <algorithm>
#include <vector>

namespace stc {

namespace {

/// The median of the rates at which what `enqueue` enqueues moves `bytes`.
absl::StatusOr<double> medianRate(GpuDevice &device, uint64_t bytes, int repetitions,
                                  absl::FunctionRef<absl::Status()> enqueue) {
  std::vector<double> rates;
  for (int i = 0; i <= repetitions; ++i) {
    STC_ASSIGN_OR_RETURN(double seconds, device.measure(enqueue));
    if (i > 0) // the first waits for what was enqueued before, and for the clock to rise
      rates.push_back(double(bytes) / std::max(seconds, 1e-9));
  }
  return median(rates);
}

} // namespace

absl::StatusOr<double> measureHostBandwidth(GpuDevice &device) {
  constexpr uint64_t wanted = 32 << 20;
  STC_ASSIGN_OR_RETURN(uint64_t free, device.freeBytes());
  uint64_t bytes = std::min(wanted, free / 2);
  STC_ASSIGN_OR_RETURN(PinnedMemory from,
                       PinnedMemory::allocate(device, bytes, "the bandwidth measurement"));
  STC_ASSIGN_OR_RETURN(GpuMemory to,
                       GpuMemory::allocate(device, bytes, "the bandwidth measurement"));
  return medianRate(device, bytes, /*repetitions=*/5,
                    [&] { return device.upload(to.address(), from.data(), bytes); });
}

absl::StatusOr<double> measureGpuBandwidth(GpuDevice &device) {
  constexpr uint64_t wanted = 1 << 30;
  STC_ASSIGN_OR_RETURN(uint64_t free, device.freeBytes());
  uint64_t bytes = std::min(wanted, free / 4); // there are two buffers
  STC_ASSIGN_OR_RETURN(GpuMemory from,
                       GpuMemory::allocate(device, bytes, "the bandwidth measurement"));
  STC_ASSIGN_OR_RETURN(GpuMemory to,
                       GpuMemory::allocate(device, bytes, "the bandwidth measurement"));
  STC_RETURN_IF_ERROR(device.zero(from.address(), bytes));
  return medianRate(device, 2 * bytes, /*repetitions=*/10,
                    [&] { return device.copy(to.address(), from.address(), bytes); });
}

} // namespace stc
