// bf16 and f16 weights times f32 activations by AMD's matrix instructions: numbers as sums of two
// bf16, as MatmulSplit.cpp says.
#include "MatrixMatmul.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

class MatrixHalves final : public MatrixMatmul {
public:
  MatrixHalves(packed::MatmulTileOp op, const TargetDescription &target,
               const MatrixInstruction &instruction)
      : MatrixMatmul(op, target, instruction),
        isPruned(instruction.form == MatrixInstruction::Form::Smfmac) {}

private:
  /// A lane's columns of a step, pairs of bf16 as words.
  struct Halves {
    Values high, low;
  };

  /// Where the weights of two chunks of four columns are that a lane has of a pruned step, from a
  /// byte of the mask of each.
  Value readPlaces(const Share &share, Value chunk);
  Halves readPruned(const Share &share, Value chunk);
  Values multiply(const Share &share, const TokenBlock &block) override;
  void addStep(const Share &share, ValueRange rows, Value first, bool mayEnd, Values &sums);
  Halves readWeights(const Share &share, Value first, bool mayEnd);
  Halves readInputs(const Share &share, Value row, Value first, bool mayEnd);
  /// The lane's column number i of a step, and whether it exists (null: it does).
  std::pair<Value, Value> columnOf(const Share &share, Value first, int64_t i, bool mayEnd);
  Value orZero(Value exists, Value value);
  /// The bits of a float, of which the upper half is the nearest bf16.
  Value rounded(Value x);
  void split(ArrayRef<Value> floats, Halves &halves);
  Value operand(ValueRange words);
  /// Words of two weights each, of f16 or bf16.
  Halves halvesOf(ValueRange pairs);

  bool isPruned; // to 2:4
};

} // namespace

std::pair<Value, Value> MatrixHalves::columnOf(const Share &share, Value first, int64_t i,
                                               bool mayEnd) {
  Value column = builder.add(first, i);
  if (instruction.blocks() > 1) {
    Value inStep =
        arith::MulIOp::create(builder, share.part, builder.int32(instruction.laneColumns));
    column = builder.add(column, builder.toIndex(inStep));
  }
  if (!mayEnd)
    return {column, Value()};
  Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, column,
                                       builder.index(type.getColumns()));
  return {arith::MinUIOp::create(builder, column, builder.index(type.getColumns() - 1)), exists};
}

Value MatrixHalves::orZero(Value exists, Value value) {
  if (!exists)
    return value;
  Value zero = builder.constant(value.getType(), 0.0);
  return arith::SelectOp::create(builder, exists, value, zero);
}

Value MatrixHalves::rounded(Value x) {
  Words words(builder);
  Value bits = arith::BitcastOp::create(builder, builder.getI32Type(), x);
  Value isOdd = words.both(words.right(bits, 16), 1);
  return words.add(words.add(bits, isOdd), 0x7FFF);
}

void MatrixHalves::split(ArrayRef<Value> floats, Halves &halves) {
  Words words(builder);
  constexpr uint32_t upperHalves = 0x7632;
  for (size_t i = 0; i < floats.size(); i += 2) {
    Value high[2], low[2];
    for (size_t j = 0; j < 2; ++j) {
      high[j] = rounded(floats[i + j]);
      Value value =
          arith::BitcastOp::create(builder, builder.getF32Type(), words.both(high[j], 0xFFFF0000));
      low[j] = rounded(arith::SubFOp::create(builder, floats[i + j], value));
    }
    halves.high.push_back(words.permute(high[0], high[1], upperHalves));
    halves.low.push_back(words.permute(low[0], low[1], upperHalves));
  }
}

MatrixHalves::Halves MatrixHalves::readWeights(const Share &share, Value first, bool mayEnd) {
  // Of each column, a word of two rows, of which one is the lane's.
  constexpr int64_t columnBytes = kTileRows * 2;
  Value start = builder.address(
      share.tile, arith::MulIOp::create(builder, share.rowPair, builder.int32(4)).getResult());
  Values columns;
  for (int64_t i = 0; i < instruction.laneColumns; ++i) {
    auto [column, exists] = columnOf(share, first, i, mayEnd);
    Value word = builder.loadAligned(builder.getI32Type(),
                                     builder.address(start, builder.mul(column, columnBytes)), 4,
                                     /*invariant=*/true);
    if (exists)
      word = arith::SelectOp::create(builder, exists, word, builder.int32(0));
    columns.push_back(word);
  }
  Value halfOfRow = ownRow(share, builder.int32(0x5410), builder.int32(0x7632));
  Values pairs;
  for (int64_t i = 0; i < instruction.laneColumns; i += 2)
    pairs.push_back(builder.permuteBytes(columns[i], columns[i + 1], halfOfRow));
  return halvesOf(pairs);
}

Value MatrixHalves::readPlaces(const Share &share, Value chunk) {
  Words words(builder);
  constexpr int64_t maskBytes = sizeof(uint64_t);
  Value start = builder.address(builder.address(share.tile, geometry.masksOffset),
                                builder.mul(chunk, maskBytes));
  start = builder.address(start, share.rowPair);
  Value bytes[2];
  for (int64_t i : {0, 1})
    bytes[i] = arith::ExtUIOp::create(builder, builder.getI32Type(),
                                      builder.loadAligned(builder.getI8Type(),
                                                          builder.address(start, i * maskBytes), 1,
                                                          /*invariant=*/true));
  Value shift = ownRow(share, builder.int32(0), builder.int32(4));
  Values nibbles;
  for (Value byte : bytes)
    nibbles.push_back(words.both(arith::ShRUIOp::create(builder, byte, shift), 15));
  Value places = placesOfMasks(builder, words.either(nibbles[0], words.left(nibbles[1], 4)));
  return words.both(places, 255);
}

/// A word of a chunk has the two weights of a row.
MatrixHalves::Halves MatrixHalves::readPruned(const Share &share, Value chunk) {
  Words words(builder);
  constexpr int64_t rowBytes = 4;
  Value row = words.rem(share.lane, kTileRows);
  Value start = builder.address(builder.address(share.tile, geometry.valuesOffset),
                                builder.mul(chunk, kTileRows * rowBytes));
  start = builder.address(start, words.mul(row, rowBytes));
  Values pairs;
  for (int64_t i = 0; i < instruction.laneColumns / kDotColumns; ++i)
    pairs.push_back(words.load(builder.address(start, i * kTileRows * rowBytes), 1, true));
  return halvesOf(pairs);
}

MatrixHalves::Halves MatrixHalves::halvesOf(ValueRange pairs) {
  Halves halves;
  Values floats;
  auto pairType = VectorType::get(2, builder.getF16Type());
  for (Value pair : pairs) {
    if (layout.element == ElementKind::BF16) {
      halves.high.push_back(pair);
      continue;
    }
    Value vector = LLVM::BitcastOp::create(builder, pairType, pair);
    for (int64_t j : {0, 1}) {
      Value half = vector::ExtractOp::create(builder, vector, j);
      floats.push_back(arith::ExtFOp::create(builder, builder.getF32Type(), half));
    }
  }
  split(floats, halves);
  return halves;
}

MatrixHalves::Halves MatrixHalves::readInputs(const Share &share, Value row, Value first,
                                              bool mayEnd) {
  Type f32 = builder.getF32Type();
  constexpr int64_t kFour = 4;
  Values floats;
  for (int64_t i = 0; i < instruction.laneColumns; i += kFour) {
    if (!mayEnd && type.getColumns() % kFour == 0) {
      Value column = columnOf(share, first, i, false).first;
      Value four = builder.loadAligned(VectorType::get(kFour, f32),
                                       builder.address(row, builder.mul(column, 4)), 16);
      for (int64_t j = 0; j < kFour; ++j)
        floats.push_back(vector::ExtractOp::create(builder, four, j));
      continue;
    }
    for (int64_t j = i; j < i + kFour; ++j) {
      auto [column, exists] = columnOf(share, first, j, mayEnd);
      Value x = builder.loadAligned(f32, builder.address(row, builder.mul(column, 4)), 4);
      floats.push_back(orZero(exists, x));
    }
  }
  Halves halves;
  split(floats, halves);
  return halves;
}

Value MatrixHalves::operand(ValueRange words) { return operandOf(words, builder.getI16Type()); }

void MatrixHalves::addStep(const Share &share, ValueRange rows, Value first, bool mayEnd,
                           Values &sums) {
  Halves weights;
  Value places;
  if (isPruned) {
    Value column = columnOf(share, first, 0, /*mayEnd=*/false).first;
    Value chunk = arith::DivUIOp::create(builder, column, builder.index(kDotColumns));
    weights = readPruned(share, chunk);
    places = readPlaces(share, chunk);
  } else {
    weights = readWeights(share, first, mayEnd);
  }
  auto multiply = [&](Value a, Value b, Value sum) {
    return multiplyAdd(instruction, a, b, sum, /*areSigned=*/true, places);
  };
  Value high = operand(weights.high), low;
  if (!weights.low.empty())
    low = operand(weights.low);
  for (auto [i, row] : llvm::enumerate(rows)) {
    Halves inputs = readInputs(share, row, first, mayEnd);
    Value inputHigh = operand(inputs.high);
    // The smaller ones first.
    sums[i] = multiply(high, operand(inputs.low), sums[i]);
    if (low)
      sums[i] = multiply(low, inputHigh, sums[i]);
    sums[i] = multiply(high, inputHigh, sums[i]);
  }
}

Values MatrixHalves::multiply(const Share &share, const TokenBlock &block) {
  Values rows = tokenRows(0, block, share);
  auto vector = VectorType::get(instruction.values, builder.getF32Type());
  Values sums(rows.size(), builder.constant(vector, 0.0));
  int64_t step = instruction.columns, whole = type.getColumns() / step;
  if (whole > 0) {
    auto [begin, end] = shareOf(share, whole);
    sums = builder.loop(begin, end, 1, sums, [&](Value number, ValueRange carried) {
      Values next(carried);
      addStep(share, rows, builder.mul(number, step), /*mayEnd=*/false, next);
      return next;
    });
  }
  if (type.getColumns() % step != 0) {
    // What is left of the columns: the last slice.
    Value isLast = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, share.slice,
                                         builder.int32(waveSlices() - 1));
    auto branch = scf::IfOp::create(builder, ValueRange(sums).getTypes(), isLast,
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, sums);
    builder.setInsertionPointToStart(branch.thenBlock());
    addStep(share, rows, builder.index(whole * step), /*mayEnd=*/true, sums);
    scf::YieldOp::create(builder, sums);
    sums = Values(branch.getResults());
  }
  Values values;
  for (Value sum : sums)
    for (int64_t value = 0; value < instruction.values; ++value)
      values.push_back(vector::ExtractOp::create(builder, sum, value));
  return values;
}

std::unique_ptr<MatmulEmitter> stc::gpu::createMatrixHalves(packed::MatmulTileOp op,
                                                            const TargetDescription &target,
                                                            const MatrixInstruction &instruction) {
  return std::make_unique<MatrixHalves>(op, target, instruction);
}
