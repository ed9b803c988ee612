// A choice of encodings as a recipe, and the reasons for it.
#ifndef LIB_DIALECT_STC_TRANSFORMS_ENCODINGPLAN_H
#define LIB_DIALECT_STC_TRANSFORMS_ENCODINGPLAN_H

#include "stc/Calibration/Sensitivity.h"
#include "stc/Dialect/STC/Transforms/Passes.h"

namespace stc {

/// What a search chooses from: weights, with what each encoding costs them.
struct EncodingPlan {
  std::vector<Encoding> encodings;
  std::vector<WeightSensitivity> weights;
  std::vector<size_t> chosen; // for each weight an index into its costs
  bool bySpeed = false;       // time was what counted, not bytes

  const EncodedCost &costOf(size_t weight) const { return weights[weight].costs[chosen[weight]]; }
  /// The stages that say this, weights of one encoding together and the most frequent one last, for
  /// all others.
  std::vector<RecipeStage> stages() const;
  /// Why a weight's encoding is dense or sparse: "stays dense int4-g32: 2:4+int4-g128 would cost
  /// 3.1x the KL for 1.2x the speed".
  std::string reason(size_t weight) const;
};

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_ENCODINGPLAN_H
