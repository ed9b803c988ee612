// 16-bit floats by warpgroups: products are under way while others are prepared. What dense weights
// multiply stays in shared memory.
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

void StagedHalves::startTogether(State &state, Value buffer, Value prepared, int64_t part,
                                 Values &sums) {
  Words words(builder);
  // The first tile of the warpgroup.
  Value tile = words.mul(words.div(state.rowWarp, kWarpgroupWarps), kWarpgroupWarps);
  int64_t bytes = prepared ? kTileRows * kPortionBytes16 : tileBytes();
  int64_t steps = kPortionColumns16 / kStepColumns / state.division.parts;
  Value start = builder.address(state.share.staging, prepared ? prepared : buffer);
  start = builder.address(start, words.mul(tile, bytes));
  auto weights = [&](int64_t term) -> SharedWeights {
    return {builder.address(start, term * preparedTermBytes(state.division)), prepared ? 0 : bytes};
  };
  Values inputs = inputsTogether(state, buffer);
  SmallVector<SharedProduct> products;
  for (Value input : inputs) { // of the smaller numbers first
    if (weightTerms() == 2 && input == inputs.back())
      products.push_back({weights(1), input});
    products.push_back({weights(0), input});
  }
  startWarpgroupHalves(builder, productElement(), products, part * steps, steps, sums);
}

/// Products of one part of a portion, the whole or a half, are under way when those of the next are
/// started: that all warpgroups have gone through a part is known one part later. With the second
/// half of a portion, that is so of the portion before, whose buffer is then filled anew. Where
/// weights are prepared, codes are copied one portion before the tokens that they are multiplied
/// by, and become weights while the products of the portion before are under way.
Values StagedHalves::multiplyOverlapping(State &state, Value begin, Value end) {
  const Division &division = state.division;
  Words words(builder);
  int64_t bytes = bufferBytes(division), sumCount = division.warpFragments * kFragmentValues;
  int64_t parts = division.parts, ahead = division.buffers - (parts == 1 ? 2 : 1);
  int64_t firstPrepared = this->firstPrepared(division), preparedStep = preparedBytes(division);
  auto at = [&](Value offset) { return builder.address(state.share.staging, offset); };
  // The place behind `place`, of `count` in a circle.
  auto next = [&](Value place, int64_t first, int64_t step, int64_t count) {
    Value isLast = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, place,
                                         builder.int32(first + (count - 1) * step));
    return words.select(isLast, builder.int32(first), words.add(place, uint32_t(step)));
  };
  // Of the next portion, or of the last one again.
  auto aheadOf = [&](Value number) {
    return loadAhead(state, arith::MinUIOp::create(builder, number, builder.index(portions() - 1)));
  };
  auto prepareAt = [&](Value buffer, Value prepared, ValueRange loaded) {
    prepare(state, buffer, loaded, at(prepared));
  };
  auto copy = [&](Value number, Value buffer) {
    if (prepares())
      startTileCopies(state, builder.add(number, 1), end,
                      at(next(buffer, 0, bytes, division.buffers)));
    copyPortion(state.copies, number, end, at(buffer));
  };

  if (prepares()) {
    startTileCopies(state, begin, end, state.share.staging);
    NVVM::CpAsyncCommitGroupOp::create(builder);
  }
  for (int64_t i = 0; i < ahead; ++i)
    copy(builder.add(begin, i), builder.int32(i * bytes));
  Values loaded;
  if (prepares()) {
    Values first = aheadOf(begin);
    loaded = aheadOf(builder.add(begin, 1));
    NVVM::CpAsyncWaitGroupOp::create(builder, ahead);
    waitForSlice(state);
    prepareAt(builder.int32(0), builder.int32(firstPrepared), first);
  }

  // What goes from one portion to the next: sums, the buffer, where weights are prepared, and what
  // was loaded for the portion that is prepared next.
  auto multiply = [&](Value number, ValueRange values, bool isFirst) -> Values {
    Values sums(values.take_front(sumCount));
    Value buffer = values[sumCount], prepared = prepares() ? values[sumCount + 1] : Value();
    Value after = next(buffer, 0, bytes, division.buffers), preparedAfter;
    Values later = aheadOf(builder.add(number, 2));
    Value limit = builder.int32((division.buffers - ahead) * bytes);
    Value target =
        words.select(words.isBelow(buffer, limit), words.add(buffer, uint32_t(ahead * bytes)),
                     arith::SubIOp::create(builder, buffer, limit));
    for (int64_t part = 0; part < parts; ++part) {
      if (part == 0) {
        NVVM::CpAsyncWaitGroupOp::create(builder, ahead - 1);
        fenceCopies(builder);
      }
      waitForSlice(state);
      startTogether(state, buffer, prepared, part, sums);
      if (part == parts - 1)
        copy(builder.add(number, ahead), target);
      if (prepares() && part == parts - 1) {
        preparedAfter = next(prepared, firstPrepared, preparedStep, division.preparedPortions);
        prepareAt(after, preparedAfter, values.drop_front(sumCount + 2));
      }
      if (!isFirst || part > 0)
        waitForProducts(builder, 1);
    }
    Values results(sums);
    results.push_back(after);
    if (prepares())
      results.push_back(preparedAfter);
    results.append(later);
    return results;
  };
  // The first one apart: each slice has one, and no sums are set while products are under way.
  Values carried(sumCount, builder.constant(builder.getF32Type(), 0.0));
  carried.push_back(builder.int32(0));
  if (prepares())
    carried.push_back(builder.int32(firstPrepared));
  carried.append(loaded);
  carried = multiply(begin, carried, /*isFirst=*/true);
  auto multiplyNext = [&](Value number, ValueRange values) {
    return multiply(number, values, /*isFirst=*/false);
  };
  Value second = builder.add(begin, 1);
  if (parts == 1 && !prepares()) {
    // Registers that products under way read are others than those of the next ones (PTX ISA,
    // "wgmma.mma_async": registers that it reads must not be changed before it is waited for): two
    // portions' take turns.
    int64_t rest = portions() / division.slices - 1, pairs = rest / 2;
    Value last = builder.add(second, 2 * pairs);
    if (pairs > 0)
      carried = builder.loop(second, last, 2, carried, [&](Value number, ValueRange values) {
        return multiplyNext(builder.add(number, 1), multiplyNext(number, values));
      });
    if (rest % 2 == 1)
      carried = multiplyNext(last, carried);
  } else {
    carried = builder.loop(second, end, 1, carried, multiplyNext);
  }
  carried.truncate(sumCount);
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
  if (takesNeighbours(division))
    rows[0] = builder.mul(rows[0], 2);
  rows[1] = builder.add(rows[0], takesNeighbours(division) ? 1 : kMatrixRows);
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
