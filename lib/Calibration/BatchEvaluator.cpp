// Runs the operations of stc graphs in f32 for many sequences at once.
#include "stc/Calibration/BatchEvaluator.h"

#include "stc/Dialect/STC/IR/STCRouting.h"

#include "stc/Compress/LinearAlgebra.h"
#include "stc/Dialect/STC/IR/VerifyAttention.h"
#include "stc/Dialect/STC/Utils/AttentionBias.h"
#include "stc/Support/Parallel.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"
#include "llvm/ADT/TypeSwitch.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace mlir;

namespace stc {

BatchEvaluator::BatchEvaluator(ModuleOp module, const Sequences &sequences, Loader loader)
    : symbols(module), sequences(sequences), loader(std::move(loader)),
      length(sequences.mainLength()), rows(sequences.count * length) {}

/// An encoder in front of a decoder has functions of its own.
static bool isOfEncoder(Operation *op) {
  auto function = op->getParentOfType<func::FuncOp>();
  return function && (function.getSymName() == "encode" || function.getSymName() == "stem");
}

/// Looks at the tokens that the function of `op` reads.
void BatchEvaluator::enter(Operation *op) {
  if (isInExpert)
    return;
  readsSource = sequences.sourceLength > 0 && isOfEncoder(op);
  length = readsSource ? sequences.sourceLength : sequences.mainLength();
  rows = sequences.count * length;
}

/// The layer of the cache that an operation writes or reads; -1 where that is no constant.
static int64_t cacheLayer(Value index) { return getConstantIntValue(index).value_or(-1); }

static absl::Status unknownOperation(Operation *op) {
  return formatError({"", op->getName().getStringRef().str(), {}},
                     "an operation that calibration can run", "an unsupported one");
}

static int64_t columnsOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape().back();
}

static float nonlinear(ActivationKind kind, float x) {
  switch (kind) {
  case ActivationKind::Silu:
    return x / (1 + std::exp(-x));
  case ActivationKind::Gelu:
    return x * 0.5f * std::erfc(-x * float(M_SQRT1_2));
  case ActivationKind::GeluTanh:
    return x * 0.5f * (1 + std::tanh(0.7978845608f * (x + 0.044715f * x * x * x)));
  case ActivationKind::Relu:
    return x > 0 ? x : 0;
  case ActivationKind::Relu2:
    return x > 0 ? x * x : 0;
  case ActivationKind::Sigmoid:
    return 1 / (1 + std::exp(-x));
  case ActivationKind::QuickGelu:
    return x / (1 + std::exp(-1.702f * x));
  }
  llvm_unreachable("all activations are listed");
}

absl::StatusOr<std::vector<float>> BatchEvaluator::weight(Value value) {
  auto read = value.getDefiningOp<GetWeightOp>();
  auto symbol = read ? symbols.lookup<WeightOp>(read.getWeight()) : WeightOp();
  if (!symbol)
    return formatError({"", "weight", {}}, "an operand that stc.get_weight reads", "another value");
  return loader(symbol);
}

/// The gates of all tokens.
static Activations chooseGrouped(GroupedGateOp op, const Activations &scores,
                                 const std::vector<float> &correction) {
  GroupedChoice choice = groupedChoiceOf(op, scores.columns);
  std::vector<double> corrections(correction.begin(), correction.end());
  std::vector<double> own(size_t(scores.columns)), gates(own.size());
  Activations result = scores;
  for (size_t begin = 0; begin < scores.values.size(); begin += own.size()) {
    std::copy_n(scores.values.begin() + ptrdiff_t(begin), own.size(), own.begin());
    choice.apply(own, corrections, gates);
    std::copy(gates.begin(), gates.end(), result.values.begin() + ptrdiff_t(begin));
  }
  return result;
}

absl::Status BatchEvaluator::set(Operation *op, Activations result) {
  for (float value : result.values)
    if (!std::isfinite(value))
      return formatError({"", op->getName().getStringRef().str(), {}}, "finite activations",
                         "one that is not");
  values[op->getResult(0)] = std::make_shared<const Activations>(std::move(result));
  return absl::OkStatus();
}

absl::Status BatchEvaluator::evaluate(Operation *op) {
  enter(op);
  return llvm::TypeSwitch<Operation *, absl::Status>(op)
      // What asks for positions knows them.
      .Case<GetWeightOp, PositionsOp, arith::ConstantOp, arith::SubIOp, tensor::DimOp>(
          [](auto) { return absl::OkStatus(); })
      .Case([&](EmbeddingOp embedding) { return embed(embedding); })
      .Case([&](LinearOp linear) { return multiply(linear); })
      .Case([&](PermuteFeaturesOp permute) { return permuteColumns(permute); })
      .Case([&](RMSNormOp norm) { return normalize(norm); })
      .Case([&](LayerNormOp norm) { return normalizeLayer(norm); })
      .Case([&](ScaleOp scale) {
        auto factor = float(scale.getFactor().convertToDouble());
        return map(op, [&](float x) { return factor * x; });
      })
      .Case([&](ClampOp clamp) {
        auto limit = float(clamp.getLimit().convertToDouble());
        return map(op, [&](float x) { return std::clamp(x, -limit, limit); });
      })
      .Case([&](SoftCapOp softCap) {
        auto cap = float(softCap.getCap().convertToDouble());
        return map(op, [&](float x) { return cap * std::tanh(x / cap); });
      })
      .Case([&](RotaryTableOp table) { return tabulate(table); })
      .Case([&](RotaryEmbeddingOp rotary) { return rotate(rotary); })
      .Case([&](ActivationOp activation) {
        return map(op, [&](float x) { return nonlinear(activation.getKind(), x); });
      })
      .Case([&](GatedActivationOp gated) { return gate(gated); })
      .Case([&](CacheUpdateOp update) {
        cached[cacheLayer(update.getLayer())] = {get(update.getKeys()), get(update.getValues())};
        return absl::OkStatus();
      })
      .Case([&](AttentionOp attention) { return attend(attention); })
      .Case([&](TopKGateOp gate) { return chooseExperts(gate); })
      .Case([&](GroupedGateOp gate) -> absl::Status {
        ActivationsPtr scores = get(gate.getScores());
        if (!scores)
          return unknownOperation(op);
        std::vector<float> correction;
        if (gate.getCorrection()) {
          STC_ASSIGN_OR_RETURN(correction, weight(gate.getCorrection()));
        }
        return set(op, chooseGrouped(gate, *scores, correction));
      })
      .Case([&](ExpertOp expert) -> absl::Status {
        STC_RETURN_IF_ERROR(enterExpert(expert));
        STC_RETURN_IF_ERROR(runBlock(expert.getBody().front(), nullptr, nullptr));
        return leaveExpert(expert);
      })
      .Case<arith::AddFOp, arith::MulFOp>([&](auto binary) -> absl::Status {
        ActivationsPtr a = get(binary.getLhs()), b = get(binary.getRhs());
        if (!a || !b)
          return unknownOperation(op);
        Activations result = *a;
        constexpr bool isSum = std::is_same_v<decltype(binary), arith::AddFOp>;
        for (size_t i = 0; i < result.values.size(); ++i)
          result.values[i] =
              isSum ? result.values[i] + b->values[i] : result.values[i] * b->values[i];
        return set(op, std::move(result));
      })
      .Default([](Operation *other) { return unknownOperation(other); });
}

absl::Status BatchEvaluator::evaluateLayer(LayerOp layer, Hook before, Hook after) {
  Block &body = layer.getBody().front();
  bind(body.getArgument(0), layer.getInput());
  releaseOperands(layer);
  STC_RETURN_IF_ERROR(runBlock(body, before, after));
  bind(layer.getResult(), body.getTerminator()->getOperand(0));
  release(body);
  return absl::OkStatus();
}

absl::Status BatchEvaluator::runBlock(Block &block, Hook before, Hook after) {
  for (Operation &op : block.without_terminator()) {
    if (before)
      STC_RETURN_IF_ERROR(before(&op));
    if (auto expert = dyn_cast<ExpertOp>(&op)) {
      STC_RETURN_IF_ERROR(enterExpert(expert));
      STC_RETURN_IF_ERROR(runBlock(expert.getBody().front(), before, after));
      STC_RETURN_IF_ERROR(leaveExpert(expert));
    } else {
      STC_RETURN_IF_ERROR(evaluate(&op));
    }
    if (after)
      STC_RETURN_IF_ERROR(after(&op));
    releaseOperands(&op);
  }
  return absl::OkStatus();
}

absl::Status BatchEvaluator::enterExpert(ExpertOp expert) {
  ActivationsPtr input = get(expert.getInput()), gates = get(expert.getGates());
  std::optional<int64_t> index = getConstantIntValue(expert.getIndex());
  if (!input || !gates || !index || isInExpert || !get(expert.getAccumulator()))
    return unknownOperation(expert);
  enter(expert);
  for (int64_t row = 0; row < rows; ++row)
    if (gates->values[size_t(row * gates->columns + *index)] != 0)
      chosen.push_back(row);
  Activations own{input->columns, {}};
  own.values.reserve(chosen.size() * size_t(input->columns));
  for (int64_t row : chosen) {
    auto begin = input->values.begin() + row * input->columns;
    own.values.insert(own.values.end(), begin, begin + input->columns);
  }
  rows = int64_t(chosen.size());
  isInExpert = true;
  values[expert.getBody().getArgument(0)] = std::make_shared<const Activations>(std::move(own));
  return absl::OkStatus();
}

absl::Status BatchEvaluator::leaveExpert(ExpertOp expert) {
  Block &body = expert.getBody().front();
  ActivationsPtr gates = get(expert.getGates()), own = get(body.getTerminator()->getOperand(0));
  int64_t index = *getConstantIntValue(expert.getIndex());
  Activations result = *get(expert.getAccumulator());
  if (!own)
    return unknownOperation(expert);
  for (size_t i = 0; i < chosen.size(); ++i) {
    float gate = gates->values[size_t(chosen[i] * gates->columns + index)];
    for (int64_t c = 0; c < result.columns; ++c)
      result.values[size_t(chosen[i] * result.columns + c)] +=
          gate * own->values[i * size_t(result.columns) + size_t(c)];
  }
  isInExpert = false;
  enter(expert);
  chosen.clear();
  forget(body);
  return set(expert, std::move(result));
}

void BatchEvaluator::divideChannels(Value value, absl::Span<const float> divisors) {
  Activations divided = *get(value);
  parallelFor(int64_t(divided.values.size()) / divided.columns, [&](int64_t row) {
    float *x = divided.values.data() + row * divided.columns;
    for (int64_t c = 0; c < divided.columns; ++c)
      x[c] /= divisors[size_t(c)];
  });
  values[value] = std::make_shared<const Activations>(std::move(divided));
}

void BatchEvaluator::releaseOperands(Operation *op) {
  for (Value operand : op->getOperands()) {
    bool isLast = llvm::all_of(operand.getUsers(), [&](Operation *user) {
      return user == op || (user->getBlock() == op->getBlock() && user->isBeforeInBlock(op));
    });
    if (isLast)
      values.erase(operand);
  }
}

void BatchEvaluator::release(Block &block) {
  // What is read here is read nowhere else.
  block.walk([&](AttentionOp op) { cached.erase(cacheLayer(op.getLayer())); });
  forget(block);
}

void BatchEvaluator::forget(Block &block) {
  for (Value argument : block.getArguments())
    values.erase(argument);
  for (Operation &op : block)
    for (Value result : op.getResults())
      values.erase(result);
}

absl::Status BatchEvaluator::embed(EmbeddingOp op) {
  STC_ASSIGN_OR_RETURN(std::vector<float> table, weight(op.getTable()));
  Activations result{columnsOf(op.getResult()), {}};
  result.values.resize(size_t(rows * result.columns));
  bool byPosition = op.getTokens().getDefiningOp<PositionsOp>();
  // What computes indices makes zeros of them: types of tokens.
  bool areZero = op.getTokens().getDefiningOp<arith::SubIOp>();
  for (int64_t row = 0; row < rows; ++row) {
    int64_t index = areZero      ? 0
                    : byPosition ? row % length
                    : readsSource
                        ? sequences.tokens[size_t(row / length * sequences.length + row % length)]
                        : sequences.mainToken(row / length, row % length);
    if ((index + 1) * result.columns > int64_t(table.size()))
      return formatError({"", "position", {}},
                         absl::StrCat("one of ", int64_t(table.size()) / result.columns, " rows"),
                         absl::StrCat(index));
    std::copy_n(table.begin() + index * result.columns, result.columns,
                result.values.begin() + row * result.columns);
  }
  return set(op, std::move(result));
}

absl::Status BatchEvaluator::multiply(LinearOp op) {
  ActivationsPtr input = get(op.getInput());
  if (!input)
    return unknownOperation(op);
  STC_ASSIGN_OR_RETURN(std::vector<float> matrix, weight(op.getWeight()));
  Activations result{int64_t(matrix.size()) / input->columns, {}};
  result.values.resize(size_t(rows * result.columns));
  if (op.getBias()) {
    STC_ASSIGN_OR_RETURN(std::vector<float> bias, weight(op.getBias()));
    for (int64_t row = 0; row < rows; ++row)
      std::copy(bias.begin(), bias.end(), result.values.begin() + row * result.columns);
  }
  if (rows > 0) // no token may have chosen an expert
    linalg::multiply(rows, result.columns, input->columns, 1,
                     {input->values.data(), input->columns},
                     {matrix.data(), input->columns, /*transposed=*/true}, op.getBias() ? 1 : 0,
                     result.values.data(), result.columns);
  return set(op, std::move(result));
}

absl::Status BatchEvaluator::permuteColumns(PermuteFeaturesOp op) {
  STC_ASSIGN_OR_RETURN(std::vector<float> order, weight(op.getOrder()));
  ActivationsPtr input = get(op.getInput());
  auto columns = int64_t(input->columns), count = int64_t(order.size());
  for (float column : order)
    if (!(column >= (count == columns ? 0 : -1) && column < float(columns)) ||
        column != std::floor(column))
      return formatError({"", op->getName().getStringRef().str(), {}},
                         absl::StrCat("an order of whole numbers from 0 to ", columns - 1),
                         absl::StrCat(column));
  Activations result{count, std::vector<float>(size_t(rows * count))};
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t c = 0; c < count; ++c)
      if (float column = order[size_t(c)]; column >= 0)
        result.values[size_t(row * count + c)] =
            input->values[size_t(row * columns + int64_t(column))];
  return set(op, std::move(result));
}

/// The first gain of a group of a row, counted over all rows: the weight holds those of one group
/// or of all groups of a row.
static const float *gainsOf(const std::vector<float> &weight, int64_t group, int64_t size) {
  return weight.data() + group * size % int64_t(weight.size());
}

absl::Status BatchEvaluator::normalize(RMSNormOp op) {
  STC_ASSIGN_OR_RETURN(std::vector<float> scale, weight(op.getWeight()));
  Activations result = *get(op.getInput());
  double epsilon = op.getEpsilon().convertToDouble();
  int64_t size = result.columns / int64_t(op.getGroups());
  parallelFor(rows * int64_t(op.getGroups()), [&](int64_t group) {
    float *x = result.values.data() + group * size;
    const float *gains = gainsOf(scale, group, size);
    double squares = 0;
    for (int64_t c = 0; c < size; ++c)
      squares += double(x[c]) * double(x[c]);
    auto factor = float(1 / std::sqrt(squares / double(size) + epsilon));
    for (int64_t c = 0; c < size; ++c)
      x[c] = x[c] * factor * gains[c];
  });
  return set(op, std::move(result));
}

absl::Status BatchEvaluator::normalizeLayer(LayerNormOp op) {
  STC_ASSIGN_OR_RETURN(std::vector<float> scale, weight(op.getWeight()));
  int64_t size = columnsOf(op.getInput()) / int64_t(op.getGroups());
  std::vector<float> bias(static_cast<size_t>(size));
  if (op.getBias()) {
    STC_ASSIGN_OR_RETURN(bias, weight(op.getBias()));
  }
  Activations result = *get(op.getInput());
  double epsilon = op.getEpsilon().convertToDouble();
  parallelFor(rows * int64_t(op.getGroups()), [&](int64_t group) {
    float *x = result.values.data() + group * size;
    const float *gains = gainsOf(scale, group, size);
    double mean = 0, variance = 0;
    for (int64_t c = 0; c < size; ++c)
      mean += double(x[c]) / double(size);
    for (int64_t c = 0; c < size; ++c)
      variance += (x[c] - mean) * (x[c] - mean) / double(size);
    double factor = 1 / std::sqrt(variance + epsilon);
    for (int64_t c = 0; c < size; ++c)
      x[c] = float((x[c] - mean) * factor) * gains[c] + bias[size_t(c)];
  });
  return set(op, std::move(result));
}

absl::Status BatchEvaluator::map(Operation *op, llvm::function_ref<float(float)> function) {
  Activations result = *get(op->getOperand(0));
  parallelFor(rows, [&](int64_t row) {
    float *x = result.values.data() + row * result.columns;
    for (int64_t c = 0; c < result.columns; ++c)
      x[c] = function(x[c]);
  });
  return set(op, std::move(result));
}

absl::Status BatchEvaluator::tabulate(RotaryTableOp op) {
  llvm::ArrayRef<double> frequencies = op.getInverseFrequencies();
  auto pairs = int64_t(frequencies.size());
  Activations cos{pairs, {}}, sin{pairs, {}};
  for (int64_t row = 0; row < rows; ++row)
    for (double frequency : frequencies) {
      double angle = double(row % length) * frequency;
      double scale = op.getScale().convertToDouble();
      cos.values.push_back(float(scale * std::cos(angle)));
      sin.values.push_back(float(scale * std::sin(angle)));
    }
  values[op.getCos()] = std::make_shared<const Activations>(std::move(cos));
  values[op.getSin()] = std::make_shared<const Activations>(std::move(sin));
  return absl::OkStatus();
}

absl::Status BatchEvaluator::rotate(RotaryEmbeddingOp op) {
  ActivationsPtr cos = get(op.getCos()), sin = get(op.getSin());
  Activations result = *get(op.getInput());
  int64_t pairs = cos->columns, headDim = op.getHeadColumns();
  bool interleaved = op.getInterleaved();
  parallelFor(rows, [&](int64_t row) {
    for (int64_t head = 0; head < result.columns; head += headDim)
      for (int64_t pair = 0; pair < pairs; ++pair) {
        float *x = result.values.data() + row * result.columns + head;
        float &a = x[interleaved ? 2 * pair : pair];
        float &b = x[interleaved ? 2 * pair + 1 : pair + pairs];
        float c = cos->values[size_t(row * pairs + pair)];
        float s = sin->values[size_t(row * pairs + pair)];
        float turned = a * c - b * s;
        b = a * s + b * c;
        a = turned;
      }
  });
  return set(op, std::move(result));
}

absl::Status BatchEvaluator::chooseExperts(TopKGateOp op) {
  ActivationsPtr logits = get(op.getLogits());
  if (!logits)
    return unknownOperation(op);
  int64_t experts = logits->columns, k = int64_t(op.getK());
  Activations gates{experts, std::vector<float>(logits->values.size())};
  std::vector<int64_t> order;
  for (int64_t row = 0; row < rows; ++row) {
    const float *own = logits->values.data() + row * experts;
    auto sequence = llvm::seq<int64_t>(0, experts);
    order.assign(sequence.begin(), sequence.end());
    llvm::sort(order, [&](int64_t a, int64_t b) {
      return own[a] != own[b] ? own[a] > own[b] : a < b; // all are finite
    });
    double sum = 0;
    auto exponential = [&](int64_t i) {
      return std::exp(double(own[order[size_t(i)]]) - double(own[order[0]]));
    };
    for (int64_t i = 0; i < (op.getNormalized() ? k : experts); ++i)
      sum += exponential(i);
    for (int64_t i = 0; i < k; ++i)
      gates.values[size_t(row * experts + order[size_t(i)])] = float(exponential(i) / sum);
  }
  return set(op, std::move(gates));
}

absl::Status BatchEvaluator::gate(GatedActivationOp op) {
  Activations result = *get(op.getGate());
  ActivationsPtr up = get(op.getUp());
  auto offset = float(op.getOffset().convertToDouble());
  float limit = std::numeric_limits<float>::infinity();
  if (!op.getLimit().isZero())
    limit = float(op.getLimit().convertToDouble());
  parallelFor(rows, [&](int64_t row) {
    float *x = result.values.data() + row * result.columns;
    const float *factor = up->values.data() + row * result.columns;
    for (int64_t c = 0; c < result.columns; ++c)
      x[c] = nonlinear(op.getKind(), std::min(x[c], limit)) *
             (std::clamp(factor[c], -limit, limit) + offset);
  });
  return set(op, std::move(result));
}

namespace {

/// What attention adds to scores, from weights, and what it hides; empty where it does not.
struct AttentionTerms {
  std::vector<float> bias, sinkLogits;
  std::vector<bool> seen; // [query][key]: what a pattern leaves

  float biasOf(AttentionOp op, int64_t head, int64_t distance) const {
    int64_t heads = op.getHeads();
    float result = 0;
    if (!bias.empty()) {
      int64_t bucket = relativeBucket(distance, int64_t(bias.size()) / heads, op.getBiasDistance(),
                                      op.getEnd() != nullptr);
      result += bias[size_t(bucket * heads + head)];
    }
    if (op.getSlopes())
      result -= float((*op.getSlopes())[size_t(head)] * double(std::abs(distance)));
    return result;
  }
};

} // namespace

/// softmax(scores + bias) of one query at `position`, over the `length` keys that there are, as far
/// as it sees them; zero elsewhere.
static void softmax(float *scores, int64_t length, int64_t position, int64_t head, AttentionOp op,
                    const AttentionTerms &terms) {
  auto scale = float(op.getScale().convertToDouble());
  auto cap = float(op.getSoftCap().convertToDouble());
  int64_t window = op.getWindow(), sinks = op.getSinks();
  bool causal = !op.getEnd();
  auto isVisible = [&](int64_t key) {
    return (!causal || key <= position) &&
           (window == 0 || std::abs(position - key) < window || key < sinks) &&
           (terms.seen.empty() || terms.seen[size_t(position * length + key)]);
  };
  float largest = -std::numeric_limits<float>::infinity(), total = 0;
  if (!terms.sinkLogits.empty())
    largest = terms.sinkLogits[size_t(head)];
  for (int64_t key = 0; key < length; ++key) {
    if (!isVisible(key))
      continue;
    scores[key] *= scale;
    if (cap != 0)
      scores[key] = cap * std::tanh(scores[key] / cap);
    scores[key] += terms.biasOf(op, head, key - position);
    largest = std::max(largest, scores[key]);
  }
  if (!terms.sinkLogits.empty())
    total = std::exp(terms.sinkLogits[size_t(head)] - largest);
  for (int64_t key = 0; key < length; ++key)
    total += scores[key] = isVisible(key) ? std::exp(scores[key] - largest) : 0;
  for (int64_t key = 0; key < length; ++key)
    scores[key] /= total;
}

absl::Status BatchEvaluator::attend(AttentionOp op) {
  ActivationsPtr queries = get(op.getQueries());
  auto [keys, cachedValues] = cached.lookup(cacheLayer(op.getLayer()));
  if (!queries || !keys)
    return unknownOperation(op);
  AttentionTerms terms;
  if (op.getBias()) {
    STC_ASSIGN_OR_RETURN(terms.bias, weight(op.getBias()));
  }
  if (op.getSinkLogits()) {
    STC_ASSIGN_OR_RETURN(terms.sinkLogits, weight(op.getSinkLogits()));
  }
  auto cache = cast<KVCacheType>(op.getCache().getType());
  int64_t heads = op.getHeads(), shared = heads / cache.getKvHeads(), dim = cache.getHeadDim();
  int64_t keyColumns = keys->columns;
  // Behind an encoder there are as many keys as it has read.
  int64_t keyLength = int64_t(keys->values.size()) / keyColumns / sequences.count;
  // Once for all heads: a pattern may take long to ask.
  if (AttentionPattern pattern = patternOf(op); pattern.kind != AttentionPattern::Kind::None)
    for (int64_t query = 0; query < length; ++query)
      for (int64_t key = 0; key < keyLength; ++key)
        terms.seen.push_back(pattern.sees(query, key));
  Activations result{queries->columns, std::vector<float>(queries->values.size())};
  const float *keyData = keys->values.data(), *valueData = cachedValues->values.data();
  parallelFor(sequences.count * heads, [&](int64_t item) {
    int64_t sequence = item / heads, head = item % heads, kvHead = head / shared;
    int64_t first = sequence * length, firstKey = sequence * keyLength;
    std::vector<float> scores(size_t(length * keyLength));
    linalg::multiply(
        length, keyLength, dim, 1,
        {queries->values.data() + first * queries->columns + head * dim, queries->columns},
        {keyData + firstKey * keyColumns + kvHead * dim, keyColumns, true}, 0, scores.data(),
        keyLength);
    for (int64_t t = 0; t < length; ++t)
      softmax(scores.data() + t * keyLength, keyLength, t, head, op, terms);
    linalg::multiply(length, dim, keyLength, 1, {scores.data(), keyLength},
                     {valueData + firstKey * keyColumns + kvHead * dim, keyColumns}, 0,
                     result.values.data() + first * result.columns + head * dim, result.columns);
  });
  return set(op, std::move(result));
}

} // namespace stc
