// The files a compilation writes, complete or not at all.
#ifndef STC_LIB_DRIVER_ARTIFACTS_H
#define STC_LIB_DRIVER_ARTIFACTS_H

#include "stc/Driver/Compile.h"
#include "stc/Packing/Bundle.h"
#include "stc/Target/CPU/TargetDescription.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>

namespace stc {

/// The outputs of --emit=exe|shared|object. Packing streams weights into `bundle`; `finish` links
/// the objects and makes everything visible, the manifest (the bundle) last.
class ModelArtifacts {
public:
  /// `weights` is how many there are in matrices: an executable of many gets room for its code in
  /// front of them, so that they are written once.
  static absl::StatusOr<std::unique_ptr<ModelArtifacts>>
  create(EmitKind kind, const std::string &output, const cpu::TargetDescription &target,
         int64_t weights);
  BundleWriter *bundle() { return writer.get(); }
  absl::Status finish(llvm::ArrayRef<std::string> objects, const ModelSettings &settings,
                      const std::string &tokenizer);

private:
  absl::Status finishInPlace(const std::string &linked);
  absl::Status finishExecutable(const std::string &linked);
  absl::Status finishLibrary(const std::string &linked, const std::string &prefix);
  EmitKind kind = EmitKind::Executable;
  std::string output;
  std::unique_ptr<AtomicFile> bundleFile;
  uint64_t room = 0; // in front of the weights
  std::unique_ptr<BundleWriter> writer;
};

/// Writes a text file atomically; "-" is standard output.
absl::Status writeText(const std::string &path, absl::string_view text);

/// The module's textual form.
std::string printModule(mlir::ModuleOp module);

/// All that the code of a packed module depends on: its textual form without the path of the
/// checkpoint and what is only known of its weights, so that models of the same shapes and layouts
/// have the same code.
std::string codeText(mlir::ModuleOp module);

/// Marks the module with a hash of its packed form and targets (`stc.fingerprint`), so that code
/// refuses weights it was not built for.
void setFingerprint(mlir::ModuleOp module, llvm::ArrayRef<cpu::TargetDescription> targets,
                    llvm::ArrayRef<gpu::TargetDescription> gpuTargets);

/// What a packed-phase module says about the model: sizes and bytes read per token.
ModelSettings modelSettings(mlir::ModuleOp module, const std::string &name);

/// Adds what is known only after lowering: the fingerprint, and the arena size, which is the
/// largest of all modules this is called with.
void finishSettings(mlir::ModuleOp module, const PipelineOptions &pipeline,
                    ModelSettings &settings);
/// The same after lowering for a GPU.
void finishGpuSettings(mlir::ModuleOp module, const PipelineOptions &pipeline,
                       ModelSettings &settings);

} // namespace stc

#endif // STC_LIB_DRIVER_ARTIFACTS_H
