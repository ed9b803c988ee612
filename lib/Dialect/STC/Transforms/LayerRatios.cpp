// The shares of zeros of layers, where they are not the same for all.
#include "LayerRatios.h"

#include "stc/Calibration/Outliers.h"
#include "stc/Compress/Scores.h"

#include "mlir/IR/Builders.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <map>

using namespace mlir;

namespace stc {

namespace {

/// The weights of one layer that were given one pattern.
struct Share {
  LayerOp layer;
  double outliers;
  int64_t size = 0;
  SmallVector<PrunePattern *> patterns;
};

/// Patterns of whole numbers or of a ratio, in place of the one that all `shares` have.
void spread(const Recipe::Ratios &ratios, const PrunePattern &given, ArrayRef<Share> shares) {
  std::vector<double> outliers;
  std::vector<int64_t> sizes;
  for (const Share &share : shares) {
    outliers.push_back(share.outliers);
    sizes.push_back(share.size);
  }
  if (given.kind == PrunePattern::Kind::NM) {
    std::vector<int64_t> counts = owlCounts(outliers, sizes, given.n, given.m, ratios.range);
    for (auto [share, count] : llvm::zip_equal(shares, counts))
      for (PrunePattern *pattern : share.patterns)
        pattern->n = count;
    return;
  }
  std::vector<double> own = owlRatios(outliers, sizes, given.ratio, ratios.range);
  for (auto [share, ratio] : llvm::zip_equal(shares, own))
    for (PrunePattern *pattern : share.patterns)
      pattern->ratio = std::round(ratio * 1e4) / 1e4; // names of patterns should be short
}

} // namespace

absl::Status spreadRatios(ModuleOp module, const Recipe::Ratios &ratios, const Sequences &text,
                          WeightStore &store, ArrayRef<PrunedWeight> weights, bool quiet,
                          bool verbose) {
  llvm::DenseMap<Operation *, PrunePattern *> patternOf;
  SmallVector<WeightOp> asked;
  uint64_t total = 0;
  for (const PrunedWeight &pruned : weights) {
    patternOf[pruned.weight] = pruned.pattern;
    asked.push_back(pruned.weight);
    total += uint64_t(asked.back().getTensorType().getNumElements());
  }
  Progress progress("outliers", total, quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  STC_ASSIGN_OR_RETURN(std::vector<LayerOutliers> layers,
                       measureOutliers(module, store, text, asked, ratios.threshold, progress));
  progress.finish();
  std::map<std::string, std::vector<Share>> groups; // by pattern
  for (LayerOutliers &layer : layers)
    for (WeightOp weight : layer.weights) {
      PrunePattern *pattern = patternOf.lookup(weight);
      std::vector<Share> &shares = groups[pattern->str()];
      if (shares.empty() || shares.back().layer != layer.layer)
        shares.push_back({layer.layer, layer.share, 0, {}});
      shares.back().size += weight.getTensorType().getNumElements();
      shares.back().patterns.push_back(pattern);
    }
  for (auto &[name, shares] : groups) {
    PrunePattern given = *shares.front().patterns.front();
    spread(ratios, given, shares);
    if (!verbose)
      continue;
    for (Share &share : shares)
      emitRemark(share.layer.getLoc())
          << "layer " << share.layer.getIndex() << ": "
          << llvm::formatv("{0:F3} % outliers, pruned as {1} in place of {2}", 100 * share.outliers,
                           share.patterns.front()->str(), name)
                 .str();
  }
  return absl::OkStatus();
}

} // namespace stc
