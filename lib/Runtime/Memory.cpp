// Large, zeroed, page-aligned memory straight from the kernel.
#include "stc/Runtime/Memory.h"

#include "stc/Support/Error.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <vector>

namespace stc {

namespace {

/// The number after `key` in a file of lines `key number`, or the first number of the file for an
/// empty key; none where there is no such file, line or number.
std::optional<uint64_t> numberIn(const std::string &path, absl::string_view key) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  std::string content = text.str();
  for (absl::string_view line : absl::StrSplit(content, '\n')) {
    std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
    size_t place = key.empty() ? 0 : 1;
    uint64_t number = 0;
    if (words.size() > place && (key.empty() || words[0] == key) &&
        absl::SimpleAtoi(words[place], &number))
      return number;
  }
  return std::nullopt;
}

} // namespace

absl::StatusOr<Memory> Memory::allocate(uint64_t bytes, absl::string_view what) {
  Memory memory;
  if (bytes == 0)
    return memory;
  // No reservation: a long context costs memory only as far as it is used.
  void *mapping = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapping == MAP_FAILED)
    return formatError({"", std::string(what), {}},
                       absl::StrCat(bytes, " bytes of memory to be available"),
                       std::strerror(errno));
  // Fewer TLB misses where the kernel can; nothing is lost where it cannot.
  madvise(mapping, bytes, MADV_HUGEPAGE);
  memory.start = static_cast<uint8_t *>(mapping);
  memory.length = bytes;
  return memory;
}

Memory::~Memory() {
  if (start)
    munmap(start, length);
}

uint64_t totalMemoryBytes() {
  struct sysinfo info;
  if (sysinfo(&info) != 0)
    return UINT64_MAX;
  return (uint64_t(info.totalram) + info.totalswap) * info.mem_unit;
}

uint64_t availableMemoryBytes(const std::string &root) {
  uint64_t available = UINT64_MAX;
  if (std::optional<uint64_t> kibibytes = numberIn(root + "/proc/meminfo", "MemAvailable:"))
    available = *kibibytes * 1024;
  const std::string group = root + "/sys/fs/cgroup/memory.";
  std::optional<uint64_t> most = numberIn(group + "max", ""),
                          used = numberIn(group + "current", "");
  if (most && used) {
    // Files that were read are given up when something else needs the room.
    uint64_t files = numberIn(group + "stat", "file").value_or(0);
    uint64_t kept = *used - std::min(files, *used);
    available = std::min(available, *most - std::min(kept, *most));
  }
  return available;
}

absl::Status checkMemory(const std::string &file, uint64_t bytes, uint64_t available) {
  if (bytes <= available)
    return absl::OkStatus();
  return formatError({file, "memory", {}},
                     absl::StrCat("a machine with at least ", bytes,
                                  " bytes (weights, KV cache and scratch space)"),
                     absl::StrCat(available, " bytes"));
}

} // namespace stc
