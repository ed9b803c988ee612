// The weights of linear layers, from what products read.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_FINDWEIGHT_H
#define STC_LIB_CONVERSION_LINALGTOSTC_FINDWEIGHT_H

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

namespace stc {

/// The weight [outputs, inputs] of a matmul's right side, as its map has it: a tensor that is
/// there, a constant in another shape or order, which is written anew, or a `stc.weight`
/// transposed. Null if there is none.
mlir::Value findWeight(mlir::OpBuilder &builder, mlir::Value right, mlir::AffineMap map,
                       mlir::AffineExpr outputs, mlir::AffineExpr inputs);

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_FINDWEIGHT_H
