// stc-compress-layers: prunes, quantizes and repairs layer after layer on calibration text.
#include "BiasRepair.h"
#include "CompressibleWeights.h"
#include "LayerRatios.h"
#include "LayerStructure.h"
#include "RepairTargets.h"

#include "stc/Calibration/Divergence.h"
#include "stc/Compress/Bias.h"
#include "stc/Compress/ChannelScales.h"
#include "stc/Compress/CompressMatrix.h"
#include "stc/Dialect/STC/IR/STCRouting.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Dialect/STC/Utils/Recipe.h"
#include "stc/Support/Parallel.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <optional>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_COMPRESSLAYERSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

class CompressLayers final : public impl::CompressLayersPassBase<CompressLayers> {
public:
  using CompressLayersPassBase::CompressLayersPassBase;
  CompressLayers() = default;
  CompressLayers(const CompressLayers &other) : CompressLayersPassBase(other), given(other.given) {}
  CompressLayers(const CompressLayersPassOptions &options, Recipe recipe)
      : CompressLayersPassBase(options), given(std::move(recipe)) {}

  void runOnOperation() override {
    if (failed(prepare()))
      return signalPassFailure();
    if (weights.empty())
      return;
    if (!recipe.isCalibrated()) {
      if (failed(runUncalibrated()))
        signalPassFailure();
      return;
    }
    if (absl::Status status = run(); !status.ok()) {
      (void)emitStatus(current ? current : getOperation().getOperation(), status);
      return signalPassFailure();
    }
  }

private:
  /// A weight and what is to become of it.
  struct Task {
    WeightOp weight;
    MatrixMethod method;
  };

  LogicalResult prepare();
  absl::StatusOr<Recipe> chooseRecipe();
  LogicalResult rotate();
  LogicalResult imposeAttention();
  LogicalResult runUncalibrated();
  absl::Status run();
  absl::Status chooseRatios(const Sequences &text);
  absl::Status runLayer(LayerOp layer);
  absl::Status runBlock(Block &block);
  absl::Status runExpert(ExpertOp expert);
  absl::Status compressLinear(LinearOp linear);
  absl::StatusOr<CompressedMatrix> compressWeight(LinearOp linear, const Task &task);
  void useNoInputs(Task &task);
  absl::StatusOr<CompressedMatrix> compressUnseen(const Task &task);
  absl::Status observe(const Activations &inputs, bool isCentred);
  absl::Status storeBias(WeightOp bias, const CompressedMatrix &result,
                         absl::Span<const double> wanted);
  WeightOp ownWeight(Value value);
  absl::Status foldChannelScales(LinearOp linear, const QuantizeSpec &quantize);
  absl::StatusOr<std::vector<float>> findChannelScales(const QuantizeSpec &quantize,
                                                       ArrayRef<WeightOp> matrices);
  absl::StatusOr<CrossMoments> targetsOf(LinearOp linear, const Activations &inputs,
                                         std::vector<double> *means);
  absl::Status store(WeightOp weight, const CompressedMatrix &result);
  void annotate(const Task &task, const CompressedMatrix &result);

  SmallVector<BatchEvaluator *, 2> evaluators() {
    SmallVector<BatchEvaluator *, 2> all{student.get()};
    if (teacher)
      all.push_back(teacher.get());
    return all;
  }

  SmallVector<GetWeightOp> getReads() {
    SmallVector<GetWeightOp> reads;
    getOperation().walk([&](GetWeightOp read) { reads.push_back(read); });
    return reads;
  }

  std::optional<Recipe> given; // by the program, in place of options
  Recipe recipe;
  llvm::MapVector<StringAttr, Task> weights; // that may change and have not, in module order
  WeightStore *weightStore = nullptr;
  std::unique_ptr<BatchEvaluator> student, teacher; // no teacher without repair
  FittableBiases biases;
  // Of the matrices whose input was met last:
  Value input;
  std::unique_ptr<InputStatistics> statistics;
  bool areCentred = false;          // of the inputs without their means, for fitting a bias too
  std::vector<double> means;        // those
  std::vector<float> channelScales; // that their columns are multiplied with; empty: 1
  std::unique_ptr<Progress> progress;
  Operation *current = nullptr; // that errors are about
};

} // namespace

/// The recipe given, or that of the options.
absl::StatusOr<Recipe> CompressLayers::chooseRecipe() {
  if (given)
    return *given;
  if (!recipeFile.empty()) {
    if (prune != "none" || quantize != "none" || !calibrate.empty() || ratios != "uniform")
      return formatError({"", "recipe", {}}, "no prune, quantize, calibrate or ratios beside it",
                         "them");
    return Recipe::load(recipeFile);
  }
  if (length < 2 || sequences < 1 || sweeps < 0 || !(damping > 0) || !(repairDamping >= 0) ||
      !(smooth >= 0 && smooth <= 1))
    return absl::InvalidArgumentError(
        "stc-compress-layers: expects length of at least 2, sequences of at least 1, sweeps and "
        "repair-damping of at least 0, a positive damping and smooth in [0, 1]");
  if ((ratios != "uniform" && ratios != "owl") || !(owlThreshold > 0) ||
      !(owlRange >= 0 && owlRange < 1))
    return formatError({"", "ratios", {}},
                       "uniform or owl, a positive owl-threshold and owl-range in [0, 1)",
                       printable(ratios.getValue(), 40));
  Recipe result = Recipe::uniform(prune, quantize);
  if (calibrate.empty())
    return formatError({"", "stc-compress-layers", {}}, "a text in calibrate, or a recipe", "none");
  result.calibration = {calibrate, sequences, length, damping, smooth, joint};
  result.repair = {repair, repairDamping, sweeps};
  result.ratios = {ratios == "owl", owlThreshold, owlRange};
  STC_RETURN_IF_ERROR(result.checkRatios());
  return result;
}

LogicalResult CompressLayers::prepare() {
  ModuleOp module = getOperation();
  weights.clear();
  current = nullptr;
  absl::StatusOr<Recipe> chosen = chooseRecipe();
  if (!chosen.ok())
    return emitStatus(module, chosen.status());
  recipe = std::move(*chosen);
  if (!recipe.attention.empty() && failed(imposeAttention()))
    return failure();
  if (recipe.rotate && !isRotated(module) && failed(rotate()))
    return failure();
  auto found = findCompressibleWeights(module, exclude);
  if (failed(found))
    return failure();
  auto assigned = assignStages(module, recipe, *found);
  if (failed(assigned))
    return failure();
  for (auto [weight, stage] : llvm::zip_equal(*found, *assigned)) {
    if (!stage || weight.getPruneAttr() || weight.getQuantAttr())
      continue;
    absl::StatusOr<MatrixMethod> method = recipe.method(*stage);
    if (!method.ok())
      return emitStatus(module, method.status());
    if (method->prune.pattern.kind != PrunePattern::Kind::None || method->quantize.enabled)
      weights[weight.getSymNameAttr()] = {weight, std::move(*method)};
  }
  return success();
}

LogicalResult CompressLayers::imposeAttention() {
  ImposeAttentionPatternPassOptions options;
  options.rules = attentionRulesText(recipe.attention);
  options.verbose = verbose;
  OpPassManager pipeline(ModuleOp::getOperationName());
  pipeline.addPass(createImposeAttentionPatternPass(options));
  return runPipeline(pipeline, getOperation());
}

LogicalResult CompressLayers::rotate() {
  FoldRotationsPassOptions options;
  options.quiet = quiet;
  options.verbose = verbose;
  OpPassManager pipeline(ModuleOp::getOperationName());
  pipeline.addPass(createFoldRotationsPass(options));
  return runPipeline(pipeline, getOperation());
}

absl::Status CompressLayers::run() {
  ModuleOp module = getOperation();
  STC_ASSIGN_OR_RETURN(SmallVector<Operation *> operations, calibrationProgram(module));
  STC_ASSIGN_OR_RETURN(weightStore, WeightStore::get(module));
  const Recipe::Calibration &calibration = recipe.calibration;
  STC_ASSIGN_OR_RETURN(
      Sequences text,
      readCalibrationText(module, calibration.text, calibration.sequences, calibration.length));
  if (recipe.ratios.owl)
    STC_RETURN_IF_ERROR(chooseRatios(text));
  student = std::make_unique<BatchEvaluator>(
      module, text, [this](WeightOp weight) { return weightStore->load(weight); });
  teacher.reset();
  biases = {};
  if (recipe.repair.enabled) {
    biases = FittableBiases(module, recipe, exclude);
    teacher = std::make_unique<BatchEvaluator>(
        module, text, [this](WeightOp weight) { return weightStore->loadSource(weight); });
  }
  uint64_t total = 0;
  for (auto &[name, task] : weights)
    total += uint64_t(task.weight.getTensorType().getNumElements());
  progress = std::make_unique<Progress>("compress", total,
                                        quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);

  // What follows the last layer compresses nothing.
  while (!operations.empty() && !isa<LayerOp>(operations.back()))
    operations.pop_back();
  for (Operation *op : operations) {
    current = op;
    if (auto layer = dyn_cast<LayerOp>(op)) {
      STC_RETURN_IF_ERROR(runLayer(layer));
      continue;
    }
    for (BatchEvaluator *evaluator : {student.get(), teacher.get()})
      if (evaluator)
        STC_RETURN_IF_ERROR(evaluator->evaluate(op));
  }
  progress->finish();
  student.reset();
  teacher.reset();
  return absl::OkStatus();
}

absl::Status CompressLayers::chooseRatios(const Sequences &text) {
  SmallVector<PrunedWeight> pruned;
  for (auto &[name, task] : weights)
    if (PrunePattern &pattern = task.method.prune.pattern; pattern.kind != PrunePattern::Kind::None)
      pruned.push_back({task.weight, &pattern});
  return spreadRatios(getOperation(), recipe.ratios, text, *weightStore, pruned, quiet, verbose);
}

absl::Status CompressLayers::runLayer(LayerOp layer) {
  Block &body = layer.getBody().front();
  for (BatchEvaluator *evaluator : evaluators()) {
    evaluator->bind(body.getArgument(0), layer.getInput());
    evaluator->releaseOperands(layer);
  }
  STC_RETURN_IF_ERROR(runBlock(body));
  statistics.reset();
  input = {};
  for (BatchEvaluator *evaluator : evaluators()) {
    evaluator->bind(layer.getResult(), body.getTerminator()->getOperand(0));
    evaluator->release(body);
  }
  return absl::OkStatus();
}

absl::Status CompressLayers::runBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    current = &op;
    if (auto expert = dyn_cast<ExpertOp>(&op)) {
      STC_RETURN_IF_ERROR(runExpert(expert));
    } else {
      if (teacher)
        STC_RETURN_IF_ERROR(teacher->evaluate(&op));
      if (auto linear = dyn_cast<LinearOp>(&op))
        STC_RETURN_IF_ERROR(compressLinear(linear));
      STC_RETURN_IF_ERROR(student->evaluate(&op));
    }
    // The compressed model's tokens go to the experts that the source's tokens go to: what these
    // should give is known for no others.
    if (isa<TopKGateOp, GroupedGateOp>(op) && teacher)
      student->assign(op.getResult(0), teacher->get(op.getResult(0)));
    for (BatchEvaluator *evaluator : evaluators())
      evaluator->releaseOperands(&op);
  }
  return absl::OkStatus();
}

absl::Status CompressLayers::runExpert(ExpertOp expert) {
  for (BatchEvaluator *evaluator : evaluators())
    STC_RETURN_IF_ERROR(evaluator->enterExpert(expert));
  STC_RETURN_IF_ERROR(runBlock(expert.getBody().front()));
  for (BatchEvaluator *evaluator : evaluators())
    STC_RETURN_IF_ERROR(evaluator->leaveExpert(expert));
  return absl::OkStatus();
}

absl::Status CompressLayers::compressLinear(LinearOp linear) {
  auto read = linear.getWeight().getDefiningOp<GetWeightOp>();
  auto found = read ? weights.find(read.getWeightAttr().getAttr()) : weights.end();
  if (found == weights.end())
    return absl::OkStatus();
  Task task = found->second;
  WeightOp weight = task.weight;
  weights.erase(found);
  current = weight;
  ActivationsPtr inputs = student->get(linear.getInput());
  if (!inputs)
    return formatError({"", "stc.linear", {}}, "an input computed before", "none");
  bool isUnseen = inputs->values.empty();
  if (isUnseen)
    useNoInputs(task);
  STC_ASSIGN_OR_RETURN(CompressedMatrix result,
                       isUnseen ? compressUnseen(task) : compressWeight(linear, task));
  STC_RETURN_IF_ERROR(store(weight, result));
  annotate(task, result);
  StringRef name = weight.getSymName();
  progress->advance(uint64_t(weight.getTensorType().getNumElements()),
                    absl::string_view(name.data(), name.size()));
  return absl::OkStatus();
}

/// Changes what becomes of the weights of an expert that no token of the text chose.
void CompressLayers::useNoInputs(Task &task) {
  task.method.prune.method = "magnitude";
  task.method.quantize.method = "rtn";
  emitWarning(task.weight.getLoc())
      << task.weight.getSymName()
      << ": no token of the calibration text comes here; compressed without it, as magnitude and "
         "rtn do";
}

absl::StatusOr<CompressedMatrix> CompressLayers::compressUnseen(const Task &task) {
  STC_ASSIGN_OR_RETURN(std::vector<float> values, weightStore->load(task.weight));
  return compressMatrix(task.method, rowsOf(task.weight), columnsOf(task.weight), values, nullptr,
                        nullptr);
}

absl::StatusOr<CompressedMatrix> CompressLayers::compressWeight(LinearOp linear, const Task &task) {
  WeightOp weight = task.weight;
  ActivationsPtr inputs = student->get(linear.getInput());
  if (input != linear.getInput()) {
    statistics.reset();
    input = linear.getInput();
    channelScales.clear();
    STC_RETURN_IF_ERROR(foldChannelScales(linear, task.method.quantize));
    inputs = student->get(input);
  }
  WeightOp bias = biases.of(linear);
  STC_RETURN_IF_ERROR(observe(*inputs, /*isCentred=*/!!bias));
  STC_ASSIGN_OR_RETURN(std::vector<float> values, weightStore->load(weight));
  if (!channelScales.empty())
    for (size_t i = 0; i < values.size(); ++i)
      values[i] *= channelScales[i % channelScales.size()];
  MatrixMethod method = task.method;
  method.damping *= statistics->scarcity();
  method.repairDamping *= statistics->scarcity();
  if (!teacher)
    return compressMatrix(method, rowsOf(weight), columnsOf(weight), values, statistics.get(),
                          nullptr);
  std::vector<double> wanted; // means of the outputs
  STC_ASSIGN_OR_RETURN(CrossMoments targets, targetsOf(linear, *inputs, bias ? &wanted : nullptr));
  STC_ASSIGN_OR_RETURN(CompressedMatrix result,
                       compressMatrix(method, rowsOf(weight), columnsOf(weight), values,
                                      statistics.get(), &targets));
  if (bias)
    STC_RETURN_IF_ERROR(storeBias(bias, result, wanted));
  return result;
}

/// Sees to it that `statistics` are of these inputs, with their means or without.
absl::Status CompressLayers::observe(const Activations &inputs, bool isCentred) {
  if (statistics && areCentred == isCentred)
    return absl::OkStatus();
  statistics = std::make_unique<InputStatistics>(inputs.columns);
  areCentred = isCentred;
  if (!isCentred)
    return statistics->moments().add(inputs.values);
  std::vector<float> centred = inputs.values;
  means = removeMeans(inputs.columns, absl::MakeSpan(centred));
  return statistics->moments().add(centred);
}

/// The bias that goes with a matrix fitted to outputs without their means, `wanted`.
absl::Status CompressLayers::storeBias(WeightOp bias, const CompressedMatrix &result,
                                       absl::Span<const double> wanted) {
  STC_RETURN_IF_ERROR(weightStore->setValues(bias, fitBias(result.values, means, wanted)));
  bias->setAttr(kCalibratedAttr, UnitAttr::get(&getContext()));
  if (verbose)
    emitRemark(bias.getLoc()) << bias.getSymName() << ": fitted with its matrix";
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> CompressLayers::findChannelScales(const QuantizeSpec &quantize,
                                                                     ArrayRef<WeightOp> matrices) {
  std::vector<std::vector<float>> values;
  std::vector<SharedInputMatrix> shared;
  for (WeightOp matrix : matrices) {
    values.emplace_back();
    STC_ASSIGN_OR_RETURN(values.back(), weightStore->load(matrix));
    shared.push_back({rowsOf(matrix), {}});
  }
  for (auto [matrix, own] : llvm::zip_equal(shared, values))
    matrix.weights = own;
  if (quantize.method != "awq")
    return smoothQuantScales(recipe.calibration.smooth, shared, statistics->moments());
  STC_ASSIGN_OR_RETURN(AwqResult found,
                       searchAwqScales({}, quantize, shared, statistics->moments()));
  return found.scales;
}

/// The weight that `value` reads, if nothing else does and calibration has not changed it yet.
WeightOp CompressLayers::ownWeight(Value value) {
  auto read = value.getDefiningOp<GetWeightOp>();
  if (!read || !read->hasOneUse())
    return {};
  auto weight = getOperation().lookupSymbol<WeightOp>(read.getWeightAttr());
  bool isShared = !weight || llvm::count_if(getReads(), [&](GetWeightOp other) {
                               return other.getWeightAttr() == read.getWeightAttr();
                             }) != 1;
  return isShared || weight->hasAttr(kCalibratedAttr) ? WeightOp() : weight;
}

/// Scales the channels of a norm's result that nothing but compressible matrices read, `linear`
/// being the first of them. The norm's weights are rounded to their type, and the scales to what
/// that leaves, so that this changes nothing by itself (but for what rounding a norm's bias does).
absl::Status CompressLayers::foldChannelScales(LinearOp linear, const QuantizeSpec &quantize) {
  bool isAwq = quantize.enabled && quantize.method == "awq";
  Operation *norm = linear.getInput().getDefiningOp();
  if ((!isAwq && recipe.calibration.smooth == 0) || !norm || !isa<RMSNormOp, LayerNormOp>(norm))
    return absl::OkStatus();
  // The gains, and a layer norm's bias.
  SmallVector<WeightOp> normWeights;
  for (Value operand : norm->getOperands().drop_front())
    normWeights.push_back(ownWeight(operand));
  if (llvm::is_contained(normWeights, WeightOp()) ||
      normWeights[0].getTensorType().getDimSize(0) != columnsOf(weightOf(linear.getWeight())))
    return absl::OkStatus();
  SmallVector<WeightOp> matrices;
  for (OpOperand &use : norm->getResult(0).getUses()) {
    auto reader = dyn_cast<LinearOp>(use.getOwner());
    auto weight = reader ? reader.getWeight().getDefiningOp<GetWeightOp>() : GetWeightOp();
    auto symbol =
        weight ? getOperation().lookupSymbol<WeightOp>(weight.getWeightAttr()) : WeightOp();
    auto task = symbol ? weights.find(symbol.getSymNameAttr()) : weights.end();
    bool isNext = reader == linear || (task != weights.end() &&
                                       (!isAwq || task->second.method.quantize.method == "awq"));
    if (!isNext || use.get() != reader.getInput())
      return absl::OkStatus();
    matrices.push_back(symbol);
  }
  STC_RETURN_IF_ERROR(observe(*student->get(input), /*isCentred=*/false));
  STC_ASSIGN_OR_RETURN(std::vector<float> scales, findChannelScales(quantize, matrices));
  STC_ASSIGN_OR_RETURN(std::vector<float> before, weightStore->load(normWeights[0]));
  for (WeightOp normWeight : normWeights) {
    STC_ASSIGN_OR_RETURN(std::vector<float> divided, weightStore->load(normWeight));
    for (size_t i = 0; i < scales.size(); ++i)
      divided[i] /= scales[i];
    STC_RETURN_IF_ERROR(weightStore->setValues(normWeight, divided));
    normWeight->setAttr(kCalibratedAttr, UnitAttr::get(&getContext()));
    if (normWeight != normWeights[0])
      continue;
    STC_ASSIGN_OR_RETURN(divided, weightStore->load(normWeight));
    for (size_t i = 0; i < scales.size(); ++i)
      scales[i] = divided[i] != 0 && before[i] != 0 ? before[i] / divided[i] : 1;
  }
  statistics->moments().divideInputs(scales);
  student->divideChannels(input, scales);
  channelScales = std::move(scales);
  return absl::OkStatus();
}

/// The outputs that the teacher has here, against the inputs that the student has. A bias (unless
/// `means` say that it is fitted too), and the hidden state that the outputs are added to, are the
/// student's own.
absl::StatusOr<CrossMoments> CompressLayers::targetsOf(LinearOp linear, const Activations &inputs,
                                                       std::vector<double> *means) {
  Activations wanted = *teacher->get(linear.getResult());
  ActivationsPtr theirs, ours;
  if (Value residual = residualOf(linear)) {
    theirs = teacher->get(residual);
    ours = student->get(residual);
  }
  if (!theirs || !ours)
    return repairTargets(linear, std::move(wanted), nullptr, inputs, *weightStore, means);
  for (size_t i = 0; i < wanted.values.size(); ++i)
    wanted.values[i] += theirs->values[i];
  return repairTargets(linear, std::move(wanted), ours.get(), inputs, *weightStore, means);
}

/// Magnitude and round to nearest need no inputs, and so no order.
LogicalResult CompressLayers::runUncalibrated() {
  std::vector<Task> tasks;
  SmallVector<WeightOp> found;
  for (auto &[name, task] : weights) {
    tasks.push_back(task);
    found.push_back(task.weight);
  }
  absl::StatusOr<WeightStore *> opened = WeightStore::get(getOperation());
  if (!opened.ok())
    return emitStatus(getOperation(), opened.status());
  weightStore = *opened;
  std::vector<CompressedMatrix> results(tasks.size());
  auto compress = [&](WeightStore &store, size_t i) -> absl::Status {
    WeightOp weight = tasks[i].weight;
    STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
    STC_ASSIGN_OR_RETURN(results[i], compressMatrix(tasks[i].method, rowsOf(weight),
                                                    columnsOf(weight), values, nullptr, nullptr));
    double lost = 0, whole = 0;
    for (size_t k = 0; k < values.size(); ++k) {
      double change = double(results[i].values[k]) - double(values[k]);
      lost += change * change;
      whole += double(values[k]) * double(values[k]);
    }
    results[i].error = whole > 0 ? std::sqrt(lost / whole) : 0;
    return this->store(weight, results[i]);
  };
  return compressWeights(getOperation(), found, "compress", quiet, compress, [&](size_t i) {
    annotate(tasks[i], results[i]);
    results[i] = {};
  });
}

/// Puts a result where later loads find it. May run in several threads.
absl::Status CompressLayers::store(WeightOp weight, const CompressedMatrix &result) {
  if (result.quantized.codes.empty())
    STC_RETURN_IF_ERROR(weightStore->setValues(weight, result.values));
  else
    STC_RETURN_IF_ERROR(weightStore->setQuantized(weight, result.quantized));
  return result.mask.empty() ? absl::OkStatus() : weightStore->setMask(weight, result.mask);
}

void CompressLayers::annotate(const Task &task, const CompressedMatrix &result) {
  WeightOp weight = task.weight;
  Builder builder(&getContext());
  std::string text;
  double error = std::isfinite(result.error) ? result.error : 0;
  if (!result.mask.empty()) {
    int64_t kept = llvm::count(result.mask, uint8_t(1));
    double density = double(kept) / double(result.mask.size());
    std::string spec = task.method.prune.method + ":" + task.method.prune.pattern.str();
    weight.setPruneAttr(PruneAttr::get(&getContext(), spec, builder.getF64FloatAttr(density)));
    text = llvm::formatv("pruned as {0}, density {1:F4}, ", spec, density);
  }
  if (!result.quantized.codes.empty()) {
    std::string spec = task.method.quantize.str();
    weight.setQuantAttr(QuantAttr::get(&getContext(), spec, builder.getF64FloatAttr(error)));
    text += "quantized as " + spec + ", ";
  }
  if (recipe.isCalibrated())
    weight->setAttr(kCalibratedAttr, builder.getUnitAttr());
  ++tensors;
  if (verbose)
    emitRemark(weight.getLoc()) << weight.getSymName() << ": "
                                << llvm::formatv("{0}relative {1}error {2:F4}", text,
                                                 recipe.isCalibrated() ? "output " : "", error)
                                       .str();
}

std::unique_ptr<Pass> createCompressLayersPass(const CompressLayersPassOptions &options,
                                               Recipe recipe) {
  return std::make_unique<CompressLayers>(options, std::move(recipe));
}

} // namespace stc
