// The passes that lead from a packed module to the LLVM dialect of a GPU, phase by phase.
#ifndef STC_TARGET_GPU_PIPELINE_H
#define STC_TARGET_GPU_PIPELINE_H

#include "stc/Target/GPU/Activations.h"

#include "mlir/Pass/PassManager.h"

#include <string>

namespace stc::gpu {

/// Of a module behind the tiled phase: an array of the numbers of tokens for which @prefill has
/// copies, StcGpuImage::few_tokens.
constexpr llvm::StringLiteral kFewTokensAttr = "stc.few_tokens";

struct PipelineOptions {
  std::string target;     // as TargetDescription::parse takes it
  int64_t maxTokens = 64; // most tokens of one call
  int64_t variant = -1;   // of simulated targets: number of the target among several, -1 for one
  ActivationChoice activations = ActivationChoice::Exact; // of many tokens
};

/// Packed operations on tensors -> parallel loops on buffers at fixed places.
void addTiledPasses(mlir::OpPassManager &manager, const PipelineOptions &options);
/// Parallel loops -> each block's share, as code of its threads.
void addVectorPasses(mlir::OpPassManager &manager, const PipelineOptions &options);
/// Everything -> the LLVM dialect, with one kernel per function of stc/Runtime/ModelABI.h, and per
/// copy of @prefill.
void addLLVMPasses(mlir::OpPassManager &manager, const PipelineOptions &options);

} // namespace stc::gpu

#endif // STC_TARGET_GPU_PIPELINE_H
