// packed.tile_dot and packed.tile_dot_bf16: tile registers where there are any (AMX), else one
// product after another.
#include "MicroOps.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

/// Columns of one tile of activations: 64 bytes of 16 tokens. The weights of as many columns are a
/// tile of 16 steps.
static constexpr int64_t kTileColumns = 64;

/// LLVM chooses tile registers and configures them by the shapes it sees here.
static void lowerToTiles(KernelBuilder &builder, packed::TileDotOp op) {
  Type tile = LLVM::LLVMX86AMXType::get(builder.getContext());
  auto i16 = [&](int64_t value) { return builder.constant(builder.getI16Type(), value); };
  auto i64 = [&](int64_t value) { return builder.constant(builder.getI64Type(), value); };
  int64_t columns = op.getColumns();
  Value tokens = i16(op.getTokens()), rowBytes = i16(kStepBytes);
  Value sums = callIntrinsic(builder, "llvm.x86.tilezero.internal", tile, {tokens, rowBytes});
  for (int64_t first = 0; first < columns; first += kTileColumns) {
    int64_t count = std::min(kTileColumns, columns - first);
    Value inputs = callIntrinsic(
        builder, "llvm.x86.tileloadd64.internal", tile,
        {tokens, i16(count), builder.address(op.getInputs(), first), i64(op.getStride())});
    Value codes =
        callIntrinsic(builder, "llvm.x86.tileloadd64.internal", tile,
                      {i16(count / kDotColumns), rowBytes,
                       builder.address(op.getCodes(), first * kTileRows), i64(kStepBytes)});
    sums = callIntrinsic(builder, "llvm.x86.tdpbsud.internal", tile,
                         {tokens, rowBytes, i16(count), sums, inputs, codes});
  }
  LLVM::CallIntrinsicOp::create(builder, builder.getStringAttr("llvm.x86.tilestored64.internal"),
                                ValueRange{tokens, rowBytes, op.getSums(), i64(kStepBytes), sums});
}

void stc::cpu::lowerTileDot(KernelBuilder &builder, packed::TileDotOp op) {
  if (builder.getTarget().hasTileDot())
    return lowerToTiles(builder, op);
  VectorType bytes = builder.bytes(kStepBytes);
  for (int64_t t = 0; t < int64_t(op.getTokens()); ++t) {
    Value sum = builder.constant(builder.ints(), int64_t(0));
    for (int64_t column = 0; column < int64_t(op.getColumns()); column += kDotColumns) {
      Value codes = builder.load(bytes, builder.address(op.getCodes(), column * kTileRows));
      Value x = builder.load(builder.getI32Type(),
                             builder.address(op.getInputs(), t * op.getStride() + column));
      x = vector::BitCastOp::create(builder, bytes, builder.broadcast(x));
      sum = packed::Dot4Op::create(builder, sum.getType(), sum, codes, x);
    }
    LLVM::StoreOp::create(builder, sum, builder.address(op.getSums(), t * kStepBytes),
                          /*alignment=*/1);
  }
}

//===----------------------------------------------------------------------===//
// bf16
//===----------------------------------------------------------------------===//

/// Bytes of a row of a tile, and of a pair of columns of 16 weights.
static constexpr int64_t kTileRowBytes = 64;
/// Columns of bf16 that one instruction multiplies: 16 pairs.
static constexpr int64_t kPairsPerTile = 16, kStepColumns = 2 * kPairsPerTile;

/// Copies `columns` columns to `panel` as the instruction takes them: the two weights of a row of
/// each pair of columns side by side. What is missing of the last step becomes zero.
static void pairColumns(KernelBuilder &builder, Value weights, int64_t columns, Value panel) {
  auto columnType = VectorType::get(kTileRows, builder.getI16Type());
  auto pairType = VectorType::get(2 * kTileRows, builder.getI16Type());
  SmallVector<int64_t> lanes;
  for (int64_t row = 0; row < kTileRows; ++row)
    lanes.append({row, kTileRows + row});
  builder.loop(builder.index(0), builder.index(columns / 2), 1, [&](Value pair) {
    Value offset = builder.mul(pair, kTileRowBytes);
    Value values = builder.load(pairType, builder.address(weights, offset));
    builder.store(vector::ShuffleOp::create(builder, values, values, lanes),
                  builder.address(panel, offset));
  });
  int64_t pair = columns / 2, end = llvm::alignTo(pair + columns % 2, kPairsPerTile);
  if (columns % 2 != 0) {
    Value last = builder.load(columnType, builder.address(weights, pair * kTileRowBytes));
    Value zero = builder.constant(columnType, int64_t(0));
    builder.store(vector::ShuffleOp::create(builder, last, zero, lanes),
                  builder.address(panel, pair * kTileRowBytes));
    ++pair;
  }
  for (; pair < end; ++pair)
    builder.store(builder.constant(pairType, int64_t(0)),
                  builder.address(panel, pair * kTileRowBytes));
}

/// All columns are paired before the first product: tiles cannot be loaded from stores that are
/// still under way.
static void lowerToTiles(KernelBuilder &builder, packed::TileDotBF16Op op, Value &panel) {
  if (!panel)
    panel = builder.stackBuffer(packed::TileDotBF16Op::kMostColumns * kTileRows * 2);
  pairColumns(builder, op.getWeights(), op.getColumns(), panel);
  Type tile = LLVM::LLVMX86AMXType::get(builder.getContext());
  auto i16 = [&](int64_t value) { return builder.constant(builder.getI16Type(), value); };
  auto i64 = [&](int64_t value) { return builder.constant(builder.getI64Type(), value); };
  auto load = [&](int64_t rows, Value address, int64_t stride) {
    return callIntrinsic(builder, "llvm.x86.tileloadd64.internal", tile,
                         {i16(rows), i16(kTileRowBytes), address, i64(stride)});
  };
  int64_t rows = op.getRows(), stride = op.getStride();
  auto rowsOf = [&](int64_t first) { return std::min(kTileRows, rows - first); };
  auto sumsOf = [&](int64_t first) { return builder.address(op.getSums(), first * kTileRowBytes); };
  Values sums;
  for (int64_t first = 0; first < rows; first += kTileRows)
    sums.push_back(load(rowsOf(first), sumsOf(first), kTileRowBytes));
  int64_t steps = llvm::divideCeil(int64_t(op.getColumns()), kStepColumns);
  sums = builder.loop(
      builder.index(0), builder.index(steps), 1, sums, [&](Value step, ValueRange carried) {
        Values results;
        Value pairs = builder.mul(step, kPairsPerTile * kTileRowBytes);
        Value weights = load(kPairsPerTile, builder.address(panel, pairs), kTileRowBytes);
        Value inputs = builder.address(op.getInputs(), builder.mul(step, kTileRowBytes));
        for (auto [block, sum] : llvm::enumerate(carried)) {
          int64_t first = block * kTileRows;
          Value values = load(rowsOf(first), builder.address(inputs, first * stride), stride);
          results.push_back(callIntrinsic(
              builder, "llvm.x86.tdpbf16ps.internal", tile,
              {i16(rowsOf(first)), i16(kTileRowBytes), i16(kTileRowBytes), sum, values, weights}));
        }
        return results;
      });
  for (auto [block, sum] : llvm::enumerate(sums)) {
    int64_t first = block * kTileRows;
    LLVM::CallIntrinsicOp::create(
        builder, builder.getStringAttr("llvm.x86.tilestored64.internal"),
        ValueRange{i16(rowsOf(first)), i16(kTileRowBytes), sumsOf(first), i64(kTileRowBytes), sum});
  }
}

void stc::cpu::lowerTileDotBF16(KernelBuilder &builder, packed::TileDotBF16Op op, Value &panel) {
  if (builder.getTarget().hasTileDotBF16())
    return lowerToTiles(builder, op, panel);
  auto weightType = VectorType::get(kTileRows, builder.getBF16Type());
  auto inputType = VectorType::get(1, builder.getBF16Type());
  builder.loop(builder.index(0), builder.index(op.getRows()), 1, [&](Value row) {
    Value inputs = builder.address(op.getInputs(), builder.mul(row, op.getStride()));
    Value place = builder.address(op.getSums(), builder.mul(row, kTileRowBytes));
    Values sum{builder.load(builder.floats(), place)};
    sum = builder.loop(
        builder.index(0), builder.index(op.getColumns()), 1, sum,
        [&](Value column, ValueRange carried) {
          Value address = builder.address(op.getWeights(), builder.mul(column, kTileRows * 2));
          Value weights = builder.toF32(builder.load(weightType, address));
          Value x = builder.load(inputType, builder.address(inputs, builder.mul(column, 2)));
          x = vector::ExtractOp::create(builder, builder.toF32(x), 0);
          return Values{builder.multiplyAdd(builder.broadcast(x), weights, carried[0])};
        });
    builder.store(sum[0], place);
  });
}
