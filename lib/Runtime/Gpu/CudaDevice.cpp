// A GPU of NVIDIA: finding out what it is.
#include "stc/Runtime/Gpu/CudaDevice.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

class Cuda final : public GpuDriver {
public:
  explicit Cuda(const CudaDriver &functions) : functions(functions) {}
  absl::StatusOr<int> deviceCount() const override { return functions.deviceCount(); }
  absl::StatusOr<std::unique_ptr<GpuDevice>> open(int index) const override {
    return CudaDevice::open(functions, index);
  }

private:
  const CudaDriver functions;
};

} // namespace

absl::StatusOr<std::unique_ptr<GpuDriver>> loadCudaDriver() {
  STC_ASSIGN_OR_RETURN(CudaDriver functions, CudaDriver::load());
  return std::make_unique<Cuda>(functions);
}

absl::StatusOr<std::unique_ptr<CudaDevice>> CudaDevice::open(const CudaDriver &driver, int index) {
  std::unique_ptr<CudaDevice> device(new CudaDevice(driver));
  STC_RETURN_IF_ERROR(device->initialize(index));
  return device;
}

absl::Status CudaDevice::initialize(int index) {
  props.id = absl::StrCat("cuda:", index);
  props.label = absl::StrCat("GPU ", index);
  STC_RETURN_IF_ERROR(check("cuDeviceGet", driver.deviceGet(&device, index)));
  char name[256] = "";
  STC_RETURN_IF_ERROR(
      check("cuDeviceGetName", driver.deviceGetName(name, sizeof(name) - 1, device)));
  props.name = printable(name);
  absl::StrAppend(&props.label, " (", props.name, ")");
  STC_ASSIGN_OR_RETURN(major, attribute(cuda::ComputeCapabilityMajor));
  STC_ASSIGN_OR_RETURN(minor, attribute(cuda::ComputeCapabilityMinor));
  props.architecture = absl::StrCat("sm_", major, minor);
  STC_ASSIGN_OR_RETURN(std::string version, driver.version());
  props.driver = "CUDA " + version;
  STC_ASSIGN_OR_RETURN(props.multiprocessors, attribute(cuda::MultiprocessorCount));
  STC_ASSIGN_OR_RETURN(int shared, attribute(cuda::MaxSharedMemoryPerBlockOptin));
  props.blockSharedBytes = uint64_t(std::max(0, shared));
  size_t total = 0;
  STC_RETURN_IF_ERROR(check("cuDeviceTotalMem", driver.deviceTotalMem(&total, device)));
  props.totalBytes = total;
  STC_ASSIGN_OR_RETURN(int cooperative, attribute(cuda::CooperativeLaunch));
  if (!cooperative)
    return formatError({props.label, "cooperative launch", {}},
                       "a device whose blocks can wait for each other", "one without");
  STC_ASSIGN_OR_RETURN(int shares, attribute(cuda::ConcurrentManagedAccess));
  props.sharesMemory = shares != 0;
  STC_RETURN_IF_ERROR(
      check("cuDevicePrimaryCtxRetain", driver.primaryContextRetain(&context, device)));
  return createQueue();
}

CudaDevice::~CudaDevice() {
  if (!context || !enter().ok())
    return;
  close();
  driver.contextSetCurrent(nullptr);
  driver.primaryContextRelease(device);
}

absl::StatusOr<int> CudaDevice::attribute(cuda::DeviceAttribute attribute) const {
  int value = 0;
  STC_RETURN_IF_ERROR(
      check("cuDeviceGetAttribute", driver.deviceGetAttribute(&value, attribute, device)));
  return value;
}

absl::Status CudaDevice::enter() const {
  return check("cuCtxSetCurrent", driver.contextSetCurrent(context));
}

absl::Status CudaDevice::allowShared(cuda::Function function, uint64_t bytes) {
  return check(
      "cuFuncSetAttribute",
      driver.functionSetAttribute(function, cuda::FunctionMaxDynamicSharedBytes, int(bytes)));
}

} // namespace stc
