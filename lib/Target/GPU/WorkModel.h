// How long a matrix times many tokens takes a GPU, by how it is divided into pieces of work: a
// model.
#ifndef STC_LIB_TARGET_GPU_WORKMODEL_H
#define STC_LIB_TARGET_GPU_WORKMODEL_H

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Target/GPU/TargetDescription.h"

namespace stc::gpu {

/// Numbers of tokens that calls of a function have.
struct TokenRange {
  int64_t fewest, most;
};

/// Of a function: the TokenRange of its calls, an array of two i64.
constexpr llvm::StringLiteral kTokenRangeAttr = "packed.token_range";

/// The config of a multiplication of one token, or of many: the pieces of work, row tiles times
/// tokens, that take the busiest multiprocessor least time. `range`: how many tokens there can be,
/// where the operation does not say it.
packed::LoweringConfigAttr chooseBlockConfig(packed::MatmulOp op, const TargetDescription &target,
                                             TokenRange range);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_WORKMODEL_H
