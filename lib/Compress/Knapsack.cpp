// Choosing one option for each of many things so that a sum stays within a limit.
#include "stc/Compress/Knapsack.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

namespace stc {

/// The options that are best for some multiplier, from the lightest to the cheapest.
static std::vector<size_t> convexHull(const std::vector<KnapsackOption> &options) {
  std::vector<size_t> order(options.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tuple(options[a].weight, options[a].cost, a) <
           std::tuple(options[b].weight, options[b].cost, b);
  });
  /// How much going from a to b saves for its weight.
  auto slope = [&](size_t a, size_t b) {
    return (options[a].cost - options[b].cost) / (options[b].weight - options[a].weight);
  };
  std::vector<size_t> hull;
  for (size_t next : order) {
    if (!hull.empty() && options[next].cost >= options[hull.back()].cost)
      continue; // heavier, or as heavy, and no cheaper
    while (hull.size() > 1 && slope(hull.back(), next) >= slope(hull[hull.size() - 2], hull.back()))
      hull.pop_back();
    hull.push_back(next);
  }
  return hull;
}

KnapsackChoice solveKnapsack(absl::Span<const std::vector<KnapsackOption>> items, double limit) {
  struct Step {
    size_t item, from, to;
    double weight, saved;
  };
  KnapsackChoice choice;
  std::vector<Step> steps;
  for (size_t item = 0; item < items.size(); ++item) {
    const std::vector<KnapsackOption> &options = items[item];
    std::vector<size_t> hull = convexHull(options);
    choice.options.push_back(hull.front());
    choice.weight += options[hull.front()].weight;
    for (size_t i = 1; i < hull.size(); ++i)
      steps.push_back({item, hull[i - 1], hull[i],
                       options[hull[i]].weight - options[hull[i - 1]].weight,
                       options[hull[i - 1]].cost - options[hull[i]].cost});
  }
  choice.fits = choice.weight <= limit;
  choice.multiplier = choice.fits ? 0 : std::numeric_limits<double>::infinity();
  // Steps of one item come in this order anyway: hulls are convex.
  std::vector<size_t> order(steps.size());
  std::iota(order.begin(), order.end(), size_t(0));
  std::sort(order.begin(), order.end(), [&](size_t i, size_t j) {
    double a = steps[i].saved * steps[j].weight, b = steps[j].saved * steps[i].weight;
    return a != b ? a > b : i < j;
  });
  for (size_t number : order) {
    const Step &step = steps[number];
    bool reached = choice.options[step.item] == step.from; // the step before was taken
    if (!choice.fits || !reached)
      continue;
    if (choice.weight + step.weight > limit) {
      if (choice.multiplier == 0)
        choice.multiplier = step.saved / step.weight;
      continue;
    }
    choice.options[step.item] = step.to;
    choice.weight += step.weight;
  }
  // Sums of their own, without what adding and subtracting leaves.
  choice.weight = choice.cost = 0;
  for (size_t item = 0; item < items.size(); ++item) {
    choice.weight += items[item][choice.options[item]].weight;
    choice.cost += items[item][choice.options[item]].cost;
  }
  return choice;
}

} // namespace stc
