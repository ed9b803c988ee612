// The passes of lib/Import.
#ifndef STC_IMPORT_PASSES_H
#define STC_IMPORT_PASSES_H

#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#define GEN_PASS_REGISTRATION
#include "stc/Import/Passes.h.inc"

} // namespace stc

#endif // STC_IMPORT_PASSES_H
