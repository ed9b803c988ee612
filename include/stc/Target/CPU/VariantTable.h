// The table by which the runtime finds the functions generated for each target.
#ifndef STC_TARGET_CPU_VARIANTTABLE_H
#define STC_TARGET_CPU_VARIANTTABLE_H

#include "stc/Target/CPU/TargetDescription.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace stc::cpu {

/// Emits stc_model_abi_version and stc_model_fingerprint.
void emitModelConstants(mlir::OpBuilder &builder, mlir::Location loc, int64_t fingerprint);

/// The model's functions for one kind of GPU; the fields are those of StcGpuImage.
struct GpuImage {
  std::string target, format;
  std::string bytes; // of text without the final NUL, which the table adds
  uint64_t blockThreads = 0, sharedBytes = 0;
  std::vector<uint64_t> fewTokens; // at most STC_FEW_TOKEN_KERNELS
};

/// Emits stc_model_gpu_images and stc_model_gpu_image_count, the images in the given order.
void emitGpuImages(mlir::OpBuilder &builder, mlir::Location loc, llvm::ArrayRef<GpuImage> images);

/// An LLVM dialect module of constants only: those above and stc_model_variants with one row per
/// target, in the given order. Row i refers to the `functions` of variant i ("prefill"), and has
/// null pointers for the others.
mlir::OwningOpRef<mlir::ModuleOp> buildVariantTable(mlir::MLIRContext &context,
                                                    llvm::ArrayRef<TargetDescription> targets,
                                                    llvm::ArrayRef<GpuImage> images,
                                                    int64_t fingerprint,
                                                    llvm::ArrayRef<llvm::StringRef> functions);

} // namespace stc::cpu

#endif // STC_TARGET_CPU_VARIANTTABLE_H
