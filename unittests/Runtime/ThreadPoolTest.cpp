// The pool runs every thread once per call, and its barrier holds, also with too few processors.
#include "stc/Runtime/ThreadPool.h"

#include "stc/Runtime/ModelABI.h"

#include "gtest/gtest.h"

#include <chrono>
#include <thread>

namespace stc {
namespace {

std::unique_ptr<ThreadPool> makePool(int threads) {
  auto pool = ThreadPool::create(threads);
  EXPECT_TRUE(pool.ok()) << pool.status();
  return *std::move(pool);
}

TEST(ThreadPool, RunsEveryThreadOnce) {
  for (int threads = 1; threads <= 8; ++threads) {
    auto pool = makePool(threads);
    EXPECT_EQ(pool->threads(), threads);
    std::vector<int> calls(size_t(threads), 0);
    for (int round = 0; round < 200; ++round)
      pool->run([&](int64_t thread, int64_t count) {
        EXPECT_EQ(count, threads);
        ++calls[size_t(thread)];
      });
    EXPECT_EQ(calls, std::vector<int>(size_t(threads), 200));
  }
}

TEST(ThreadPool, CallerIsThreadZero) {
  auto pool = makePool(3);
  auto caller = std::this_thread::get_id();
  pool->run([&](int64_t thread, int64_t) {
    EXPECT_EQ(thread == 0, std::this_thread::get_id() == caller);
  });
}

// Each phase every thread writes its own cell and reads all others' of the phase before.
TEST(ThreadPool, BarrierHoldsUnderStress) {
  constexpr int phases = 1000;
  for (int threads = 1; threads <= 8; ++threads) {
    auto pool = makePool(threads);
    std::vector<int> cells(2 * size_t(threads), 0);
    std::atomic<int> wrong{0};
    pool->run([&](int64_t thread, int64_t count) {
      for (int phase = 1; phase <= phases; ++phase) {
        int *own = &cells[size_t(phase % 2 * count)],
            *other = &cells[size_t((1 - phase % 2) * count)];
        own[thread] = phase;
        for (int64_t i = 0; i < count; ++i)
          wrong += other[i] != phase - 1;
        stc_rt_barrier(pool->sync());
      }
    });
    EXPECT_EQ(wrong, 0) << threads << " threads";
  }
}

TEST(ThreadPool, ManyMoreThreadsThanProcessorsStillProgress) {
  auto start = std::chrono::steady_clock::now();
  auto pool = makePool(32);
  std::atomic<int64_t> sum{0};
  for (int round = 0; round < 20; ++round)
    pool->run([&](int64_t thread, int64_t) {
      for (int i = 0; i < 20; ++i)
        stc_rt_barrier(pool->sync());
      sum += thread;
    });
  EXPECT_EQ(sum, 20 * 31 * 32 / 2);
  // Spinning threads would need a scheduler's slice (milliseconds) per barrier and thread.
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(ThreadPool, WorkersSleepAndWakeAgain) {
  auto pool = makePool(2);
  int calls = 0;
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    pool->run([&](int64_t thread, int64_t) {
      if (thread == 1)
        ++calls;
    });
  }
  EXPECT_EQ(calls, 5);
}

TEST(ThreadPool, DefaultIsTheAffinityMask) {
  EXPECT_GE(ThreadPool::defaultThreads(), 1);
  EXPECT_EQ(makePool(0)->threads(), ThreadPool::defaultThreads());
}

TEST(ThreadPool, RejectsImpossibleCounts) {
  for (int threads : {-1, ThreadPool::maxThreads + 1}) {
    auto pool = ThreadPool::create(threads);
    ASSERT_FALSE(pool.ok());
    EXPECT_NE(pool.status().message().find("expected a number from 1 to 1024"), std::string::npos);
  }
}

} // namespace
} // namespace stc
