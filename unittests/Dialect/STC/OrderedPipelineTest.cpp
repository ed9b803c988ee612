// Tests of the ordered, memory-bounded parallel loop.
#include "stc/Dialect/STC/Utils/OrderedPipeline.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <atomic>
#include <chrono>
#include <thread>

namespace stc {
namespace {

mlir::MLIRContext &context() {
  static mlir::MLIRContext instance;
  return instance;
}

/// Later items finish earlier, so that order is not a matter of luck.
void takeTime(size_t item, size_t count) {
  std::this_thread::sleep_for(std::chrono::microseconds(100 * (count - item)));
}

TEST(OrderedPipelineTest, ConsumesInOrderWhateverFinishesFirst) {
  for (unsigned threads : {1u, 2u, 4u}) {
    constexpr size_t count = 20;
    std::vector<int> produced(count, 0);
    std::vector<size_t> consumed;
    absl::Status status = streamInOrder(
        &context(), count, [](size_t) { return 1; },
        [&](size_t i) {
          takeTime(i, count);
          produced[i] = int(i) + 1;
          return absl::OkStatus();
        },
        [&](size_t i) {
          EXPECT_EQ(produced[i], int(i) + 1);
          consumed.push_back(i);
          return absl::OkStatus();
        },
        kStreamBudget, threads);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_EQ(consumed.size(), count);
    for (size_t i = 0; i < count; ++i)
      EXPECT_EQ(consumed[i], i);
  }
}

TEST(OrderedPipelineTest, KeepsWithinTheBudget) {
  std::atomic<int64_t> inFlight{0}, most{0};
  absl::Status status = streamInOrder(
      &context(), 30, [](size_t i) { return 10 + i % 3; },
      [&](size_t i) {
        int64_t now = inFlight += int64_t(10 + i % 3);
        for (int64_t seen = most; seen < now && !most.compare_exchange_weak(seen, now);)
          ;
        takeTime(0, 3);
        return absl::OkStatus();
      },
      [&](size_t i) {
        inFlight -= int64_t(10 + i % 3);
        return absl::OkStatus();
      },
      /*budget=*/35, /*threads=*/4);
  EXPECT_TRUE(status.ok());
  EXPECT_LE(most, 35);
  EXPECT_EQ(inFlight, 0);
}

TEST(OrderedPipelineTest, AnItemLargerThanTheBudgetRunsAlone) {
  size_t consumed = 0;
  absl::Status status = streamInOrder(
      &context(), 5, [](size_t) { return 1000; }, [](size_t) { return absl::OkStatus(); },
      [&](size_t) {
        ++consumed;
        return absl::OkStatus();
      },
      /*budget=*/10, /*threads=*/3);
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(consumed, 5u);
}

TEST(OrderedPipelineTest, ReportsTheFirstErrorInOrder) {
  for (unsigned threads : {1u, 2u, 4u}) {
    constexpr size_t count = 12;
    absl::Status status = streamInOrder(
        &context(), count, [](size_t) { return 1; },
        [&](size_t i) {
          takeTime(i, count);
          return i % 4 == 3 ? absl::InvalidArgumentError(absl::StrCat(i)) : absl::OkStatus();
        },
        [](size_t) { return absl::OkStatus(); }, kStreamBudget, threads);
    EXPECT_EQ(status.message(), "3");
  }
}

TEST(OrderedPipelineTest, StopsWhenConsumingFails) {
  std::atomic<int> produced{0};
  absl::Status status = streamInOrder(
      &context(), 1000, [](size_t) { return 1; },
      [&](size_t) {
        ++produced;
        return absl::OkStatus();
      },
      [](size_t) { return absl::InvalidArgumentError("full"); }, /*budget=*/4, /*threads=*/2);
  EXPECT_EQ(status.message(), "full");
  EXPECT_LT(produced, 10);
}

TEST(OrderedPipelineTest, NothingToDo) {
  EXPECT_TRUE(streamInOrder(
                  &context(), 0, [](size_t) { return 1; }, [](size_t) { return absl::OkStatus(); },
                  [](size_t) { return absl::OkStatus(); })
                  .ok());
}

} // namespace
} // namespace stc
