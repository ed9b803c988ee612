// One matrix through every step of compression.
#include "stc/Compress/CompressMatrix.h"

#include "stc/Compress/Alps.h"
#include "stc/Compress/Obs.h"
#include "stc/Compress/Repair.h"
#include "stc/Compress/Scores.h"

#include <algorithm>
#include <cmath>

namespace stc {

absl::StatusOr<const InverseFactor *> InputStatistics::factor(double damping, int64_t unit) {
  auto found = factors.find({damping, unit});
  if (found != factors.end())
    return &found->second;
  std::vector<int64_t> order;
  if (unit > 0)
    order = activationOrder(inputMoments, unit);
  STC_ASSIGN_OR_RETURN(InverseFactor factor, factorInverse(inputMoments, damping, order));
  factors.clear(); // one at a time: it is as large as the moments
  return &factors.emplace(std::make_pair(damping, unit), std::move(factor)).first->second;
}

/// Tokens that channels need each.
static constexpr double kTokensPerChannel = 16;

double InputStatistics::scarcity() const {
  return std::max(1.0, kTokensPerChannel * double(inputMoments.columns()) /
                           double(inputMoments.tokens()));
}

namespace {

/// One run of compressMatrix.
class MatrixCompressor {
public:
  MatrixCompressor(const MatrixMethod &method, int64_t rows, int64_t columns,
                   InputStatistics *statistics, const CrossMoments *targets)
      : method(method), rows(rows), columns(columns), statistics(statistics), targets(targets) {}

  absl::StatusOr<CompressedMatrix> run(absl::Span<const float> weights);

private:
  /// The weights without the error that W itself makes towards the targets.
  absl::Status aim(absl::Span<const float> weights);
  absl::Status prune();
  absl::Status refit();
  absl::Status quantize();
  absl::Status refitQuantized();
  absl::StatusOr<ObsResult> runObs(const PrunePattern &pattern, absl::Span<const uint8_t> mask,
                                   const QuantizeSpec &quantize);
  absl::StatusOr<CompressedMatrix> pruneThenQuantize();
  absl::StatusOr<CompressedMatrix> pruneAndQuantize();
  double errorOf(absl::Span<const float> values) const;

  bool prunes() const { return method.prune.pattern.kind != PrunePattern::Kind::None; }

  const MatrixMethod &method;
  int64_t rows, columns;
  InputStatistics *statistics;
  const CrossMoments *targets;
  std::vector<float> original, aimed; // W, and what is compressed in its place
  std::vector<float> cross;           // of the outputs wanted; empty without repair
  CompressedMatrix state;
};

absl::Status MatrixCompressor::aim(absl::Span<const float> weights) {
  original.assign(weights.begin(), weights.end());
  aimed = original;
  if (!method.repair || !statistics)
    return absl::OkStatus();
  if (!targets) {
    cross = crossOfWeights(statistics->moments(), rows, weights);
    return absl::OkStatus();
  }
  cross.assign(targets->matrix().begin(), targets->matrix().end());
  std::vector<uint8_t> all(weights.size(), 1);
  RefitOptions options;
  options.damping = method.repairDamping;
  STC_ASSIGN_OR_RETURN(aimed,
                       refitWeights(options, rows, weights, all, statistics->moments(), cross));
  return absl::OkStatus();
}

double MatrixCompressor::errorOf(absl::Span<const float> values) const {
  if (!statistics)
    return 0;
  return targets ? targetError(statistics->moments(), *targets, values)
                 : outputError(statistics->moments(), rows, original, values);
}

absl::StatusOr<ObsResult> MatrixCompressor::runObs(const PrunePattern &pattern,
                                                   absl::Span<const uint8_t> mask,
                                                   const QuantizeSpec &quantize) {
  ObsOptions options;
  options.pattern = pattern;
  options.mask = mask;
  options.quantize = quantize;
  bool reorders = method.activationOrder && quantize.enabled;
  int64_t unit = reorders ? orderUnit(mask.empty() ? pattern : PrunePattern()) : 0;
  STC_ASSIGN_OR_RETURN(const InverseFactor *factor, statistics->factor(method.damping, unit));
  return solveObs(options, rows, state.values, statistics->moments(), *factor);
}

absl::Status MatrixCompressor::prune() {
  const PrunePattern &pattern = method.prune.pattern;
  const std::string &name = method.prune.method;
  if (name == "sparsegpt") {
    STC_ASSIGN_OR_RETURN(ObsResult result, runObs(pattern, {}, QuantizeSpec()));
    state.values = std::move(result.values);
    state.mask = std::move(result.mask);
    return absl::OkStatus();
  }
  if (name == "alps") {
    AlpsOptions options;
    options.pattern = pattern;
    options.damping = method.damping;
    STC_ASSIGN_OR_RETURN(AlpsResult result,
                         solveAlps(options, rows, state.values, statistics->moments()));
    state.values = std::move(result.values);
    state.mask = std::move(result.mask);
    return absl::OkStatus();
  }
  state.mask = name == "wanda" ? maskFromScores(pattern, rows, columns,
                                                wandaScores(state.values, statistics->moments()))
                               : magnitudeMask(pattern, rows, columns, state.values);
  for (size_t i = 0; i < state.values.size(); ++i)
    if (!state.mask[i])
      state.values[i] = 0;
  return absl::OkStatus();
}

absl::Status MatrixCompressor::refit() {
  RefitOptions options;
  options.damping = method.repairDamping;
  STC_ASSIGN_OR_RETURN(state.values, refitWeights(options, rows, state.values, state.mask,
                                                  statistics->moments(), cross));
  return absl::OkStatus();
}

absl::Status MatrixCompressor::quantize() {
  if (method.quantize.method == "gptq") {
    std::vector<uint8_t> mask = state.mask;
    STC_ASSIGN_OR_RETURN(ObsResult result, runObs(PrunePattern(), mask, method.quantize));
    state.values = std::move(result.values);
    state.quantized = std::move(result.quantized);
    return absl::OkStatus();
  }
  state.quantized = quantizeRoundToNearest(method.quantize, rows, columns, state.values);
  state.values = dequantize(state.quantized);
  return absl::OkStatus();
}

absl::Status MatrixCompressor::refitQuantized() {
  RefitCodesOptions options;
  options.sweeps = method.sweeps;
  STC_ASSIGN_OR_RETURN(state.quantized, refitCodes(options, method.quantize, state.quantized,
                                                   state.mask, statistics->moments(), cross));
  state.values = dequantize(state.quantized);
  return absl::OkStatus();
}

absl::StatusOr<CompressedMatrix> MatrixCompressor::pruneThenQuantize() {
  state = {};
  state.values = aimed;
  if (prunes()) {
    STC_RETURN_IF_ERROR(prune());
    if (!cross.empty())
      STC_RETURN_IF_ERROR(refit());
  }
  if (method.quantize.enabled) {
    STC_RETURN_IF_ERROR(quantize());
    if (!cross.empty())
      STC_RETURN_IF_ERROR(refitQuantized());
  }
  state.error = errorOf(state.values);
  return std::move(state);
}

absl::StatusOr<CompressedMatrix> MatrixCompressor::pruneAndQuantize() {
  state = {};
  state.values = aimed;
  STC_ASSIGN_OR_RETURN(ObsResult result, runObs(method.prune.pattern, {}, method.quantize));
  state.values = std::move(result.values);
  state.mask = std::move(result.mask);
  state.quantized = std::move(result.quantized);
  if (!cross.empty())
    STC_RETURN_IF_ERROR(refitQuantized());
  state.error = errorOf(state.values);
  return std::move(state);
}

absl::StatusOr<CompressedMatrix> MatrixCompressor::run(absl::Span<const float> weights) {
  STC_RETURN_IF_ERROR(aim(weights));
  bool isJoint = method.joint && prunes() && method.prune.method == "sparsegpt" && method.quantize.enabled &&
                 method.quantize.method == "gptq";
  if (!isJoint)
    return pruneThenQuantize();
  STC_ASSIGN_OR_RETURN(CompressedMatrix joint, pruneAndQuantize());
  if (cross.empty())
    return joint;
  STC_ASSIGN_OR_RETURN(CompressedMatrix apart, pruneThenQuantize());
  return apart.error < joint.error ? std::move(apart) : std::move(joint);
}

} // namespace

absl::StatusOr<CompressedMatrix> compressMatrix(const MatrixMethod &method, int64_t rows,
                                                int64_t columns, absl::Span<const float> weights,
                                                InputStatistics *statistics,
                                                const CrossMoments *targets) {
  bool prunes = method.prune.pattern.kind != PrunePattern::Kind::None;
  for (auto [needs, name] :
       {std::pair(prunes && method.prune.needsCalibration(), method.prune.method),
        std::pair(method.quantize.enabled && method.quantize.needsCalibration(),
                  method.quantize.method)})
    if (needs && !statistics)
      return formatError({"", "method", {}}, "calibration data", name + " without");
  if (int64_t(weights.size()) != rows * columns ||
      (statistics && statistics->moments().columns() != columns))
    return formatError({"", "matrix", {}}, std::to_string(rows) + " x " + std::to_string(columns),
                       std::to_string(weights.size()) + " weights");
  return MatrixCompressor(method, rows, columns, statistics, targets).run(weights);
}

} // namespace stc
