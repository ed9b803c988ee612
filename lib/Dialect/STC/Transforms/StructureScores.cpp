// How much each part of a layer matters.
#include "StructureScores.h"

#include "CompressibleWeights.h"

#include <cmath>
#include <numeric>

using namespace mlir;

namespace stc {

namespace {

struct Norms {
  std::vector<double> rows, columns; // squared
};

absl::StatusOr<Norms> normsOf(LinearOp linear, WeightStore &store) {
  WeightOp weight = weightOf(linear.getWeight());
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
  Norms norms{std::vector<double>(size_t(rowsOf(weight))),
              std::vector<double>(size_t(columnsOf(weight)))};
  for (size_t i = 0; i < values.size(); ++i) {
    double square = double(values[i]) * double(values[i]);
    norms.rows[i / norms.columns.size()] += square;
    norms.columns[i % norms.columns.size()] += square;
  }
  return norms;
}

double sumOf(const std::vector<double> &values, int64_t first, int64_t count) {
  auto begin = values.begin() + first;
  return std::accumulate(begin, begin + count, 0.0);
}

/// Per channel, the mean square over tokens.
std::vector<double> meanSquares(const Activations &activations) {
  std::vector<double> squares(size_t(activations.columns));
  for (size_t i = 0; i < activations.values.size(); ++i)
    squares[i % squares.size()] += double(activations.values[i]) * double(activations.values[i]);
  auto tokens = std::max(1.0, double(activations.values.size() / squares.size()));
  for (double &square : squares)
    square /= tokens;
  return squares;
}

double meanCosine(const Activations &a, const Activations &b) {
  double total = 0;
  int64_t tokens = int64_t(a.values.size()) / a.columns;
  for (int64_t token = 0; token < tokens; ++token) {
    double ab = 0, aa = 0, bb = 0;
    for (int64_t i = token * a.columns; i < (token + 1) * a.columns; ++i) {
      double x = double(a.values[size_t(i)]), y = double(b.values[size_t(i)]);
      ab += x * y;
      aa += x * x;
      bb += y * y;
    }
    total += aa > 0 && bb > 0 ? ab / std::sqrt(aa * bb) : 0;
  }
  return total / double(tokens);
}

/// The energies of what a projection's columns give, summed over blocks of `size`.
absl::StatusOr<std::vector<double>> energies(LinearOp projection, const Activations &inputs,
                                             int64_t size, double hidden, WeightStore &store) {
  STC_ASSIGN_OR_RETURN(Norms norms, normsOf(projection, store));
  std::vector<double> squares = meanSquares(inputs), sums(squares.size() / size_t(size));
  for (size_t i = 0; i < squares.size(); ++i)
    sums[i / size_t(size)] += norms.columns[i] * squares[i] / hidden;
  return sums;
}

/// The products of the squared norms of each expert's matrices.
absl::StatusOr<std::vector<double>> scoreExpertWeights(const Mixture &mixture, WeightStore &store) {
  std::vector<double> scores;
  for (ExpertOp expert : mixture.experts) {
    double product = 1;
    SmallVector<LinearOp> linears;
    expert.walk([&](LinearOp linear) { linears.push_back(linear); });
    for (LinearOp linear : linears) {
      STC_ASSIGN_OR_RETURN(Norms norms, normsOf(linear, store));
      product *= sumOf(norms.rows, 0, int64_t(norms.rows.size()));
    }
    scores.push_back(product);
  }
  return scores;
}

/// The mean square of the difference, summed over channels.
double meanSquareOfChange(const Activations &before, const Activations &after) {
  double sum = 0;
  for (size_t i = 0; i < after.values.size(); ++i) {
    double change = double(after.values[i]) - double(before.values[i]);
    sum += change * change;
  }
  return sum * double(after.columns) / double(after.values.size());
}

} // namespace

absl::StatusOr<std::vector<LayerScores>> scoreWeights(ArrayRef<LayerStructure> layers,
                                                      WeightStore &store) {
  std::vector<LayerScores> scores(layers.size());
  for (auto [layer, score] : llvm::zip_equal(layers, scores)) {
    if (layer.feedForward) {
      STC_ASSIGN_OR_RETURN(Norms down, normsOf(layer.feedForward->down, store));
      score.channels = down.columns;
      for (LinearOp linear : layer.feedForward->expanding) {
        STC_ASSIGN_OR_RETURN(Norms rows, normsOf(linear, store));
        for (auto [channel, norm] : llvm::zip_equal(score.channels, rows.rows))
          channel *= norm;
      }
    }
    if (layer.mixture) {
      STC_ASSIGN_OR_RETURN(score.experts, scoreExpertWeights(*layer.mixture, store));
    }
    if (!layer.attention)
      continue;
    const SelfAttention &attention = *layer.attention;
    STC_ASSIGN_OR_RETURN(Norms q, normsOf(attention.q, store));
    STC_ASSIGN_OR_RETURN(Norms k, normsOf(attention.k, store));
    STC_ASSIGN_OR_RETURN(Norms v, normsOf(attention.v, store));
    STC_ASSIGN_OR_RETURN(Norms o, normsOf(attention.o, store));
    int64_t size = attention.headDim;
    for (int64_t head = 0; head < attention.heads; ++head) {
      int64_t group = head / attention.headsPerGroup();
      score.heads.push_back(sumOf(o.columns, head * size, size) * sumOf(q.rows, head * size, size) *
                            sumOf(k.rows, group * size, size) * sumOf(v.rows, group * size, size));
    }
  }
  return scores;
}

absl::StatusOr<std::vector<LayerScores>> scoreActivations(ModuleOp module,
                                                          ArrayRef<LayerStructure> layers,
                                                          const Sequences &text,
                                                          WeightStore &store) {
  std::vector<LayerScores> scores(layers.size());
  BatchEvaluator evaluator(module, text, [&](WeightOp weight) { return store.load(weight); });
  size_t next = 0;
  STC_ASSIGN_OR_RETURN(auto program, calibrationProgram(module));
  for (Operation *op : program) {
    auto layer = dyn_cast<LayerOp>(op);
    if (!layer) {
      STC_RETURN_IF_ERROR(evaluator.evaluate(op));
      continue;
    }
    const LayerStructure &structure = layers[next];
    LayerScores &score = scores[next++];
    ActivationsPtr before = evaluator.get(layer.getInput());
    if (!before)
      return formatError({"", "stc.layer", {}}, "an input computed before", "none");
    std::vector<double> squares = meanSquares(*before);
    double hidden = std::max(sumOf(squares, 0, before->columns), 1e-30);
    auto measure = [&](Operation *inner) -> absl::Status {
      auto linear = dyn_cast<LinearOp>(inner);
      bool isDown = isProjection(inner, structure.feedForward, &FeedForward::down);
      if (!isDown && !isProjection(inner, structure.attention, &SelfAttention::o))
        return absl::OkStatus();
      std::vector<double> &own = isDown ? score.channels : score.heads;
      STC_ASSIGN_OR_RETURN(own, energies(linear, *evaluator.get(linear.getInput()),
                                         isDown ? 1 : structure.attention->headDim, hidden, store));
      return absl::OkStatus();
    };
    auto measureExpert = [&](Operation *inner) {
      auto expert = dyn_cast<ExpertOp>(inner);
      if (structure.mixture && expert && llvm::is_contained(structure.mixture->experts, expert))
        score.experts.push_back(meanSquareOfChange(*evaluator.get(expert.getAccumulator()),
                                                   *evaluator.get(expert.getResult())) /
                                hidden);
      return absl::OkStatus();
    };
    STC_RETURN_IF_ERROR(evaluator.evaluateLayer(layer, measure, measureExpert));
    score.similarity = meanCosine(*before, *evaluator.get(layer.getResult()));
    if (next == layers.size())
      break;
  }
  return scores;
}

} // namespace stc
