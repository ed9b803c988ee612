// What refers to the tokens and the cache of a function: attention, rotations, tables.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_RAISETOKENS_H
#define STC_LIB_CONVERSION_LINALGTOSTC_RAISETOKENS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace stc {

/// The attentions, the rotations and the rows of tables of one function, as operations of stc
/// before what they replace. A function that has attention and no cache gets arguments for one, of
/// `capacity` positions (or of its tokens, where their number is known), unless something calls it.
/// Remarks say so, and what could not be raised. Returns the number of operations that were
/// replaced.
int64_t raiseTokens(mlir::func::FuncOp function, int64_t capacity);

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_RAISETOKENS_H
