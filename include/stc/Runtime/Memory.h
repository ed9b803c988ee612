// Large, zeroed, page-aligned memory straight from the kernel: KV caches and scratch space.
#ifndef STC_RUNTIME_MEMORY_H
#define STC_RUNTIME_MEMORY_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace stc {

/// An anonymous mapping, zero until written; pages that are never touched cost nothing.
class Memory {
public:
  /// Maps `bytes` (0 is allowed). `what` names the use in the error of a refusal.
  static absl::StatusOr<Memory> allocate(uint64_t bytes, absl::string_view what);
  Memory() = default;
  Memory(Memory &&other) noexcept { *this = std::move(other); }
  Memory &operator=(Memory &&other) noexcept {
    std::swap(start, other.start);
    std::swap(length, other.length);
    return *this;
  }
  ~Memory();

  uint8_t *data() const { return start; }
  float *floats() const { return reinterpret_cast<float *>(start); }
  uint64_t size() const { return length; }

private:
  uint8_t *start = nullptr;
  uint64_t length = 0;
};

/// The memory and swap space this machine has in all, in bytes.
uint64_t totalMemoryBytes();

/// Bytes that this process could take now without anything being swapped out or ended: what the
/// kernel says is available, or less where the control group (version 2) has less room. Read from
/// `root`/proc/meminfo and `root`/sys/fs/cgroup; UINT64_MAX where neither says anything.
uint64_t availableMemoryBytes(const std::string &root = "");

/// An error when `bytes` in all can never fit into `available` bytes. `file` names the model.
absl::Status checkMemory(const std::string &file, uint64_t bytes, uint64_t available);

} // namespace stc

#endif // STC_RUNTIME_MEMORY_H
