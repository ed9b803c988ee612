// Large, zeroed, page-aligned memory straight from the kernel.
#include "stc/Runtime/Memory.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <cerrno>
#include <cstring>
#include <sys/mman.h>
#include <sys/sysinfo.h>

namespace stc {

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

absl::Status checkMemory(const std::string &file, uint64_t bytes, uint64_t available) {
  if (bytes <= available)
    return absl::OkStatus();
  return formatError({file, "memory", {}},
                     absl::StrCat("a machine with at least ", bytes,
                                  " bytes (weights, KV cache and scratch space)"),
                     absl::StrCat(available, " bytes"));
}

} // namespace stc
