// Conversions between dialects.
#ifndef STC_CONVERSION_PASSES_H
#define STC_CONVERSION_PASSES_H

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Packing/Bundle.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace stc {

#define GEN_PASS_DECL
#include "stc/Conversion/Passes.h.inc"

/// As the generated function, with packed bytes written to `bundle`, which must outlive the run.
/// Null keeps them in memory.
std::unique_ptr<mlir::Pass> createConvertSTCToPackedPass(ConvertSTCToPackedPassOptions options,
                                                         BundleWriter *bundle);

#define GEN_PASS_REGISTRATION
#include "stc/Conversion/Passes.h.inc"

} // namespace stc

#endif // STC_CONVERSION_PASSES_H
