// The table by which the runtime finds the functions generated for each target.
#ifndef STC_TARGET_CPU_VARIANTTABLE_H
#define STC_TARGET_CPU_VARIANTTABLE_H

#include "stc/Target/CPU/TargetDescription.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace stc::cpu {

/// The symbol of an entry point ("decode") of the given variant: stc_model_decode_1, or without a
/// number where it is negative.
std::string entryPointName(llvm::StringRef function, int64_t variant);

/// Emits stc_model_abi_version and stc_model_fingerprint.
void emitModelConstants(mlir::OpBuilder &builder, mlir::Location loc, int64_t fingerprint);

/// An LLVM dialect module of constants only: those above and stc_model_variants with one row per
/// target, in the given order. Row i refers to the functions of variant i.
mlir::OwningOpRef<mlir::ModuleOp> buildVariantTable(mlir::MLIRContext &context,
                                                    llvm::ArrayRef<TargetDescription> targets,
                                                    int64_t fingerprint);

} // namespace stc::cpu

#endif // STC_TARGET_CPU_VARIANTTABLE_H
