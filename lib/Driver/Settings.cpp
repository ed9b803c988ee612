// What the runtime must know about a compiled module.
#include "Artifacts.h"
#include "stc/Dialect/Packed/IR/Packed.h"

#include "llvm/ADT/DenseSet.h"
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

void stc::setFingerprint(mlir::ModuleOp module, llvm::ArrayRef<cpu::TargetDescription> targets) {
  std::string text = printModule(module);
  for (const cpu::TargetDescription &target : targets)
    text += target.triple + target.cpu + target.featureString() + ";";
  uint64_t hash = llvm::xxh3_64bits(text);
  module->setAttr("stc.fingerprint",
                  mlir::IntegerAttr::get(mlir::IntegerType::get(module.getContext(), 64),
                                         static_cast<int64_t>(hash)));
}

/// The symbols of weights that a matmul may read: all but those only gathered from, of which a
/// token reads a single row.
static llvm::DenseSet<mlir::StringAttr> streamedWeights(mlir::ModuleOp module) {
  llvm::DenseSet<mlir::StringAttr> streamed;
  module.walk([&](packed::GetWeightOp get) {
    bool gatheredOnly = llvm::all_of(get->getUsers(), llvm::IsaPred<packed::GatherOp>);
    if (!gatheredOnly)
      streamed.insert(get.getWeightAttr().getAttr());
  });
  module.walk([&](RepeatOp repeat) {
    for (mlir::Attribute row : repeat.getWeights())
      for (auto symbol : mlir::cast<mlir::ArrayAttr>(row).getAsRange<mlir::FlatSymbolRefAttr>())
        streamed.insert(symbol.getAttr());
  });
  return streamed;
}

ModelSettings stc::modelSettings(mlir::ModuleOp module, const std::string &name) {
  ModelSettings settings;
  settings.name = name;
  llvm::DenseSet<mlir::StringAttr> streamed = streamedWeights(module);
  module.walk([&](packed::WeightOp weight) {
    if (!streamed.contains(weight.getSymNameAttr()))
      return;
    packed::WeightType type = weight.getWeightType();
    settings.weightBytesPerToken += weight.getBytes();
    if (type.getRows() > 1)
      settings.activationOpsPerToken += 2 * type.getRows() * type.getColumns();
  });
  if (auto decode = module.lookupSymbol<mlir::func::FuncOp>("decode")) {
    for (mlir::Type type : decode.getArgumentTypes()) {
      if (auto cache = mlir::dyn_cast<KVCacheType>(type)) {
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
    settings.vocabSize = mlir::cast<mlir::ShapedType>(decode.getResultTypes()[0]).getDimSize(1);
  }
  if (auto prefill = module.lookupSymbol<mlir::func::FuncOp>("prefill"))
    settings.hiddenSize = mlir::cast<mlir::ShapedType>(prefill.getResultTypes()[0]).getDimSize(1);
  return settings;
}

void stc::finishSettings(mlir::ModuleOp module, const PipelineOptions &pipeline,
                         ModelSettings &settings) {
  settings.prefillChunk = pipeline.prefillChunk;
  if (auto bytes = module->getAttrOfType<mlir::IntegerAttr>("stc.arena_bytes"))
    settings.arenaBytes = std::max(settings.arenaBytes, bytes.getInt());
  if (auto fingerprint = module->getAttrOfType<mlir::IntegerAttr>("stc.fingerprint"))
    settings.codeFingerprint = static_cast<uint64_t>(fingerprint.getInt());
}
