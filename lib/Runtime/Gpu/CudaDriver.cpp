// Finding NVIDIA's driver and wording its errors.
#include "stc/Runtime/Gpu/CudaDriver.h"

#include "stc/Runtime/Gpu/DriverLibrary.h"
#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace stc {

namespace {

constexpr const char *noSite = "device cuda";

} // namespace

absl::StatusOr<CudaDriver> CudaDriver::load() {
  STC_ASSIGN_OR_RETURN(
      DriverLibrary library,
      DriverLibrary::open("STC_CUDA_LIBRARY", "libcuda.so.1", noSite, "NVIDIA's driver library"));
  CudaDriver driver;
#define STC_CUDA_FIND(member, symbol, parameters) library.find(driver.member, #symbol);
  STC_CUDA_FUNCTIONS(STC_CUDA_FIND)
#undef STC_CUDA_FIND
  STC_RETURN_IF_ERROR(library.checkComplete("the driver (R470 or newer)"));
  cuda::Result result = driver.init(0);
  absl::Status status = driver.check(noSite, "cuInit", result);
  if (result == cuda::NoDevice)
    return absentDevice(status);
  STC_RETURN_IF_ERROR(status);
  return driver;
}

absl::StatusOr<int> CudaDriver::deviceCount() const {
  int count = 0;
  STC_RETURN_IF_ERROR(check(noSite, "cuDeviceGetCount", deviceGetCount(&count)));
  return count;
}

absl::StatusOr<std::string> CudaDriver::version() const {
  int number = 0; // 12040 is 12.4
  STC_RETURN_IF_ERROR(check(noSite, "cuDriverGetVersion", driverGetVersion(&number)));
  return absl::StrCat(number / 1000, ".", number % 1000 / 10);
}

std::string CudaDriver::describe(cuda::Result result) const {
  const char *name = nullptr, *text = nullptr;
  if (getErrorName(result, &name) != cuda::Success || !name)
    return absl::StrCat("error ", int(result));
  if (getErrorString(result, &text) != cuda::Success || !text)
    return name;
  return absl::StrCat(name, ": ", text);
}

absl::Status CudaDriver::check(const std::string &site, const char *call,
                               cuda::Result result) const {
  if (result == cuda::Success)
    return absl::OkStatus();
  // Versions of the interface are not part of a function's name.
  return formatError({site, std::string(absl::StripSuffix(call, "_v2")), {}}, "success",
                     describe(result));
}

} // namespace stc
