// A GPU of AMD, through HIP.
#ifndef STC_RUNTIME_GPU_HIPDEVICE_H
#define STC_RUNTIME_GPU_HIPDEVICE_H

#include "stc/Runtime/Gpu/DriverDevice.h"
#include "stc/Runtime/Gpu/HipDriver.h"

namespace stc {

/// Whether an image for `target`, in `format`, runs on a device whose architecture HIP calls
/// `architecture` ("gfx90a:sramecc+:xnack-"). A code object runs on exactly one chip; it is
/// compiled for either setting of the features behind colons. Names of other makers' GPUs run on
/// none.
bool hipImageRuns(absl::string_view target, absl::string_view format,
                  absl::string_view architecture);

class HipDevice final : public DriverDevice<HipDriver> {
public:
  /// Opens device `index`, which there must be. Errors: HIP's, or a device whose blocks cannot wait
  /// for each other.
  static absl::StatusOr<std::unique_ptr<HipDevice>> open(const HipDriver &driver, int index);
  ~HipDevice() override;
  HipDevice(const HipDevice &) = delete;
  HipDevice &operator=(const HipDevice &) = delete;

  bool runs(const StcGpuImage &image) const override {
    return hipImageRuns(image.target, image.format, props.architecture);
  }

private:
  HipDevice(const HipDriver &driver, int index) : DriverDevice(driver), index(index) {}
  absl::Status initialize();
  absl::Status enter() const override;
  int number() const override { return index; }
  absl::StatusOr<hip::Module> loadModule(const StcGpuImage &image) override;

  const int index;
};

} // namespace stc

#endif // STC_RUNTIME_GPU_HIPDEVICE_H
