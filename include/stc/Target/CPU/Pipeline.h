// The passes that lead from a packed module to the LLVM dialect on CPUs, phase by phase.
#ifndef STC_TARGET_CPU_PIPELINE_H
#define STC_TARGET_CPU_PIPELINE_H

#include "mlir/Pass/PassManager.h"

#include <string>

namespace stc::cpu {

class LoweringConfigChooser;

struct PipelineOptions {
  std::string target = "native"; // as TargetDescription::parse takes it
  int64_t maxTokens = 64;        // most tokens of one call
  int64_t variant = -1;          // which of several targets this is; negative: the only one
  LoweringConfigChooser *chooser = nullptr; // asked how to tile instead of the cost model
};

/// Packed operations on tensors -> parallel loops on buffers at fixed places.
void addTiledPasses(mlir::OpPassManager &manager, const PipelineOptions &options);
/// Parallel loops -> each thread's share, as vector code.
void addVectorPasses(mlir::OpPassManager &manager, const PipelineOptions &options);
/// Everything -> the LLVM dialect, with the entry points of stc/Runtime/ModelABI.h.
void addLLVMPasses(mlir::OpPassManager &manager, const PipelineOptions &options);

} // namespace stc::cpu

#endif // STC_TARGET_CPU_PIPELINE_H
