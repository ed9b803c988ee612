// Which images run on which GPU of NVIDIA, and loading them.
#include "stc/Runtime/Gpu/CudaDevice.h"

#include "stc/Support/Error.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace stc {

bool cudaImageRuns(absl::string_view target, absl::string_view format, int major, int minor) {
  if (!absl::ConsumePrefix(&target, "nvptx-sm_"))
    return false;
  target = target.substr(0, target.find('+')); // features of the compiler's, not of the device
  size_t digits = 0;
  while (digits < target.size() && absl::ascii_isdigit(target[digits]))
    ++digits;
  int number = 0;
  if (digits < 2 || digits > 4 || !absl::SimpleAtoi(target.substr(0, digits), &number))
    return false;
  int wantedMajor = number / 10, wantedMinor = number % 10;
  // Features of one architecture only: no newer device promises them.
  if (digits < target.size())
    return target.size() == digits + 1 && wantedMajor == major && wantedMinor == minor;
  if (wantedMajor == major)
    return minor >= wantedMinor;
  // Machine code is for one generation; the others are translated by the driver.
  return format == "ptx" && major > wantedMajor;
}

namespace {

/// The version of the language that a PTX text begins with: "8.3".
std::string ptxVersion(const StcGpuImage &image) {
  absl::string_view text(reinterpret_cast<const char *>(image.bytes), image.size);
  constexpr absl::string_view directive = ".version";
  size_t at = text.find(directive);
  if (at == absl::string_view::npos)
    return "of an unknown version";
  text = absl::StripLeadingAsciiWhitespace(text.substr(at + directive.size()));
  size_t end = 0;
  while (end < text.size() && (absl::ascii_isdigit(text[end]) || text[end] == '.'))
    ++end;
  return std::string(text.substr(0, end));
}

/// The first line of a log that says anything.
std::string firstLine(absl::string_view log) {
  log = absl::StripLeadingAsciiWhitespace(log.substr(0, log.find('\0')));
  return std::string(absl::StripAsciiWhitespace(log.substr(0, log.find('\n'))));
}

} // namespace

absl::StatusOr<cuda::Module> CudaDevice::loadModule(const StcGpuImage &image) {
  absl::string_view format = image.format;
  ErrorSite site{props.label, absl::StrCat("code for ", image.target), {}};
  if (image.size == 0 || (format == "ptx" && image.bytes[image.size - 1] != 0))
    return formatError(site, "text that ends with a zero, or machine code",
                       absl::StrCat(image.size, " bytes of ", image.format));
  char log[2048] = "";
  cuda::JitOption names[] = {cuda::JitErrorLogBuffer, cuda::JitErrorLogBufferSize};
  void *values[] = {log, reinterpret_cast<void *>(sizeof(log) - 1)};
  cuda::Module module = nullptr;
  cuda::Result result = driver.moduleLoadData(&module, image.bytes, 2, names, values);
  if (result == cuda::Success)
    return module;
  if (result == cuda::UnsupportedPtxVersion)
    return formatError(site, absl::StrCat("a driver that reads PTX ", ptxVersion(image)),
                       absl::StrCat("one for ", props.driver, " (", driver.describe(result), ")"));
  std::string details = firstLine(absl::string_view(log, sizeof(log) - 1));
  return formatError(site, "an image that cuModuleLoadDataEx loads",
                     absl::StrCat(driver.describe(result), details.empty() ? "" : ": ", details));
}

} // namespace stc
