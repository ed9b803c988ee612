// Every index is visited once, on as many threads as there are, also from within.
#include "stc/Support/Parallel.h"

#include "AddressSanitizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <sys/resource.h>
#include <unistd.h>
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

/// Runs loops where no stack of a thread can be had any more.
static void runWithoutThreads() {
  rlimit none{0, 0};
  setrlimit(RLIMIT_AS, &none);
  setParallelThreads(4);
  std::atomic<int> sum{0};
  auto body = [&] { ++sum; };
  int64_t helpers = HelperThreads(4, body).count();
  parallelFor(10, [&](int64_t i) { sum += int(i); });
  _exit(helpers == 0 && sum == 45 ? 0 : 1);
}

TEST(Parallel, DoesWithoutThreadsThatAreRefused) {
  if (test::hasAddressSanitizer)
    GTEST_SKIP() << "AddressSanitizer needs memory for a thread before it can be refused";
  // A program started anew: this one keeps the stacks of earlier threads for later ones.
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_EXIT(runWithoutThreads(), testing::ExitedWithCode(0), "");
}

TEST(Parallel, HelpersRunOnceEach) {
  for (int64_t threads : {-1, 0, 1, 3}) {
    std::atomic<int64_t> calls{0}, count{0};
    auto body = [&] { ++calls; };
    {
      HelperThreads helpers(threads, body);
      count = helpers.count();
    }
    EXPECT_EQ(calls, std::max<int64_t>(threads, 0));
    EXPECT_EQ(count, calls);
  }
}
