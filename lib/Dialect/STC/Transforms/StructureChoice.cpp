// Which parts of layers go, by their scores and by how much is to go.
#include "StructureScores.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace mlir;

namespace stc {

namespace {

/// The `count` indices with the highest scores, the lower index where scores are equal, in rising
/// order.
SmallVector<int64_t> best(ArrayRef<double> scores, int64_t count) {
  SmallVector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::sort(order, [&](int64_t a, int64_t b) {
    return std::pair(scores[size_t(b)], a) < std::pair(scores[size_t(a)], b);
  });
  order.truncate(size_t(count));
  llvm::sort(order);
  return order;
}

/// How many channels one layer keeps, between two bounds.
struct ChannelCount {
  size_t layer;
  std::vector<double> rising; // scores
  int64_t kept, least, wanted;
};

int64_t clamp(int64_t value, int64_t low, int64_t high) {
  return std::max(low, std::min(value, high));
}

/// The score that goes with the next `multiple` channels.
double nextCost(const ChannelCount &count, int64_t multiple) {
  auto begin = count.rising.begin() + (int64_t(count.rising.size()) - count.kept);
  return std::accumulate(begin, begin + multiple, 0.0);
}

absl::Status chooseChannels(ArrayRef<LayerStructure> layers, ArrayRef<LayerScores> scores,
                            const StructureAmounts &amounts, std::vector<LayerCut> &cuts) {
  double share = amounts.channels;
  int64_t multiple = amounts.multiple, excess = 0, total = 0;
  SmallVector<ChannelCount> counts;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].feedForward || cuts[i].removed)
      continue;
    int64_t channels = layers[i].feedForward->channels, most = channels / multiple * multiple;
    total += channels;
    if (most == 0)
      continue;
    auto keep = [&](double removed, auto round) {
      double multiples = round(double(channels) * (1 - removed) / double(multiple));
      return clamp(int64_t(multiples) * multiple, multiple, most);
    };
    ChannelCount count{i, scores[i].channels, 0, 0, 0};
    llvm::sort(count.rising);
    count.wanted = keep(share, [](double x) { return std::round(x); });
    count.least = std::min(count.wanted, keep(1.5 * share, [](double x) { return std::ceil(x); }));
    count.kept = std::max(count.wanted, keep(0.5 * share, [](double x) { return std::floor(x); }));
    if (amounts.uniform)
      count.kept = count.wanted;
    excess += count.kept - count.wanted;
    counts.push_back(std::move(count));
  }
  for (; excess > 0; excess -= multiple) {
    ChannelCount *cheapest = nullptr;
    for (ChannelCount &count : counts)
      if (count.kept > count.least &&
          (!cheapest || nextCost(count, multiple) < nextCost(*cheapest, multiple)))
        cheapest = &count;
    if (!cheapest)
      break;
    cheapest->kept -= multiple;
  }
  if (total == 0)
    return formatError({"", "channels", {}},
                       "layers with feed-forward channels that can be cut (those of experts cannot)",
                       "none");
  int64_t left = total;
  for (const ChannelCount &count : counts) {
    auto channels = int64_t(count.rising.size());
    left -= channels - count.kept;
    if (count.kept < channels)
      cuts[count.layer].channels = best(scores[count.layer].channels, count.kept);
  }
  if (left == total)
    return formatError({"", "channels", {}},
                       absl::StrCat("a share that takes some of ", total,
                                    " channels and leaves a multiple of ", multiple,
                                    " in each layer"),
                       absl::StrCat(share));
  return absl::OkStatus();
}

/// How many of `count` stay. An error if that is all.
absl::StatusOr<int64_t> keptOf(const char *option, const char *what, double share, int64_t count) {
  auto kept = std::max<int64_t>(1, int64_t(std::round(double(count) * (1 - share))));
  if (kept == count && share > 0)
    return formatError(
        {"", option, {}},
        absl::StrCat("a share that takes one of ", count, " ", what, " at least and leaves one"),
        absl::StrCat(share));
  return kept;
}

absl::Status chooseHeads(ArrayRef<LayerStructure> layers, ArrayRef<LayerScores> scores,
                         const StructureAmounts &amounts, std::vector<LayerCut> &cuts) {
  bool found = false;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (cuts[i].removed)
      continue;
    if (!layers[i].attention && amounts.groups > 0)
      return formatError({"", "groups", {}},
                         "attention that can be cut in every layer, as all have one cache",
                         absl::StrCat("another in layer ", i));
    if (!layers[i].attention)
      continue;
    found = true;
    const SelfAttention &attention = *layers[i].attention;
    int64_t perGroup = attention.headsPerGroup();
    STC_ASSIGN_OR_RETURN(int64_t groups,
                         keptOf("groups", "key/value heads", amounts.groups, attention.groups));
    STC_ASSIGN_OR_RETURN(int64_t heads,
                         keptOf("heads", "query heads of a group", amounts.heads, perGroup));
    ArrayRef<double> own(scores[i].heads);
    std::vector<double> sums;
    for (int64_t group = 0; group < attention.groups; ++group) {
      ArrayRef<double> members = own.slice(size_t(group * perGroup), size_t(perGroup));
      sums.push_back(std::accumulate(members.begin(), members.end(), 0.0));
    }
    cuts[i].groups = best(sums, groups);
    for (int64_t group : cuts[i].groups)
      for (int64_t head : best(own.slice(size_t(group * perGroup), size_t(perGroup)), heads))
        cuts[i].heads.push_back(group * perGroup + head);
  }
  if (!found)
    return formatError({"", "heads", {}}, "layers with attention that can be cut", "none");
  return absl::OkStatus();
}

absl::Status chooseExperts(ArrayRef<LayerStructure> layers, ArrayRef<LayerScores> scores,
                           const StructureAmounts &amounts, std::vector<LayerCut> &cuts) {
  bool found = false;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (!layers[i].mixture || cuts[i].removed)
      continue;
    found = true;
    auto count = int64_t(layers[i].mixture->experts.size());
    TopKGateOp gate = layers[i].mixture->gate;
    STC_ASSIGN_OR_RETURN(int64_t kept, keptOf("experts", "experts", amounts.experts, count));
    if (kept < int64_t(gate.getK()))
      return formatError({"", "experts", {}},
                         absl::StrCat("a share that leaves the ", gate.getK(),
                                      " experts that each token goes through"),
                         absl::StrCat(amounts.experts, ", which leaves ", kept));
    cuts[i].experts = best(scores[i].experts, kept);
  }
  if (!found)
    return formatError({"", "experts", {}}, "layers with experts that can be cut", "none");
  return absl::OkStatus();
}

absl::Status chooseLayers(ArrayRef<LayerStructure> layers, ArrayRef<LayerScores> scores,
                          const StructureAmounts &amounts, std::vector<LayerCut> &cuts) {
  SmallVector<size_t> candidates;
  for (size_t i = 0; i < layers.size(); ++i)
    if (layers[i].removable)
      candidates.push_back(i);
  auto most = std::min(int64_t(candidates.size()), int64_t(layers.size()) - 1);
  if (amounts.layers > most)
    return formatError({"", "layers", {}},
                       absl::StrCat("at most ", most, " of ", layers.size(), " layers to remove"),
                       absl::StrCat(amounts.layers));
  llvm::sort(candidates, [&](size_t a, size_t b) {
    return std::pair(scores[b].similarity, a) < std::pair(scores[a].similarity, b);
  });
  candidates.truncate(size_t(amounts.layers));
  for (size_t i : candidates)
    cuts[i].removed = true;
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<std::vector<LayerCut>> chooseCuts(ArrayRef<LayerStructure> layers,
                                                 ArrayRef<LayerScores> scores,
                                                 const StructureAmounts &amounts) {
  std::vector<LayerCut> cuts(layers.size());
  if (amounts.layers > 0)
    STC_RETURN_IF_ERROR(chooseLayers(layers, scores, amounts, cuts));
  if (amounts.channels > 0)
    STC_RETURN_IF_ERROR(chooseChannels(layers, scores, amounts, cuts));
  if (amounts.experts > 0)
    STC_RETURN_IF_ERROR(chooseExperts(layers, scores, amounts, cuts));
  if (amounts.groups > 0 || amounts.heads > 0)
    STC_RETURN_IF_ERROR(chooseHeads(layers, scores, amounts, cuts));
  return cuts;
}

} // namespace stc
