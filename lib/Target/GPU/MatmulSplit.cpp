// bf16 and f16 weights times f32 activations by tensor cores: numbers as sums of two bf16.
#include "HalfProducts.h"
#include "TensorMatmul.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Columns of a step that a thread has.
constexpr int64_t kThreadColumns = 4;

/// An activation is the sum of two bf16, high and low, but for 2^-17 of it; so is, exactly, an f16
/// weight. Products of bf16 are exact; that of both low parts, 2^-18, is left out.
class SplitMatmul final : public TensorMatmul {
public:
  SplitMatmul(packed::MatmulTileOp op, const TargetDescription &target)
      : TensorMatmul(op, target) {}

private:
  Values multiply(const Share &share, const TokenBlock &block) override;
  /// A thread's weights of a step, as the instruction takes them: four words of high parts, and of
  /// low parts where there are any. `first` (index): the step's first column. `mayEnd`: columns may
  /// be beyond the last one.
  std::pair<Values, Values> readWeights(const Share &share, Value first, bool mayEnd);
  Values loadInputs(Value row, Value first, const Share &share, bool mayEnd);
  void addStep(const Share &share, ValueRange rows, Value first, bool mayEnd, Values &sums);

  /// The thread's column number i of a step, and whether it exists (null: it does).
  std::pair<Value, Value> columnOf(const Share &share, Value first, int64_t i, bool mayEnd);
};

} // namespace

std::pair<Value, Value> SplitMatmul::columnOf(const Share &share, Value first, int64_t i,
                                              bool mayEnd) {
  Value inStep = arith::MulIOp::create(builder, share.part, builder.int32(kThreadColumns));
  Value column = builder.add(builder.add(first, builder.toIndex(inStep)), i);
  if (!mayEnd)
    return {column, Value()};
  Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, column,
                                       builder.index(type.getColumns()));
  return {arith::MinUIOp::create(builder, column, builder.index(type.getColumns() - 1)), exists};
}

std::pair<Values, Values> SplitMatmul::readWeights(const Share &share, Value first, bool mayEnd) {
  // Of each of a thread's columns, a word of two rows.
  Value start = builder.address(
      share.tile, arith::MulIOp::create(builder, share.rowPair, builder.int32(4)).getResult());
  constexpr int64_t columnBytes = kTileRows * 2;
  Values columns;
  for (int64_t i = 0; i < kThreadColumns; ++i) {
    auto [column, exists] = columnOf(share, first, i, mayEnd);
    Value word = builder.loadAligned(builder.getI32Type(),
                                     builder.address(start, builder.mul(column, columnBytes)), 4,
                                     /*invariant=*/true);
    if (exists)
      word = arith::SelectOp::create(builder, exists, word, builder.int32(0));
    columns.push_back(word);
  }
  // Words of one row and two columns: rows in turn, then the next two columns.
  Values high, low;
  for (int64_t i = 0; i < kThreadColumns; i += 2) {
    high.push_back(builder.permuteBytes(columns[i], columns[i + 1], builder.int32(0x5410)));
    high.push_back(builder.permuteBytes(columns[i], columns[i + 1], builder.int32(0x7632)));
  }
  if (layout.element == ElementKind::BF16)
    return {high, low};
  for (Value &word : high) {
    SplitPair halves = splitHalves(builder, word);
    word = halves.high;
    low.push_back(halves.low);
  }
  return {high, low};
}

Values SplitMatmul::loadInputs(Value row, Value first, const Share &share, bool mayEnd) {
  Type f32 = builder.getF32Type();
  Values inputs;
  if (!mayEnd && type.getColumns() % kThreadColumns == 0) {
    Value column = columnOf(share, first, 0, false).first;
    Value four = builder.loadAligned(VectorType::get(kThreadColumns, f32),
                                     builder.address(row, builder.mul(column, 4)), 16);
    for (int64_t i = 0; i < kThreadColumns; ++i)
      inputs.push_back(vector::ExtractOp::create(builder, four, i));
    return inputs;
  }
  for (int64_t i = 0; i < kThreadColumns; ++i) {
    auto [column, exists] = columnOf(share, first, i, mayEnd);
    Value x = builder.loadAligned(f32, builder.address(row, builder.mul(column, 4)), 4);
    if (exists)
      x = arith::SelectOp::create(builder, exists, x, builder.constant(f32, 0.0));
    inputs.push_back(x);
  }
  return inputs;
}

void SplitMatmul::addStep(const Share &share, ValueRange rows, Value first, bool mayEnd,
                          Values &sums) {
  auto [high, low] = readWeights(share, first, mayEnd);
  for (auto [i, row] : llvm::enumerate(rows)) {
    Values x = loadInputs(row, first, share, mayEnd);
    SplitPair front = splitPair(builder, x[0], x[1]), back = splitPair(builder, x[2], x[3]);
    MutableArrayRef<Value> own(sums);
    own = own.slice(i * kFragmentValues, kFragmentValues);
    auto add = [&](ValueRange weights, ValueRange inputs) {
      addHalfProducts(builder, ElementKind::BF16, weights, inputs, own);
    };
    // The smaller ones first.
    add(high, {front.low, back.low});
    if (!low.empty())
      add(low, {front.high, back.high});
    add(high, {front.high, back.high});
  }
}

Values SplitMatmul::multiply(const Share &share, const TokenBlock &block) {
  Values rows = fragmentRows(0, block, share, builder.int32(0));
  Values sums(rows.size() * kFragmentValues, builder.constant(builder.getF32Type(), 0.0));
  int64_t whole = type.getColumns() / kStepColumns;
  if (whole > 0) {
    auto [begin, end] = sliceOf(share.slice, whole);
    sums = builder.loop(begin, end, 1, sums, [&](Value step, ValueRange carried) {
      Values next(carried);
      addStep(share, rows, builder.mul(step, kStepColumns), /*mayEnd=*/false, next);
      return next;
    });
  }
  if (type.getColumns() % kStepColumns == 0)
    return sums;
  // What is left of the columns: the last slice.
  Value isLast = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, share.slice,
                                       builder.int32(slices() - 1));
  auto branch = scf::IfOp::create(builder, ValueRange(sums).getTypes(), isLast,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(builder, sums);
  builder.setInsertionPointToStart(branch.thenBlock());
  addStep(share, rows, builder.index(whole * kStepColumns), /*mayEnd=*/true, sums);
  scf::YieldOp::create(builder, sums);
  return Values(branch.getResults());
}

std::unique_ptr<MatmulEmitter> stc::gpu::createSplitMatmul(packed::MatmulTileOp op,
                                                           const TargetDescription &target) {
  return std::make_unique<SplitMatmul>(op, target);
}
