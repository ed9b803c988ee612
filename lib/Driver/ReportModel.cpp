// What a report measures on the IR: the loss of each part, and dense recipes of the same bytes.
#include "ReportModel.h"

#include "stc/Calibration/LayerDivergence.h"
#include "stc/Dialect/STC/Utils/WeightFacts.h"

#include "absl/strings/str_cat.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"

#include <optional>

using namespace mlir;

namespace stc {

namespace {

/// Floating point operations for one measurement: minutes on a small machine.
constexpr double kOperations = 1e13;
/// Logits in memory at once, of each of two models.
constexpr int64_t kLogits = 64 << 20;
constexpr int64_t kMostPartWindows = 8;

/// A dense uniform recipe, and what all weights would take.
struct Candidate {
  std::string quantize;
  int64_t bytes = 0;
};

ReportQuality qualityOf(const Divergence &divergence) {
  ReportQuality quality;
  quality.isOfVectors = divergence.isOfVectors();
  quality.tokens = divergence.tokens();
  quality.perplexity = {divergence.perplexity(), divergence.perplexityError()};
  quality.sourcePerplexity = {divergence.sourcePerplexity(), divergence.sourcePerplexityError()};
  quality.divergence = {divergence.divergence(), divergence.divergenceError()};
  quality.agreement = {divergence.agreement(), divergence.agreementError()};
  return quality;
}

/// Windows whose logits may be in memory together.
int64_t windowsAtOnce(ModuleOp module, int64_t length) {
  return std::max<int64_t>(1, kLogits / std::max<int64_t>(1, vocabularyOf(module) * length));
}

/// Against the graph before compression with the checkpoint's weights.
absl::StatusOr<ReportQuality> measureAgainstSource(const ReportModel &model, ModuleOp module) {
  STC_ASSIGN_OR_RETURN(Divergence divergence, divergenceOf(module, model.graph));
  int64_t atOnce = windowsAtOnce(module, model.windows.length);
  for (int64_t first = 0; first < model.windows.count; first += atOnce)
    STC_RETURN_IF_ERROR(divergence.add(
        module, model.windows.slice(first, std::min(atOnce, model.windows.count - first))));
  return qualityOf(divergence);
}

std::string nameOf(WeightOp weight) { return weight.getSymName().str(); }
bool isInLayer(WeightOp weight) { return !placeOf(nameOf(weight)).kind.empty(); }

/// Passes say why they failed by diagnostics; warnings were shown when this recipe was compressed.
absl::Status runPasses(ModuleOp module, llvm::function_ref<void(OpPassManager &)> build) {
  std::string message;
  ScopedDiagnosticHandler handler(module.getContext(), [&](Diagnostic &diagnostic) {
    if (diagnostic.getSeverity() == DiagnosticSeverity::Error && message.empty())
      message = diagnostic.str();
    return success();
  });
  PassManager manager(module.getContext());
  build(manager);
  if (succeeded(manager.run(module)))
    return absl::OkStatus();
  return absl::InvalidArgumentError(message.empty() ? "a dense recipe failed" : message);
}

absl::StatusOr<WeightUsesMap> usesOf(ModuleOp module) {
  FailureOr<WeightUsesMap> uses = collectWeightUses(module);
  if (failed(uses))
    return formatError({"", "module", {}}, "weights whose readers are known", "others");
  return std::move(*uses);
}

class DenseComparison {
public:
  DenseComparison(ReportModel model, ReportData &data,
                  absl::FunctionRef<void(const std::string &)> progress)
      : model(model), data(data), progress(progress) {}
  absl::Status run();

private:
  absl::Status addThis();
  absl::Status addRival(const Candidate &candidate);
  absl::StatusOr<std::vector<Candidate>> candidates();
  absl::StatusOr<std::optional<int64_t>> bytesWith(const QuantizeSpec &quantize);
  std::optional<QuantizeSpec> uniformSpec();
  bool isCompressed();

  ReportModel model;
  ReportData &data;
  absl::FunctionRef<void(const std::string &)> progress;
  WeightStore *store = nullptr;
  int64_t ownBytes = 0;
};

} // namespace

int64_t affordableWindows(ModuleOp module, int64_t length, double passes, int64_t least,
                          int64_t most) {
  double weights = 0;
  for (auto weight : module.getOps<WeightOp>())
    weights += double(weight.getTensorType().getNumElements());
  double windows = kOperations / std::max(1.0, 2 * weights * double(length) * passes);
  return windows >= double(most) ? most : std::max(least, int64_t(windows));
}

absl::Status measureParts(ReportModel model, ReportData &data,
                          absl::FunctionRef<void(const std::string &)> progress) {
  int64_t layers = 0;
  model.graph.walk([&](LayerOp) { ++layers; });
  int64_t length = model.windows.length;
  int64_t count =
      affordableWindows(model.graph, length, 1 + double(layers) / 2, 2, kMostPartWindows);
  Sequences windows =
      spreadSequences(model.windows, std::min(count, windowsAtOnce(model.graph, length)));
  // Without removed structure the compressed graph is that of its source, rotations and all.
  STC_ASSIGN_OR_RETURN(std::vector<PartDivergence> parts,
                       measureLayerDivergences(model.structure ? model.graph : ModuleOp(),
                                               model.compressed, windows, progress));
  data.layerWindows = windows.count;
  for (const PartDivergence &part : parts)
    data.parts.push_back({part.name,
                          part.removed,
                          {part.divergence.divergence(), part.divergence.divergenceError()}});
  return absl::OkStatus();
}

/// The bytes of all weights with the matrices of layers in one dense layout, and all else as this
/// recipe has it; nothing if a matrix cannot have the layout.
absl::StatusOr<std::optional<int64_t>> DenseComparison::bytesWith(const QuantizeSpec &quantize) {
  STC_ASSIGN_OR_RETURN(WeightUsesMap uses, usesOf(model.graph));
  int64_t bytes = 0;
  for (const WeightRecord &record : data.records)
    if (placeOf(record.name).kind.empty())
      bytes += int64_t(record.bytes);
  for (auto weight : model.graph.getOps<WeightOp>()) {
    if (!isInLayer(weight))
      continue;
    WeightFacts facts = shapeFacts(weight, uses.lookup(weight.getSymNameAttr()));
    if (facts.uses.matrix && !facts.uses.table)
      facts.quantize = quantize;
    absl::StatusOr<LayoutChoice> choice = chooseLayout(facts);
    if (!choice.ok())
      return std::optional<int64_t>();
    STC_ASSIGN_OR_RETURN(int64_t own, chosenBytes(facts, choice->layout));
    bytes += own;
  }
  return std::optional<int64_t>(bytes);
}

/// The better before the worse: more bits, then smaller groups. That is not always the larger
/// before the smaller, as rows shorter than a group are padded. Of those that take the same bytes
/// one.
absl::StatusOr<std::vector<Candidate>> DenseComparison::candidates() {
  std::vector<Candidate> all;
  for (const char *element : {"int8", "int4", "int3", "int2"})
    for (const char *group : {"-g32", "-g64", "-g128"}) {
      std::string text = absl::StrCat(element, group);
      STC_ASSIGN_OR_RETURN(QuantizeSpec quantize, parseQuantizeSpec(text));
      STC_ASSIGN_OR_RETURN(std::optional<int64_t> bytes, bytesWith(quantize));
      if (bytes && llvm::none_of(all, [&](const Candidate &c) { return c.bytes == *bytes; }))
        all.push_back({text, *bytes});
    }
  return all;
}

/// What every matrix of a layer has, if it is one and the same dense encoding.
std::optional<QuantizeSpec> DenseComparison::uniformSpec() {
  std::optional<QuantizeSpec> uniform;
  for (auto weight : model.compressed.getOps<WeightOp>()) {
    if (!isInLayer(weight) || weight.getTensorType().getRank() != 2)
      continue;
    QuantAttr quant = weight.getQuantAttr();
    if (weight.getPruneAttr() || !quant)
      return std::nullopt;
    StringRef text = quant.getSpec();
    absl::StatusOr<QuantizeSpec> spec = parseWeightSpec({text.data(), text.size()});
    if (!spec.ok() || (uniform && uniform->str() != spec->str()))
      return std::nullopt;
    uniform = *spec;
  }
  return model.structure ? std::nullopt : uniform;
}

bool DenseComparison::isCompressed() {
  return model.structure || llvm::any_of(model.compressed.getOps<WeightOp>(), [](WeightOp weight) {
           return isInLayer(weight) && (weight.getPruneAttr() || weight.getQuantAttr());
         });
}

absl::Status DenseComparison::addThis() {
  ReportRow row;
  row.recipe = "this recipe";
  if (std::optional<QuantizeSpec> uniform = uniformSpec()) {
    data.isDenseUniform = true;
    absl::StrAppend(&row.recipe, ", dense ", uniform->str());
  }
  row.bytes = ownBytes;
  row.bitsPerWeight = bitsPerWeight(data.records, /*layersOnly=*/true);
  STC_ASSIGN_OR_RETURN(row.quality, measureAgainstSource(model, model.compressed));
  data.rows.push_back(std::move(row));
  progress("this recipe");
  return absl::OkStatus();
}

absl::Status DenseComparison::addRival(const Candidate &candidate) {
  OwningOpRef<ModuleOp> module(model.graph.clone());
  for (ModuleOp old : {model.graph, model.compressed})
    for (auto weight : old.getOps<WeightOp>())
      store->reset(weight);
  Recipe recipe = model.recipe;
  recipe.head = model.recipe.headSpec();
  recipe.stages = Recipe::uniform("none", candidate.quantize).stages;
  recipe.ratios = {}; // of zeros, which a dense recipe has none of
  STC_ASSIGN_OR_RETURN(MatrixMethod method, recipe.method(recipe.stages[0]));
  PipelineOptions options;
  options.recipe = recipe;
  options.quiet = model.quiet;
  STC_RETURN_IF_ERROR(runPasses(
      *module, [&](OpPassManager &manager) { addPhase(manager, Phase::Compressed, options); }));
  ReportRow row;
  row.recipe = "dense " + method.quantize.str();
  STC_ASSIGN_OR_RETURN(WeightUsesMap uses, usesOf(*module));
  double layerBytes = 0, layerWeights = 0;
  for (auto weight : module->getOps<WeightOp>()) {
    auto use = uses.find(weight.getSymNameAttr());
    if (use == uses.end()) // nothing reads it: it is not stored
      continue;
    STC_ASSIGN_OR_RETURN(int64_t bytes, storedBytes(*store, weight, use->second));
    row.bytes += bytes;
    if (isInLayer(weight) && weight.getTensorType().getRank() == 2) {
      layerBytes += double(bytes);
      layerWeights += double(weight.getTensorType().getNumElements());
    }
  }
  row.bitsPerWeight = layerWeights > 0 ? 8 * layerBytes / layerWeights : 0;
  row.role = row.bytes <= ownBytes ? ReportRow::Role::Smaller : ReportRow::Role::Larger;
  STC_ASSIGN_OR_RETURN(row.quality, measureAgainstSource(model, *module));
  data.rows.push_back(std::move(row));
  progress(candidate.quantize);
  return absl::OkStatus();
}

absl::Status DenseComparison::run() {
  if (!isCompressed()) {
    data.rowsMissing = "no matrix of a layer is compressed.";
    return absl::OkStatus();
  }
  STC_ASSIGN_OR_RETURN(store, WeightStore::get(model.graph));
  ownBytes = int64_t(totalBytes(data.records));
  STC_ASSIGN_OR_RETURN(std::vector<Candidate> all, candidates());
  STC_RETURN_IF_ERROR(addThis());
  std::optional<Candidate> smaller, larger;
  for (const Candidate &candidate : all) {
    if (candidate.bytes > ownBytes)
      larger = larger && larger->bytes <= candidate.bytes ? *larger : candidate;
    else if (!smaller && (!data.isDenseUniform || candidate.bytes < ownBytes))
      smaller = candidate;
  }
  data.noneFits = !smaller && !data.isDenseUniform;
  if (smaller)
    STC_RETURN_IF_ERROR(addRival(*smaller));
  if (larger && (data.isDenseUniform || data.noneFits))
    STC_RETURN_IF_ERROR(addRival(*larger));
  if (all.empty())
    data.rowsMissing = "No dense layout fits the shapes of this model.";
  else if (data.isDenseUniform && !smaller)
    data.rowsMissing = "No candidate is smaller.";
  else if (data.isDenseUniform && !larger)
    data.rowsMissing = "No candidate is larger.";
  return absl::OkStatus();
}

absl::Status compareWithDense(ReportModel model, ReportData &data,
                              absl::FunctionRef<void(const std::string &)> progress) {
  return DenseComparison(model, data, progress).run();
}

} // namespace stc
