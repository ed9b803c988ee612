// The nonlinearities as arithmetic, for every lowering that computes them.
#ifndef STC_DIALECT_STC_UTILS_ACTIVATIONMATH_H
#define STC_DIALECT_STC_UTILS_ACTIVATIONMATH_H

#include "stc/Dialect/STC/IR/STC.h"

namespace stc {

/// kind(x) in the operations of `arith` and `math`; `x` is an f32, or a vector of them.
mlir::Value createActivation(mlir::OpBuilder &builder, mlir::Location loc, ActivationKind kind,
                             mlir::Value x);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_ACTIVATIONMATH_H
