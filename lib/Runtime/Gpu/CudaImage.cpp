// Which images run on which GPU of NVIDIA, and loading them.
#include "stc/Runtime/Gpu/CudaDevice.h"

#include "stc/Support/Error.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>

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

absl::StatusOr<GpuFunction> CudaDevice::prepare(cuda::Module module, const StcGpuImage &image,
                                                const char *name, unsigned maxBlocks) {
  cuda::Function function = nullptr;
  ErrorSite site{props.label, name, {}};
  cuda::Result found = driver.moduleGetFunction(&function, module, name);
  if (found != cuda::Success)
    return formatError(site, absl::StrCat("a function of the code for ", image.target),
                       driver.describe(found));
  if (image.shared_bytes > props.blockSharedBytes)
    return formatError(
        site, absl::StrCat(image.shared_bytes, " bytes of shared memory for a block"),
        absl::StrCat("at most ", props.blockSharedBytes, " on ", props.architecture));
  int mostThreads = 0;
  STC_RETURN_IF_ERROR(
      check("cuFuncGetAttribute",
            driver.functionGetAttribute(&mostThreads, cuda::FunctionMaxThreadsPerBlock, function)));
  if (image.block_threads == 0 || image.block_threads > uint64_t(std::max(0, mostThreads)))
    return formatError(site, absl::StrCat("blocks of ", image.block_threads, " threads"),
                       absl::StrCat("at most ", mostThreads, " of this function"));
  STC_RETURN_IF_ERROR(check("cuFuncSetAttribute", driver.functionSetAttribute(
                                                      function, cuda::FunctionMaxDynamicSharedBytes,
                                                      int(image.shared_bytes))));
  int resident = 0;
  STC_RETURN_IF_ERROR(check(
      "cuOccupancyMaxActiveBlocksPerMultiprocessor",
      driver.occupancy(&resident, function, int(image.block_threads), size_t(image.shared_bytes))));
  if (resident < 1) {
    int registers = 0;
    STC_RETURN_IF_ERROR(
        check("cuFuncGetAttribute",
              driver.functionGetAttribute(&registers, cuda::FunctionRegisters, function)));
    return formatError(site, "at least one block to fit into a multiprocessor",
                       absl::StrCat("none (", image.block_threads, " threads of ", registers,
                                    " registers and ", image.shared_bytes,
                                    " bytes of shared memory)"));
  }
  GpuFunction ready;
  ready.handle = function;
  ready.blocks = std::min(unsigned(resident) * unsigned(props.multiprocessors), maxBlocks);
  ready.blockThreads = unsigned(image.block_threads);
  ready.sharedBytes = unsigned(image.shared_bytes);
  return ready;
}

absl::StatusOr<GpuProgram> CudaDevice::load(const StcGpuImage &image, unsigned maxBlocks) {
  STC_RETURN_IF_ERROR(enter());
  STC_ASSIGN_OR_RETURN(cuda::Module module, loadModule(image));
  modules.push_back(module);
  GpuProgram program;
  STC_ASSIGN_OR_RETURN(program.prefill, prepare(module, image, "stc_model_prefill", maxBlocks));
  STC_ASSIGN_OR_RETURN(program.decode, prepare(module, image, "stc_model_decode", maxBlocks));
  STC_ASSIGN_OR_RETURN(program.score, prepare(module, image, "stc_model_score", maxBlocks));
  // The counter behind their barriers is a multiple of the blocks before each launch.
  unsigned blocks =
      std::min({program.prefill.blocks, program.decode.blocks, program.score.blocks});
  program.prefill.blocks = program.decode.blocks = program.score.blocks = blocks;
  return program;
}

} // namespace stc
