// Dense 16-bit floats by warpgroups: what they multiply stays in shared memory, and products are
// under way while others are prepared.
#include "StagedHalves.h"

#include "HalfProducts.h"
#include "WarpgroupProducts.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

Values StagedHalves::inputsTogether(State &state, Value buffer) {
  const Division &division = state.division;
  int64_t bytes = division.warpFragments * kFragmentTokens * kPortionBytes16;
  Value start = builder.address(builder.address(state.share.staging, buffer),
                                Words(builder).mul(state.tokenWarp, bytes));
  Values inputs;
  for (int64_t part = terms - 1; part >= 0; --part)
    inputs.push_back(builder.address(start, weightBytes(division) + part * tokenBytes(division)));
  return inputs;
}

void StagedHalves::startTogether(State &state, Value buffer, Values &sums) {
  Words words(builder);
  // The first tile of the warpgroup.
  Value tile = words.mul(words.div(state.rowWarp, kWarpgroupWarps), kWarpgroupWarps);
  Value weights =
      builder.address(builder.address(state.share.staging, buffer), words.mul(tile, tileBytes()));
  startWarpgroupHalves(builder, layout.element, weights, tileBytes(),
                       kPortionColumns16 / kStepColumns, inputsTogether(state, buffer), sums);
}

/// Of `buffers` portions one has products under way, those of the next begin, and the others are
/// copied. That all warpgroups have gone through a portion is known one portion later.
Values StagedHalves::multiplyOverlapping(State &state, Value begin, Value end) {
  const Division &division = state.division;
  Words words(builder);
  int64_t bytes = bufferBytes(division), ahead = division.buffers - 2;
  auto copy = [&](Value number, Value buffer) {
    copyPortion(state.copies, number, end, builder.address(state.share.staging, buffer));
  };
  for (int64_t i = 0; i < ahead; ++i)
    copy(builder.add(begin, i), builder.int32(i * bytes));
  auto multiply = [&](Value number, Value buffer, ValueRange values) -> Values {
    Values sums(values);
    NVVM::CpAsyncWaitGroupOp::create(builder, ahead - 1);
    fenceCopies(builder);
    waitForSlice(state);
    startTogether(state, buffer, sums);
    Value isBehind = words.isBelow(buffer, uint32_t(2 * bytes));
    copy(builder.add(number, ahead), words.select(isBehind, words.add(buffer, ahead * bytes),
                                                  words.add(buffer, uint32_t(-2 * bytes))));
    return sums;
  };
  // The first one apart: each slice has one, and no sums are set while products are under way.
  Values zeros(division.warpFragments * kFragmentValues,
               builder.constant(builder.getF32Type(), 0.0));
  Values carried = multiply(begin, builder.int32(0), zeros);
  carried.push_back(builder.int32(bytes));
  carried = builder.loop(
      builder.add(begin, 1), end, 1, carried, [&](Value number, ValueRange values) -> Values {
        Value buffer = values.back();
        Values sums = multiply(number, buffer, values.drop_back());
        waitForProducts(builder, 1);
        Value isBefore = words.isBelow(buffer, uint32_t((division.buffers - 1) * bytes));
        sums.push_back(words.select(isBefore, words.add(buffer, bytes), words.number(0)));
        return sums;
      });
  carried.pop_back();
  waitForProducts(builder, 0, carried);
  return carried;
}

SmallVector<Values> StagedHalves::shareOutSums(State &state, Value memory, ValueRange sums) {
  Words words(builder);
  const Division &division = state.division;
  constexpr int64_t bytes = sizeof(float) * kFragmentValues;
  int64_t warpThreads = builder.getTarget().warpThreads;
  int64_t threads = division.sliceWarps() * warpThreads, count = ownFragments(division);
  auto four = VectorType::get(kFragmentValues, builder.getF32Type());
  // Until nothing is read any more that was copied there.
  builder.barrier();
  auto placeOf = [&](Value fragment, Value number) {
    return builder.address(memory,
                           words.mul(words.add(words.mul(fragment, threads), number), bytes));
  };
  Value own = placeOf(words.mul(state.share.slice, division.warpFragments), state.share.number);
  for (int64_t i = 0; i < division.warpFragments; ++i)
    builder.storeAligned(vector::FromElementsOp::create(
                             builder, four, sums.slice(i * kFragmentValues, kFragmentValues)),
                         builder.address(own, i * threads * bytes), bytes);
  builder.barrier();
  // Warps of the parts follow each other.
  Value part = words.rem(state.rowWarp, parts());
  Value number = arith::SubIOp::create(builder, state.share.number, words.mul(part, warpThreads));
  Value first = placeOf(firstOwnFragment(state), number);
  SmallVector<Values> results(count * kFragmentValues);
  for (int64_t i = 0; i < count; ++i)
    for (int64_t part = 0; part < parts(); ++part) {
      Value sum;
      for (int64_t slice = 0; slice < division.slices; ++slice) {
        int64_t place = (slice * division.warpFragments + i) * threads + part * warpThreads;
        Value other = builder.loadAligned(four, builder.address(first, place * bytes), bytes);
        sum = sum ? arith::AddFOp::create(builder, sum, other).getResult() : other;
      }
      for (int64_t value = 0; value < kFragmentValues; ++value)
        results[i * kFragmentValues + value].push_back(words.part(sum, value));
    }
  return results;
}

Value StagedHalves::firstOwnFragment(State &state) {
  Words words(builder);
  Value number = state.share.slice;
  if (parts() > 1)
    number = words.add(words.mul(number, parts()), words.rem(state.rowWarp, parts()));
  return words.mul(number, ownFragments(state.division));
}

void StagedHalves::finishTogether(State &state, Value firstSlot, Value memory, ValueRange sums) {
  Words words(builder);
  const Division &division = state.division;
  Value slot = builder.toIndex(words.mul(words.div(state.rowWarp, parts()), parts()));
  slot = builder.add(firstSlot, slot);
  Value token = words.add(words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens),
                          words.mul(state.share.part, 2));
  SmallVector<Values> own;
  if (ownFragments(division) == division.warpFragments) {
    for (Value sum : sums)
      own.push_back({sum});
  } else {
    own = shareOutSums(state, memory, sums);
    token = words.add(token, words.mul(firstOwnFragment(state), kFragmentTokens));
  }
  Value rows[2] = {builder.toIndex(state.share.rowPair), Value()};
  rows[1] = builder.add(rows[0], kMatrixRows);
  auto write = [&] {
    // What is read of several fragments is on its way together.
    constexpr size_t atOnce = 4 * kFragmentValues;
    SmallVector<Result, 0> results;
    for (size_t i = 0; i < own.size(); ++i) {
      int64_t value = i % kFragmentValues, fragment = i / kFragmentValues;
      Value inBlock = words.add(token, fragment * kFragmentTokens + value % 2), exists;
      if (state.block.present)
        exists = words.isBelow(inBlock, state.block.present);
      inBlock = builder.toIndex(presentToken(state.block, inBlock));
      results.push_back(
          {slot, rows[value / 2], builder.add(state.block.first, inBlock), own[i], exists});
      if (results.size() < atOnce && i + 1 < own.size())
        continue;
      finish(results);
      results.clear();
    }
  };
  if (Value exists = existsSlot(slot, slots() % division.atOnce == 0))
    builder.ifThen(exists, write);
  else
    write();
}
