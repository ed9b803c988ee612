// stc-measure-divergence: says how far the compressed model is from its source.
#include "stc/Calibration/Divergence.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_MEASUREDIVERGENCEPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

class MeasureDivergence final : public impl::MeasureDivergencePassBase<MeasureDivergence> {
public:
  using MeasureDivergencePassBase::MeasureDivergencePassBase;

  void runOnOperation() override {
    if (length < 2 || text.empty()) {
      getOperation().emitError("stc-measure-divergence: expects a text and a length of at least 2");
      return signalPassFailure();
    }
    absl::StatusOr<Divergence> measured = measure();
    if (!measured.ok()) {
      (void)emitStatus(getOperation(), measured.status());
      return signalPassFailure();
    }
    if (measured->isOfVectors())
      emitRemark(getOperation().getLoc())
          << llvm::formatv("{0} texts: cosine distance {1:F6} +- {2:F6}", measured->tokens(),
                           measured->divergence(), measured->divergenceError())
                 .str();
    else
      emitRemark(getOperation().getLoc())
          << llvm::formatv(
                 "{0} tokens: perplexity {1:F3}, of the source {2:F3}; KL {3:F6} +- {4:F6}; "
                 "same next token {5:F4}",
                 measured->tokens(), measured->perplexity(), measured->sourcePerplexity(),
                 measured->divergence(), measured->divergenceError(), measured->agreement())
                 .str();
    markAllAnalysesPreserved();
  }

private:
  /// The graph to compare with, if there is one. Its weights come from the module's checkpoint.
  absl::Status readReference(OwningOpRef<ModuleOp> &other) {
    if (reference.empty())
      return absl::OkStatus();
    ErrorSite site{reference, "", {}};
    {
      ScopedDiagnosticHandler quiet(&getContext(), [](Diagnostic &) { return success(); });
      other = parseSourceFile<ModuleOp>(reference, ParserConfig(&getContext()));
    }
    if (!other)
      return formatError(site, "a file of stc's IR", "one that cannot be read");
    Attribute theirs = (*other)->getAttr("stc.checkpoint");
    if (theirs && theirs != getOperation()->getAttr("stc.checkpoint"))
      return formatError(site, "a graph of the same checkpoint", "one of another");
    return absl::OkStatus();
  }

  absl::StatusOr<Divergence> measure() {
    STC_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, tokenizerOf(getOperation()));
    OwningOpRef<ModuleOp> other;
    STC_RETURN_IF_ERROR(readReference(other));
    STC_ASSIGN_OR_RETURN(Divergence divergence,
                         divergenceOf(getOperation(), other ? *other : ModuleOp()));
    for (const std::string &path : text)
      STC_RETURN_IF_ERROR(divergence.add(getOperation(), path, tokenizer.get(), length));
    return divergence;
  }
};

} // namespace

} // namespace stc
