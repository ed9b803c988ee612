// Every index is visited once, on as many threads as there are, also from within.
#include "stc/Support/Parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

using namespace stc;

TEST(Parallel, VisitsEveryIndexOnce) {
  for (int threads : {1, 2, 5})
    for (int64_t count : {0, 1, 2, 3, 1000}) {
      setParallelThreads(threads);
      std::vector<std::atomic<int>> visits(size_t(count) + 1);
      parallelFor(count, [&](int64_t i) { ++visits[size_t(i)]; });
      for (int64_t i = 0; i < count; ++i)
        EXPECT_EQ(visits[size_t(i)], 1);
      EXPECT_EQ(visits[size_t(count)], 0);
    }
  setParallelThreads(0);
  EXPECT_GE(parallelThreads(), 1);
}

TEST(Parallel, NestedLoopsStayOnTheirThread) {
  setParallelThreads(4);
  std::vector<std::atomic<int>> visits(64);
  parallelFor(8, [&](int64_t i) {
    auto self = pthread_self();
    parallelFor(8, [&](int64_t j) {
      EXPECT_TRUE(pthread_equal(self, pthread_self()));
      ++visits[size_t(i * 8 + j)];
    });
  });
  for (auto &count : visits)
    EXPECT_EQ(count, 1);
  setParallelThreads(0);
}
