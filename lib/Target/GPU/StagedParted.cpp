// Products of codes by warpgroups that part ways: while one finishes its sums, others multiply.
//
// All threads copy portions, so that these are there for all warpgroups at the same time, but
// products are not waited for. For each portion a warpgroup arrives at barriers where others wait:
// when it has begun with the last products of the portion before, or where shared memory has no
// buffer to spare, when it is done with them. Whoever passes the barrier of a portion knows that
// all others are done with the one two portions before, or one, whose buffer it fills.
#include "DeviceInstructions.h"
#include "StagedMatmul.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// The barrier (i32) of this warpgroup for portion `number`. Those of others of the slice differ in
/// the lowest bits.
Value StagedMatmul::partedBarrier(State &state, Value number) {
  Words words(builder);
  int64_t count = state.division.warpgroups();
  Value own = words.div(state.share.number, kWarpgroupWarps * builder.getTarget().warpThreads);
  own = words.add(words.add(own, words.mul(state.share.slice, count)), 2 * kBlockWarpgroups);
  return words.add(own, words.mul(words.rem(builder.toI32(number), 2), kBlockWarpgroups));
}

void StagedMatmul::arrive(State &state, Value number) {
  Words words(builder);
  Value own = partedBarrier(state, number);
  for (int64_t other = 1; other < state.division.warpgroups(); ++other)
    LLVM::CallIntrinsicOp::create(
        builder, builder.getStringAttr("llvm.nvvm.barrier.cta.arrive.aligned.count"),
        ValueRange{words.flip(own, other), builder.int32(sliceThreads(state))});
}

void StagedMatmul::waitForOthers(State &state, Value number) {
  NVVM::BarrierOp::create(builder, TypeRange(), partedBarrier(state, number),
                          builder.int32(sliceThreads(state)), NVVM::BarrierReductionAttr(),
                          Value());
}

//===----------------------------------------------------------------------===//
// Portions that are copied ahead
//===----------------------------------------------------------------------===//

Value StagedMatmul::apartAt(State &state, Value place) {
  const Division &division = state.division;
  int64_t first = division.buffers * state.places.end + kPartedOperands * operandBytes(division);
  return builder.address(builder.address(state.share.staging, place), first);
}

Value StagedMatmul::nextPlace(Value place, int64_t count, int64_t step) {
  Words words(builder);
  return words.select(words.isBelow(place, (count - 1) * step), words.add(place, step),
                      words.number(0));
}

StagedMatmul::Turn StagedMatmul::nextTurn(State &state, const Turn &turn) {
  const Division &division = state.division;
  Turn next{nextPlace(turn.buffer, division.buffers, state.places.end), Value(), Value()};
  if (isPruned) {
    next.operands = nextPlace(turn.operands, kPartedOperands, operandBytes(division));
    next.nextApart = nextPlace(turn.nextApart, kApartBuffers, state.places.apart);
  }
  return next;
}

Values StagedMatmul::valuesOf(const Turn &turn) {
  if (!isPruned)
    return {turn.buffer};
  return {turn.buffer, turn.operands, turn.nextApart};
}

StagedMatmul::Turn StagedMatmul::turnOf(ValueRange values) {
  return isPruned ? Turn{values[0], values[1], values[2]} : Turn{values[0], Value(), Value()};
}

void StagedMatmul::awaitAhead(int64_t pending) {
  NVVM::CpAsyncWaitGroupOp::create(builder, pending);
  fenceCopies(builder);
}

void StagedMatmul::copyAhead(State &state, Value number, int64_t more, Value to, Value toApart) {
  Words words(builder);
  // Portion `number` + `more`, or the matrix's last one instead of one that is not there: nobody
  // reads that, but a branch takes longer. Addresses that grow with the number would all be kept in
  // registers.
  auto existing = [&](int64_t more) -> Value {
    Value last = words.number(portions() - 1);
    Value own = arith::MinUIOp::create(builder, words.add(builder.toI32(number), more), last);
    return builder.toIndex(builder.instructions().keepHere(builder, own));
  };
  if (isPruned)
    startCopies(state.prunedCopies, existing(more + 1), Value(), apartAt(state, toApart));
  startCopies(state.copies, existing(more), Value(), builder.address(state.share.staging, to));
  NVVM::CpAsyncCommitGroupOp::create(builder);
}

void StagedMatmul::copyAhead(State &state, Value number, const Turn &turn, const Turn &following) {
  Words words(builder);
  int64_t bytes = state.places.end, left = state.division.buffers - kPartedAhead;
  Value to = words.select(words.isBelow(turn.buffer, left * bytes),
                          words.add(turn.buffer, kPartedAhead * bytes),
                          words.add(turn.buffer, static_cast<uint32_t>(-left * bytes)));
  Value toApart =
      isPruned ? nextPlace(following.nextApart, kApartBuffers, state.places.apart) : Value();
  copyAhead(state, number, kPartedAhead, to, toApart);
}

void StagedMatmul::makeNextOperands(State &state, const Turn &turn, const Turn &following) {
  if (!isPruned)
    return;
  state.operands = following.operands;
  makeOperands(state, apartAt(state, turn.nextApart));
  state.operands = turn.operands;
}

StagedMatmul::Turn StagedMatmul::beginAhead(State &state, Value begin) {
  Words words(builder);
  Value zero = words.number(0);
  int64_t apart = state.places.apart;
  if (isPruned) {
    Value last = builder.index(portions() - 1);
    startCopies(state.prunedCopies, arith::MinUIOp::create(builder, begin, last), Value(),
                apartAt(state, zero));
  }
  for (int64_t i = 0; i < kPartedAhead; ++i)
    copyAhead(state, begin, i, words.number(i * state.places.end), words.number((i + 1) * apart));
  awaitAhead(kPartedAhead - 1);
  if (isPruned) {
    waitForSlice(state);
    state.operands = zero;
    makeOperands(state, apartAt(state, zero));
  }
  return isPruned ? Turn{zero, zero, words.number(apart)} : Turn{zero, Value(), Value()};
}

//===----------------------------------------------------------------------===//
// Warpgroups that part ways
//===----------------------------------------------------------------------===//

Values StagedMatmul::multiplyPartedPortions(State &state, Value begin, Value end, Values carried) {
  const Division &division = state.division;
  Turn first = beginAhead(state, begin);
  arrive(state, begin);
  size_t sums = carried.size();
  llvm::append_range(carried, valuesOf(first));
  carried = builder.loop(begin, end, 1, carried, [&](Value number, ValueRange values) -> Values {
    Values results(values.take_front(sums));
    Turn turn = turnOf(values.drop_front(sums)), following = nextTurn(state, turn);
    waitForOthers(state, number);
    // A fence waits for all copies: the next portion is there before the one behind it begins to
    // come. What this portion's operands were made of is not needed any more.
    auto prepare = [&] {
      awaitAhead(kPartedAhead - 2);
      copyAhead(state, number, turn, following);
      makeNextOperands(state, turn, following);
    };
    state.operands = turn.operands;
    for (int64_t group = 0; group < portionGroups(); ++group)
      multiplyGroup(state, turn.buffer, group, results, [&] {
        if (group == 0)
          prepare();
        if (group == portionGroups() - 1 && division.isSpare())
          arrive(state, builder.add(number, 1));
      });
    if (!division.isSpare())
      arrive(state, builder.add(number, 1));
    llvm::append_range(results, valuesOf(following));
    return results;
  });
  // All have arrived for the end; and nothing may come any more where sums are kept.
  NVVM::CpAsyncWaitGroupOp::create(builder, 0);
  waitForOthers(state, end);
  carried.truncate(sums);
  return carried;
}
