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

Values StagedMatmul::multiplyPartedPortions(State &state, Value begin, Value end, Values carried) {
  const Division &division = state.division;
  Words words(builder);
  constexpr int64_t ahead = kPartedAhead;
  int64_t bytes = state.places.end, buffers = division.buffers;
  int64_t operands = operandBytes(division), apartBytes = state.places.apart;
  int64_t firstApart = buffers * bytes + kPartedOperands * operands;
  auto at = [&](Value place) { return builder.address(state.share.staging, place); };
  auto atApart = [&](Value place) { return builder.address(at(place), firstApart); };
  // Portion `number` + `more`, or the matrix's last one instead of one that is not there: nobody
  // reads that, but a branch takes longer. Addresses that grow with the number would all be kept in
  // registers.
  auto existing = [&](Value number, int64_t more) -> Value {
    Value last = words.number(portions() - 1);
    number = arith::MinUIOp::create(builder, words.add(builder.toI32(number), more), last);
    return builder.toIndex(builder.instructions().keepHere(builder, number));
  };
  // Copies portion `number` + `more` to buffer `to`, and what is kept apart of the next one, as a
  // group.
  auto copy = [&](Value number, int64_t more, Value to, Value toApart) {
    if (isPruned)
      startCopies(state.prunedCopies, existing(number, more + 1), Value(), atApart(toApart));
    startCopies(state.copies, existing(number, more), Value(), at(to));
    NVVM::CpAsyncCommitGroupOp::create(builder);
  };
  // Until what this thread has started to copy is there, but for the last `pending` groups.
  auto await = [&](int64_t pending) {
    NVVM::CpAsyncWaitGroupOp::create(builder, pending);
    fenceCopies(builder);
  };
  // The next of `count` places, which follow each other in steps of `step`, in a circle.
  auto next = [&](Value value, int64_t count, int64_t step) -> Value {
    return words.select(words.isBelow(value, (count - 1) * step), words.add(value, step),
                        words.number(0));
  };
  // The buffer of the portion that is copied while the one at `value` is multiplied.
  auto behind = [&](Value value) -> Value {
    int64_t left = buffers - ahead;
    return words.select(words.isBelow(value, left * bytes), words.add(value, ahead * bytes),
                        words.add(value, static_cast<uint32_t>(-left * bytes)));
  };

  if (isPruned)
    startCopies(state.prunedCopies, existing(begin, 0), Value(), atApart(words.number(0)));
  for (int64_t i = 0; i < ahead; ++i)
    copy(begin, i, words.number(i * bytes), words.number((i + 1) * apartBytes));
  await(ahead - 1);
  if (isPruned) {
    waitForSlice(state);
    state.operands = words.number(0);
    makeOperands(state, atApart(words.number(0)));
  }
  arrive(state, begin);
  size_t sums = carried.size();
  carried.push_back(words.number(0)); // the buffer
  if (isPruned) {
    carried.push_back(words.number(0));          // operands
    carried.push_back(words.number(apartBytes)); // what the next ones are made of
  }
  carried = builder.loop(begin, end, 1, carried, [&](Value number, ValueRange values) -> Values {
    Values results(values.take_front(sums)), following;
    Value buffer = values[sums];
    following.push_back(next(buffer, buffers, bytes));
    if (isPruned) {
      following.push_back(next(values[sums + 1], kPartedOperands, operands));
      following.push_back(next(values[sums + 2], kApartBuffers, apartBytes));
    }
    waitForOthers(state, number);
    // A fence waits for all copies: the next portion is there before the one behind it begins to
    // come. What this portion's operands were made of is not needed any more.
    auto prepare = [&] {
      await(ahead - 2);
      Value toApart = isPruned ? next(following[2], kApartBuffers, apartBytes) : Value();
      copy(number, ahead, behind(buffer), toApart);
      if (!isPruned)
        return;
      state.operands = following[1];
      makeOperands(state, atApart(values[sums + 2]));
      state.operands = values[sums + 1];
    };
    if (isPruned)
      state.operands = values[sums + 1];
    for (int64_t group = 0; group < portionGroups(); ++group)
      multiplyGroup(state, buffer, group, results, [&] {
        if (group == 0)
          prepare();
        if (group == portionGroups() - 1 && division.isSpare())
          arrive(state, builder.add(number, 1));
      });
    if (!division.isSpare())
      arrive(state, builder.add(number, 1));
    llvm::append_range(results, following);
    return results;
  });
  // All have arrived for the end; and nothing may come any more where sums are kept.
  NVVM::CpAsyncWaitGroupOp::create(builder, 0);
  waitForOthers(state, end);
  carried.truncate(sums);
  return carried;
}
