// A model on a GPU: the device, the code it runs, and the weights in its memory.
#ifndef STC_RUNTIME_GPU_GPUMODEL_H
#define STC_RUNTIME_GPU_GPUMODEL_H

#include "stc/Runtime/Executor.h"
#include "stc/Runtime/Gpu/DeviceChoice.h"
#include "stc/Runtime/Gpu/GpuDevice.h"
#include "stc/Runtime/Gpu/WeightPlacement.h"
#include "stc/Runtime/ThreadPool.h"

namespace stc {

class GpuModel {
public:
  /// Finds the first device of `choice` that runs one of `images`, the best first, and has room for
  /// the weights and one text, else the first of a driver that has room for the text and can read
  /// from this machine's memory the weights that do not fit; loads the code and reserves the
  /// weights' memory. A device that nobody asked for must have room for most of what a token reads:
  /// the bus is slower than the processors' memory. Only drivers that take one of the images are
  /// looked for, in the order of gpuDriverKinds. The bundle must outlive the result. Errors:
  /// NotFound where this machine has no GPU at all; else what keeps the first device that came into
  /// question from running the model.
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
  /// Where they lie.
  const WeightPlacement &placement() const { return places; }
  /// Those of a model that runs on a GPU.
  const ModelSettings &settings() const { return own; }

private:
  explicit GpuModel(const Bundle &bundle) : bundle(bundle), own(bundle.settings().onGpu()) {}
  static absl::StatusOr<std::unique_ptr<GpuModel>> openWith(const GpuDriverKind &kind,
                                                            const Bundle &bundle,
                                                            absl::Span<const StcGpuImage> images,
                                                            const DeviceChoice &choice);
  /// Opens a device and chooses what it runs.
  absl::Status openOn(int index, const GpuDriver &driver, absl::Span<const StcGpuImage> images);
  /// Loads the code and reserves memory for the weights as a whole.
  absl::Status takeWhole();
  /// The same for a device that has room for a part of them.
  absl::Status takeInParts(const DeviceChoice &choice);
  absl::Status load();
  /// The bytes that this model may take.
  absl::StatusOr<uint64_t> roomBytes(const DeviceChoice &choice);
  /// The bytes of them that stay free where weights fill the rest: code takes memory too, and other
  /// programs come and go. A page that does not stay on the device costs more than one that never
  /// was there. None where someone set a limit.
  uint64_t reserveBytes(const DeviceChoice &choice) const;
  absl::Status tooLittleMemory(const DeviceChoice &choice, bool withWeights);

  const Bundle &bundle;
  const ModelSettings own;
  std::unique_ptr<GpuDevice> gpu; // outlives everything below
  StcGpuImage chosen = {};
  GpuProgram functions;
  GpuMemory weightMemory;
  WeightPlacement places;
};

/// An error when this machine has not the `bytes` available that `device`, named for people, has no
/// room for. `file` is the model's.
absl::Status checkHostMemory(const std::string &file, uint64_t bytes, uint64_t available,
                             const std::string &device);

/// Copies `bytes` to a device through two pinned buffers of `pieceBytes`: the threads fill the one
/// while the device reads the other. `done` is told the bytes of every piece.
absl::Status uploadInPieces(GpuDevice &device, GpuAddress to, absl::Span<const uint8_t> bytes,
                            uint64_t pieceBytes, ThreadPool &pool,
                            absl::FunctionRef<void(uint64_t)> done);

} // namespace stc

#endif // STC_RUNTIME_GPU_GPUMODEL_H
