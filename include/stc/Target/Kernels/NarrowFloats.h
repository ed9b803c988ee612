// Activations as numbers of 16 bits, as Packing defines them.
#ifndef STC_TARGET_KERNELS_NARROWFLOATS_H
#define STC_TARGET_KERNELS_NARROWFLOATS_H

#include "mlir/IR/ImplicitLocOpBuilder.h"

#include <utility>

namespace stc {

/// The bits (i32) of high and low of Packing's splitActivation of `x`, an f32 or a vector of them.
std::pair<mlir::Value, mlir::Value> splitFloat(mlir::ImplicitLocOpBuilder &builder, mlir::Value x);
/// The bits (i32) of Packing's roundActivation to f16.
mlir::Value roundToHalf(mlir::ImplicitLocOpBuilder &builder, mlir::Value x);

} // namespace stc

#endif // STC_TARGET_KERNELS_NARROWFLOATS_H
