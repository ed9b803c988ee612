// What this machine can do, measured: memory read bandwidth and 8-bit integer arithmetic.
#ifndef STC_RUNTIME_MACHINEPROBE_H
#define STC_RUNTIME_MACHINEPROBE_H

#include "stc/Runtime/Memory.h"
#include "stc/Runtime/ThreadPool.h"

namespace stc {

/// Measures how fast all threads together read memory that no cache holds.
class BandwidthProbe {
public:
  static constexpr uint64_t defaultBytes = 512 << 20;
  /// Fills a buffer of `bytes` (less where that would take more than a quarter of the machine's
  /// memory) with the threads that will read it.
  static absl::StatusOr<BandwidthProbe> create(ThreadPool &pool, uint64_t bytes = defaultBytes);
  /// Reads the buffer once; bytes per second.
  double measure(ThreadPool &pool);

private:
  Memory buffer;
};

/// Multiplications and additions of 8-bit integers per second that all threads together reach with
/// the best instruction this processor has (each product and each sum counts as one).
double measureInt8Peak(ThreadPool &pool);

} // namespace stc

#endif // STC_RUNTIME_MACHINEPROBE_H
