// What launches kernels on GPUs of one maker, or by one standard: found when the program runs.
#ifndef STC_RUNTIME_GPU_GPUDRIVER_H
#define STC_RUNTIME_GPU_GPUDRIVER_H

#include "stc/Runtime/Gpu/GpuDevice.h"

#include "absl/types/span.h"

namespace stc {

/// A driver that was found and has started. Devices are numbered from 0, as it counts them.
class GpuDriver {
public:
  virtual ~GpuDriver() = default;
  /// The devices there are.
  virtual absl::StatusOr<int> deviceCount() const = 0;
  /// Opens device `index`, which there must be. The driver need not outlive it. Errors: the
  /// driver's, or a device whose blocks cannot wait for each other.
  virtual absl::StatusOr<std::unique_ptr<GpuDevice>> open(int index) const = 0;
  /// Whether device `index` is no GPU, so that nobody gets it who does not ask for it.
  virtual bool isProcessor(int /*index*/) const { return false; }
};

/// One kind of driver that the runtime knows.
struct GpuDriverKind {
  /// As --device names it: "cuda".
  const char *name;
  /// What the names of its targets begin with: "nvptx-". Images for others are none of its.
  const char *targets;
  /// Finds the driver and starts it. Errors: NotFound where there is none or it has no device; else
  /// what the driver says.
  absl::StatusOr<std::unique_ptr<GpuDriver>> (*load)();

  bool takes(const StcGpuImage &image) const;
};

/// All kinds, in the order in which `--device auto` asks them.
absl::Span<const GpuDriverKind> gpuDriverKinds();
/// The kind of that name; null where there is none.
const GpuDriverKind *findGpuDriverKind(absl::string_view name);

} // namespace stc

#endif // STC_RUNTIME_GPU_GPUDRIVER_H
