// What a search for a recipe takes the time of a token to be.
#ifndef LIB_DRIVER_SEARCHCOST_H
#define LIB_DRIVER_SEARCHCOST_H

#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Budget.h"

#include <functional>
#include <string>

namespace stc {

/// Whom and what a time is for.
struct SearchCostOptions {
  Budget budget;
  std::string target;                    // as TargetDescription::parse takes it
  int threads = 0;                       // 0: all
  std::string cacheDirectory, compiler;  // see KernelTimes
  std::function<int64_t()> modelWeights; // of all matrices a token reads; asked when first needed
};

/// Where time counts - an objective or a limit of speed - and this machine runs code for the
/// target, kernels are measured when their time is first asked for. Else times are a table's
/// (DecodeCost.h), of which only ratios count; a target that cannot be measured here is a warning
/// on stderr unless `quiet`, and an error for tokens/s, which means this machine.
absl::StatusOr<DecodeCost> searchCost(const SearchCostOptions &options, bool quiet);

} // namespace stc

#endif // LIB_DRIVER_SEARCHCOST_H
