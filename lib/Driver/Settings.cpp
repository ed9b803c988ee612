// What the runtime must know about a compiled module.
#include "Artifacts.h"
#include "stc/Dialect/Packed/IR/PackedRouting.h"
#include "stc/Dialect/STC/Utils/PackedWeights.h"
#include "stc/Import/Import.h"
#include "stc/Packing/WeightReads.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace stc;

std::string stc::printModule(mlir::ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream, mlir::OpPrintingFlags().elideLargeElementsAttrs(64));
  stream << "\n";
  return text;
}

std::string stc::codeText(mlir::ModuleOp module) {
  mlir::OwningOpRef<mlir::ModuleOp> copy = module.clone();
  (*copy)->removeAttr("stc.checkpoint");
  mlir::Builder builder(module.getContext());
  for (auto weight : copy->getOps<packed::WeightOp>()) {
    weight.setDensityAttr(builder.getF64FloatAttr(1));
    weight->removeAttr("reason");
  }
  std::string text;
  llvm::raw_string_ostream stream(text);
  copy->print(stream);
  return text;
}

void stc::setFingerprint(mlir::ModuleOp module, llvm::ArrayRef<cpu::TargetDescription> targets,
                         llvm::ArrayRef<gpu::TargetDescription> gpuTargets) {
  std::string text = codeText(module);
  for (const cpu::TargetDescription &target : targets)
    text += target.name + target.triple + target.cpu + target.featureString() + ";";
  for (const gpu::TargetDescription &target : gpuTargets)
    text += target.name + ";";
  uint64_t hash = llvm::xxh3_64bits(text);
  module->setAttr("stc.fingerprint",
                  mlir::IntegerAttr::get(mlir::IntegerType::get(module.getContext(), 64),
                                         static_cast<int64_t>(hash)));
}

/// Which share of the calls a token takes part in: of experts, as many as it chooses.
static double usedShare(RepeatOp repeat) {
  auto callee = mlir::SymbolTable::lookupNearestSymbolFrom<mlir::func::FuncOp>(
      repeat, repeat.getCalleeAttr());
  double share = 1;
  callee.walk([&](ExpertOp expert) {
    auto gates = mlir::dyn_cast<mlir::BlockArgument>(expert.getGates());
    if (!gates || gates.getOwner()->getParentOp() != callee || gates.getArgNumber() < 2)
      return;
    // The captures follow what is added to and the index.
    mlir::Value origin = repeat.getCaptures()[gates.getArgNumber() - 2];
    int64_t chosen = 0;
    if (auto gate = origin.getDefiningOp<packed::TopKGateOp>())
      chosen = int64_t(gate.getK());
    else if (auto grouped = origin.getDefiningOp<packed::GroupedGateOp>())
      chosen = int64_t(grouped.getK());
    if (chosen != 0)
      share = double(chosen) / double(mlir::cast<mlir::ShapedType>(origin.getType()).getDimSize(1));
  });
  return share;
}

/// The symbols of weights that a matmul may read, and for which share of tokens: all but those only
/// gathered from, of which a token reads a single row.
static llvm::DenseMap<mlir::StringAttr, double> streamedWeights(mlir::ModuleOp module) {
  llvm::DenseMap<mlir::StringAttr, double> streamed;
  // What an encoder reads, it reads once for all tokens of the decoder.
  auto isOfEncoder = [](mlir::Operation *op) {
    llvm::StringRef name = op->getParentOfType<mlir::func::FuncOp>().getSymName();
    return name.starts_with("encode") || name == "stem";
  };
  module.walk([&](packed::GetWeightOp get) {
    if (isOfEncoder(get))
      return;
    bool gatheredOnly = llvm::all_of(get->getUsers(), llvm::IsaPred<packed::GatherOp>);
    if (!gatheredOnly)
      streamed[get.getWeightAttr().getAttr()] = 1;
  });
  module.walk([&](RepeatOp repeat) {
    if (isOfEncoder(repeat))
      return;
    double share = usedShare(repeat);
    for (mlir::Attribute row : repeat.getWeights())
      for (auto symbol : mlir::cast<mlir::ArrayAttr>(row).getAsRange<mlir::FlatSymbolRefAttr>())
        streamed.insert({symbol.getAttr(), share});
  });
  return streamed;
}

/// For every tensor of the weights section, in its order: for which share of tokens it is read.
static std::vector<double> readShares(mlir::ModuleOp module,
                                      const llvm::DenseMap<mlir::StringAttr, double> &streamed) {
  llvm::DenseMap<uint64_t, double> byOffset;
  module.walk([&](packed::WeightOp weight) {
    double &share = byOffset[weight.getOffset()];
    share = std::max(share, streamed.lookup(weight.getSymNameAttr()));
  });
  std::vector<double> shares;
  for (const WeightRecord &record : PackedWeights::get(module.getContext()).records())
    shares.push_back(byOffset.lookup(record.offset));
  return shares;
}

/// The sizes of the cache that a function reads and writes.
static void takeCache(mlir::func::FuncOp function, ModelSettings &settings) {
  for (mlir::Type type : function.getArgumentTypes()) {
    auto cache = mlir::dyn_cast<KVCacheType>(type);
    if (!cache)
      continue;
    settings.layers = cache.getLayers();
    settings.kvHeads = cache.getKvHeads();
    settings.headDim = cache.getHeadDim();
    settings.maxContext = cache.getCapacity();
    KVCacheLayout layout = cache.getLayout();
    settings.kvCache = std::string(kvElementName(layout.element));
    settings.keyCacheBytes = cache.getLayers() * layout.keyBytes();
    settings.valueCacheBytes = cache.getLayers() * layout.valueBytes();
  }
}

/// The rows of the table that tokens are looked up in: how many of them there are.
static int64_t embeddedTokens(mlir::func::FuncOp function) {
  int64_t rows = 0;
  for (mlir::Operation *user : function.getArgument(0).getUsers())
    if (auto gather = mlir::dyn_cast<packed::GatherOp>(user))
      rows = mlir::cast<packed::WeightType>(gather.getTable().getType()).getRows();
  return rows;
}

ModelSettings stc::modelSettings(mlir::ModuleOp module, const std::string &name) {
  ModelSettings settings;
  settings.name = name;
  llvm::DenseMap<mlir::StringAttr, double> streamed = streamedWeights(module);
  double bytes = 0, operations = 0;
  module.walk([&](packed::WeightOp weight) {
    double share = streamed.lookup(weight.getSymNameAttr());
    packed::WeightType type = weight.getWeightType();
    bytes += share * double(weight.getBytes());
    if (type.getRows() > 1)
      operations += share * 2 * double(type.getRows() * type.getColumns());
  });
  settings.weightBytesPerToken = int64_t(bytes);
  settings.other[kWeightReadsKey] = formatWeightReads(readShares(module, streamed));
  settings.activationOpsPerToken = int64_t(operations);
  auto prefill = module.lookupSymbol<mlir::func::FuncOp>("prefill");
  if (!prefill)
    return settings;
  takeCache(prefill, settings);
  settings.hiddenSize = mlir::cast<mlir::ShapedType>(prefill.getResultTypes()[0]).getDimSize(1);
  if (auto decode = module.lookupSymbol<mlir::func::FuncOp>("decode")) {
    settings.vocabSize = mlir::cast<mlir::ShapedType>(decode.getResultTypes()[0]).getDimSize(1);
  } else {
    settings.kind = ModelKind::Encoder; // nothing continues a text
    settings.vocabSize = embeddedTokens(prefill);
    if (auto rows = mlir::dyn_cast<mlir::RankedTensorType>(prefill.getArgumentTypes()[1]))
      settings.featureSize = rows.getDimSize(1);
    if (auto score = module.lookupSymbol<mlir::func::FuncOp>("score"))
      settings.labelLogits = mlir::cast<mlir::ShapedType>(score.getResultTypes()[0]).getDimSize(1);
  }
  if (module.lookupSymbol("encode")) {
    settings.kind = ModelKind::EncoderDecoder;
    settings.encoderContext = settings.maxContext;
    // The two may have learned other numbers of positions than the cache has.
    if (auto positions = module->getAttrOfType<mlir::IntegerAttr>(kEncoderContextAttr))
      settings.encoderContext = std::min(settings.encoderContext, positions.getInt());
    if (auto positions = module->getAttrOfType<mlir::IntegerAttr>(kDecoderContextAttr))
      settings.maxContext = std::min(settings.maxContext, positions.getInt());
    if (auto stem = module.lookupSymbol<mlir::func::FuncOp>("stem"))
      settings.featureSize =
          mlir::cast<mlir::ShapedType>(stem.getArgumentTypes()[0]).getDimSize(1) / 3;
  }
  return settings;
}

/// Raises `bytes` to the arena's size of a lowered module.
static void takeArena(mlir::ModuleOp module, int64_t &bytes) {
  if (auto own = module->getAttrOfType<mlir::IntegerAttr>("stc.arena_bytes"))
    bytes = std::max(bytes, own.getInt());
}

void stc::finishGpuSettings(mlir::ModuleOp module, const PipelineOptions &pipeline,
                            ModelSettings &settings) {
  settings.gpuPrefillChunk = pipeline.gpuPrefillChunk;
  takeArena(module, settings.gpuArenaBytes);
}

void stc::finishSettings(mlir::ModuleOp module, const PipelineOptions &pipeline,
                         ModelSettings &settings) {
  settings.prefillChunk = pipeline.prefillChunk;
  takeArena(module, settings.arenaBytes);
  if (auto fingerprint = module->getAttrOfType<mlir::IntegerAttr>("stc.fingerprint"))
    settings.codeFingerprint = static_cast<uint64_t>(fingerprint.getInt());
}
