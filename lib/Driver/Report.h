// --report: what a compilation leaves to be shown, measured and written as one page.
#ifndef STC_LIB_DRIVER_REPORT_H
#define STC_LIB_DRIVER_REPORT_H

#include "ReportText.h"

#include "stc/Driver/Compile.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Target/CPU/TargetDescription.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>

namespace stc {

/// What can be said about --report before anything is read. Errors: a page that cannot be written
/// or would replace the binary, an output that is no program, a target that this machine cannot
/// run, an evaluation text that cannot be opened.
absl::Status checkReport(const CompileOptions &options,
                         llvm::ArrayRef<cpu::TargetDescription> targets);

/// The report of one compilation. Create it before compression, keep the modules of two phases, and
/// write it when the binary is there.
class Report {
public:
  /// Chooses the evaluation text and compiles the source without compression, into the cache.
  /// `module` is as imported. Everything must outlive the report.
  static absl::StatusOr<std::unique_ptr<Report>> create(const CompileOptions &options,
                                                        const Checkpoint &checkpoint,
                                                        const Tokenizer *tokenizer,
                                                        mlir::ModuleOp module);
  /// Keeps a copy of what the phases `graph` and `compressed` gave.
  void keep(Phase phase, mlir::ModuleOp module);
  /// Measures and writes. `foundRecipe` is that of a search, or empty. What the IR cannot be
  /// measured for is said on the page, with a warning.
  absl::Status write(const std::string &foundRecipe);

private:
  Report(const CompileOptions &options, const Checkpoint &checkpoint, const Tokenizer *tokenizer)
      : options(options), checkpoint(checkpoint), tokenizer(tokenizer) {}
  absl::Status chooseText(mlir::ModuleOp module);
  absl::Status compileSource();
  absl::Status measure(ReportData &data);
  absl::Status describe(ReportData &data);

  const CompileOptions &options;
  const Checkpoint &checkpoint;
  const Tokenizer *tokenizer;
  Recipe recipe;
  EvaluationText text;
  std::string source; // program
  mlir::OwningOpRef<mlir::ModuleOp> graph, compressed;
};

} // namespace stc

#endif // STC_LIB_DRIVER_REPORT_H
