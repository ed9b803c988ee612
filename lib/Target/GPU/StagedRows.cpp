// Products of codes whose sums are integers of whole rows: scales are those of rows and of tokens.
//
// Between portions nothing is scaled, so that a loop has copies, operands and products alone. A
// warpgroup starts the products of half a portion, and while they are under way makes operands of
// the next portion (of a 2:4 matrix), loads the weights of the next half, and copies the portion
// after the next. Threads wait for each other once for each portion: by then all are done with the
// one two portions before, whose buffer is filled anew.
#include "StagedMatmul.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// Columns whose products are started together: those of one instruction of a 2:4 matrix.
constexpr int64_t kStartedColumns = kSparseColumns;

Values StagedMatmul::multiplyRows(State &state, Value begin, Value end, Values carried) {
  Turn first = beginAhead(state, begin);
  size_t count = carried.size();
  llvm::append_range(carried, valuesOf(first));
  carried = builder.loop(begin, end, 1, carried, [&](Value number, ValueRange values) -> Values {
    Values sums(values.take_front(count));
    Turn turn = turnOf(values.drop_front(count)), following = nextTurn(state, turn);
    waitForSlice(state);
    state.operands = turn.operands;
    for (int64_t column = 0; column < kPortionColumns; column += kStartedColumns) {
      // Of the half before, the weights are in other registers until its products are done.
      Operands operands = loadOperands(state, turn.buffer, column, kStartedColumns);
      waitForProducts(builder, 0, sums);
      startProducts(state, operands, turn.buffer, column, sums);
      // What takes longest comes while there is most to multiply yet.
      if (column == 0)
        makeNextOperands(state, turn, following);
    }
    // A fence waits for all copies: the next portion has had a whole turn to come, and the one
    // behind it begins only then.
    awaitAhead(kPartedAhead - 2);
    copyAhead(state, number, turn, following);
    llvm::append_range(sums, valuesOf(following));
    return sums;
  });
  carried.truncate(count);
  waitForProducts(builder, 0, carried);
  // Nothing may come any more where sums are kept.
  NVVM::CpAsyncWaitGroupOp::create(builder, 0);
  return carried;
}

Values StagedMatmul::scaleTokens(State &state, ValueRange sums) {
  const Division &division = state.division;
  Words words(builder);
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  bool isCorrected = needsInputSums(division);
  Value first = words.add(words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens),
                          words.mul(state.share.part, 2));
  Value isFirst = words.isBelow(state.share.slice, 1);
  Values results(sums.size());
  for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
    for (int64_t i : {0, 1}) {
      Value token = words.add(first, fragment * kFragmentTokens + i), correction;
      auto load = [&](unsigned input, Type type) {
        return builder.loadAligned(type, builder.global(inputRow(input, state.block, token)), 4);
      };
      Value scale = load(1, f32);
      if (isCorrected)
        correction = load(2, i32);
      if (isCorrected && division.slices > 1) // once for all slices
        correction = words.select(isFirst, correction, words.number(0));
      for (int64_t tile = 0; tile < division.warpTiles; ++tile)
        for (int64_t row : {0, 1}) {
          int64_t value =
              (tile * division.warpFragments + fragment) * kFragmentValues + 2 * row + i;
          Value sum = sums[value];
          if (isCorrected) {
            Value own = correction;
            if (layout.asymmetric)
              own = words.mul(own, state.rowZeros[tile][row]);
            sum = words.add(sum, own);
          }
          sum = arith::SIToFPOp::create(builder, f32, sum);
          results[value] = arith::MulFOp::create(builder, sum, scale);
        }
    }
  return results;
}
