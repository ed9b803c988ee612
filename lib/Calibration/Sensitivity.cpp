// How much a model loses when a weight is encoded in one way or another.
#include "stc/Calibration/Sensitivity.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <cmath>

using namespace mlir;

namespace stc {

std::string Encoding::str() const {
  return prune == "none" ? quantize : absl::StrCat(prune, "+", quantize);
}

absl::StatusOr<Encoding> parseEncoding(absl::string_view text) {
  std::vector<std::string> parts = absl::StrSplit(text, '+');
  Encoding encoding;
  encoding.quantize = parts.back();
  if (parts.size() == 2)
    encoding.prune = parts.front();
  if (parts.size() > 2)
    return formatError({"", "encodings", {}}, "QUANTIZATION or PATTERN+QUANTIZATION",
                       printable(text, 60));
  STC_RETURN_IF_ERROR(parsePruneSpec(encoding.prune).status());
  STC_RETURN_IF_ERROR(parseQuantizeSpec(encoding.quantize).status());
  return encoding;
}

namespace {

/// The relative squared error that a probe of KL should have: enough to stand out from the rounding
/// of f32, little enough for KL to be in proportion.
constexpr double kProbeError = 0.01;

std::vector<float> identity(int64_t size) {
  std::vector<float> values(size_t(size * size));
  for (int64_t i = 0; i < size; ++i)
    values[size_t(i * size + i)] = 1;
  return values;
}

class SensitivityAnalysis {
public:
  SensitivityAnalysis(ModuleOp module, WeightStore &store, const SensitivityOptions &options,
                      ArrayRef<WeightOp> weights, const WeightUsesMap &uses, Progress &progress)
      : module(module), store(store), options(options), uses(uses), progress(progress),
        calibration(module, options.calibration,
                    [&store](WeightOp weight) { return store.load(weight); }),
        windows(module, options.windows, [this](WeightOp weight) {
          bool isReplaced = replaced && weight == replaced;
          return isReplaced ? absl::StatusOr<std::vector<float>>(*replacement)
                            : this->store.load(weight);
        }) {
    for (WeightOp weight : weights)
      wanted[weight.getSymNameAttr()] = weight;
  }

  absl::StatusOr<std::vector<WeightSensitivity>> run();

private:
  absl::Status measureLayer(LayerOp layer);
  absl::Status measureBlock(Block &block);
  absl::Status measureLinear(LinearOp linear);
  absl::StatusOr<bool> compress(const Encoding &encoding, WeightOp weight,
                                absl::Span<const float> values, CompressedMatrix &result,
                                EncodedCost &cost);
  absl::StatusOr<double> divergenceWith(WeightOp weight, const std::vector<float> &values);

  ModuleOp module;
  WeightStore &store;
  const SensitivityOptions &options;
  const WeightUsesMap &uses;
  Progress &progress;
  llvm::DenseMap<StringAttr, WeightOp> wanted;
  BatchEvaluator calibration; // runs through the layer at work
  BatchEvaluator windows;     // stands before it
  WeightOp replaced;          // for `windows`, by
  const std::vector<float> *replacement = nullptr;
  SmallVector<Operation *> program;
  size_t at = 0;         // in it: the layer at work
  ActivationsPtr source; // outputs for the windows
  Divergence unchanged;  // of nothing yet
  // Of the matrices whose input was met last:
  Value input;
  std::unique_ptr<InputStatistics> statistics;
  std::vector<WeightSensitivity> results;
};

} // namespace

absl::StatusOr<std::vector<WeightSensitivity>> SensitivityAnalysis::run() {
  STC_ASSIGN_OR_RETURN(source, evaluateOutputs(module, options.windows, [&](WeightOp weight) {
                         return store.load(weight);
                       }));
  STC_ASSIGN_OR_RETURN(unchanged, divergenceOf(module));
  STC_ASSIGN_OR_RETURN(program, calibrationProgram(module));
  for (at = 0; at < program.size() && !wanted.empty(); ++at) {
    if (auto layer = dyn_cast<LayerOp>(program[at])) {
      STC_RETURN_IF_ERROR(measureLayer(layer));
      STC_RETURN_IF_ERROR(windows.evaluateLayer(layer));
      continue;
    }
    STC_RETURN_IF_ERROR(calibration.evaluate(program[at]));
    STC_RETURN_IF_ERROR(windows.evaluate(program[at]));
  }
  return std::move(results);
}

absl::Status SensitivityAnalysis::measureLayer(LayerOp layer) {
  Block &body = layer.getBody().front();
  calibration.bind(body.getArgument(0), layer.getInput());
  calibration.releaseOperands(layer);
  STC_RETURN_IF_ERROR(measureBlock(body));
  statistics.reset();
  input = {};
  calibration.bind(layer.getResult(), body.getTerminator()->getOperand(0));
  calibration.release(body);
  return absl::OkStatus();
}

absl::Status SensitivityAnalysis::measureBlock(Block &block) {
  for (Operation &op : block.without_terminator()) {
    if (auto expert = dyn_cast<ExpertOp>(&op)) {
      STC_RETURN_IF_ERROR(calibration.enterExpert(expert));
      STC_RETURN_IF_ERROR(measureBlock(expert.getBody().front()));
      STC_RETURN_IF_ERROR(calibration.leaveExpert(expert));
    } else {
      if (auto linear = dyn_cast<LinearOp>(&op))
        STC_RETURN_IF_ERROR(measureLinear(linear));
      STC_RETURN_IF_ERROR(calibration.evaluate(&op));
    }
    calibration.releaseOperands(&op);
  }
  return absl::OkStatus();
}

/// False where the weight cannot have this encoding.
absl::StatusOr<bool> SensitivityAnalysis::compress(const Encoding &encoding, WeightOp weight,
                                                   absl::Span<const float> values,
                                                   CompressedMatrix &result, EncodedCost &cost) {
  WeightFacts facts = shapeFacts(weight, uses.lookup(weight.getSymNameAttr()));
  STC_ASSIGN_OR_RETURN(MatrixMethod method,
                       options.recipe.method({"", encoding.prune, encoding.quantize}));
  facts.pattern = method.prune.pattern;
  facts.quantize = method.quantize;
  if (encoding.isSparse() || facts.quantize.enabled) {
    method.damping *= statistics->scarcity();
    method.repairDamping *= statistics->scarcity();
    // One round shows what repair is worth here; the others add little to the ratio.
    method.sweeps = std::min(method.sweeps, 1);
    STC_ASSIGN_OR_RETURN(result, compressMatrix(method, facts.rows, facts.columns, values,
                                                statistics.get(), nullptr));
    if (facts.quantize.enabled)
      addCodeFacts(result.quantized, facts);
    else if (facts.uses.matrix && !facts.uses.table)
      addFloatFacts(result.values, facts);
    cost.error = std::isfinite(result.error) ? result.error * result.error : 0;
  }
  absl::StatusOr<LayoutChoice> choice = chooseLayout(facts);
  if (!choice.ok())
    return false;
  // A sparse encoding without a sparse layout is a dense one that loses more.
  if (encoding.isSparse() && facts.quantize.enabled && !choice->layout.isSparse())
    return false;
  cost.layout = choice->layout;
  STC_ASSIGN_OR_RETURN(cost.bytes, chosenBytes(facts, cost.layout));
  return true;
}

absl::StatusOr<double> SensitivityAnalysis::divergenceWith(WeightOp weight,
                                                           const std::vector<float> &values) {
  replaced = weight;
  replacement = &values;
  BatchEvaluator probe = windows;
  absl::StatusOr<ActivationsPtr> logits = continueToOutputs(probe, module, program, at);
  replaced = {};
  if (!logits.ok())
    return logits.status();
  Divergence divergence = unchanged;
  divergence.add(options.windows, *source, **logits);
  return divergence.divergence();
}

absl::Status SensitivityAnalysis::measureLinear(LinearOp linear) {
  auto read = linear.getWeight().getDefiningOp<GetWeightOp>();
  auto found = read ? wanted.find(read.getWeightAttr().getAttr()) : wanted.end();
  if (found == wanted.end())
    return absl::OkStatus();
  WeightSensitivity result;
  result.weight = found->second;
  wanted.erase(found);
  ActivationsPtr inputs = calibration.get(linear.getInput());
  if (!inputs)
    return formatError({"", "stc.linear", {}}, "an input computed before", "none");
  if (input != linear.getInput() || !statistics) {
    statistics = std::make_unique<InputStatistics>(inputs->columns);
    // An expert that no token chose: as if all channels were alike. KL will not show what it loses.
    bool isUnseen = inputs->values.empty();
    STC_RETURN_IF_ERROR(
        statistics->moments().add(isUnseen ? identity(inputs->columns) : inputs->values));
    input = linear.getInput();
  }
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(result.weight));
  // The encoding of each kind whose error is nearest to that of a good probe.
  struct Probe {
    std::vector<float> values;
    double error = 0;
  } probes[2];
  for (size_t i = 0; i < options.encodings.size(); ++i) {
    const Encoding &encoding = options.encodings[i];
    CompressedMatrix compressed;
    EncodedCost cost;
    cost.encoding = i;
    STC_ASSIGN_OR_RETURN(bool exists, compress(encoding, result.weight, values, compressed, cost));
    if (!exists)
      continue;
    Probe &probe = probes[encoding.isSparse()];
    auto distance = [](double error) { return std::abs(std::log(error / kProbeError)); };
    if (cost.error > 0 && (probe.error == 0 || distance(cost.error) < distance(probe.error)))
      probe = {std::move(compressed.values), cost.error};
    result.costs.push_back(cost);
  }
  double slopes[2] = {0, 0};
  for (int kind : {0, 1})
    if (probes[kind].error > 0) {
      STC_ASSIGN_OR_RETURN(double divergence, divergenceWith(result.weight, probes[kind].values));
      slopes[kind] = std::max(0.0, divergence) / probes[kind].error;
    }
  result.denseSlope = slopes[0];
  result.sparseSlope = slopes[1];
  for (EncodedCost &cost : result.costs)
    cost.divergence = cost.error * slopes[options.encodings[cost.encoding].isSparse()];
  StringRef name = result.weight.getSymName();
  progress.advance(uint64_t(values.size()), {name.data(), name.size()});
  results.push_back(std::move(result));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<WeightSensitivity>>
measureSensitivity(ModuleOp module, WeightStore &store, const SensitivityOptions &options,
                   ArrayRef<WeightOp> weights, const WeightUsesMap &uses, Progress &progress) {
  return SensitivityAnalysis(module, store, options, weights, uses, progress).run();
}

} // namespace stc
