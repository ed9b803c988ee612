// Sensitivities that were measured before, kept on disk by what they depend on.
#ifndef STC_CALIBRATION_SENSITIVITYCACHE_H
#define STC_CALIBRATION_SENSITIVITYCACHE_H

#include "stc/Calibration/Sensitivity.h"

namespace stc {

/// Where sensitivities are kept. A file is named by the XXH3-64 of all that they depend on: the
/// graph, the values of all weights, the tokens of both texts, the encodings, the methods and
/// `identity`. A file that is damaged is as good as absent.
struct SensitivityCache {
  std::string directory; // empty: nothing is kept
  std::string identity;  // whatever identifies the code that measures
};

/// As measureSensitivity, which it calls only for what `cache` does not hold. What is found counts
/// as progress at once. Failing to write the cache is a warning.
absl::StatusOr<std::vector<WeightSensitivity>>
measureSensitivity(const SensitivityCache &cache, mlir::ModuleOp module, WeightStore &store,
                   const SensitivityOptions &options, llvm::ArrayRef<WeightOp> weights,
                   const WeightUsesMap &uses, Progress &progress);

} // namespace stc

#endif // STC_CALIBRATION_SENSITIVITYCACHE_H
