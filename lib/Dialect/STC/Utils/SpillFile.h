// An unlinked temporary file for data that must not live in memory.
#ifndef LIB_DIALECT_STC_UTILS_SPILLFILE_H
#define LIB_DIALECT_STC_UTILS_SPILLFILE_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <atomic>
#include <mutex>
#include <string>

namespace stc {

/// Grows at its end and is read anywhere; safe to use from several threads. The file has no name,
/// so that nothing stays behind however the process ends.
class SpillFile {
public:
  SpillFile() = default;
  ~SpillFile();
  SpillFile(const SpillFile &) = delete;
  SpillFile &operator=(const SpillFile &) = delete;

  /// Sets `bytes` bytes aside and returns where they start.
  uint64_t reserve(uint64_t bytes) { return end.fetch_add(bytes); }
  absl::Status write(uint64_t offset, absl::Span<const uint8_t> bytes);
  absl::Status read(uint64_t offset, absl::Span<uint8_t> bytes);

private:
  absl::Status open();
  std::mutex mutex;
  std::string folder;
  int descriptor = -1;
  std::atomic<uint64_t> end{0};
};

} // namespace stc

#endif // LIB_DIALECT_STC_UTILS_SPILLFILE_H
