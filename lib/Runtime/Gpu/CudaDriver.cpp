// Finding NVIDIA's driver and wording its errors.
#include "stc/Runtime/Gpu/CudaDriver.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <cstdlib>
#include <dlfcn.h>

namespace stc {

namespace {

constexpr const char *noSite = "device cuda";

/// The same message with the code by which callers know that there is simply no such device.
absl::Status absent(const absl::Status &status) { return absl::NotFoundError(status.message()); }

} // namespace

absl::StatusOr<CudaDriver> CudaDriver::load() {
  const char *given = std::getenv("STC_CUDA_LIBRARY");
  std::string path = given && *given ? given : "libcuda.so.1";
  // Never closed: a driver leaves threads behind.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return absent(formatError({noSite, "driver", {}}, "NVIDIA's driver library " + path,
                              reason ? reason : "none"));
  }
  CudaDriver driver;
  const char *missing = nullptr;
  auto find = [&](auto &member, const char *symbol) {
    member = reinterpret_cast<std::decay_t<decltype(member)>>(dlsym(library, symbol));
    if (!member && !missing)
      missing = symbol;
  };
#define STC_CUDA_FIND(member, symbol, parameters) find(driver.member, #symbol);
  STC_CUDA_FUNCTIONS(STC_CUDA_FIND)
#undef STC_CUDA_FIND
  if (missing)
    return formatError({path, missing, {}}, "a function of the driver (R470 or newer)", "none");
  cuda::Result result = driver.init(0);
  absl::Status status = driver.check(noSite, "cuInit", result);
  if (result == cuda::NoDevice)
    return absent(status);
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
  return formatError({site, call, {}}, "success", describe(result));
}

} // namespace stc
