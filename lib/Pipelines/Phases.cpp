// The passes of every phase, and their names.
#include "stc/Pipelines/Pipelines.h"

#include "stc/Compress/Quantize.h"
#include "stc/Conversion/Passes.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Target/CPU/Pipeline.h"
#include "stc/Target/GPU/Pipeline.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "absl/strings/str_cat.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

namespace stc {

namespace {

constexpr std::pair<Phase, const char *> kPhaseNames[] = {
    {Phase::Import, "import"}, {Phase::Graph, "graph"}, {Phase::Compressed, "compressed"},
    {Phase::Packed, "packed"}, {Phase::Tiled, "tiled"}, {Phase::Vector, "vector"},
    {Phase::LLVM, "llvm"}};

void cleanUp(OpPassManager &manager) {
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

/// What `head = auto` stands for. A malformed `quantize` is left to its own pass.
std::string headSpec(const PipelineOptions &options) {
  if (options.recipe)
    return options.recipe->headSpec();
  if (options.head != "auto")
    return options.head;
  if (!options.budget.empty())
    return "int8-g32";
  absl::StatusOr<QuantizeSpec> layers = parseQuantizeSpec(options.quantize);
  if (!layers.ok() || !layers->enabled)
    return "none";
  QuantizeSpec head = *layers;
  head.method = "rtn"; // of 8 bits, calibration has nothing to gain
  head.element = ElementKind::I8;
  head.asymmetric = false;
  return head.str();
}

void addStructure(OpPassManager &manager, const PipelineOptions &options) {
  PruneStructurePassOptions prune;
  prune.channels = options.structure.channels;
  prune.groups = options.structure.groups;
  prune.heads = options.structure.heads;
  prune.experts = options.structure.experts;
  prune.layers = options.structure.layers;
  prune.calibrate = options.calibration.text;
  prune.sequences = options.calibration.sequences;
  prune.length = options.calibration.length;
  prune.repair = options.calibration.repair;
  if (options.recipe) {
    prune.calibrate = options.recipe->calibration.text;
    prune.sequences = options.recipe->calibration.sequences;
    prune.length = options.recipe->calibration.length;
  }
  prune.exclude.assign(options.exclude.begin(), options.exclude.end());
  prune.quiet = options.quiet;
  prune.verbose = options.verbose;
  manager.addPass(createPruneStructurePass(prune));
}

void addCalibrated(OpPassManager &manager, const PipelineOptions &options) {
  CompressLayersPassOptions compress;
  compress.quiet = options.quiet;
  compress.verbose = options.verbose;
  if (options.recipe) {
    manager.addPass(createCompressLayersPass(compress, *options.recipe));
    return;
  }
  compress.calibrate = options.calibration.text;
  compress.sequences = options.calibration.sequences;
  compress.length = options.calibration.length;
  compress.repair = options.calibration.repair;
  compress.sweeps = options.calibration.sweeps;
  compress.ratios = options.calibration.ratios;
  compress.exclude.assign(options.exclude.begin(), options.exclude.end());
  compress.prune = options.prune;
  compress.quantize = options.quantize;
  manager.addPass(createCompressLayersPass(compress));
}

void addSearch(OpPassManager &manager, const PipelineOptions &options) {
  SearchRecipePassOptions search;
  search.budget = options.budget;
  search.objective = options.objective;
  search.calibrate = options.calibration.text;
  search.sequences = options.calibration.sequences;
  search.length = options.calibration.length;
  search.repair = options.calibration.repair;
  search.sweeps = options.calibration.sweeps;
  search.exclude.assign(options.exclude.begin(), options.exclude.end());
  search.head = headSpec(options);
  search.cache = options.searchCache;
  search.cacheIdentity = options.compilerIdentity;
  search.quiet = options.quiet;
  search.verbose = options.verbose;
  manager.addPass(createSearchRecipePass(search, options.decodeCost));
}

void addUncalibrated(OpPassManager &manager, const PipelineOptions &options) {
  // Patterns are then of columns as they will stand.
  absl::StatusOr<QuantizeSpec> quantized = parseQuantizeSpec(options.quantize);
  if (options.keepCodes && options.sortColumns && quantized.ok() && !quantized->enabled)
    manager.addPass(createSortColumnsPass());
  PruneWeightsPassOptions prune;
  prune.spec = options.prune;
  prune.exclude.assign(options.exclude.begin(), options.exclude.end());
  prune.quiet = options.quiet;
  prune.verbose = options.verbose;
  manager.addPass(createPruneWeightsPass(prune));
  QuantizeWeightsPassOptions quantize;
  quantize.spec = options.quantize;
  quantize.exclude.assign(options.exclude.begin(), options.exclude.end());
  quantize.quiet = options.quiet;
  quantize.verbose = options.verbose;
  manager.addPass(createQuantizeWeightsPass(quantize));
}

void addCompression(OpPassManager &manager, const PipelineOptions &options) {
  // A recipe's patterns are imposed where it is followed.
  if (options.attention != "none") {
    ImposeAttentionPatternPassOptions attention;
    attention.rules = options.attention;
    attention.verbose = options.verbose;
    manager.addPass(createImposeAttentionPatternPass(attention));
  }
  if (options.structure.any())
    addStructure(manager, options);
  if (options.rotate) {
    FoldRotationsPassOptions rotate;
    rotate.quiet = options.quiet;
    rotate.verbose = options.verbose;
    manager.addPass(createFoldRotationsPass(rotate));
  }
  QuantizeHeadPassOptions head;
  head.spec = headSpec(options);
  head.quiet = options.quiet;
  head.verbose = options.verbose;
  if (!options.budget.empty()) {
    // A budget covers the head too.
    manager.addPass(createQuantizeHeadPass(head));
    return addSearch(manager, options);
  }
  if (options.calibration.text.empty() && !options.recipe)
    addUncalibrated(manager, options);
  else
    addCalibrated(manager, options);
  manager.addPass(createQuantizeHeadPass(head));
}

void addCompressed(OpPassManager &manager, const PipelineOptions &options) {
  addCompression(manager, options);
  if (!options.keepCodes)
    return;
  if (options.sortColumns)
    manager.addPass(createSortColumnsPass());
  AdoptCodesPassOptions adopt;
  adopt.quiet = options.quiet;
  adopt.verbose = options.verbose;
  manager.addPass(createAdoptCodesPass(adopt));
}

void addPacked(OpPassManager &manager, const PipelineOptions &options) {
  manager.addPass(createSpecializeEntryPointsPass());
  manager.addPass(createSelectLayoutsPass());
  ConvertSTCToPackedPassOptions convert;
  convert.quiet = options.quiet;
  convert.verbose = options.verbose;
  manager.addPass(createConvertSTCToPackedPass(convert, options.bundle));
  // Layers are shared before equal operations are merged, so that none of them takes a tensor from
  // outside its layer.
  manager.addPass(createShareExpertsPass());
  manager.addPass(createShareLayersPass());
  cleanUp(manager);
}

} // namespace

std::string StructureOptions::str() const {
  std::string text;
  for (auto [name, share] : {std::pair("channels", channels),
                             {"groups", groups},
                             {"heads", heads},
                             {"experts", experts}})
    if (share > 0)
      absl::StrAppend(&text, " ", name, "=", share);
  if (layers > 0)
    absl::StrAppend(&text, " layers=", layers);
  return text;
}

llvm::StringRef phaseName(Phase phase) {
  for (auto [candidate, name] : kPhaseNames)
    if (candidate == phase)
      return name;
  llvm_unreachable("every phase has a name");
}

std::optional<Phase> parsePhase(llvm::StringRef name) {
  for (auto [phase, candidate] : kPhaseNames)
    if (name == candidate)
      return phase;
  return std::nullopt;
}

std::string targetPhaseOptions(const PipelineOptions &options) {
  return options.target + " " + std::to_string(options.variant) + " " +
         std::to_string(options.prefillChunk) + " " + std::to_string(options.gpuPrefillChunk) +
         " " + std::string(activationsName(options.activations));
}

/// The phases from which on targets differ. `targetPhaseOptions` is to say what they read.
static void addTargetPhase(OpPassManager &manager, Phase phase, const PipelineOptions &options) {
  if (gpu::TargetDescription::isGpu(options.target)) {
    gpu::PipelineOptions gpuOptions{options.target, options.gpuPrefillChunk, options.variant,
                                    options.activations};
    return phase == Phase::Tiled    ? gpu::addTiledPasses(manager, gpuOptions)
           : phase == Phase::Vector ? gpu::addVectorPasses(manager, gpuOptions)
                                    : gpu::addLLVMPasses(manager, gpuOptions);
  }
  cpu::PipelineOptions cpuOptions{options.target, options.prefillChunk, options.variant,
                                  options.chooser};
  return phase == Phase::Tiled    ? cpu::addTiledPasses(manager, cpuOptions)
         : phase == Phase::Vector ? cpu::addVectorPasses(manager, cpuOptions)
                                  : cpu::addLLVMPasses(manager, cpuOptions);
}

void addPhase(OpPassManager &manager, Phase phase, const PipelineOptions &options) {
  switch (phase) {
  case Phase::Import:
    return;
  case Phase::Graph:
    // What a module has in StableHLO or linalg; importers write none.
    manager.addPass(createBindStableHLOWeightsPass());
    manager.addPass(createStableHLOToLinalgPass());
    manager.addPass(createRaiseLinalgPass());
    manager.addPass(createSplitMainPass());
    return cleanUp(manager);
  case Phase::Compressed:
    return addCompressed(manager, options);
  case Phase::Packed:
    return addPacked(manager, options);
  case Phase::Tiled:
  case Phase::Vector:
  case Phase::LLVM:
    return addTargetPhase(manager, phase, options);
  }
}

} // namespace stc
