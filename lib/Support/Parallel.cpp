// Independent pieces of work on several threads.
#include "stc/Support/Parallel.h"

#include <algorithm>
#include <atomic>
#include <sched.h>

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

int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) != 0)
    return 1;
  return std::max(1, CPU_COUNT(&set));
}

} // namespace

HelperThreads::HelperThreads(int64_t threads, absl::FunctionRef<void()> body) : body(body) {
  auto run = [](void *argument) -> void * {
    static_cast<HelperThreads *>(argument)->body();
    return nullptr;
  };
  pthread_t handle;
  while (count() < threads && pthread_create(&handle, nullptr, run, this) == 0)
    handles.push_back(handle);
}

HelperThreads::~HelperThreads() {
  for (pthread_t handle : handles)
    pthread_join(handle, nullptr);
}

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
  auto work = [&] { loop.work(); };
  HelperThreads helpers(threads - 1, work);
  loop.work();
}

} // namespace stc
