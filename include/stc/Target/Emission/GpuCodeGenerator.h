// LLVM dialect -> code for GPUs, in process.
#ifndef STC_TARGET_EMISSION_GPUCODEGENERATOR_H
#define STC_TARGET_EMISSION_GPUCODEGENERATOR_H

#include "stc/Target/CPU/VariantTable.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "absl/status/statusor.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace stc {

/// Translates `module` (llvm phase, for `target`), optimizes it and returns assembly text (PTX, or
/// AMD's), a SPIR-V module or, with `asLLVM`, the optimized LLVM IR.
absl::StatusOr<std::string>
generateGpuCode(mlir::ModuleOp module, const gpu::TargetDescription &target, bool asLLVM = false);

/// The same as a code object for AMD's GPUs (HSACO), linked in process: one call at a time.
absl::StatusOr<std::string> generateCodeObject(mlir::ModuleOp module,
                                               const gpu::TargetDescription &target);

/// The images of a model for `target`, the best first. For AMD's GPUs one code object, for OpenCL
/// one SPIR-V module; else machine code where ptxas is found (beside the program named by the
/// environment variable STC_PTXAS, on the PATH or in /usr/local/cuda/bin), and PTX, from which the
/// driver makes code for this and later chips.
absl::StatusOr<std::vector<cpu::GpuImage>> generateGpuImages(mlir::ModuleOp module,
                                                             const gpu::TargetDescription &target);

/// The path of ptxas; empty where there is none.
std::string findPtxas();

/// Registers the translations that GPU code needs.
void registerGpuTranslations(mlir::DialectRegistry &registry);

} // namespace stc

#endif // STC_TARGET_EMISSION_GPUCODEGENERATOR_H
