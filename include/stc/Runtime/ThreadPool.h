// The threads that run generated code: a pool that starts work within microseconds, and its
// barrier.
#ifndef STC_RUNTIME_THREADPOOL_H
#define STC_RUNTIME_THREADPOOL_H

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

#include <atomic>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <vector>

namespace stc {

/// A counter that threads wait on: a short spin, because the next value usually comes within
/// microseconds, then a sleep in the kernel, so that more threads than processors still progress.
class WaitCounter {
public:
  /// `spinNanoseconds` bounds the spin; 0 sleeps at once.
  explicit WaitCounter(int64_t spinNanoseconds) : spinNanoseconds(spinNanoseconds) {}
  uint32_t value() const { return counter.load(std::memory_order_acquire); }
  /// Counts up and wakes all who wait.
  void advance();
  /// Returns once the value is no longer `old`.
  void waitWhile(uint32_t old);

private:
  bool spinWhile(uint32_t old) const;
  // Apart from each other: waiters poll the counter while the others change the sleepers.
  alignas(64) std::atomic<uint32_t> counter{0};
  alignas(64) std::atomic<uint32_t> sleepers{0};
  const int64_t spinNanoseconds;
};

/// Holds every thread until all have arrived; reusable at once. What stc_rt_barrier waits on.
class Barrier {
public:
  Barrier(int threads, int64_t spinNanoseconds) : threads(threads), phase(spinNanoseconds) {}
  void arriveAndWait();

private:
  const int threads;
  alignas(64) std::atomic<int> arrived{0};
  WaitCounter phase;
};

/// A fixed set of threads, the caller being one of them. One call of `run` at a time.
class ThreadPool {
public:
  static constexpr int maxThreads = 1024;
  using Function = absl::FunctionRef<void(int64_t thread, int64_t threads)>;

  /// The processors this process may use (its affinity mask).
  static int defaultThreads();
  /// Starts `threads` - 1 workers (0: defaultThreads()). Errors: a count out of range, or the
  /// system refuses another thread.
  static absl::StatusOr<std::unique_ptr<ThreadPool>> create(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int threads() const { return threadCount; }
  /// Calls `function` on every thread, thread 0 being the caller, and returns when all are done.
  void run(Function function);
  /// What `StcFrame::sync` points to during `run`.
  void *sync() { return &barrier; }

private:
  ThreadPool(int threads, int64_t busySpin, int64_t idleSpin); // nanoseconds
  static void *workerMain(void *argument);
  void work(int thread);

  struct Worker {
    ThreadPool *pool;
    int thread;
    pthread_t handle;
  };
  const int threadCount;
  std::vector<Worker> workers;
  Barrier barrier;
  const Function *job = nullptr; // published by `started`; null ends the workers
  std::atomic<int> running{0};
  WaitCounter started, finished;
};

} // namespace stc

#endif // STC_RUNTIME_THREADPOOL_H
