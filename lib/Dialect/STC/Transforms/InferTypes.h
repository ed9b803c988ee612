// Result types of a graph whose inputs changed theirs.
#ifndef LIB_DIALECT_STC_TRANSFORMS_INFERTYPES_H
#define LIB_DIALECT_STC_TRANSFORMS_INFERTYPES_H

#include "stc/Dialect/STC/IR/STC.h"

namespace stc {

/// Infers the result types of all operations in `block` again, in order, after the types of its
/// arguments or weights changed. An operation whose result types cannot be inferred keeps them if
/// they are static, and is an error else.
mlir::LogicalResult inferResultTypes(mlir::Block &block);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_INFERTYPES_H
