// A model on a GPU: the device, the code it runs, and the weights in its memory.
#ifndef STC_RUNTIME_GPU_GPUMODEL_H
#define STC_RUNTIME_GPU_GPUMODEL_H

#include "stc/Runtime/Executor.h"
#include "stc/Runtime/Gpu/DeviceChoice.h"
#include "stc/Runtime/Gpu/GpuDevice.h"
#include "stc/Runtime/ThreadPool.h"

namespace stc {

class GpuModel {
public:
  /// Finds the first device of `choice` that runs one of `images`, the best first, and has room for
  /// the weights and one text, loads the code and reserves the weights' memory. The bundle must
  /// outlive the result. Errors: NotFound where this machine has no GPU at all; else what keeps the
  /// first device that came into question from running the model.
  static absl::StatusOr<std::unique_ptr<GpuModel>>
  open(const Bundle &bundle, absl::Span<const StcGpuImage> images, const DeviceChoice &choice);

  /// Brings the weights to the device; before the first text. A line on standard error tells how
  /// far it is when that takes long and `progress` allows it.
  absl::Status uploadWeights(ThreadPool &pool, bool progress);

  /// Memory and calls for one text. This model must outlive it.
  absl::StatusOr<std::unique_ptr<Executor>> createExecutor();

  GpuDevice &device() { return *gpu; }
  const GpuProperties &properties() const { return gpu->properties(); }
  /// The image that runs.
  const StcGpuImage &image() const { return chosen; }
  const GpuProgram &program() const { return functions; }
  const GpuMemory &weights() const { return weightMemory; }
  const ModelSettings &settings() const { return bundle.settings(); }

private:
  explicit GpuModel(const Bundle &bundle) : bundle(bundle) {}
  absl::Status openOn(int index, const struct CudaDriver &driver,
                      absl::Span<const StcGpuImage> images);
  absl::Status checkMemory();

  const Bundle &bundle;
  std::unique_ptr<GpuDevice> gpu; // outlives everything below
  StcGpuImage chosen = {};
  GpuProgram functions;
  GpuMemory weightMemory;
};

/// Copies `bytes` to a device through two pinned buffers of `pieceBytes`: the threads fill the one
/// while the device reads the other. `done` is told the bytes of every piece.
absl::Status uploadInPieces(GpuDevice &device, GpuAddress to, absl::Span<const uint8_t> bytes,
                            uint64_t pieceBytes, ThreadPool &pool,
                            absl::FunctionRef<void(uint64_t)> done);

} // namespace stc

#endif // STC_RUNTIME_GPU_GPUMODEL_H
