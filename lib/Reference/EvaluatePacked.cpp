// Runs the operations of the packed dialect.
#include "Evaluator.h"

#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc;

static absl::Status evaluate(Evaluator &evaluator, Frame &frame, packed::GetWeightOp op) {
  STC_ASSIGN_OR_RETURN(Slot slot, evaluator.weight(op.getWeight()));
  frame.set(op.getResult(), std::move(slot));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &evaluator, Frame &frame, packed::WeightRowOp op) {
  int64_t index = frame.integer(op.getIndex()), rows = op.getWeights().size();
  if (index < 0 || index >= rows)
    return opError(op, absl::StrCat("a row from 0 to ", rows - 1), absl::StrCat(index));
  for (auto [result, symbol] :
       llvm::zip_equal(op.getResults(), cast<ArrayAttr>(op.getWeights()[index]))) {
    STC_ASSIGN_OR_RETURN(Slot slot, evaluator.weight(cast<FlatSymbolRefAttr>(symbol).getValue()));
    frame.set(result, std::move(slot));
  }
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::VectorOp op) {
  ReferenceTensor result = frame.weight(op.getWeight()).values;
  result.shape = {int64_t(result.values.size())};
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::QuantizeActivationsOp op) {
  ReferenceTensor input = frame.tensor(op.getInput());
  if (op.getOrder()) {
    STC_ASSIGN_OR_RETURN(input, permuteColumns(op, input, frame.tensor(op.getOrder())));
  }
  int64_t group = op.getGroup(), columns = columnsOf(input);
  int64_t tokens = rowsOf(input), groups = (columns + group - 1) / group;
  ReferenceTensor codes = makeTensor({tokens, groups * group});
  ReferenceTensor scales = makeTensor({tokens, groups}), sums = makeTensor({tokens, groups});
  STC_RETURN_IF_ERROR(checkRows(op, {&input, &frame.tensor(op.getCodes()),
                                     &frame.tensor(op.getScales()), &frame.tensor(op.getSums())}));
  std::vector<float> values(group);
  std::vector<int8_t> rounded(group);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t i = 0; i < group; ++i) {
        int64_t column = g * group + i;
        values[i] = column < columns ? float(input.values[t * columns + column]) : 0;
      }
      scales.values[t * groups + g] = quantizeActivations(values, absl::MakeSpan(rounded));
      for (int64_t i = 0; i < group; ++i) {
        codes.values[t * groups * group + g * group + i] = int8_t(rounded[i] + op.getOffset());
        sums.values[t * groups + g] += rounded[i] * double(int64_t(op.getSumFactor()));
      }
    }
  frame.set(op->getResult(0), std::move(codes));
  frame.set(op->getResult(1), std::move(scales));
  frame.set(op->getResult(2), std::move(sums));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::PermuteFeaturesOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput());
  STC_RETURN_IF_ERROR(checkRows(op, {&input, &frame.tensor(op.getOut())}));
  STC_ASSIGN_OR_RETURN(ReferenceTensor result,
                       permuteColumns(op, input, frame.tensor(op.getOrder())));
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::SplitActivationsOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput());
  STC_RETURN_IF_ERROR(checkRows(op, {&input, &frame.tensor(op.getOut())}));
  auto type = cast<mlir::RankedTensorType>(op.getOut().getType());
  bool isHalf = type.getElementType().isF16();
  int64_t columns = columnsOf(input), width = type.getDimSize(1), tokens = rowsOf(input);
  bool isSplit = width > splitHalfColumns(columns);
  ReferenceTensor result = makeTensor({tokens, width});
  std::vector<uint16_t> halves(width);
  for (int64_t t = 0; t < tokens; ++t) {
    auto start = input.values.begin() + t * columns;
    std::vector<float> row(start, start + columns);
    if (isSplit)
      splitActivations(row, absl::MakeSpan(halves));
    else
      roundActivations(isHalf ? ElementKind::F16 : ElementKind::BF16, row, absl::MakeSpan(halves));
    std::transform(halves.begin(), halves.end(), result.values.begin() + t * width,
                   isHalf ? halfToFloat : bfloat16ToFloat);
  }
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

/// What is multiplied in place of the activations that were split or rounded.
static ReferenceTensor addHalves(const ReferenceTensor &split, int64_t columns) {
  int64_t width = columnsOf(split), half = splitHalfColumns(columns);
  ReferenceTensor result = makeTensor({rowsOf(split), columns});
  for (int64_t t = 0; t < rowsOf(split); ++t)
    for (int64_t k = 0; k < columns; ++k)
      for (int64_t i = k; i < width; i += half)
        result.values[t * columns + k] += split.values[t * width + i];
  return result;
}

/// Exact integer products within a group of the layout, float64 across groups. Activations may have
/// one scale for all groups.
static ReferenceTensor multiplyQuantized(const ReferenceTensor &codes,
                                         const ReferenceTensor &scales,
                                         const QuantizedMatrix &weight, const Layout &layout) {
  int64_t tokens = rowsOf(codes), padded = columnsOf(codes);
  int64_t groups = padded / layout.group, scaleColumns = columnsOf(scales);
  std::vector<int8_t> inputs(codes.values.begin(), codes.values.end());
  for (int8_t &input : inputs)
    input = int8_t(input - layout.activationOffset());
  ReferenceTensor result = makeTensor({tokens, weight.rows});
  for (int64_t row = 0; row < weight.rows; ++row)
    for (int64_t t = 0; t < tokens; ++t) {
      double sum = 0;
      for (int64_t g = 0; g < groups; ++g) {
        int64_t first = g * layout.group, last = std::min(first + layout.group, weight.columns);
        int64_t scaleGroup = first / weight.group; // 0 with scales of rows
        int32_t product = 0, inputSum = 0, zero = weight.zeroOf(row, scaleGroup);
        for (int64_t k = first; k < last; ++k) {
          product += (weight.codes[row * weight.columns + k] - zero) * inputs[t * padded + k];
          inputSum += inputs[t * padded + k];
        }
        double scale = halfToFloat(weight.scales[row * weight.groups() + scaleGroup]);
        double minimum = weight.minimumOf(row, scaleGroup);
        double inputScale = scales.values[t * scaleColumns + (scaleColumns == 1 ? 0 : g)];
        sum += (double(product) * scale - minimum * inputSum) * inputScale;
      }
      result.values[t * weight.rows + row] = sum;
    }
  return result;
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::MatmulOp op) {
  const PackedWeight &weight = frame.weight(op.getWeight());
  const ReferenceTensor &input = frame.tensor(op.getInputs()[0]);
  bool quantized = op.getInputs().size() == 3;
  Layout layout = cast<packed::WeightType>(op.getWeight().getType()).getLayout().getLayout();
  if (quantized)
    STC_RETURN_IF_ERROR(checkRows(op, {&input, &frame.tensor(op.getInputs()[1])}));
  STC_RETURN_IF_ERROR(checkRows(op, {&input, &frame.tensor(op.getOut())}));
  ReferenceTensor result;
  if (quantized) {
    result = multiplyQuantized(input, frame.tensor(op.getInputs()[1]), weight.quantized, layout);
  } else if (op.getInputs().size() == 2) {
    const ReferenceTensor &split = frame.tensor(op.getInputs()[1]);
    STC_RETURN_IF_ERROR(checkRows(op, {&input, &split}));
    result = multiply(addHalves(split, columnsOf(input)), weight.values, nullptr);
  } else if (layout.isQuantized()) { // activations that were rounded
    const QuantizedMatrix &matrix = weight.quantized;
    ReferenceTensor values = makeTensor({matrix.rows, matrix.columns});
    std::vector<float> weights = dequantize(matrix);
    std::copy(weights.begin(), weights.end(), values.values.begin());
    result = multiply(addHalves(input, matrix.columns), values, nullptr);
  } else {
    result = multiply(input, weight.values, nullptr);
  }
  int64_t columns = columnsOf(result);
  if (const ReferenceTensor *bias = frame.optionalTensor(op.getBias()))
    for (size_t i = 0; i < result.values.size(); ++i)
      result.values[i] += bias->values[i % columns];
  if (const ReferenceTensor *gate = frame.optionalTensor(op.getGate())) {
    STC_RETURN_IF_ERROR(checkRows(op, {&result, gate}));
    STC_RETURN_IF_ERROR(checkColumns(op, *gate, columns));
    for (size_t i = 0; i < result.values.size(); ++i)
      result.values[i] *= activate(*op.getActivation(), gate->values[i]);
  }
  if (const ReferenceTensor *cosines = frame.optionalTensor(op.getCos())) {
    const ReferenceTensor &sines = frame.tensor(op.getSin());
    int64_t headDim = 2 * columnsOf(*cosines);
    STC_RETURN_IF_ERROR(checkRotary(op, result, *cosines, sines, headDim));
    result = rotate(result, *cosines, sines, /*interleaved=*/false, headDim);
  }
  if (const ReferenceTensor *residual = frame.optionalTensor(op.getResidual())) {
    STC_RETURN_IF_ERROR(checkRows(op, {&result, residual}));
    STC_RETURN_IF_ERROR(checkColumns(op, *residual, columns));
    for (size_t i = 0; i < result.values.size(); ++i)
      result.values[i] += residual->values[i];
  }
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::GatherOp op) {
  STC_ASSIGN_OR_RETURN(ReferenceTensor result,
                       gather(frame.tensor(op.getTokens()), frame.weight(op.getTable()).values));
  STC_RETURN_IF_ERROR(checkRows(op, {&result, &frame.tensor(op.getOut())}));
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::TopKGateOp op) {
  const ReferenceTensor &logits = frame.tensor(op.getLogits());
  STC_RETURN_IF_ERROR(checkRows(op, {&logits, &frame.tensor(op.getOut())}));
  frame.set(op.getResult(), chooseExperts(logits, op.getK(), op.getNormalized()));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::RotaryOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput());
  const ReferenceTensor &cosines = frame.tensor(op.getCos()), &sines = frame.tensor(op.getSin());
  STC_RETURN_IF_ERROR(checkRotary(op, input, cosines, sines, op.getHeadColumns()));
  STC_RETURN_IF_ERROR(checkRows(op, {&input, &frame.tensor(op.getOut())}));
  frame.set(op.getResult(),
            rotate(input, cosines, sines, op.getInterleaved(), op.getHeadColumns()));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::RMSNormOp op) {
  const ReferenceTensor &input = frame.tensor(op.getInput());
  const ReferenceTensor &weight = frame.tensor(op.getWeight());
  STC_RETURN_IF_ERROR(checkRows(op, {&input, &frame.tensor(op.getOut())}));
  auto groups = int64_t(op.getGroups());
  STC_RETURN_IF_ERROR(
      checkColumns(op, input, columnsOf(weight) * (op.hasOwnWeights() ? 1 : groups)));
  double epsilon = op.getEpsilon().convertToDouble();
  frame.set(op.getResult(), op.getCentred()
                                ? normalizeLayer(input, weight, nullptr, groups, epsilon)
                                : normalize(input, weight, groups, epsilon));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::AttentionOp op) {
  const ReferenceTensor &queries = frame.tensor(op.getQueries());
  STC_RETURN_IF_ERROR(checkRows(op, {&queries, &frame.tensor(op.getOut())}));
  CachePlace place = frame.place(op.getCache(), op.getLayer(), op.getPosition());
  STC_RETURN_IF_ERROR(checkColumns(op, queries, op.getHeads() * place.type.getHeadDim()));
  STC_RETURN_IF_ERROR(checkCache(place, rowsOf(queries)));
  STC_RETURN_IF_ERROR(checkEnd(frame, op));
  frame.set(op.getResult(), attend(place, queries, attentionSettings(frame, op)));
  return absl::OkStatus();
}

static double asUnsigned(double byte) { return byte < 0 ? byte + 256 : byte; }

static void wrapTo32Bits(ReferenceTensor &sums) {
  for (double &value : sums.values)
    value = static_cast<int32_t>(static_cast<uint32_t>(static_cast<int64_t>(value)));
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::Dot4Op op) {
  ReferenceTensor result = frame.tensor(op.getAccumulator());
  const ReferenceTensor &left = frame.tensor(op.getUnsignedBytes());
  const ReferenceTensor &right = frame.tensor(op.getSignedBytes());
  double limit = 1 << op.getBits(), bound = 1 << (op.getSignedBits() - 1);
  for (size_t i = 0; i < left.values.size(); ++i) {
    double a = asUnsigned(left.values[i]), b = right.values[i];
    if (a >= limit || b < -bound || b >= bound)
      return opError(op, "bytes within bits and signed_bits", "others");
    result.values[i / 4] += a * b;
  }
  wrapTo32Bits(result);
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::Dot8x2Op op) {
  ReferenceTensor result = frame.tensor(op.getAccumulator());
  const ReferenceTensor &rows = frame.tensor(op.getUnsignedBytes());
  const ReferenceTensor &tokens = frame.tensor(op.getSignedBytes());
  double limit = 1 << op.getBits();
  for (size_t i = 0; i < rows.values.size(); ++i) {
    double a = asUnsigned(rows.values[i]);
    if (a >= limit)
      return opError(op, "unsigned bytes within bits", "others");
    for (size_t t = 0; t < 2; ++t)
      result.values[i / 8 * 2 + t] += a * tokens.values[8 * t + i % 8];
  }
  wrapTo32Bits(result);
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::Select16Op op) {
  ReferenceTensor result = frame.tensor(op.getTable());
  const ReferenceTensor &table = frame.tensor(op.getTable());
  const ReferenceTensor &positions = frame.tensor(op.getPositions());
  for (size_t i = 0; i < result.values.size(); ++i)
    result.values[i] = table.values[i / 16 * 16 + size_t(asUnsigned(positions.values[i])) % 16];
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::Select64Op op) {
  ReferenceTensor result = frame.tensor(op.getTable());
  const ReferenceTensor &table = frame.tensor(op.getTable());
  const ReferenceTensor &positions = frame.tensor(op.getPositions());
  for (size_t i = 0; i < result.values.size(); ++i)
    result.values[i] = table.values[size_t(asUnsigned(positions.values[i])) % 64];
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

static absl::Status evaluate(Evaluator &, Frame &frame, packed::ExpandOp op) {
  ReferenceTensor result = frame.tensor(op.getPassthrough());
  const ReferenceTensor &values = frame.tensor(op.getValues());
  uint64_t mask = frame.integer(op.getMask());
  size_t next = 0;
  for (size_t i = 0; i < result.values.size(); ++i)
    if (mask >> i & 1)
      result.values[i] = values.values[next++];
  frame.set(op.getResult(), std::move(result));
  return absl::OkStatus();
}

absl::StatusOr<bool> stc::evaluatePacked(Evaluator &evaluator, Frame &frame, Operation *op) {
  using Result = std::optional<absl::Status>;
  // Destination-style ops on memrefs have no results: they belong to later phases.
  auto destination = dyn_cast<DestinationStyleOpInterface>(op);
  if (destination && destination.hasPureBufferSemantics())
    return false;
  Result status =
      llvm::TypeSwitch<Operation *, Result>(op)
          .Case<packed::GetWeightOp, packed::WeightRowOp, packed::VectorOp,
                packed::QuantizeActivationsOp, packed::PermuteFeaturesOp,
                packed::SplitActivationsOp, packed::MatmulOp, packed::GatherOp, packed::TopKGateOp,
                packed::RotaryOp, packed::RMSNormOp, packed::AttentionOp, packed::Dot4Op,
                packed::Dot8x2Op, packed::ExpandOp, packed::Select16Op, packed::Select64Op>(
              [&](auto op) { return Result(evaluate(evaluator, frame, op)); })
          .Default([](Operation *) { return Result(); });
  if (!status)
    return false;
  STC_RETURN_IF_ERROR(*status);
  return true;
}
