// What measurements of kernels hold for.
#include "stc/Target/Autotune/Circumstance.h"

#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <unistd.h>

using namespace stc;

/// Beyond the last cache: at least so much, and at most four times that.
static constexpr int64_t kStreamedBytes = 128 << 20;

/// The name of the processor as its maker gives it: results of one model are not those of another
/// with the same instructions.
static std::string processorName() {
  absl::StatusOr<std::string> text = readFile("/proc/cpuinfo");
  if (!text.ok())
    return "unknown";
  for (llvm::StringRef line : llvm::split(*text, '\n'))
    if (line.starts_with("model name"))
      return line.split(':').second.trim().str();
  return "unknown";
}

std::string stc::circumstanceOf(const cpu::TargetDescription &target, int threads,
                                const std::string &compiler) {
  std::string text = absl::StrCat("processor=", processorName(), ";cpu=", target.cpu,
                                  ";tune=", target.tune, ";features=", target.featureString(),
                                  ";threads=", threads, ";compiler=", compiler);
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
  return text;
}

int64_t stc::streamedBytes() {
  long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
  return std::clamp<int64_t>(4 * int64_t(cache), kStreamedBytes, 4 * kStreamedBytes);
}
