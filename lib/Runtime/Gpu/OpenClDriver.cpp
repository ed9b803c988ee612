// Finding OpenCL and its devices, and wording its errors.
#include "stc/Runtime/Gpu/OpenClDriver.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <cstdlib>
#include <dlfcn.h>
#include <type_traits>

namespace stc {

namespace {

constexpr const char *noSite = "device opencl";

/// The same message with the code by which callers know that there is simply no such device.
absl::Status absent(const absl::Status &status) { return absl::NotFoundError(status.message()); }

} // namespace

absl::StatusOr<OpenClDriver> OpenClDriver::load() {
  const char *given = std::getenv("STC_OPENCL_LIBRARY");
  std::string path = given && *given ? given : "libOpenCL.so.1";
  // Never closed: a driver leaves threads behind.
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *reason = dlerror();
    return absent(
        formatError({noSite, "driver", {}}, "OpenCL's library " + path, reason ? reason : "none"));
  }
  OpenClDriver driver;
  const char *missing = nullptr;
  auto find = [&](auto &member, const char *symbol) {
    member = reinterpret_cast<std::decay_t<decltype(member)>>(dlsym(library, symbol));
    if (!member && !missing)
      missing = symbol;
  };
#define STC_OPENCL_FIND(member, symbol, result, parameters) find(driver.member, #symbol);
  STC_OPENCL_FUNCTIONS(STC_OPENCL_FIND)
#undef STC_OPENCL_FIND
  if (missing)
    return formatError({path, missing, {}}, "a function of OpenCL 2.1 or newer", "none");
  return driver;
}

absl::StatusOr<std::vector<opencl::Device>> OpenClDriver::devices() const {
  uint32_t count = 0;
  opencl::Result result = getPlatformIds(0, nullptr, &count);
  if (result == opencl::PlatformNotFound || (result == opencl::Success && count == 0))
    return absent(formatError({noSite, "", {}}, "a driver of OpenCL that is installed", "none"));
  STC_RETURN_IF_ERROR(check(noSite, "clGetPlatformIDs", result));
  std::vector<opencl::Platform> platforms(count);
  STC_RETURN_IF_ERROR(
      check(noSite, "clGetPlatformIDs", getPlatformIds(count, platforms.data(), nullptr)));
  std::vector<opencl::Device> found;
  // A processor's devices last, whichever platform comes first.
  for (uint64_t type : {opencl::TypeAll & ~opencl::TypeCpu, uint64_t(opencl::TypeCpu)}) {
    for (opencl::Platform platform : platforms) {
      result = getDeviceIds(platform, type, 0, nullptr, &count);
      if (result == opencl::DeviceNotFound || (result == opencl::Success && count == 0))
        continue;
      STC_RETURN_IF_ERROR(check(noSite, "clGetDeviceIDs", result));
      found.resize(found.size() + count);
      STC_RETURN_IF_ERROR(
          check(noSite, "clGetDeviceIDs",
                getDeviceIds(platform, type, count, &*found.end() - count, nullptr)));
    }
  }
  return found;
}

std::string OpenClDriver::describe(opencl::Result result) {
  const char *name = nullptr;
  switch (result) {
  case opencl::Success:
    name = "CL_SUCCESS";
    break;
  case opencl::DeviceNotFound:
    name = "CL_DEVICE_NOT_FOUND";
    break;
  case opencl::OutOfResources:
    name = "CL_OUT_OF_RESOURCES";
    break;
  case opencl::OutOfHostMemory:
    name = "CL_OUT_OF_HOST_MEMORY";
    break;
  case opencl::BuildProgramFailure:
    name = "CL_BUILD_PROGRAM_FAILURE";
    break;
  case opencl::InvalidValue:
    name = "CL_INVALID_VALUE";
    break;
  case opencl::InvalidBinary:
    name = "CL_INVALID_BINARY";
    break;
  case opencl::InvalidOperation:
    name = "CL_INVALID_OPERATION";
    break;
  case opencl::PlatformNotFound:
    name = "CL_PLATFORM_NOT_FOUND_KHR";
    break;
  }
  return name ? absl::StrCat(name, " (", int(result), ")") : absl::StrCat("error ", int(result));
}

absl::Status OpenClDriver::check(const std::string &site, const char *call, opencl::Result result) {
  if (result == opencl::Success)
    return absl::OkStatus();
  return formatError({site, call, {}}, "success", describe(result));
}

} // namespace stc
