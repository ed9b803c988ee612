// A GPU of NVIDIA, through its driver.
#ifndef STC_RUNTIME_GPU_CUDADEVICE_H
#define STC_RUNTIME_GPU_CUDADEVICE_H

#include "stc/Runtime/Gpu/CudaDriver.h"
#include "stc/Runtime/Gpu/GpuDevice.h"

#include "absl/types/span.h"

#include <vector>

namespace stc {

/// Whether an image for `target`, in `format`, runs on a device of compute capability
/// `major`.`minor`. PTX for nvptx-sm_80 runs on 8.0 and everything newer, on the same device alone
/// where the name ends in a letter (sm_90a); a cubin on the same major number and no smaller minor
/// one. Names of other makers' GPUs run on none.
bool cudaImageRuns(absl::string_view target, absl::string_view format, int major, int minor);

class CudaDevice final : public GpuDevice {
public:
  /// Opens device `index`, which there must be. Errors: the driver's, or a device whose blocks
  /// cannot wait for each other.
  static absl::StatusOr<std::unique_ptr<CudaDevice>> open(const CudaDriver &driver, int index);
  ~CudaDevice() override;
  CudaDevice(const CudaDevice &) = delete;
  CudaDevice &operator=(const CudaDevice &) = delete;

  bool runs(const StcGpuImage &image) const override {
    return cudaImageRuns(image.target, image.format, major, minor);
  }
  absl::StatusOr<uint64_t> freeBytes() override;
  absl::StatusOr<GpuProgram> load(const StcGpuImage &image, unsigned maxBlocks) override;
  absl::StatusOr<GpuAddress> allocate(uint64_t bytes, absl::string_view what) override;
  void release(GpuAddress address) override;
  absl::StatusOr<void *> allocateHost(uint64_t bytes, absl::string_view what) override;
  void releaseHost(void *memory) override;
  absl::Status zero(GpuAddress to, uint64_t bytes) override;
  absl::Status upload(GpuAddress to, const void *from, uint64_t bytes) override;
  absl::Status download(void *to, GpuAddress from, uint64_t bytes) override;
  absl::Status copy(GpuAddress to, GpuAddress from, uint64_t bytes) override;
  absl::Status launch(const GpuFunction &function, const StcFrame &frame) override;
  absl::Status synchronize() override;
  absl::StatusOr<double> measure(absl::FunctionRef<absl::Status()> enqueue) override;

private:
  explicit CudaDevice(const CudaDriver &driver) : driver(driver) {}
  absl::Status initialize(int index);
  absl::StatusOr<int> attribute(cuda::DeviceAttribute attribute) const;
  /// Makes this device the one that the calling thread's calls are about.
  absl::Status enter() const;
  absl::Status check(const char *call, cuda::Result result) const;
  absl::StatusOr<cuda::Module> loadModule(const StcGpuImage &image);
  absl::StatusOr<GpuFunction> prepare(cuda::Module module, const StcGpuImage &image,
                                      const char *name, unsigned maxBlocks);

  const CudaDriver driver;
  cuda::Device device = -1;
  int major = 0, minor = 0;
  cuda::Context context = nullptr;
  cuda::Stream stream = nullptr;
  cuda::Event begin = nullptr, end = nullptr;
  std::vector<cuda::Module> modules;
};

} // namespace stc

#endif // STC_RUNTIME_GPU_CUDADEVICE_H
