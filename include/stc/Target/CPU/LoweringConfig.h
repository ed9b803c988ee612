// Who decides how matrix multiplications are tiled: the cost model, or someone it asks.
#ifndef STC_TARGET_CPU_LOWERINGCONFIG_H
#define STC_TARGET_CPU_LOWERINGCONFIG_H

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Target/CPU/TargetDescription.h"

#include <memory>

namespace mlir {
class Pass;
} // namespace mlir

namespace stc {
struct SelectLoweringConfigPassOptions;

namespace cpu {

/// Fewest tokens at once that are worth the way of their sums through memory, which tile registers
/// take.
constexpr int64_t kLeastTileTokens = 8;
/// Most tokens at once whose activations are split: both halves fill four tiles of sums.
constexpr int64_t kMostSplitTokens = 32;

/// Whether a multiplication of `tokens` (ShapedType::kDynamic: any number) takes split activations
/// beside the f32 ones, which blocks of few tokens use.
bool takesSplitActivations(const Layout &layout, int64_t tokens, const TargetDescription &target);

/// Whether the `inputs` of a multiplication by floats have split activations (sums of two bf16),
/// and not only f32 ones or some that were rounded once.
bool hasSplitActivations(mlir::ValueRange inputs);

/// A multiplication and the ways to tile it that are worth a measurement, the cost model's first.
struct LoweringChoice {
  packed::MatmulOp op;
  llvm::SmallVector<packed::LoweringConfigAttr> candidates;
};

/// Chooses instead of the cost model.
class LoweringConfigChooser {
public:
  virtual ~LoweringConfigChooser() = default;
  /// The index of the candidate for each choice, in order. Failures are diagnosed.
  virtual mlir::FailureOr<llvm::SmallVector<size_t>>
  choose(llvm::ArrayRef<LoweringChoice> choices) = 0;
};

/// `first` and what differs from it in one respect.
llvm::SmallVector<packed::LoweringConfigAttr> loweringCandidates(packed::MatmulOp op,
                                                                 packed::LoweringConfigAttr first);

} // namespace cpu

/// As the generated function; `chooser` decides, unless it is null. It must outlive the run.
std::unique_ptr<mlir::Pass>
createSelectLoweringConfigPass(const SelectLoweringConfigPassOptions &options,
                               cpu::LoweringConfigChooser *chooser);

} // namespace stc

#endif // STC_TARGET_CPU_LOWERINGCONFIG_H
