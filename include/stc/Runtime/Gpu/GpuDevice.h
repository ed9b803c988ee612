// One GPU, whoever made it: memory, code, and work that is done in the order it was given.
#ifndef STC_RUNTIME_GPU_GPUDEVICE_H
#define STC_RUNTIME_GPU_GPUDEVICE_H

#include "stc/Runtime/ModelABI.h"
#include "stc/Support/ModelKind.h"

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stc {

/// An address in a device's memory; never to be read here.
using GpuAddress = uint64_t;

struct GpuProperties {
  std::string id;           // as --device names it: "cuda:0"
  std::string label;        // for people: "GPU 0 (NVIDIA H100 80GB HBM3)"
  std::string name;         // "NVIDIA H100 80GB HBM3"
  std::string architecture; // "sm_90"
  std::string driver;       // "CUDA 12.4"
  int multiprocessors = 0;
  uint64_t totalBytes = 0;       // of memory
  bool sharesMemory = false;     // see GpuDevice::allocateShared
  uint64_t blockSharedBytes = 0; // shared memory one block can have at most
};

/// A kernel ready to be launched, with as many blocks as the device holds at once.
struct GpuFunction {
  void *handle = nullptr;
  unsigned blocks = 0, blockThreads = 0, sharedBytes = 0;
};

/// The functions of one image; those that the kind of model has not are without a handle.
struct GpuProgram {
  GpuFunction prefill, decode, score;
  GpuFunction encode, stem; // of an encoder-decoder, the latter of one that reads features
  /// Prefill for up to so many tokens, in ascending order.
  std::vector<std::pair<int64_t, GpuFunction>> prefillOfFew;
  /// Prefill for `tokens` tokens.
  const GpuFunction &prefillOf(int64_t tokens) const;
};

/// Whose memory it is.
enum class GpuPlace { Device, Host };

/// Which functions a model has.
struct GpuProgramKind {
  ModelKind kind = ModelKind::Decoder;
  bool readsFeatures = false;
  bool hasLabels = false; // of an encoder: whether a head scores its hidden states
};

/// Prepares the functions that a model of this kind has, which are named as in StcGpuImage. All get
/// as many blocks as the one with the fewest: the counter behind their barriers is a multiple of
/// the blocks before each launch. Errors: those of `prepare`.
absl::StatusOr<GpuProgram>
prepareProgram(const StcGpuImage &image, GpuProgramKind kind,
               absl::FunctionRef<absl::StatusOr<GpuFunction>(const char *name)> prepare);

/// A device. What is enqueued runs in order, beside the program, until `synchronize`; host memory
/// it reads or writes is the caller's to keep until then. Every error is one line that names the
/// device, and what failed in an earlier call may be reported by a later one.
class GpuDevice {
public:
  virtual ~GpuDevice() = default;
  const GpuProperties &properties() const { return props; }

  /// Whether its hardware runs the image; the driver may still be too old.
  virtual bool runs(const StcGpuImage &image) const = 0;
  /// Bytes that nothing occupies now.
  virtual absl::StatusOr<uint64_t> freeBytes() = 0;
  /// Loads an image that this device runs, and makes room for as many blocks as fit, at most
  /// `maxBlocks`. Errors: a driver too old for it, a damaged image or one without a function that
  /// this kind of model needs, or a block that does not fit.
  virtual absl::StatusOr<GpuProgram> load(const StcGpuImage &image, GpuProgramKind kind,
                                          unsigned maxBlocks) = 0;

  /// Memory of the device. `what` names the use in the error of a refusal.
  virtual absl::StatusOr<GpuAddress> allocate(uint64_t bytes, absl::string_view what) = 0;
  /// Addresses that the device and this machine can both use, without memory behind them before
  /// `settle`; given back by `release`. An error unless properties().sharesMemory.
  virtual absl::StatusOr<GpuAddress> allocateShared(uint64_t bytes, absl::string_view what);
  virtual void release(GpuAddress address) = 0;
  /// Memory of this machine that the device reaches at full speed.
  virtual absl::StatusOr<void *> allocateHost(uint64_t bytes, absl::string_view what) = 0;
  virtual void releaseHost(void *memory) = 0;

  // Enqueued.
  /// Puts memory of `place` behind shared addresses, whole pages of them. What is this machine's
  /// the device reads over the bus, each time anew.
  virtual absl::Status settle(GpuAddress from, uint64_t bytes, GpuPlace place);
  virtual absl::Status zero(GpuAddress to, uint64_t bytes) = 0;
  virtual absl::Status upload(GpuAddress to, const void *from, uint64_t bytes) = 0;
  virtual absl::Status download(void *to, GpuAddress from, uint64_t bytes) = 0;
  virtual absl::Status copy(GpuAddress to, GpuAddress from, uint64_t bytes) = 0;
  virtual absl::Status launch(const GpuFunction &function, const StcFrame &frame) = 0;

  /// Waits for everything enqueued.
  virtual absl::Status synchronize() = 0;
  /// The seconds that the device takes for what `enqueue` enqueues; waits for it.
  virtual absl::StatusOr<double> measure(absl::FunctionRef<absl::Status()> enqueue) = 0;

protected:
  GpuProperties props;
};

/// Memory of a device, given back at the end. The device must outlive it.
class GpuMemory {
public:
  static absl::StatusOr<GpuMemory> allocate(GpuDevice &device, uint64_t bytes,
                                            absl::string_view what);
  /// GpuDevice::allocateShared.
  static absl::StatusOr<GpuMemory> allocateShared(GpuDevice &device, uint64_t bytes,
                                                  absl::string_view what);
  GpuMemory() = default;
  GpuMemory(GpuMemory &&other) noexcept { *this = std::move(other); }
  GpuMemory &operator=(GpuMemory &&other) noexcept {
    std::swap(device, other.device);
    std::swap(start, other.start);
    return *this;
  }
  ~GpuMemory();
  GpuAddress address() const { return start; }
  /// The address as generated code gets it.
  uint8_t *data() const { return reinterpret_cast<uint8_t *>(start); }

private:
  GpuDevice *device = nullptr;
  GpuAddress start = 0;
};

/// Pinned memory of this machine, given back at the end. The device must outlive it.
class PinnedMemory {
public:
  static absl::StatusOr<PinnedMemory> allocate(GpuDevice &device, uint64_t bytes,
                                               absl::string_view what);
  PinnedMemory() = default;
  PinnedMemory(PinnedMemory &&other) noexcept { *this = std::move(other); }
  PinnedMemory &operator=(PinnedMemory &&other) noexcept {
    std::swap(device, other.device);
    std::swap(start, other.start);
    return *this;
  }
  ~PinnedMemory();
  void *data() const { return start; }

private:
  GpuDevice *device = nullptr;
  void *start = nullptr;
};

} // namespace stc

#endif // STC_RUNTIME_GPU_GPUDEVICE_H
