// Independent pieces of work on several threads, with results that do not depend on how many.
#ifndef STC_SUPPORT_PARALLEL_H
#define STC_SUPPORT_PARALLEL_H

#include "absl/functional/function_ref.h"

#include <cstdint>
#include <pthread.h>
#include <vector>

namespace stc {

/// Threads beside the caller's that all run one function. Those that the system refuses (a limit on
/// processes, no memory for a stack) are done without, where std::thread would end the program.
class HelperThreads {
public:
  /// None if `threads` is 0 or less. `body` has to live until these threads are joined.
  HelperThreads(int64_t threads, absl::FunctionRef<void()> body);
  /// Waits until all have returned.
  ~HelperThreads();
  HelperThreads(const HelperThreads &) = delete;
  HelperThreads &operator=(const HelperThreads &) = delete;

  /// How many there are.
  int64_t count() const { return int64_t(handles.size()); }

private:
  absl::FunctionRef<void()> body;
  std::vector<pthread_t> handles;
};

/// Threads that parallelFor uses: the processors this process may use (its affinity mask), or what
/// setParallelThreads said.
int parallelThreads();
/// Limits parallelFor to `threads` threads from now on; 0 goes back to all processors. Not to be
/// called while a parallelFor runs.
void setParallelThreads(int threads);

/// Calls `body(i)` once for every i in [0, count), in any order and on any thread, and returns when
/// all are done. Calls must not depend on each other; then the results are the same for any number
/// of threads. A call from within `body` runs on its own thread alone. Threads the system refuses
/// are done without.
void parallelFor(int64_t count, absl::FunctionRef<void(int64_t)> body);

} // namespace stc

#endif // STC_SUPPORT_PARALLEL_H
