// How long one token takes with a matrix of a layout, measured on this machine.
#include "stc/Target/Autotune/KernelTimes.h"

#include "stc/Target/Autotune/Circumstance.h"
#include "stc/Target/Autotune/KernelBench.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <algorithm>
#include <chrono>

using namespace stc;

using Clock = std::chrono::steady_clock;

static constexpr int kLeastRounds = 9, kMostRounds = 500;
/// Rows of a thread's matrix are cut to this many weights, which is quickly made.
static constexpr int64_t kMostWeights = 4 << 20;

static double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The least of some times: other programs make them longer, never shorter.
static double least(const std::vector<double> &values) {
  return *std::min_element(values.begin(), values.end());
}

absl::StatusOr<std::unique_ptr<KernelTimes>>
KernelTimes::create(const KernelTimesOptions &options) {
  STC_ASSIGN_OR_RETURN(auto target, cpu::TargetDescription::parse(options.target));
  if (!runsHere(options.target))
    return formatError({"", "tokens/s", {}}, "a --target that this machine can run and measure",
                       options.target);
  STC_ASSIGN_OR_RETURN(std::unique_ptr<ThreadPool> pool, ThreadPool::create(options.threads));
  std::string circumstance =
      absl::StrCat("kernel times;", circumstanceOf(target, pool->threads(), options.compiler));
  return std::unique_ptr<KernelTimes>(
      new KernelTimes(options, std::move(pool), std::move(circumstance)));
}

/// What it takes until all threads have begun, and all know that all are done.
double KernelTimes::handover() {
  std::string key = "handover";
  double known = 0;
  if (auto stored = cache.find(key); stored && absl::SimpleAtod(*stored, &known))
    return known;
  constexpr int kRounds = 501;
  std::vector<double> seconds;
  for (int i = 0; i < kRounds; ++i) {
    Clock::time_point start = Clock::now();
    pool->run([](int64_t, int64_t) {});
    seconds.push_back(secondsSince(start));
  }
  known = least(seconds);
  cache.add(key, absl::StrFormat("%.6g", known));
  return known;
}

/// Seconds for each byte of a matrix of this shape.
absl::StatusOr<double> KernelTimes::perByte(const Layout &layout, int64_t rows, int64_t columns) {
  std::string key =
      absl::StrCat(layout.str(), " ", rows, "x", columns, " of ", options.modelWeights);
  double known = 0;
  if (auto stored = cache.find(key); stored && absl::SimpleAtod(*stored, &known) && known > 0)
    return known;
  KernelShape shape;
  shape.layout = layout;
  shape.columns = columns;
  int64_t share = (rows + pool->threads() - 1) / pool->threads();
  int64_t most = std::max(kMostWeights / columns / kTileRows, int64_t(1)) * kTileRows;
  shape.rows = std::min((share + kTileRows - 1) / kTileRows * kTileRows, most);
  STC_ASSIGN_OR_RETURN(auto kernel, KernelBench::compile(shape, /*config=*/"", options.target));
  // The copies of the matrix take what the whole model would.
  int64_t matrixBytes = KernelBench::matrixBytes(shape);
  double perWeight = double(matrixBytes) / double(shape.rows * shape.columns);
  int64_t bytes = streamedBytes();
  if (options.modelWeights > 0)
    bytes = std::min(bytes, int64_t(perWeight * double(options.modelWeights)));
  STC_ASSIGN_OR_RETURN(auto bench, KernelBench::create(shape, bytes, *pool));
  bench->measure(*kernel); // brings code and data where they will be
  std::vector<double> seconds;
  Clock::time_point begin = Clock::now();
  for (int round = 0;
       round < kLeastRounds || (round < kMostRounds && secondsSince(begin) < options.secondsEach);
       ++round)
    seconds.push_back(bench->measure(*kernel));
  double ofAll = std::max(least(seconds) - handover(), 0.0);
  known = ofAll / double(bench->copies() * pool->threads() * matrixBytes);
  cache.add(key, absl::StrFormat("%.6g", known));
  return known;
}

absl::StatusOr<double> KernelTimes::seconds(const Layout &layout, int64_t rows, int64_t columns,
                                            int64_t bytes) {
  STC_ASSIGN_OR_RETURN(double each, perByte(layout, rows, columns));
  return double(bytes) * each + handover();
}
