// Independent pieces of work on several threads.
#include "stc/Support/Parallel.h"

#include <algorithm>
#include <atomic>
#include <pthread.h>
#include <sched.h>
#include <vector>

namespace stc {

namespace {

std::atomic<int> wantedThreads{0};
/// Whether this thread is within a parallelFor already.
thread_local bool working = false;

struct Loop {
  int64_t count;
  absl::FunctionRef<void(int64_t)> body;
  std::atomic<int64_t> next{0};

  void work() {
    working = true;
    for (int64_t i = next++; i < count; i = next++)
      body(i);
    working = false;
  }
};

void *workerMain(void *argument) {
  static_cast<Loop *>(argument)->work();
  return nullptr;
}

int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1;
  return std::max(1, CPU_COUNT(&set));
}

} // namespace

int parallelThreads() {
  int wanted = wantedThreads.load(std::memory_order_relaxed);
  return wanted > 0 ? wanted : processors();
}

void setParallelThreads(int threads) { wantedThreads.store(threads, std::memory_order_relaxed); }

void parallelFor(int64_t count, absl::FunctionRef<void(int64_t)> body) {
  int64_t threads = working ? 1 : std::min<int64_t>(parallelThreads(), count);
  if (threads <= 1) {
    for (int64_t i = 0; i < count; ++i)
      body(i);
    return;
  }
  Loop loop{count, body};
  std::vector<pthread_t> workers;
  for (int64_t i = 1; i < threads; ++i) {
    pthread_t handle;
    if (pthread_create(&handle, nullptr, workerMain, &loop) == 0)
      workers.push_back(handle);
  }
  loop.work();
  for (pthread_t handle : workers)
    pthread_join(handle, nullptr);
}

} // namespace stc
