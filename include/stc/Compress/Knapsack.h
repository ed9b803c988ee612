// Choosing one option for each of many things so that a sum stays within a limit.
#ifndef STC_COMPRESS_KNAPSACK_H
#define STC_COMPRESS_KNAPSACK_H

#include "absl/types/span.h"

#include <cstdint>
#include <vector>

namespace stc {

/// What an option adds to the sum that is limited and to the one that is made small. Both are
/// finite and at least 0.
struct KnapsackOption {
  double weight = 0;
  double cost = 0;
};

struct KnapsackChoice {
  std::vector<size_t> options; // one per item
  double weight = 0, cost = 0; // their sums
  /// What the first step that the limit leaves no room for would have saved for its weight (the
  /// Lagrange multiplier of the limit); infinite where not even the lightest options fit, 0 where
  /// the limit does not matter.
  double multiplier = 0;
  bool fits = false; // otherwise `options` are the lightest
};

/// Chooses one option of each item with a small sum of costs among choices whose weights sum to at
/// most `limit`. Starts with the lightest options and goes along the lower convex hull of each item
/// in the order of what a step saves for its weight: the minimum of cost + multiplier x weight for
/// a falling multiplier. Steps that no longer fit end their item only, so little of the limit is
/// left over; without that the cost is that of the best fractional choice but for one step. Equal
/// input gives equal output. Every item must have an option.
KnapsackChoice solveKnapsack(absl::Span<const std::vector<KnapsackOption>> items, double limit);

} // namespace stc

#endif // STC_COMPRESS_KNAPSACK_H
