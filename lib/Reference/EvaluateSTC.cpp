// Runs the operations of the stc dialect.
#include "Evaluator.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace stc;

static absl::Status evaluate(Evaluator &evaluator, Frame &frame, GetWeightOp op) {
  STC_ASSIGN_OR_RETURN(Slot slot, evaluator.weight(op.getWeight()));
  frame.set(op.getResult(), std::move(slot));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &evaluator, Frame &frame, LayerOp op) {
  frame.set(op.getBody().getArgument(0), frame[op.getInput()]);
  STC_ASSIGN_OR_RETURN(std::vector<Slot> results, evaluator.runBlock(op.getBody().front(), frame));
  frame.set(op.getResult(), std::move(results.front()));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &evaluator, Frame &frame, RepeatOp op) {
  Slot hidden = frame[op.getInput()];
  int64_t index = op.getFirst(), first = op.getRow() ? frame.integer(op.getRow()) : 0;
  int64_t rows = op.getWeights().size();
  if (first < 0 || first > rows - op.getCalls())
    return opError(op, absl::StrCat("a row from 0 to ", rows - op.getCalls()), absl::StrCat(first));
  for (int64_t call = 0; call < op.getCalls(); ++call) {
    auto row = cast<ArrayAttr>(op.getWeights()[first + call]);
    std::vector<Slot> arguments{hidden, index++};
    for (Value capture : op.getCaptures())
      arguments.push_back(frame[capture]);
    for (auto symbol : row.getAsRange<FlatSymbolRefAttr>()) {
      STC_ASSIGN_OR_RETURN(Slot weight, evaluator.weight(symbol.getValue()));
      arguments.push_back(std::move(weight));
    }
    STC_ASSIGN_OR_RETURN(std::vector<Slot> results,
                         evaluator.call(op.getCallee(), std::move(arguments)));
    hidden = std::move(results.front());
  }
  frame.set(op.getResult(), std::move(hidden));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, TopKGateOp op) {
  frame.set(op.getResult(),
            chooseExperts(frame.tensor(op.getLogits()), op.getK(), op.getNormalized()));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &evaluator, Frame &frame, ExpertOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput());
  const ReferenceTensor &gates = frame.tensor(op.getGates());
  ReferenceTensor result = frame.tensor(op.getAccumulator());
  STC_RETURN_IF_ERROR(checkRows(op, {&result, &input, &gates}));
  int64_t index = frame.integer(op.getIndex()), experts = columnsOf(gates);
  if (index < 0 || index >= experts)
    return opError(op, absl::StrCat("an index from 0 to ", experts - 1), absl::StrCat(index));
  std::vector<int64_t> tokens;
  for (int64_t t = 0; t < rowsOf(gates); ++t)
    if (gates.values[t * experts + index] != 0)
      tokens.push_back(t);
  if (!tokens.empty()) {
    int64_t columns = columnsOf(input);
    ReferenceTensor chosen = makeTensor({int64_t(tokens.size()), columns});
    for (size_t i = 0; i < tokens.size(); ++i)
      std::copy_n(input.values.begin() + tokens[i] * columns, columns,
                  chosen.values.begin() + i * columns);
    frame.set(op.getBody().getArgument(0), std::move(chosen));
    STC_ASSIGN_OR_RETURN(std::vector<Slot> yielded,
                         evaluator.runBlock(op.getBody().front(), frame));
    const ReferenceTensor &own = *std::get<TensorPtr>(yielded.front());
    int64_t outputs = columnsOf(result);
    STC_RETURN_IF_ERROR(checkColumns(op, own, outputs));
    if (rowsOf(own) != int64_t(tokens.size()))
      return opError(op, absl::StrCat("a body that yields ", tokens.size(), " rows"),
                     absl::StrCat(rowsOf(own)));
    for (size_t i = 0; i < tokens.size(); ++i)
      for (int64_t c = 0; c < outputs; ++c)
        result.values[tokens[i] * outputs + c] +=
            gates.values[tokens[i] * experts + index] * own.values[i * outputs + c];
  }
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, EmbeddingOp op) {
  STC_ASSIGN_OR_RETURN(ReferenceTensor result,
                       gather(frame.tensor(op.getTokens()), frame.tensor(op.getTable())));
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, PositionsOp op) {
  ReferenceTensor result = frame.tensor(op.getTokens());
  for (size_t t = 0; t < result.values.size(); ++t)
    result.values[t] = double(frame.integer(op.getPosition())) + double(t);
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, LinearOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput()),
                        &weight = frame.tensor(op.getWeight());
  const ReferenceTensor *bias = frame.optionalTensor(op.getBias());
  STC_RETURN_IF_ERROR(checkColumns(op, input, columnsOf(weight)));
  if (bias)
    STC_RETURN_IF_ERROR(checkColumns(op, *bias, rowsOf(weight)));
  frame.set(op.getResult(), multiply(input, weight, bias));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, PermuteFeaturesOp op) {
  STC_ASSIGN_OR_RETURN(ReferenceTensor result, permuteColumns(op, frame.tensor(op.getInput()),
                                                              frame.tensor(op.getOrder())));
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, RMSNormOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput()),
                        &weight = frame.tensor(op.getWeight());
  auto groups = int64_t(op.getGroups());
  STC_RETURN_IF_ERROR(checkColumns(op, weight, columnsOf(input) / groups));
  STC_RETURN_IF_ERROR(checkColumns(op, input, columnsOf(weight) * groups));
  frame.set(op.getResult(), normalize(input, weight, groups, op.getEpsilon().convertToDouble()));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, LayerNormOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput()),
                        &weight = frame.tensor(op.getWeight());
  const ReferenceTensor *bias = frame.optionalTensor(op.getBias());
  auto groups = int64_t(op.getGroups());
  STC_RETURN_IF_ERROR(checkColumns(op, weight, columnsOf(input) / groups));
  STC_RETURN_IF_ERROR(checkColumns(op, input, columnsOf(weight) * groups));
  if (bias)
    STC_RETURN_IF_ERROR(checkColumns(op, *bias, columnsOf(input)));
  frame.set(op.getResult(),
            normalizeLayer(input, weight, bias, groups, op.getEpsilon().convertToDouble()));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, ScaleOp op) {
  ReferenceTensor result = frame.tensor(op.getInput());
  for (double &value : result.values)
    value *= op.getFactor().convertToDouble();
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, ClampOp op) {
  ReferenceTensor result = frame.tensor(op.getInput());
  double limit = op.getLimit().convertToDouble();
  for (double &value : result.values) // NaN stays
    value = std::clamp(value, -limit, limit);
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, SoftCapOp op) {
  ReferenceTensor result = frame.tensor(op.getInput());
  for (double &value : result.values)
    value = softCap(value, op.getCap().convertToDouble());
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, ActivationOp op) {
  ReferenceTensor result = frame.tensor(op.getInput());
  for (double &value : result.values)
    value = activate(op.getKind(), value);
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, GatedActivationOp op) {
  ReferenceTensor result = frame.tensor(op.getGate());
  const ReferenceTensor &up = frame.tensor(op.getUp());
  STC_RETURN_IF_ERROR(checkRows(op, {&result, &up}));
  STC_RETURN_IF_ERROR(checkColumns(op, up, columnsOf(result)));
  for (size_t i = 0; i < result.values.size(); ++i)
    result.values[i] =
        activateGate(op.getKind(), result.values[i], up.values[i], op.getLimit().convertToDouble(),
                     op.getOffset().convertToDouble());
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, RotaryTableOp op) {
  llvm::ArrayRef<double> frequencies = op.getInverseFrequencies();
  int64_t tokens = columnsOf(frame.tensor(op.getTokens()));
  ReferenceTensor cosines = makeTensor({tokens, int64_t(frequencies.size())});
  ReferenceTensor sines = cosines;
  size_t next = 0;
  for (int64_t t = 0; t < tokens; ++t)
    for (double frequency : frequencies) {
      double angle = (static_cast<double>(frame.integer(op.getPosition())) + t) * frequency;
      double scale = op.getScale().convertToDouble();
      cosines.values[next] = static_cast<float>(scale * std::cos(angle)); // the op rounds to f32
      sines.values[next++] = static_cast<float>(scale * std::sin(angle));
    }
  frame.set(op.getCos(), std::move(cosines));
  frame.set(op.getSin(), std::move(sines));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, RotaryEmbeddingOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput());
  const ReferenceTensor &cosines = frame.tensor(op.getCos()), &sines = frame.tensor(op.getSin());
  STC_RETURN_IF_ERROR(checkRotary(op, input, cosines, sines, op.getHeadColumns()));
  frame.set(op.getResult(),
            rotate(input, cosines, sines, op.getInterleaved(), op.getHeadColumns()));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, CacheUpdateOp op) {
  if (!isa<RankedTensorType>(op.getKeys().getType()))
    return opError(op, "keys and values that are tensors", "memrefs");
  const ReferenceTensor &keys = frame.tensor(op.getKeys()), &values = frame.tensor(op.getValues());
  STC_RETURN_IF_ERROR(checkRows(op, {&keys, &values}));
  CachePlace place = frame.place(op.getCache(), op.getLayer(), op.getPosition());
  int64_t columns = place.type.getKvHeads() * place.type.getHeadDim();
  STC_RETURN_IF_ERROR(checkColumns(op, keys, columns));
  STC_RETURN_IF_ERROR(checkColumns(op, values, columns));
  STC_RETURN_IF_ERROR(checkCache(place, rowsOf(keys)));
  updateCache(place, keys, values);
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, AttentionOp op) {
  const ReferenceTensor &queries = frame.tensor(op.getQueries());
  CachePlace place = frame.place(op.getCache(), op.getLayer(), op.getPosition());
  STC_RETURN_IF_ERROR(checkColumns(op, queries, op.getHeads() * place.type.getHeadDim()));
  STC_RETURN_IF_ERROR(checkCache(place, rowsOf(queries)));
  STC_RETURN_IF_ERROR(checkEnd(frame, op));
  frame.set(op.getResult(), attend(place, queries, attentionSettings(frame, op)));
  return absl::OkStatus();
}

absl::StatusOr<bool> stc::evaluateSTC(Evaluator &evaluator, Frame &frame, Operation *op) {
  using Result = std::optional<absl::Status>;
  Result status =
      llvm::TypeSwitch<Operation *, Result>(op)
          .Case<GetWeightOp, LayerOp, RepeatOp, ExpertOp, TopKGateOp, EmbeddingOp, PositionsOp,
                LinearOp, PermuteFeaturesOp, RMSNormOp, LayerNormOp, ScaleOp, ClampOp, SoftCapOp,
                ActivationOp, GatedActivationOp, RotaryTableOp, RotaryEmbeddingOp, CacheUpdateOp,
                AttentionOp>([&](auto op) { return Result(evaluate(evaluator, frame, op)); })
          .Default([](Operation *) { return Result(); });
  if (!status)
    return false;
  STC_RETURN_IF_ERROR(*status);
  return true;
}
