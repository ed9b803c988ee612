// A GPU of NVIDIA, through its driver.
#ifndef STC_RUNTIME_GPU_CUDADEVICE_H
#define STC_RUNTIME_GPU_CUDADEVICE_H

#include "stc/Runtime/Gpu/CudaDriver.h"
#include "stc/Runtime/Gpu/DriverDevice.h"

namespace stc {

/// Whether an image for `target`, in `format`, runs on a device of compute capability
/// `major`.`minor`. PTX for nvptx-sm_80 runs on 8.0 and everything newer, on the same device alone
/// where the name ends in a letter (sm_90a); a cubin on the same major number and no smaller minor
/// one. Names of other makers' GPUs run on none.
bool cudaImageRuns(absl::string_view target, absl::string_view format, int major, int minor);

class CudaDevice final : public DriverDevice<CudaDriver> {
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

private:
  explicit CudaDevice(const CudaDriver &driver) : DriverDevice(driver) {}
  absl::Status initialize(int index);
  absl::StatusOr<int> attribute(cuda::DeviceAttribute attribute) const;
  absl::Status enter() const override;
  int number() const override { return device; }
  absl::StatusOr<cuda::Module> loadModule(const StcGpuImage &image) override;
  absl::Status allowShared(cuda::Function function, uint64_t bytes) override;

  cuda::Device device = -1;
  int major = 0, minor = 0;
  cuda::Context context = nullptr;
};

} // namespace stc

#endif // STC_RUNTIME_GPU_CUDADEVICE_H
