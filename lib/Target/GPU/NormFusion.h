// Norms together with the quantizations of their results.
#ifndef STC_LIB_TARGET_GPU_NORMFUSION_H
#define STC_LIB_TARGET_GPU_NORMFUSION_H

#include "BlockBuilder.h"

namespace stc::gpu {

/// What is done with a norm's result while it is still in registers.
struct NormFusion {
  llvm::SmallVector<packed::QuantizeActivationsOp, 2> quantizations;
  bool isStored = true; // false: nothing else reads the result
};

/// The quantizations that follow a norm of whole rows and read what it writes. The norm is moved to
/// the last of them.
NormFusion fuseNorm(packed::RMSNormOp op, const TargetDescription &target);

/// packed.rms_norm, and the quantizations in `fusion`.
void emitRMSNorm(packed::RMSNormOp op, const NormFusion &fusion, const TargetDescription &target);

/// Whether the threads of a block keep a row of so many columns in registers.
bool keepsRow(int64_t columns, const TargetDescription &target);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_NORMFUSION_H
