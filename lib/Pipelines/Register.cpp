// Registers every pass and pipeline of stc and of upstream, for the compiler tools.
#include "stc/Conversion/Passes.h"
#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Import/Passes.h"
#include "stc/Pipelines/Pipelines.h"
#include "stc/Reference/Passes.h"
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/GPU/Passes.h"

#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Pass/PassOptions.h"
#include "mlir/Pass/PassRegistry.h"
#include "llvm/Support/ErrorHandling.h"

using namespace mlir;

namespace {

/// PipelineOptions as text.
struct PhaseOptions : PassPipelineOptions<PhaseOptions> {
  Option<std::string> prune{*this, "prune", llvm::cl::desc("What to prune, e.g. 2:4"),
                            llvm::cl::init("none")};
  Option<std::string> attention{*this, "attention",
                                llvm::cl::desc("What tokens see, e.g. strided:64"),
                                llvm::cl::init("none")};
  Option<bool> rotate{*this, "rotate", llvm::cl::desc("Rotate the hidden state and values first"),
                      llvm::cl::init(false)};
  Option<std::string> quantize{*this, "quantize", llvm::cl::desc("How to quantize, e.g. int4-g32"),
                               llvm::cl::init("none")};
  Option<bool> keepCodes{*this, "keep-codes",
                         llvm::cl::desc("Keep codes that the checkpoint stores"),
                         llvm::cl::init(false)};
  Option<std::string> head{*this, "head",
                           llvm::cl::desc("How to quantize the output head; auto: int8 in the "
                                          "groups of `quantize`, where that is not none"),
                           llvm::cl::init("auto")};
  Option<std::string> target{*this, "target", llvm::cl::desc("What to compile for"),
                             llvm::cl::init("native")};
  Option<int64_t> prefillChunk{*this, "prefill-chunk",
                               llvm::cl::desc("Most tokens of one prefill call"),
                               llvm::cl::init(stc::PipelineOptions().prefillChunk)};
  Option<stc::ActivationChoice> activations{
      *this, "activations", llvm::cl::desc("What many tokens' activations become on GPUs"),
      llvm::cl::init(stc::ActivationChoice::Exact),
      llvm::cl::values(
          clEnumValN(stc::ActivationChoice::Exact, "exact", "As far as weights promise"),
          clEnumValN(stc::ActivationChoice::Rounded, "rounded", "Rounded once to 16 bits"),
          clEnumValN(stc::ActivationChoice::PerToken, "per-token",
                     "With one scale for each token"))};
  Option<bool> verbose{*this, "verbose", llvm::cl::desc("Emit remarks on each weight"),
                       llvm::cl::init(false)};

  stc::PipelineOptions get() const {
    stc::PipelineOptions options;
    options.attention = attention;
    options.rotate = rotate;
    options.prune = prune;
    options.quantize = quantize;
    options.keepCodes = keepCodes;
    options.head = head;
    options.target = target;
    options.prefillChunk = options.gpuPrefillChunk = prefillChunk;
    options.activations = activations;
    options.verbose = verbose;
    return options;
  }
};

constexpr stc::Phase kPhases[] = {stc::Phase::Graph, stc::Phase::Compressed, stc::Phase::Packed,
                                  stc::Phase::Tiled, stc::Phase::Vector,     stc::Phase::LLVM};

/// Two pipelines per phase: stc-phase-P runs the passes of P alone, stc-to-P all up to it.
void registerPhasePipelines() {
  for (stc::Phase last : kPhases) {
    std::string name = stc::phaseName(last).str();
    PassPipelineRegistration<PhaseOptions>(
        "stc-phase-" + name, "From the phase before to " + name,
        [last](OpPassManager &manager, const PhaseOptions &options) {
          stc::addPhase(manager, last, options.get());
        });
    PassPipelineRegistration<PhaseOptions>(
        "stc-to-" + name, "From an imported graph to " + name,
        [last](OpPassManager &manager, const PhaseOptions &options) {
          for (stc::Phase phase : kPhases)
            if (phase <= last)
              stc::addPhase(manager, phase, options.get());
        });
  }
}

} // namespace

void stc::registerUpstreamDialects(DialectRegistry &registry) {
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
}

void stc::registerAllPasses() {
  mlir::registerAllPasses();
  stc::registerSTCConversionPasses();
  stc::registerImportPasses();
  stc::registerReferencePasses();
  stc::registerTargetCPUPasses();
  stc::registerTargetGPUPasses();
  stc::registerPackedTransformsPasses();
  stc::registerSTCTransformsPasses();
  registerPhasePipelines();
}
