// How long one token takes with a matrix of a layout, measured on this machine.
#ifndef STC_TARGET_AUTOTUNE_KERNELTIMES_H
#define STC_TARGET_AUTOTUNE_KERNELTIMES_H

#include "stc/Packing/Layout.h"
#include "stc/Runtime/ThreadPool.h"
#include "stc/Target/Autotune/TuningCache.h"

#include <memory>
#include <string>

namespace stc {

struct KernelTimesOptions {
  std::string target = "native"; // as TargetDescription::parse takes it
  int threads = 0;               // 0: all
  int64_t modelWeights = 0;      // of all matrices a token reads; 0: more than caches hold
  double secondsEach = 0.05;     // in which a kernel and the one it is compared with take turns
  std::string cacheDirectory;    // empty: nothing is kept
  std::string compiler;          // whatever identifies the code generator
};

/// Measures each distinct pair of layout and shape once, on random weights that take as much memory
/// as the whole model would in this layout: a small model stays in the caches, and there sparse
/// kernels that save arithmetic win; the time of a large one is that of reading.
class KernelTimes {
public:
  /// Errors: this machine cannot run code for the target, or the threads cannot be had.
  static absl::StatusOr<std::unique_ptr<KernelTimes>> create(const KernelTimesOptions &options);

  /// Seconds of one token times a matrix of `bytes` bytes, by all threads together. Bitmaps and
  /// blocks are measured at one density and taken to be in proportion to their bytes. Errors: a
  /// kernel that cannot be compiled.
  absl::StatusOr<double> seconds(const Layout &layout, int64_t rows, int64_t columns,
                                 int64_t bytes);
  /// Keeps what was measured. Errors: the cache cannot be written.
  absl::Status save() { return cache.save(); }

private:
  KernelTimes(KernelTimesOptions options, std::unique_ptr<ThreadPool> pool,
              std::string circumstance)
      : options(std::move(options)), pool(std::move(pool)),
        cache(this->options.cacheDirectory, std::move(circumstance)) {}
  absl::StatusOr<double> perByte(const Layout &layout, int64_t rows, int64_t columns);
  double handover();

  KernelTimesOptions options;
  std::unique_ptr<ThreadPool> pool;
  TuningCache cache;
};

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_KERNELTIMES_H
