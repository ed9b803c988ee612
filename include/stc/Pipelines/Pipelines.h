// The phases of a compilation and the passes that lead from one to the next.
#ifndef STC_PIPELINES_PIPELINES_H
#define STC_PIPELINES_PIPELINES_H

#include "stc/Dialect/STC/Utils/Recipe.h"
#include "stc/Packing/Bundle.h"
#include "stc/Target/GPU/Activations.h"

#include "mlir/Pass/PassManager.h"

#include <functional>
#include <optional>
#include <string>

namespace stc {

namespace cpu {
class LoweringConfigChooser;
} // namespace cpu

/// Where a module stands. Names are those of `--emit=mlir:<phase>` and of the dumps.
enum class Phase { Import, Graph, Compressed, Packed, Tiled, Vector, LLVM };
/// In their order.
inline constexpr Phase kAllPhases[] = {Phase::Import, Phase::Graph, Phase::Compressed,
                                       Phase::Packed, Phase::Tiled, Phase::Vector,
                                       Phase::LLVM};
llvm::StringRef phaseName(Phase phase);
std::optional<Phase> parsePhase(llvm::StringRef name);

/// How weights are compressed on calibration text.
struct CalibrationOptions {
  std::string text; // a path, or "default"; empty: without calibration
  int64_t sequences = 128, length = 256;
  bool repair = true;             // fit what is left to the uncompressed model
  int64_t sweeps = 2;             // of fitting scales and codes
  std::string ratios = "uniform"; // how zeros are spread over layers, or "owl"
};

/// What is removed of the graph itself, before weights are compressed.
struct StructureOptions {
  double channels = 0, groups = 0, heads = 0, experts = 0; // shares of what there is
  int64_t layers = 0;
  bool any() const { return channels > 0 || groups > 0 || heads > 0 || experts > 0 || layers > 0; }
  /// " channels=0.25 layers=1": what is not zero, for recipes and cache keys.
  std::string str() const;
};

struct PipelineOptions {
  StructureOptions structure;
  std::string attention = "none"; // patterns imposed on layers, as parseAttentionRules takes them
  bool rotate = false;            // the hidden state and values, inside the weights
  std::string prune = "none";
  std::string quantize = "none";
  bool keepCodes = false;  // that a checkpoint stores, of weights which nothing else changes
  bool sortColumns = true; // of codes that are kept, where groups are out of order
  CalibrationOptions calibration;
  std::vector<std::string> exclude; // glob patterns of weight names that stay as they are
  // In place of `prune`, `quantize`, `calibration`, `exclude` and `head`.
  std::optional<Recipe> recipe;
  std::string budget, objective; // not empty: a recipe is searched for, with `calibration`
  /// Seconds of one matrix for one token; what the search goes by.
  std::function<double(const Layout &, int64_t rows, int64_t columns, int64_t bytes)> decodeCost;
  std::string searchCache,
      compilerIdentity;      // where the search keeps what it measured, and for whom
  std::string head = "auto"; // auto: int8 in the groups of `quantize`, where that is not none
  std::string target = "native";
  ActivationChoice activations = ActivationChoice::Exact; // of many tokens, on GPUs
  int64_t variant = -1;           // which of several targets that is; negative: the only one
  int64_t prefillChunk = 128;     // most tokens of one prefill call
  int64_t gpuPrefillChunk = 1024; // the same of GPUs
  BundleWriter *bundle = nullptr; // where pack-weights writes bytes; null keeps them in memory
  cpu::LoweringConfigChooser *chooser = nullptr; // asked how to tile instead of the cost model
  bool quiet = true;
  bool verbose = false; // remarks on what compression and packing did to each weight
};

/// Adds the passes that take a module from the phase before `phase` to `phase`. Import adds none.
void addPhase(mlir::OpPassManager &manager, Phase phase, const PipelineOptions &options);

/// What the phases behind packed read of the options, but for `chooser`: with it, a packed module
/// says what code it becomes.
std::string targetPhaseOptions(const PipelineOptions &options);

/// Registers every pass and pipeline of stc, and upstream's, for stc-opt and stc-reduce.
void registerAllPasses();
/// Registers every dialect and extension stc uses.
void registerAllDialects(mlir::DialectRegistry &registry);
/// Registers upstream's other dialects too, for tools that take any IR.
void registerUpstreamDialects(mlir::DialectRegistry &registry);

} // namespace stc

#endif // STC_PIPELINES_PIPELINES_H
