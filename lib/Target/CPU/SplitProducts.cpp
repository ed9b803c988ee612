// Products of one row tile of bf16 weights with activations in two halves.
#include "TileLowerings.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

/// Bytes of a column of a tile of weights, and of a vector of its sums.
static constexpr int64_t kColumnBytes = kTileRows * 2, kSumBytes = kTileRows * 4;

/// A token's halves follow each other, so that they are rows of one matrix: both go through the
/// same products, and their sums are added at the end.
Values stc::cpu::emitSplitProducts(KernelBuilder &builder, BF16Tile weights, SplitTokens tokens,
                                   function_ref<void(Value, int64_t)> prefetch) {
  constexpr int64_t most = packed::TileDotBF16Op::kMostColumns;
  int64_t rows = 2 * tokens.count, stride = tokens.stride / 2;
  Value sums = builder.stackBuffer(rows * kSumBytes);
  auto rowSums = [&](int64_t row) { return builder.address(sums, row * kSumBytes); };
  for (int64_t row = 0; row < rows; ++row)
    builder.store(builder.constant(builder.floats(), 0.0), rowSums(row));
  auto addColumns = [&](Value first, int64_t columns) {
    Value values = builder.address(weights.start, builder.mul(first, kColumnBytes));
    prefetch(values, columns * kColumnBytes);
    Value inputs = builder.address(tokens.start, builder.mul(first, 2));
    packed::TileDotBF16Op::create(builder, sums, inputs, stride, values, rows, columns);
  };
  int64_t whole = weights.columns / most * most;
  if (whole > 0)
    builder.loop(builder.index(0), builder.index(whole), most,
                 [&](Value first) { addColumns(first, most); });
  if (weights.columns > whole)
    addColumns(builder.index(whole), weights.columns - whole);
  Values results;
  for (int64_t row = 0; row < rows; row += 2) {
    Value high = builder.load(builder.floats(), rowSums(row));
    Value low = builder.load(builder.floats(), rowSums(row + 1));
    results.push_back(arith::AddFOp::create(builder, high, low));
  }
  return results;
}
