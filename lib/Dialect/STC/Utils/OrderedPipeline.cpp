// Work on many tensors in several threads, with bounded memory and results in order.
#include "stc/Dialect/STC/Utils/OrderedPipeline.h"

#include "stc/Support/Parallel.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <vector>

namespace stc {

namespace {

class Stream {
public:
  Stream(size_t count, unsigned threads, uint64_t budget, llvm::function_ref<uint64_t(size_t)> cost,
         llvm::function_ref<absl::Status(size_t)> produce)
      : results(count), mostAhead(2 * threads), budget(budget), cost(cost), produce(produce) {}

  /// What each worker does: claim the next item once its memory fits, and produce it. Items are
  /// claimed in order, so the one the consumer waits for is always under way.
  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stopped || next == results.size() || fits(next); });
      if (stopped || next == results.size())
        return;
      size_t item = next++;
      inFlight += cost(item);
      lock.unlock();
      absl::Status status = produce(item);
      lock.lock();
      results[item] = std::move(status);
      changed.notify_all();
    }
  }

  absl::Status await(size_t item) {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [&] { return results[item].has_value(); });
    return *results[item];
  }
  void done(size_t item) {
    std::lock_guard<std::mutex> lock(mutex);
    inFlight -= cost(item);
    consumed = item + 1;
    changed.notify_all();
  }
  void stop() {
    std::lock_guard<std::mutex> lock(mutex);
    stopped = true;
    changed.notify_all();
  }

private:
  /// Costs are estimates, and freed memory is not always given back: a short queue helps to keep
  /// what they promise.
  bool fits(size_t item) const {
    return item == consumed || (item - consumed < mostAhead && inFlight + cost(item) <= budget);
  }

  std::vector<std::optional<absl::Status>> results;
  size_t mostAhead, consumed = 0;
  uint64_t budget, inFlight = 0;
  llvm::function_ref<uint64_t(size_t)> cost;
  llvm::function_ref<absl::Status(size_t)> produce;
  size_t next = 0;
  bool stopped = false;
  std::mutex mutex;
  std::condition_variable changed;
};

} // namespace

absl::Status streamInOrder(mlir::MLIRContext *context, size_t count,
                           llvm::function_ref<uint64_t(size_t)> cost,
                           llvm::function_ref<absl::Status(size_t)> produce,
                           llvm::function_ref<absl::Status(size_t)> consume, uint64_t budget,
                           unsigned threads) {
  constexpr unsigned maxThreads = 8;
  if (threads == 0)
    threads = std::min(context->getNumThreads(), maxThreads);
  threads = unsigned(std::min<size_t>(threads, count));

  Stream stream(count, threads, budget, cost, produce);
  auto work = [&] { stream.work(); };
  HelperThreads workers(threads > 1 ? threads : 0, work);
  if (workers.count() == 0) {
    for (size_t i = 0; i < count; ++i) {
      STC_RETURN_IF_ERROR(produce(i));
      STC_RETURN_IF_ERROR(consume(i));
    }
    return absl::OkStatus();
  }
  absl::Status status;
  for (size_t i = 0; i < count && status.ok(); ++i) {
    status = stream.await(i);
    if (status.ok())
      status = consume(i);
    stream.done(i);
  }
  stream.stop();
  return status;
}

} // namespace stc
