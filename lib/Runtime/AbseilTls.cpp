// Stands in for three parts of Abseil when models are linked, so that they can be shared libraries.
//
// Debian's static Abseil is built for executables: three of its objects reach their thread-local
// variables in a way that no shared library may (R_X86_64_TPOFF32). This file comes before them in
// the runtime archive and defines the same functions without such variables, so that the linker
// never takes the originals. It belongs to that release of Abseil only, and to that archive only:
// the compiler itself uses the shared Abseil.
#include "absl/base/config.h"

#if defined(ABSL_LTS_RELEASE_VERSION) && ABSL_LTS_RELEASE_VERSION == 20220623

#include "absl/base/internal/sysinfo.h"
#include "absl/container/internal/raw_hash_set.h"
#include "absl/strings/internal/cordz_functions.h"

#include <cstdint>
#include <cstdlib>
#include <sys/syscall.h>
#include <unistd.h>

namespace absl {
ABSL_NAMESPACE_BEGIN

// Statistics about long strings, which nobody collects here.
namespace cord_internal {

ABSL_CONST_INIT thread_local int64_t cordz_next_sample = INT64_MAX;

int32_t get_cordz_mean_interval() { return INT32_MAX; }
void set_cordz_mean_interval(int32_t) {}
bool cordz_should_profile_slow() {
  cordz_next_sample = INT64_MAX;
  return false;
}
void cordz_set_next_sample_for_testing(int64_t next) { cordz_next_sample = next; }

} // namespace cord_internal

namespace base_internal {

double NominalCPUFrequency() { return 1.0; } // what Abseil says where it cannot find out
int NumCPUs() {
  static const int count = int(sysconf(_SC_NPROCESSORS_ONLN));
  return count;
}
pid_t GetTID() { return pid_t(syscall(SYS_gettid)); }
pid_t GetCachedTID() { return GetTID(); }

} // namespace base_internal

// Hash tables: the state of an empty one, and what happens when a table is rehashed in place.
namespace container_internal {

alignas(16) ABSL_CONST_INIT const ctrl_t kEmptyGroup[16] = {
    ctrl_t::kSentinel, ctrl_t::kEmpty, ctrl_t::kEmpty, ctrl_t::kEmpty,
    ctrl_t::kEmpty,    ctrl_t::kEmpty, ctrl_t::kEmpty, ctrl_t::kEmpty,
    ctrl_t::kEmpty,    ctrl_t::kEmpty, ctrl_t::kEmpty, ctrl_t::kEmpty,
    ctrl_t::kEmpty,    ctrl_t::kEmpty, ctrl_t::kEmpty, ctrl_t::kEmpty};

template FindInfo find_first_non_full(const ctrl_t *, size_t, size_t);

// Either answer is right; the original's changes from call to call to keep users honest.
bool ShouldInsertBackwards(size_t hash, const ctrl_t *ctrl) { return H1(hash, ctrl) % 2 != 0; }

void ConvertDeletedToEmptyAndFullToDeleted(ctrl_t *ctrl, size_t capacity) {
  for (size_t i = 0; i < capacity; ++i)
    ctrl[i] = ctrl[i] == ctrl_t::kEmpty || ctrl[i] == ctrl_t::kDeleted ? ctrl_t::kEmpty
                                                                       : ctrl_t::kDeleted;
  // Behind the sentinel lies a copy of the beginning, for groups that wrap around; the bytes of a
  // table smaller than that are never read as slots.
  for (size_t i = 0; i < Group::kWidth - 1; ++i)
    ctrl[capacity + 1 + i] = i < capacity ? ctrl[i] : ctrl_t::kEmpty;
  ctrl[capacity] = ctrl_t::kSentinel;
}

void HashTableSizeOverflow() { std::abort(); }

} // namespace container_internal

ABSL_NAMESPACE_END
} // namespace absl

#endif
