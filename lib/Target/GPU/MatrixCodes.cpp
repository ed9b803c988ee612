// Quantized weights times int8 activations by AMD's matrix instructions, for every layout whose
// columns are all there.
#include "MatrixMatmul.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// A lane's rows of A are read by two neighbours each, as a CodeReader reads pairs of rows, and
/// each takes its own; activations come from the caches. Bytes that are not signed are made so
/// where an instruction has signed ones only: code - 128, which changes what sums start from.
class MatrixCodes final : public MatrixMatmul {
public:
  MatrixCodes(packed::MatmulTileOp op, const TargetDescription &target,
              const MatrixInstructions &instructions, bool isPruned)
      : MatrixMatmul(op, target, isPruned ? *instructions.sparseBytes : *instructions.bytes),
        isPruned(isPruned) {}

private:
  struct State {
    const Share &share;
    CodeReader reader;
    Values codes, scales, sums; // rows of the tokens of this lane
  };

  Values multiply(const Share &share, const TokenBlock &block) override;
  int64_t spansOfGroup() const { return layout.group / kSpanColumns; }
  /// Whether codes are multiplied as they are, and not as signed weights.
  bool needsSums() const { return !isPruned && layout.kind != LayoutKind::Pairs; }
  bool takesUnsigned() const { return instruction.form == MatrixInstruction::Form::WmmaIU; }
  /// Whether 128 is taken from codes.
  bool shiftsCodes() const {
    return needsSums() && codeBytes(layout) == Bytes::Unsigned && !takesUnsigned();
  }
  CodeReader readerOf(const Share &share, Value rowPair) {
    return CodeReader(builder, type, share.tile, rowPair, isPruned);
  }
  Values startingSums(State &state, Value group);
  /// The words of a span in the order of the lane's columns.
  Values readSpan(State &state, Value span, Value &position);
  Values readInputs(Value row, Value span, const Share &share);
  void addSpan(State &state, Value span, Value &position, Values &sums);
  void addPrunedSpans(State &state, Value span, Values &sums);

  bool isPruned;
};

} // namespace

Values MatrixCodes::startingSums(State &state, Value group) {
  Words words(builder);
  Values zeros;
  if (layout.asymmetric && needsSums())
    zeros = ofResultRows(state.share, [&](Value rowPair) {
      return readerOf(state.share, rowPair).loadZeros(layout.perRow ? builder.index(0) : group);
    });
  auto vector = VectorType::get(instruction.values, builder.getI32Type());
  Values sums;
  for (size_t i = 0; i < state.codes.size(); ++i) {
    Value start = builder.int32(kFloatBits), own;
    if (needsSums() && (layout.asymmetric || !shiftsCodes()))
      own = builder.loadAligned(builder.getI32Type(),
                                builder.address(state.sums[i], builder.mul(group, 4)), 4);
    Values values;
    for (int64_t value = 0; value < instruction.values; ++value) {
      Value sum = start;
      if (own && layout.asymmetric) {
        Value zero = zeros[value];
        if (shiftsCodes())
          zero = arith::AddIOp::create(builder, zero, builder.int32(-128));
        sum = arith::AddIOp::create(builder, arith::MulIOp::create(builder, own, zero), start);
      } else if (own) {
        sum = arith::AddIOp::create(builder, own, start);
      }
      values.push_back(sum);
    }
    sums.push_back(vector::FromElementsOp::create(builder, vector, values));
  }
  return sums;
}

Values MatrixCodes::readSpan(State &state, Value span, Value &position) {
  Words words(builder);
  const Share &share = state.share;
  bool hasAll = instruction.blocks() == 1;
  Values parts;
  if (hasAll)
    for (int64_t part = 0; part < kSpanParts; ++part)
      parts.push_back(builder.int32(part));
  else
    parts.push_back(share.part);
  // Where the values of each part begin, which masks say that all lanes see.
  Values positions(kSpanParts);
  if (state.reader.countsPositions())
    for (int64_t part = 0; part < kSpanParts; ++part) {
      positions[part] = position;
      position =
          arith::AddIOp::create(builder, position, state.reader.bytesOf(span, builder.int32(part)));
    }
  auto positionOf = [&](size_t i) -> Value {
    if (!positions[0] || hasAll)
      return positions[i];
    Value own = positions[0];
    for (int64_t part = 1; part < kSpanParts; ++part) {
      Value isOwn =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, share.part, builder.int32(part));
      own = arith::SelectOp::create(builder, isOwn, positions[part], own);
    }
    return own;
  };
  Values result;
  for (auto [i, part] : llvm::enumerate(parts)) {
    CodeWords own = state.reader.read(span, part, positionOf(i));
    for (int64_t step : {0, 1}) {
      Value word = ownRow(share, own.words[step][0], own.words[step][1]);
      if (shiftsCodes())
        word = words.flip(word, builder.int32(int32_t(0x80808080)));
      result.push_back(word);
    }
  }
  return result;
}

/// The codes of a token's columns that the lane has of a span.
Values MatrixCodes::readInputs(Value row, Value span, const Share &share) {
  int64_t bytes = kSpanColumns / (instruction.blocks() == 1 ? 1 : kSpanParts);
  Value start = builder.address(row, builder.mul(span, kSpanColumns));
  if (bytes < kSpanColumns)
    start = builder.address(
        start, arith::MulIOp::create(builder, share.part, builder.int32(bytes)).getResult());
  int64_t atOnce = std::min<int64_t>(bytes, 16);
  auto type = VectorType::get(atOnce / 4, builder.getI32Type());
  Values words;
  for (int64_t first = 0; first < bytes; first += atOnce) {
    Value loaded = builder.loadAligned(type, builder.address(start, first), unsigned(atOnce));
    // What is stored with an offset is signed without its highest bit.
    if (layout.kind == LayoutKind::Pairs)
      loaded = arith::XOrIOp::create(builder, loaded,
                                     builder.constant(type, int64_t(int32_t(0x80808080))));
    for (int64_t i = 0; i < atOnce / 4; ++i)
      words.push_back(vector::ExtractOp::create(builder, loaded, i));
  }
  return words;
}

void MatrixCodes::addSpan(State &state, Value span, Value &position, Values &sums) {
  Values weights = readSpan(state, span, position);
  size_t count = instruction.laneColumns / kDotColumns; // words of an instruction
  Type element =
      instruction.laneColumns == 8 ? Type(builder.getI64Type()) : Type(builder.getI32Type());
  for (auto [i, row] : llvm::enumerate(state.codes)) {
    Values inputs = readInputs(row, span, state.share);
    for (size_t first = 0; first < weights.size(); first += count)
      sums[i] =
          multiplyAdd(instruction, operandOf(ValueRange(weights).slice(first, count), element),
                      operandOf(ValueRange(inputs).slice(first, count), element), sums[i],
                      state.reader.isSigned());
  }
}

/// Two spans: of each, the lane has the same part, and so two times 8 of the instruction's columns.
void MatrixCodes::addPrunedSpans(State &state, Value span, Values &sums) {
  Words words(builder);
  const Share &share = state.share;
  Type i32 = builder.getI32Type();
  Values weights;
  Value places;
  for (int64_t i : {0, 1}) {
    PrunedWords own = state.reader.readPruned(builder.add(span, i), share.part);
    weights.push_back(ownRow(share, own.words[0], own.words[1]));
    Value ofSpan = ownRow(share, own.places[0], own.places[1]);
    if (i == 0) {
      places = ofSpan;
    } else {
      Value up = arith::ShLIOp::create(builder, ofSpan, builder.int32(8));
      places = arith::OrIOp::create(builder, places, up);
    }
  }
  Value a = operandOf(weights, i32);
  for (auto [i, row] : llvm::enumerate(state.codes)) {
    Values inputs = readInputs(row, span, share);
    llvm::append_range(inputs, readInputs(row, builder.add(span, 1), share));
    sums[i] = multiplyAdd(instruction, a, operandOf(inputs, i32), sums[i], true, places);
  }
}

Values MatrixCodes::multiply(const Share &share, const TokenBlock &block) {
  Words words(builder);
  auto [begin, end] = shareOf(share, geometry.groups);
  State state{share,
              readerOf(share, share.rowPair),
              tokenRows(0, block, share),
              tokenRows(1, block, share),
              {}};
  if (needsSums())
    state.sums = tokenRows(2, block, share);
  Type f32 = builder.getF32Type();
  Values carried(state.codes.size() * instruction.values, builder.constant(f32, 0.0));
  size_t results = carried.size();
  if (state.reader.countsPositions())
    carried.push_back(
        firstPosition(state.reader, words.rem(share.lane, builder.getTarget().warpThreads), begin));
  carried = builder.loop(begin, end, 1, carried, [&](Value group, ValueRange values) {
    Values next(values.take_front(results)), sums = startingSums(state, group);
    Value position = values.size() > results ? values.back() : Value();
    for (int64_t i = 0; i < spansOfGroup(); i += isPruned ? 2 : 1) {
      Value span = builder.add(builder.mul(group, spansOfGroup()), i);
      if (isPruned)
        addPrunedSpans(state, span, sums);
      else
        addSpan(state, span, position, sums);
    }
    Values weightScales;
    if (!layout.perRow)
      weightScales = ofResultRows(
          share, [&](Value rowPair) { return readerOf(share, rowPair).loadScales(group); });
    for (size_t i = 0; i < sums.size(); ++i) {
      Value scale =
          builder.loadAligned(f32, builder.address(state.scales[i], builder.mul(group, 4)), 4);
      for (int64_t value = 0; value < instruction.values; ++value) {
        Value &result = next[i * instruction.values + value];
        Value factor = scale;
        if (!layout.perRow)
          factor = arith::MulFOp::create(builder, weightScales[value], scale);
        result = addScaledSum(vector::ExtractOp::create(builder, sums[i], value), factor, result);
      }
    }
    if (position)
      next.push_back(position);
    return next;
  });
  carried.truncate(results);
  if (layout.perRow) {
    Values scales = ofResultRows(share, [&](Value rowPair) {
      return readerOf(share, rowPair).loadScales(builder.index(0));
    });
    for (auto [i, result] : llvm::enumerate(carried))
      result = arith::MulFOp::create(builder, result, scales[i % instruction.values]);
  }
  return carried;
}

std::unique_ptr<MatmulEmitter> stc::gpu::createMatrixMatmul(packed::MatmulTileOp op,
                                                            const TargetDescription &target) {
  const MatrixInstructions *instructions = matrixInstructions(target);
  Layout layout = cast<packed::WeightType>(op.getWeight().getType()).getLayout().getLayout();
  if (!instructions)
    return nullptr;
  if (layout.isSparseFloat()) {
    int64_t columns = cast<packed::WeightType>(op.getWeight().getType()).getColumns();
    bool isPruned = layout.n == 2 && layout.m == 4 && layout.floatBytes() == 2;
    if (!instructions->sparseHalves || !isPruned || columns % kSparseFloatColumns != 0)
      return nullptr;
    return createMatrixHalves(op, target, *instructions->sparseHalves);
  }
  if (layout.element == ElementKind::BF16 || layout.element == ElementKind::F16)
    return createMatrixHalves(op, target, *instructions->halves);
  if (!layout.isQuantized() || layout.kind == LayoutKind::Block || layout.minimums ||
      layout.group < kSpanColumns)
    return nullptr;
  bool isPruned = instructions->sparseBytes && isForSparseProducts(layout);
  return std::make_unique<MatrixCodes>(op, target, *instructions, isPruned);
}
