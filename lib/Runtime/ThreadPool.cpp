// The threads that run generated code: spin briefly, then sleep on a futex.
#include "stc/Runtime/ThreadPool.h"

#include "stc/Runtime/ModelABI.h"
#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <csignal>
#include <cstring>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace stc {

namespace {

/// While a call runs, a thread waits for the slowest of its kernel; between calls, for the next
/// token to be chosen. Both are far shorter than a scheduler's slice, in which a thread that spins
/// may be keeping the one it waits for from running.
constexpr int64_t busySpinNanoseconds = 200'000, idleSpinNanoseconds = 50'000;

void pauseBriefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void futexWait(std::atomic<uint32_t> &word, uint32_t expected) {
  static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "a futex is a plain word");
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAIT_PRIVATE, expected, nullptr,
          nullptr, 0);
}

void futexWakeAll(std::atomic<uint32_t> &word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t *>(&word), FUTEX_WAKE_PRIVATE, INT_MAX, nullptr,
          nullptr, 0);
}

} // namespace

bool WaitCounter::spinWhile(uint32_t old) const {
  using Clock = std::chrono::steady_clock;
  if (spinNanoseconds <= 0)
    return counter.load(std::memory_order_acquire) != old;
  // The length of a pause differs tenfold between processors, so the limit is one of time. The
  // clock is first read after a while: most waits are over by then.
  Clock::time_point end;
  for (bool first = true;; first = false) {
    for (int i = 0; i < 64; ++i) {
      if (counter.load(std::memory_order_acquire) != old)
        return true;
      pauseBriefly();
    }
    Clock::time_point now = Clock::now();
    if (first)
      end = now + std::chrono::nanoseconds(spinNanoseconds);
    else if (now >= end)
      return false;
  }
}

void WaitCounter::waitWhile(uint32_t old) {
  if (spinWhile(old))
    return;
  // Sequentially consistent on both sides: either this thread sees the new value, or the one that
  // advances sees the sleeper and wakes it.
  sleepers.fetch_add(1, std::memory_order_seq_cst);
  while (counter.load(std::memory_order_seq_cst) == old)
    futexWait(counter, old);
  sleepers.fetch_sub(1, std::memory_order_relaxed);
}

void WaitCounter::advance() {
  counter.fetch_add(1, std::memory_order_seq_cst);
  if (sleepers.load(std::memory_order_seq_cst) > 0)
    futexWakeAll(counter);
}

void Barrier::arriveAndWait() {
  if (threads == 1)
    return;
  // The phase cannot advance before this thread has arrived, so reading it first is safe.
  uint32_t current = phase.value();
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == threads) {
    arrived.store(0, std::memory_order_relaxed);
    phase.advance();
  } else {
    phase.waitWhile(current);
  }
}

int ThreadPool::defaultThreads() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  int count = 0;
  if (sched_getaffinity(0, sizeof(mask), &mask) == 0)
    count = CPU_COUNT(&mask);
  else // more processors than a cpu_set_t has room for
    count = int(sysconf(_SC_NPROCESSORS_ONLN));
  return std::clamp(count, 1, maxThreads);
}

ThreadPool::ThreadPool(int threads, int64_t busySpin, int64_t idleSpin)
    : threadCount(threads), barrier(threads, busySpin), started(idleSpin), finished(busySpin) {}

absl::StatusOr<std::unique_ptr<ThreadPool>> ThreadPool::create(int threads) {
  int available = defaultThreads();
  if (threads == 0)
    threads = available;
  if (threads < 1 || threads > maxThreads)
    return formatError({"", "threads", {}}, absl::StrCat("a number from 1 to ", maxThreads),
                       absl::StrCat(threads));
  // A thread that spins without a processor of its own keeps the one it waits for from running.
  bool spin = threads <= available;
  std::unique_ptr<ThreadPool> pool(
      new ThreadPool(threads, spin ? busySpinNanoseconds : 0, spin ? idleSpinNanoseconds : 0));
  pool->workers.reserve(size_t(threads - 1));

  // Signals belong to the caller's threads: a worker must not be the one that is interrupted.
  sigset_t all, previous;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &previous);
  int error = 0;
  for (int i = 1; i < threads && error == 0; ++i) {
    pool->workers.push_back({pool.get(), i, {}});
    error =
        pthread_create(&pool->workers.back().handle, nullptr, workerMain, &pool->workers.back());
    if (error != 0)
      pool->workers.pop_back();
  }
  pthread_sigmask(SIG_SETMASK, &previous, nullptr);
  if (error != 0)
    return formatError({"", "threads", {}},
                       absl::StrCat(threads, " threads that the system can start"),
                       std::strerror(error));
  return pool;
}

ThreadPool::~ThreadPool() {
  job = nullptr;
  started.advance();
  for (Worker &worker : workers)
    pthread_join(worker.handle, nullptr);
}

void *ThreadPool::workerMain(void *argument) {
  Worker *worker = static_cast<Worker *>(argument);
  worker->pool->work(worker->thread);
  return nullptr;
}

void ThreadPool::work(int thread) {
  for (uint32_t round = 0;; ++round) {
    started.waitWhile(round);
    if (!job)
      return;
    (*job)(thread, threadCount);
    if (running.fetch_sub(1, std::memory_order_acq_rel) == 1)
      finished.advance();
  }
}

void ThreadPool::run(Function function) {
  if (threadCount == 1) {
    function(0, 1);
    return;
  }
  uint32_t round = finished.value();
  job = &function;
  running.store(threadCount - 1, std::memory_order_relaxed);
  started.advance();
  function(0, threadCount);
  finished.waitWhile(round);
}

} // namespace stc

extern "C" void stc_rt_barrier(void *sync) { static_cast<stc::Barrier *>(sync)->arriveAndWait(); }
