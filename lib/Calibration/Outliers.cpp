// How much the largest weights of each layer stand out.
#include "stc/Calibration/Outliers.h"

#include "stc/Calibration/Divergence.h"
#include "stc/Compress/Scores.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;

namespace stc {

/// Per channel, the sum of squares over all tokens.
static std::vector<double> sumSquares(const Activations &inputs) {
  std::vector<double> squares(size_t(inputs.columns), 0.0);
  for (size_t i = 0; i < inputs.values.size(); ++i)
    squares[i % squares.size()] += double(inputs.values[i]) * double(inputs.values[i]);
  return squares;
}

absl::StatusOr<std::vector<LayerOutliers>> measureOutliers(ModuleOp module, WeightStore &store,
                                                           const Sequences &text,
                                                           ArrayRef<WeightOp> weights,
                                                           double threshold, Progress &progress) {
  STC_ASSIGN_OR_RETURN(auto program, calibrationProgram(module));
  llvm::DenseMap<StringAttr, WeightOp> wanted;
  for (WeightOp weight : weights)
    wanted[weight.getSymNameAttr()] = weight;
  BatchEvaluator source(module, text, [&](WeightOp weight) { return store.loadSource(weight); });
  std::vector<LayerOutliers> result;
  Value input; // what `squares` are of
  std::vector<double> squares;
  std::vector<float> scores;
  auto score = [&](Operation *op) -> absl::Status {
    auto linear = dyn_cast<LinearOp>(op);
    auto read = linear ? linear.getWeight().getDefiningOp<GetWeightOp>() : GetWeightOp();
    auto found = read ? wanted.find(read.getWeightAttr().getAttr()) : wanted.end();
    if (found == wanted.end())
      return absl::OkStatus();
    WeightOp weight = found->second;
    wanted.erase(found);
    if (input != linear.getInput()) {
      ActivationsPtr inputs = source.get(linear.getInput());
      if (!inputs)
        return formatError({"", "stc.linear", {}}, "an input computed before", "none");
      squares = sumSquares(*inputs);
      input = linear.getInput();
    }
    STC_ASSIGN_OR_RETURN(std::vector<float> values, store.loadSource(weight));
    std::vector<float> own = wandaScores(values, squares);
    scores.insert(scores.end(), own.begin(), own.end());
    result.back().weights.push_back(weight);
    StringRef name = weight.getSymName();
    progress.advance(values.size(), {name.data(), name.size()});
    return absl::OkStatus();
  };
  for (Operation *op : program) {
    if (wanted.empty())
      break;
    auto layer = dyn_cast<LayerOp>(op);
    if (!layer) {
      STC_RETURN_IF_ERROR(source.evaluate(op));
      continue;
    }
    result.push_back({layer, {}, 0});
    STC_RETURN_IF_ERROR(source.evaluateLayer(layer, score));
    result.back().share = outlierRatio(scores, threshold);
    scores.clear();
    if (result.back().weights.empty())
      result.pop_back();
  }
  return result;
}

} // namespace stc
