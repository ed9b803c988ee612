// Finding AMD's HIP runtime and wording its errors.
#include "stc/Runtime/Gpu/HipDriver.h"

#include "stc/Runtime/Gpu/DriverLibrary.h"
#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

constexpr const char *noSite = "device hip";

} // namespace

absl::StatusOr<HipDriver> HipDriver::load() {
  // Without a number only where files for developers are installed.
  STC_ASSIGN_OR_RETURN(DriverLibrary library,
                       DriverLibrary::open("STC_HIP_LIBRARY",
                                           "libamdhip64.so.6 libamdhip64.so.7 libamdhip64.so",
                                           noSite, "AMD's HIP library"));
  HipDriver driver;
#define STC_HIP_FIND(member, symbol, parameters) library.find(driver.member, #symbol);
  STC_HIP_FUNCTIONS(STC_HIP_FIND)
#undef STC_HIP_FIND
  library.find(driver.getErrorName, "hipGetErrorName");
  library.find(driver.getErrorString, "hipGetErrorString");
  STC_RETURN_IF_ERROR(library.checkComplete("HIP (ROCm 6.0 or newer)"));
  hip::Result result = driver.init(0);
  absl::Status status = driver.check(noSite, Symbols::init, result);
  if (result == hip::NoDevice)
    return absentDevice(status);
  STC_RETURN_IF_ERROR(status);
  return driver;
}

absl::StatusOr<int> HipDriver::deviceCount() const {
  int count = 0;
  hip::Result result = getDeviceCount(&count);
  if (result == hip::NoDevice) // which is how HIP says none
    return 0;
  STC_RETURN_IF_ERROR(check(noSite, Symbols::getDeviceCount, result));
  return count;
}

absl::StatusOr<std::string> HipDriver::version() const {
  int number = 0; // 60241133 is 6.2
  STC_RETURN_IF_ERROR(check(noSite, Symbols::runtimeGetVersion, runtimeGetVersion(&number)));
  return absl::StrCat(number / 10000000, ".", number / 100000 % 100);
}

std::string HipDriver::describe(hip::Result result) const {
  const char *name = getErrorName(result), *text = getErrorString(result);
  if (!name)
    return absl::StrCat("error ", int(result));
  return text ? absl::StrCat(name, ": ", text) : name;
}

absl::Status HipDriver::check(const std::string &site, const char *call, hip::Result result) const {
  if (result == hip::Success)
    return absl::OkStatus();
  return formatError({site, call, {}}, "success", describe(result));
}

} // namespace stc
