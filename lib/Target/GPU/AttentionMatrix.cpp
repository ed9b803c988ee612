// packed.attention_tile of many rows by tensor cores: shares of warps, softmax and results.
#include "AttentionMatrix.h"

#include "DeviceInstructions.h"
#include "SharedMemory.h"
#include "Words.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr double kLowest = -double(std::numeric_limits<float>::max());
/// A maximum before there is a score, above kLowest: what is not seen then weighs nothing.
constexpr double kNoMaximum = -1e38;
constexpr double kLog2E = 1.44269504088896341;
constexpr int64_t kFloat = sizeof(float);
/// Rows of a warp, and most columns of its results: those are half of its registers.
constexpr int64_t kRows = 16, kMostColumns = 128;
/// Most parts of a block of keys: each has whole tiles of keys.
constexpr int64_t kMostKeyParts = kKVBlock / kKVTile;

//===----------------------------------------------------------------------===//
// Shares
//===----------------------------------------------------------------------===//

std::optional<MatrixAttentionPlan> MatrixAttention::planRows(const KVCacheLayout &layout,
                                                             int64_t rows, int64_t buffers,
                                                             const TargetDescription &target) {
  MatrixAttentionPlan plan;
  int64_t padded = layout.paddedDim(), units = padded / 8;
  plan.rowTiles = llvm::divideCeil(rows, kRows);
  plan.columnParts = llvm::divideCeil(padded, kMostColumns);
  // Units that change places stay within a part.
  int64_t period = std::min<int64_t>(8, units & -units);
  plan.columns = llvm::alignTo(llvm::divideCeil(padded, plan.columnParts), 8 * period);
  int64_t warpsOfKeys = plan.rowTiles * plan.columnParts;
  if (!target.hasMma || layout.element == KVElement::F32 || plan.columns > kMostColumns ||
      warpsOfKeys > target.warps())
    return std::nullopt;
  plan.keyParts = std::min<int64_t>(
      kMostKeyParts, llvm::bit_floor(uint64_t(target.warps()) / uint64_t(warpsOfKeys)));
  plan.buffers = buffers;
  bool isInt8 = layout.element == KVElement::Int8;
  int64_t queryBytes = plan.rowTiles * kRows * padded * 2 * (isInt8 ? 1 : 2);
  int64_t codeBytes = isInt8 ? plan.rowTiles * kRows * (padded + 2 * kFloat) : 0;
  int64_t merged =
      warpsOfKeys * (plan.keyParts / 2) * target.warpThreads * (plan.columns / 8 * 4 + 4) * kFloat;
  plan.sharedBytes = std::max(queryBytes + codeBytes + buffers * 4 * kKVBlock * padded, merged);
  return plan;
}

static int64_t availableBytes(const TargetDescription &target) {
  return target.sharedBytes - mostPrivateBytes(target) - 2 * kBarrierBytes;
}

int64_t MatrixAttention::chooseRows(const KVCacheLayout &layout, int64_t shared,
                                    const TargetDescription &target) {
  // Copies that are under way while others are in work come before many rows for each of them.
  for (int64_t buffers : {2, 1})
    for (int64_t rows : {128, 64, 32, 16}) {
      auto plan = planRows(layout, std::max(rows, shared), buffers, target);
      if (plan && plan->sharedBytes <= availableBytes(target) && (rows > 16 || buffers == 1))
        return rows;
    }
  return 0;
}

std::optional<MatrixAttentionPlan> MatrixAttention::plan(packed::AttentionTileOp op,
                                                         const TargetDescription &target) {
  MatrixAttention probe(op, target, MatrixAttentionPlan());
  if (op.getPiece() || probe.isDecode() || probe.rows < kRows)
    return std::nullopt;
  for (int64_t buffers : {2, 1})
    if (auto plan = planRows(probe.layout, probe.rows, buffers, target)) {
      plan->sharedBytes += probe.shared * (probe.lineFloats + 1) * kFloat;
      if (plan->sharedBytes <= availableBytes(target))
        return plan;
    }
  return std::nullopt;
}

MatrixAttention::MatrixAttention(packed::AttentionTileOp op, const TargetDescription &target,
                                 const MatrixAttentionPlan &plan)
    : AttentionEmitter(op, target), plannedTile(plan) {
  // As codes of queries are prepared for.
  chunk = kRows;
  chunks = llvm::divideCeil(rows, kRows);
}

void MatrixAttention::placeMemory() {
  placeStaged();
  int64_t padded = layout.paddedDim(), allRows = plannedTile.rowTiles * kRows;
  int64_t stagedBytes = plannedTile.buffers * bufferBytes;
  int64_t queryBytes = allRows * padded * 2 * querySplits();
  int64_t codes = isInt8() ? allRows : 0, bytes = 0;
  Value scratch = builder.scratch(plannedTile.sharedBytes);
  auto place = [&](int64_t size) {
    Value address = builder.address(scratch, bytes);
    bytes += size;
    return address;
  };
  staging = place(stagedBytes);
  fragmentQueries = place(queryBytes);
  queries = place(codes * padded);
  queryScales = place(codes * kFloat);
  queryStarts = place(codes * kFloat);
  lines = place(shared * lineFloats * kFloat);
  slopes = place(shared * kFloat);
}

void MatrixAttention::findWarp() {
  int64_t keysOfPart = kKVBlock / plannedTile.keyParts;
  Value number = builder.warp();
  part = builder.remainder(number, plannedTile.keyParts);
  number = builder.quotient(number, plannedTile.keyParts);
  columnPart = builder.remainder(number, plannedTile.columnParts);
  rowTile = builder.quotient(number, plannedTile.columnParts);
  group = builder.quotient(builder.lane(), 4);
  quad = builder.remainder(builder.lane(), 4);
  ownQueries = builder.address(fragmentQueries,
                               builder.times(builder.smaller(rowTile, plannedTile.rowTiles - 1),
                                             keySteps() * querySplits() * 512));
  ownQueries = builder.address(ownQueries, builder.times(builder.lane(), 16));
  Value none = builder.int32(0);
  // Rows are 16 positions' elements, or a position's.
  int64_t keyRows =
      stagedKeys.areRowsSummed ? keysOfPart / kKVTile * layout.paddedDim() : keysOfPart;
  keyPlace = findLane(stagedKeys, builder.times(part, keyRows * stagedKeys.rowBytes()), none);
  if (stagedValues.areRowsSummed) {
    Value before = builder.times(part, keysOfPart * stagedValues.rowBytes());
    before = builder.add(before, builder.times(columnPart, plannedTile.columns * 2));
    valuePlace = findLane(stagedValues, before, none);
  } else {
    Value before = builder.times(columnPart, plannedTile.columns * stagedValues.rowBytes());
    valuePlace = findLane(stagedValues, before, builder.times(part, keysOfPart / 8));
  }
}

void MatrixAttention::emit() {
  placeMemory();
  findTile();
  findWarp();
  if (pattern.any())
    patternTable = pattern.table(builder, op);
  clearPadding();
  prepareQueries();
  prepareBias();
  builder.barrier();
  Value first = builder.add(builder.times(rowTile, kRows), group);
  for (int64_t r : {0, 1}) {
    Value row =
        builder.smaller(builder.toIndex(builder.plus(first, 8 * r)), builder.plus(presentRows, -1));
    places.push_back(placeOfRow(row));
    if (isInt8())
      rowScales.push_back(builder.loadAligned(
          builder.getF32Type(), builder.address(queryScales, builder.times(row, kFloat)), kFloat));
  }
  Rows rows = attend();
  merge(rows);
  writeResults(rows);
  builder.barrier();
}

//===----------------------------------------------------------------------===//
// Blocks of keys
//===----------------------------------------------------------------------===//

Values MatrixAttention::Rows::all() const {
  Values values = maxima;
  values.append(sums);
  values.append(outs);
  return values;
}

MatrixAttention::Rows MatrixAttention::splitRows(ValueRange values) const {
  return {Values(values.take_front(2)), Values(values.slice(2, 2)), Values(values.drop_front(4))};
}

MatrixAttention::Rows MatrixAttention::rowsBefore() {
  Type f32 = builder.getF32Type();
  Value zero = builder.constant(f32, 0.0), lowest = builder.constant(f32, kNoMaximum);
  Rows rows{Values(2, lowest), Values(2, zero), Values(fragments() * 4, zero)};
  if (!op.getSinkLogits())
    return rows;
  // Of the warps with the same rows one has the sink, and its weight one lane.
  Value hasSink = builder.isBelow(part, 1);
  Value hasWeight = arith::AndIOp::create(builder, hasSink, builder.isBelow(quad, 1));
  Value first = builder.add(builder.times(rowTile, kRows), group);
  for (int64_t r : {0, 1}) {
    Value head = tokenAndHead(builder.toIndex(builder.plus(first, 8 * r))).second;
    Value logit = builder.loadElement(op.getSinkLogits(), {head});
    logit = builder.productOf(logit, builder.constant(f32, kLog2E));
    rows.maxima[r] = builder.choose(hasSink, logit, lowest);
    rows.sums[r] = builder.choose(hasWeight, builder.constant(f32, 1.0), zero);
  }
  return rows;
}

/// A block that is seen is copied in the round in which the one before it is in work; in the last
/// round nothing is copied any more. All threads of the block take the same way.
MatrixAttention::Rows MatrixAttention::attend() {
  int64_t keysOfPart = kKVBlock / plannedTile.keyParts;
  auto both = [&](Value a, Value b) -> Value { return arith::AndIOp::create(builder, a, b); };
  Value isBusy = builder.isBelow(builder.times(rowTile, kRows), builder.toI32(presentRows));
  Values initial = rowsBefore().all();
  initial.push_back(builder.index(0));                                  // the block before
  initial.push_back(builder.int32(0));                                  // and its buffer
  initial.push_back(builder.constant(builder.getI1Type(), int64_t(0))); // whether there is one
  Value one = builder.index(1);
  auto round = [&](Value number, ValueRange carried) {
    Values rows(carried.drop_back(3));
    Value place = carried[carried.size() - 2], hasBlock = carried.back();
    auto bufferAt = [&](Value place) { return builder.address(staging, place); };
    Block before{carried[carried.size() - 3], bufferAt(place)};
    Value exists = builder.isBelow(number, blocks.count);
    Value candidate =
        arith::MinSIOp::create(builder, number, arith::SubIOp::create(builder, blocks.count, one));
    Value block = blocks.block(builder, candidate);
    Value wanted;
    if (pattern.any()) {
      Value seen = pattern.sees(builder, firstPosition, lastPosition, block, patternTable);
      wanted = arith::OrIOp::create(
          builder, seen,
          arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, number, blocks.count));
      exists = both(exists, seen);
    }
    auto work = [&] {
      Value nextPlace = place;
      if (plannedTile.buffers == 2)
        nextPlace = arith::SubIOp::create(builder, builder.int32(bufferBytes), place);
      Block next{block, bufferAt(nextPlace)};
      Values loaded;
      if (plannedTile.buffers == 2)
        loaded = beginCopy(next, exists);
      Values after = builder.ifElse(both(hasBlock, isBusy), rows, [&] {
        Rows now = splitRows(rows);
        for (int64_t first = 0; first < keysOfPart; first += kKeysAtOnce)
          now = addKeys(now, before, first);
        return now.all();
      });
      if (plannedTile.buffers == 1) {
        builder.barrier();
        loaded = beginCopy(next, exists);
      }
      finishCopy(next, exists, loaded);
      builder.barrier();
      after.append({block, nextPlace, exists});
      return after;
    };
    return wanted ? builder.ifElse(wanted, carried, work) : work();
  };
  Values results = builder.loop(builder.index(0), builder.plus(blocks.count, 1), 1, initial, round);
  return splitRows(ValueRange(results).drop_back(3));
}

Values MatrixAttention::scoresOf(ValueRange products, const Block &block, int64_t first) {
  Type f32 = builder.getF32Type();
  Value start = builder.times(block.number, kKVBlock);
  Value inBlock = builder.plus(builder.times(part, kKVBlock / plannedTile.keyParts), first);
  inBlock = builder.add(inBlock, builder.times(quad, 2));
  Value scales;
  if (isInt8()) {
    scales = builder.address(keys, builder.times(block.number, layout.keyBlockBytes()));
    scales = builder.address(scales, layout.keyScalesInBlock());
    scales = builder.address(scales, builder.times(inBlock, kFloat));
  }
  auto keyNumber = [&](size_t i) {
    return builder.add(start, builder.toIndex(builder.plus(inBlock, int64_t(i / 4 * 8 + i % 2))));
  };
  Values scores;
  for (int64_t n = 0; n < int64_t(products.size()); n += 4) {
    Value pair;
    if (isInt8())
      pair = builder.loadAligned(builder.floats(2), builder.address(scales, n * 2 * kFloat),
                                 2 * kFloat);
    for (int64_t i = 0; i < 4; ++i) {
      Value score = products[n + i];
      if (isInt8())
        score = builder.productOf(
            score,
            builder.productOf(vector::ExtractOp::create(builder, pair, i % 2), rowScales[i / 2]));
      scores.push_back(addBias(places[i / 2], keyNumber(size_t(n + i)), capScore(score)));
    }
  }
  auto mask = [&] {
    Value lowest = builder.constant(f32, kLowest);
    Values masked;
    for (auto [i, score] : llvm::enumerate(scores))
      masked.push_back(
          builder.choose(isVisible(keyNumber(i), places[i % 4 / 2].position), score, lowest));
    return masked;
  };
  if (pattern.any()) // which seldom shows whole blocks
    return mask();
  Value whole = packed::seesWholeBlock(builder, firstPosition, lastPosition, start, op.getWindow(),
                                       op.getSinks(), op.getEnd());
  Value isPartial =
      arith::XOrIOp::create(builder, whole, builder.constant(builder.getI1Type(), int64_t(1)));
  return builder.ifElse(isPartial, scores, mask);
}

MatrixAttention::Rows MatrixAttention::addKeys(const Rows &before, const Block &block,
                                               int64_t first) {
  Type f32 = builder.getF32Type();
  Value log2E = builder.constant(f32, kLog2E);
  auto exp2 = [&](Value x) { return builder.instructions().exp2(builder, x); };
  Values weights = scoresOf(keyProducts(block, first), block, first);
  Rows after;
  Value largest[2] = {weights[0], weights[2]};
  for (size_t i = 0; i < weights.size(); ++i)
    largest[i % 4 / 2] = builder.maximum(largest[i % 4 / 2], weights[i]);
  builder.reduceLanes(Reduction::Maximum, largest, 3);
  Values alphas, lower;
  for (int64_t r : {0, 1}) {
    Value maximum = builder.maximum(builder.productOf(largest[r], log2E), before.maxima[r]);
    after.maxima.push_back(maximum);
    alphas.push_back(exp2(arith::SubFOp::create(builder, before.maxima[r], maximum)));
    lower.push_back(arith::NegFOp::create(builder, maximum));
  }
  Value sums[2];
  for (size_t i = 0; i < weights.size(); ++i) {
    size_t r = i % 4 / 2;
    weights[i] = exp2(builder.multiplyAdd(weights[i], log2E, lower[r]));
    sums[r] =
        sums[r] ? arith::AddFOp::create(builder, sums[r], weights[i]).getResult() : weights[i];
  }
  for (int64_t r : {0, 1})
    after.sums.push_back(builder.multiplyAdd(before.sums[r], alphas[r], sums[r]));
  for (auto [i, out] : llvm::enumerate(before.outs))
    after.outs.push_back(builder.productOf(out, alphas[i % 4 / 2]));
  addValues(block, first, weights, after.outs);
  return after;
}

//===----------------------------------------------------------------------===//
// Results
//===----------------------------------------------------------------------===//

/// Half of the warps with the same rows leave what they have to the others, until one has it all.
void MatrixAttention::merge(Rows &rows) {
  auto four = builder.floats(4);
  int64_t lanes = warpThreads(), values = 4 + fragments() * 4;
  auto exp2 = [&](Value x) { return builder.instructions().exp2(builder, x); };
  auto both = [&](Value a, Value b) -> Value { return arith::AndIOp::create(builder, a, b); };
  Value isBusy = builder.isBelow(rowTile, plannedTile.rowTiles);
  Value memory = builder.address(staging, builder.times(builder.lane(), 4 * kFloat));
  for (int64_t count = plannedTile.keyParts / 2; count > 0; count /= 2) {
    Value slot = builder.times(rowTile, plannedTile.columnParts);
    slot = builder.times(builder.add(slot, columnPart), count);
    slot = builder.add(slot, builder.remainder(part, count));
    Value start = builder.address(memory, builder.times(slot, lanes * values * kFloat));
    auto placeOf = [&](int64_t i) { return builder.address(start, i * lanes * kFloat); };
    Value keeps = builder.isBelow(part, count);
    Value leaves =
        both(builder.isBelow(part, 2 * count),
             arith::CmpIOp::create(builder, arith::CmpIPredicate::uge, part, builder.int32(count)));
    builder.ifThen(both(isBusy, leaves), [&] {
      Values all = rows.all();
      for (int64_t i = 0; i < values; i += 4)
        builder.storeAligned(
            vector::FromElementsOp::create(builder, four, ValueRange(all).slice(i, 4)), placeOf(i),
            16);
    });
    builder.barrier();
    Values merged = builder.ifElse(both(isBusy, keeps), rows.all(), [&] {
      Values others;
      for (int64_t i = 0; i < values; i += 4) {
        Value vector = builder.loadAligned(four, placeOf(i), 16);
        for (int64_t j = 0; j < 4; ++j)
          others.push_back(vector::ExtractOp::create(builder, vector, j));
      }
      Rows other = splitRows(others), result;
      Values own, factors;
      for (int64_t r : {0, 1}) {
        result.maxima.push_back(builder.maximum(rows.maxima[r], other.maxima[r]));
        auto factorOf = [&](const Rows &of) {
          return exp2(arith::SubFOp::create(builder, of.maxima[r], result.maxima[r]));
        };
        own.push_back(factorOf(rows));
        factors.push_back(factorOf(other));
        result.sums.push_back(builder.multiplyAdd(other.sums[r], factors[r],
                                                  builder.productOf(rows.sums[r], own[r])));
      }
      for (auto [i, out] : llvm::enumerate(rows.outs))
        result.outs.push_back(builder.multiplyAdd(other.outs[i], factors[i % 4 / 2],
                                                  builder.productOf(out, own[i % 4 / 2])));
      return result.all();
    });
    rows = splitRows(merged);
    builder.barrier();
  }
}

void MatrixAttention::writeResults(const Rows &rows) {
  int64_t headDim = layout.headDim;
  Value isWriter = arith::AndIOp::create(builder, builder.isBelow(part, 1),
                                         builder.isBelow(rowTile, plannedTile.rowTiles));
  builder.ifThen(isWriter, [&] {
    Value first = builder.add(builder.times(rowTile, kRows), group);
    Value column =
        builder.add(builder.times(columnPart, plannedTile.columns), builder.times(quad, 2));
    for (int64_t r : {0, 1}) {
      Value sum = builder.reduceLanes(Reduction::Sum, rows.sums[r], 3);
      Value inverse = inverseOf(sum);
      Value row = builder.toIndex(builder.plus(first, 8 * r));
      builder.ifThen(builder.isBelow(row, presentRows), [&] {
        for (int64_t n = 0; n < fragments(); ++n)
          for (int64_t i : {0, 1}) {
            Value d = builder.toIndex(builder.plus(column, n * 8 + i));
            Value x = builder.productOf(rows.outs[n * 4 + r * 2 + i], inverse);
            builder.guard(
                plannedTile.columns * plannedTile.columnParts > headDim,
                [&] { return builder.isBelow(d, headDim); },
                [&] { memref::StoreOp::create(builder, x, op.getOut(), outPlace(row, d)); });
          }
      });
    }
  });
}
