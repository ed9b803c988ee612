// The conversion of stc operations without a packed form to linalg.
#ifndef STC_CONVERSION_STCTOLINALG_PASSES_H
#define STC_CONVERSION_STCTOLINALG_PASSES_H

#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#include "stc/Conversion/STCToLinalg/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "stc/Conversion/STCToLinalg/Passes.h.inc"

} // namespace stc

#endif // STC_CONVERSION_STCTOLINALG_PASSES_H
