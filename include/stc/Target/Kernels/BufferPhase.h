// The first half of the tiled phases of all targets.
#ifndef STC_TARGET_KERNELS_BUFFERPHASE_H
#define STC_TARGET_KERNELS_BUFFERPHASE_H

#include "mlir/Pass/PassManager.h"

namespace stc {

/// A packed module -> packed and linalg operations on buffers. `keepsNorms`: the target has a
/// kernel of packed.rms_norm for whole rows.
void addBufferPasses(mlir::OpPassManager &manager, bool keepsNorms);

} // namespace stc

#endif // STC_TARGET_KERNELS_BUFFERPHASE_H
