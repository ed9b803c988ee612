// One compilation, from a checkpoint to a file: what Compile.cpp and CompileCode.cpp share.
#ifndef STC_LIB_DRIVER_COMPILATION_H
#define STC_LIB_DRIVER_COMPILATION_H

#include "Artifacts.h"
#include "Report.h"
#include "stc/Driver/Compile.h"
#include "stc/Target/Autotune/Autotuner.h"
#include "stc/Target/CPU/VariantTable.h"

#include "llvm/Support/ThreadPool.h"

#include <chrono>
#include <set>

namespace stc {

/// One compilation: owns the context, the module and the artifacts being written.
class Compilation {
public:
  explicit Compilation(const CompileOptions &options);
  absl::Status run();

private:
  absl::Status load();
  absl::Status loadModule();
  absl::Status fitToEncoder();
  absl::Status loadChatTemplate();
  absl::Status advanceTo(Phase phase);
  absl::Status runPhase(Phase phase, mlir::ModuleOp onto);
  absl::Status dump(Phase phase, mlir::ModuleOp onto);
  absl::Status parseTargets();
  absl::StatusOr<std::vector<std::string>> generateVariants(ModelSettings &settings);
  absl::StatusOr<std::vector<std::string>> generateOrFind(ModelSettings &settings);
  absl::StatusOr<std::vector<cpu::GpuImage>> generateGpuCode(ModelSettings &settings);
  absl::Status prepareAutotune();
  absl::Status prepareEncoder();
  absl::Status prepareSearch();
  void takeRecipe();
  absl::Status emitText();
  absl::Status describeModel(ModelSettings &settings);
  absl::Status emitBinary();
  absl::Status checkExport();
  absl::Status emitExport();
  void report(absl::string_view step, std::chrono::steady_clock::time_point since);

  const CompileOptions &options;
  mlir::DialectRegistry registry;
  std::unique_ptr<llvm::DefaultThreadPool> pool; // outlives the context
  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::shared_ptr<Checkpoint> checkpoint;
  std::unique_ptr<Tokenizer> tokenizer;
  std::string chatTemplate;
  std::vector<cpu::TargetDescription> targets;    // the best first
  std::vector<gpu::TargetDescription> gpuTargets; // the best first
  std::unique_ptr<ModelArtifacts> artifacts;
  std::unique_ptr<Autotuner> autotuner;
  std::unique_ptr<Report> page; // of --report
  PipelineOptions pipeline;
  size_t nextPhase = 0;         // into kAllPhases
  std::string foundRecipe;      // of a search
  std::string imposedAttention; // rules
  bool inGraph = false;         // whether operations are those that were written in the module
  std::string firstError, timings;
  std::set<std::string> warnings; // that were shown
  int64_t diagnostics = 0;        // of any kind
};

} // namespace stc

#endif // STC_LIB_DRIVER_COMPILATION_H
