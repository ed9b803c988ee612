// What a search for a recipe takes the time of a token to be.
#include "SearchCost.h"

#include "stc/Target/Autotune/KernelTimes.h"
#include "stc/Target/CPU/DecodeCost.h"

#include <cstdio>

namespace stc {

namespace {

/// Bytes per second that the table's times are of.
constexpr double kBandwidth = 30e9;

double tableSeconds(const Layout &layout, int64_t, int64_t, int64_t bytes) {
  return cpu::decodeSeconds(layout, bytes, kBandwidth);
}

/// Kernels measured when first asked for.
class MeasuredCost {
public:
  explicit MeasuredCost(SearchCostOptions options) : options(std::move(options)) {}
  absl::Status prepare() { return open(/*modelWeights=*/0); }

  double operator()(const Layout &layout, int64_t rows, int64_t columns, int64_t bytes) {
    // `prepare` has shown that it can be opened.
    if (!isOpen)
      isOpen = open(options.modelWeights()).ok();
    absl::StatusOr<double> seconds = times->seconds(layout, rows, columns, bytes);
    (void)times->save(); // what is not kept is measured again
    return seconds.ok() ? *seconds : tableSeconds(layout, rows, columns, bytes);
  }

private:
  absl::Status open(int64_t modelWeights) {
    KernelTimesOptions kernel;
    kernel.target = options.target;
    kernel.threads = options.threads;
    kernel.modelWeights = modelWeights;
    kernel.cacheDirectory = options.cacheDirectory;
    kernel.compiler = options.compiler;
    STC_ASSIGN_OR_RETURN(times, KernelTimes::create(kernel));
    return absl::OkStatus();
  }

  SearchCostOptions options;
  std::unique_ptr<KernelTimes> times;
  bool isOpen = false;
};

} // namespace

absl::StatusOr<DecodeCost> searchCost(const SearchCostOptions &options, bool quiet) {
  bool isLimit = options.budget.quantity == Budget::Quantity::Speed;
  if (!isLimit && options.budget.objective != Budget::Objective::Speed)
    return DecodeCost(tableSeconds);
  auto measured = std::make_shared<MeasuredCost>(options);
  absl::Status status = measured->prepare();
  if (status.ok())
    return DecodeCost(
        [measured](const Layout &layout, int64_t rows, int64_t columns, int64_t bytes) {
          return (*measured)(layout, rows, columns, bytes);
        });
  if (isLimit)
    return status;
  if (!quiet)
    std::fprintf(stderr,
                 "warning: kernels for %s cannot be measured here; their times are a table's\n",
                 options.target.c_str());
  return DecodeCost(tableSeconds);
}

} // namespace stc
