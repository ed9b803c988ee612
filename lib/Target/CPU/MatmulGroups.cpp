// The sums of quantized weights, group by group, for every layout.
#include "MatmulEmitter.h"

#include "stc/Target/CPU/LoweringConfig.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

/// What several tiles carry through a loop, one after the other, and back.
static Values flatten(ArrayRef<Values> ofTiles) {
  Values all;
  for (const Values &values : ofTiles)
    all.append(values);
  return all;
}
static ValueRange unflatten(ValueRange all, MutableArrayRef<Values> ofTiles) {
  for (Values &values : ofTiles) {
    size_t size = values.size();
    values.assign(all.begin(), all.begin() + size);
    all = all.drop_front(size);
  }
  return all;
}

int64_t MatmulTileEmitter::tokenPairs() const {
  return builder.getTarget().hasDot8x2() ? count / 2 : 0;
}

/// What the sums of a pair's tokens start from, in turn: one broadcast of 64 bits.
Value MatmulTileEmitter::startPair(Value group, int64_t pair) {
  Type i64 = builder.getI64Type();
  auto start = [&](int64_t token) -> Value {
    return arith::ExtUIOp::create(builder, i64, loadInput(builder.getI32Type(), 2, group, token));
  };
  Value shift = builder.constant(i64, int64_t(32));
  Value second = arith::ShLIOp::create(builder, start(2 * pair + 1), shift);
  Value both = arith::OrIOp::create(builder, start(2 * pair), second);
  return vector::BitCastOp::create(builder, builder.ints(2 * kTileRows), builder.broadcast(both));
}

/// Adds to the accumulator of each pair of tokens the products of 16 rows x 8 columns, whose codes
/// are those of two steps: four columns of each row, then the next four.
void MatmulTileEmitter::addPairProducts(Value first, Value second, Value column,
                                        Values &accumulators) {
  auto words = [&](Value codes) {
    return vector::BitCastOp::create(builder, builder.ints(), codes);
  };
  Value rows = builder.interleave(words(first), words(second));
  rows = vector::BitCastOp::create(builder, builder.bytes(2 * kStepBytes), rows);
  Type i64 = builder.getI64Type();
  for (int64_t pair = 0; pair < tokenPairs(); ++pair) {
    // Loading 16 columns of each token at once takes fewer instructions, but spills sums.
    Value inputs[] = {loadInput(i64, 0, column, 2 * pair), loadInput(i64, 0, column, 2 * pair + 1)};
    Value x = vector::FromElementsOp::create(builder, VectorType::get(2, i64), inputs);
    x = vector::BitCastOp::create(builder, builder.bytes(4 * kDotColumns), x);
    accumulators[pair] = packed::Dot8x2Op::create(builder, accumulators[pair].getType(),
                                                  accumulators[pair], rows, x, layout.codeBits());
  }
}

/// Adds to the accumulator of each token without another the products of 16 rows x 4 columns
/// starting at `column`.
void MatmulTileEmitter::addProducts(Value codes, Value column, int64_t chain,
                                    Values &accumulators) {
  int64_t chains = chainsPerToken(config, count), pairs = tokenPairs();
  for (int64_t t = 2 * pairs; t < count; ++t) {
    // Four activations as one i32, which one instruction broadcasts.
    Value x = loadInput(builder.getI32Type(), 0, column, t);
    x = vector::BitCastOp::create(builder, builder.bytes(kStepBytes), builder.broadcast(x));
    Value &accumulator = accumulators[pairs + (t - 2 * pairs) * chains + chain];
    accumulator = packed::Dot4Op::create(builder, accumulator.getType(), accumulator, codes, x,
                                         layout.codeBits());
  }
}

/// The sums of each token: those of pairs lie in turn.
Values MatmulTileEmitter::tokenSums(ArrayRef<Value> accumulators) {
  Values sums;
  for (Value pair : accumulators.take_front(tokenPairs()))
    for (int64_t t : {0, 1})
      sums.push_back(builder.everyOther(pair, t));
  sums.append(addChains<arith::AddIOp>(builder, accumulators.drop_front(tokenPairs()),
                                       chainsPerToken(config, count)));
  return sums;
}

/// The exact integer sums of one group: of (code - zero point) * activation code.
MatmulTileEmitter::Sums MatmulTileEmitter::emitDenseGroups(MutableArrayRef<WeightReader> readers,
                                                           Value group, Sums &states) {
  int64_t chains = chainsPerToken(config, count), pairs = tokenPairs();
  Values first;
  // Minus the zero point times the sum of the activations; zeros and minimums of rows come later.
  for (int64_t pair = 0; pair < pairs; ++pair)
    first.push_back(layout.isShifted() ? builder.constant(builder.ints(2 * kTileRows), int64_t(0))
                                       : startPair(group, pair));
  for (int64_t t = 2 * pairs; t < count; ++t) {
    first.push_back(layout.isShifted()
                        ? builder.constant(builder.ints(), int64_t(0))
                        : builder.broadcast(loadInput(builder.getI32Type(), 2, group, t)));
    first.append(chains - 1, builder.constant(builder.ints(), int64_t(0)));
  }
  Sums accumulators(readers.size(), first);
  int64_t blockSteps = readers[0].stepsPerBlock(), blockColumns = blockSteps * kDotColumns;
  int64_t blocks = layout.group / blockColumns;
  Values held(readers.size()); // the codes of steps whose successors are not read yet
  // `place` counts blocks of the unrolled code.
  auto addBlock = [&](Value number, int64_t place) {
    Value block = builder.add(builder.mul(group, blocks), number);
    Value column = builder.add(builder.mul(group, layout.group), builder.mul(number, blockColumns));
    for (size_t i = 0; i < readers.size(); ++i)
      readers[i].readBlock(block, states[i], [&](int64_t step, Value codes) {
        int64_t number = place * blockSteps + step;
        Value first = builder.add(column, step * kDotColumns);
        addProducts(codes, first, number % chains, accumulators[i]);
        if (number % 2 == 0)
          held[i] = codes;
        else if (pairs > 0)
          addPairProducts(held[i], codes, builder.add(first, -kDotColumns), accumulators[i]);
      });
  };
  int64_t unrolled = blocks, products = blockSteps * count * int64_t(readers.size());
  // Pairs of tokens take two steps at once.
  int64_t least = pairs > 0 && blockSteps % 2 != 0 ? 2 : 1;
  while (unrolled % (2 * least) == 0 && unrolled * products > config.getUnroll())
    unrolled /= 2;
  if (unrolled == blocks) {
    for (int64_t i = 0; i < blocks; ++i)
      addBlock(builder.index(i), i);
  } else {
    Values carried = flatten(accumulators);
    carried.append(flatten(states));
    carried = builder.loop(builder.index(0), builder.index(blocks), unrolled, carried,
                           [&](Value number, ValueRange values) {
                             unflatten(unflatten(values, accumulators), states);
                             for (int64_t i = 0; i < unrolled; ++i)
                               addBlock(builder.add(number, i), i);
                             Values next = flatten(accumulators);
                             next.append(flatten(states));
                             return next;
                           });
    unflatten(unflatten(carried, accumulators), states);
  }
  Sums sums;
  for (const Values &values : accumulators)
    sums.push_back(tokenSums(values));
  return sums;
}

/// The same for stored steps of signed weights, whose number differs from group to group. Weights
/// are the signed operand of dot products, so activations have an offset of 128, and 128 times the
/// sum of the weights, which all tokens share, is subtracted.
Values MatmulTileEmitter::emitBlockGroup(WeightReader &reader, Value group, Values &state) {
  const TileGeometry &geometry = reader.getGeometry();
  Value tile = reader.getTileAddress();
  auto loadNumber = [&](Value number, int64_t offset) -> Value {
    Value address = builder.address(tile, builder.add(builder.mul(number, 2), offset));
    Value value = builder.load(builder.getIntegerType(16), address);
    return arith::IndexCastUIOp::create(builder, builder.getIndexType(), value);
  };
  Value end = loadNumber(group, geometry.endsOffset);
  Value offset = builder.constant(builder.bytes(kStepBytes), int64_t(-128));
  Values sums(count + 1, builder.constant(builder.ints(), int64_t(0)));
  sums = builder.loop(state[0], end, 1, sums, [&](Value stored, ValueRange carried) {
    Values values(carried);
    Value column = builder.mul(loadNumber(stored, geometry.indicesOffset), kDotColumns);
    Value codes = reader.readStoredStep(stored, state[1]);
    auto addDot = [&](Value &value, Value x) {
      value =
          packed::Dot4Op::create(builder, value.getType(), value, x, codes, 8, reader.signedBits());
    };
    for (int64_t t = 0; t < count; ++t) {
      Value x = loadInput(builder.getI32Type(), 0, column, t);
      addDot(values[t], vector::BitCastOp::create(builder, offset.getType(), builder.broadcast(x)));
    }
    addDot(values[count], offset);
    return values;
  });
  state[0] = end;
  for (int64_t t = 0; t < count; ++t)
    sums[t] = arith::SubIOp::create(builder, sums[t], sums[count]);
  sums.resize(count);
  return sums;
}

/// The activations of a token that the pairs of a vector belong to. It covers 16 columns from
/// `column` on, or with fewer than four pairs per row 16 for each of its quarters or halves.
Value MatmulTileEmitter::selectInputs(Value positions, int64_t chunk, Value groupColumn,
                                      int64_t token) {
  int64_t chunks = std::max<int64_t>(1, kDotColumns / layout.n);
  if (selectsFromTables()) {
    // `positions` count from the begin of the 64 columns.
    int64_t first = chunk * layout.m / kStepBytes * kStepBytes;
    Value x = loadInput(builder.bytes(kStepBytes), 0, builder.add(groupColumn, first), token);
    return packed::Select64Op::create(builder, x.getType(), x, positions);
  }
  llvm::SmallVector<int64_t> lanes(kStepBytes);
  for (int64_t i = 0; i < kStepBytes; ++i)
    lanes[i] = i % kTileRows;
  Values selected;
  for (int64_t i = 0; i < chunks; ++i) {
    Value column = builder.add(groupColumn, (chunk + i) * layout.m);
    Value x = loadInput(builder.bytes(layout.m), 0, column, token);
    x = vector::ShuffleOp::create(builder, x, x, lanes);
    selected.push_back(packed::Select16Op::create(builder, x.getType(), x, positions));
  }
  // Of every four bytes each chunk's own are kept: halves of halves, or halves.
  for (int64_t own = kDotColumns / chunks; selected.size() > 1; own *= 2) {
    for (int64_t i = 0; i < kStepBytes; ++i)
      lanes[i] = i / own % 2 == 0 ? i : kStepBytes + i;
    for (size_t i = 0; i < selected.size() / 2; ++i)
      selected[i] = vector::ShuffleOp::create(builder, selected[2 * i], selected[2 * i + 1], lanes);
    selected.resize(selected.size() / 2);
  }
  return selected[0];
}

bool MatmulTileEmitter::selectsFromTables() const {
  return builder.getTarget().hasTable64() && layout.group % kStepBytes == 0;
}

/// The positions of a vector of pairs whose first chunk of 16 columns is `chunk`, within 64
/// columns.
Value MatmulTileEmitter::tablePositions(Value pairs, int64_t chunk) {
  llvm::SmallVector<int8_t> bases(kStepBytes);
  int64_t chunks = std::max<int64_t>(1, kDotColumns / layout.n), own = kDotColumns / chunks;
  for (int64_t i = 0; i < kStepBytes; ++i)
    bases[i] = (chunk + i % kDotColumns / own) * layout.m % kStepBytes;
  Type type = pairs.getType();
  Value low = arith::AndIOp::create(builder, pairs, builder.constant(type, int64_t(15)));
  Value base = arith::ConstantOp::create(
      builder, DenseElementsAttr::get(cast<ShapedType>(type), ArrayRef(bases)));
  return arith::OrIOp::create(builder, low, base);
}

/// The same for pairs of positions and signed weights.
MatmulTileEmitter::Sums MatmulTileEmitter::emitPairsGroups(MutableArrayRef<WeightReader> readers,
                                                           Value group) {
  int64_t chains = chainsPerToken(config, count);
  int64_t vectors = layout.group * layout.n / kStepBytes;
  size_t tiles = readers.size();
  Value offset = builder.constant(builder.bytes(kStepBytes), int64_t(-128));
  Value zero = builder.constant(builder.ints(), int64_t(0));
  auto addDot = [&](Value &sum, Value x, Value codes) {
    int64_t bits = readers[0].signedBits();
    sum = packed::Dot4Op::create(builder, sum.getType(), sum, x, codes, 8, bits);
  };
  // 128 times the sum of the weights, which all tokens share: what several of them start from,
  // negated, and what is subtracted from a single one, which need not wait for it then.
  Sums pairs(tiles), codes(tiles), sums(tiles, Values(count * chains, zero));
  Sums corrections(tiles, Values(chains, zero));
  for (int64_t i = 0; i < vectors; ++i)
    for (size_t tile = 0; tile < tiles; ++tile) {
      WeightReader &reader = readers[tile];
      pairs[tile].push_back(reader.readPairs(builder.add(builder.mul(group, vectors), i)));
      codes[tile].push_back(reader.weightsOf(pairs[tile].back()));
      addDot(corrections[tile][i % chains], offset, codes[tile].back());
    }
  for (size_t tile = 0; tile < tiles; ++tile) {
    corrections[tile] = addChains<arith::AddIOp>(builder, corrections[tile], chains);
    if (count > 1)
      sums[tile].assign(count * chains, arith::SubIOp::create(builder, zero, corrections[tile][0]));
  }
  Value groupColumn = builder.mul(group, layout.group);
  for (int64_t i = 0; i < vectors; ++i) {
    int64_t chunk = i * kStepBytes / layout.n / layout.m;
    for (size_t tile = 0; tile < tiles; ++tile) {
      Value positions =
          selectsFromTables() ? tablePositions(pairs[tile][i], chunk) : pairs[tile][i];
      for (int64_t t = 0; t < count; ++t)
        addDot(sums[tile][t * chains + i % chains], selectInputs(positions, chunk, groupColumn, t),
               codes[tile][i]);
    }
  }
  for (size_t tile = 0; tile < tiles; ++tile) {
    sums[tile] = addChains<arith::AddIOp>(builder, sums[tile], chains);
    if (count == 1)
      sums[tile][0] = arith::SubIOp::create(builder, sums[tile][0], corrections[tile][0]);
  }
  return sums;
}

bool MatmulTileEmitter::usesTiles() const {
  bool hasCodes = layout.kind == LayoutKind::Dense || layout.hasMasks();
  return builder.getTarget().hasTileDot() && hasCodes && count >= kLeastTileTokens &&
         count <= kTileRows;
}

/// The same by packed.tile_dot, which takes codes from memory: as they are stored, or unpacked once
/// for all tokens.
Values MatmulTileEmitter::emitTileGroup(WeightReader &reader, Value group, Values &state) {
  Value codes;
  if (layout.kind == LayoutKind::Dense && layout.element == ElementKind::I8) {
    codes = reader.codesAddress(group);
  } else {
    codes = builder.stackBuffer(layout.group * kTileRows);
    int64_t blockSteps = reader.stepsPerBlock(), blocks = layout.group / kDotColumns / blockSteps;
    for (int64_t i = 0; i < blocks; ++i)
      reader.readBlock(builder.add(builder.mul(group, blocks), i), state,
                       [&](int64_t step, Value values) {
                         int64_t place = (i * blockSteps + step) * kStepBytes;
                         builder.store(values, builder.address(codes, place));
                       });
  }
  Value results = builder.stackBuffer(kTileRows * kStepBytes);
  Value inputs = builder.address(inputAddresses[0], builder.mul(group, layout.group));
  int64_t stride = KernelBuilder::rowBytes(cast<MemRefType>(op.getInputs()[0].getType()));
  packed::TileDotOp::create(builder, results, inputs, stride, codes, count, layout.group);
  Values sums;
  for (int64_t t = 0; t < count; ++t) {
    Value sum = builder.load(builder.ints(), builder.address(results, t * kStepBytes));
    if (!layout.isShifted())
      sum = arith::AddIOp::create(builder, sum,
                                  builder.broadcast(loadInput(builder.getI32Type(), 2, group, t)));
    sums.push_back(sum);
  }
  return sums;
}

/// The integer sums of a group, whatever the layout.
MatmulTileEmitter::Sums MatmulTileEmitter::emitGroups(MutableArrayRef<WeightReader> readers,
                                                      Value group, Sums &states) {
  if (layout.kind == LayoutKind::Pairs)
    return emitPairsGroups(readers, group);
  if (layout.kind != LayoutKind::Block && !usesTiles())
    return emitDenseGroups(readers, group, states);
  Sums sums;
  for (auto [reader, state] : llvm::zip_equal(readers, states))
    sums.push_back(layout.kind == LayoutKind::Block ? emitBlockGroup(reader, group, state)
                                                    : emitTileGroup(reader, group, state));
  return sums;
}

/// Adds the integer sums of a group, times the scales of activations and of the group's weights, to
/// the results. Without scales of weights those are of rows, and come last.
void MatmulTileEmitter::addScaled(Value scales, Shift shift, Value group, ArrayRef<Value> sums,
                                  Values &results) {
  for (int64_t t = 0; t < count; ++t) {
    Value sum = arith::SIToFPOp::create(builder, builder.floats(), sums[t]);
    // Minus the sum of the activations.
    auto loadCorrection = [&]() -> Value {
      Value x = builder.broadcast(loadInput(builder.getI32Type(), 2, group, t));
      return arith::SIToFPOp::create(builder, builder.floats(), x);
    };
    if (shift.zeros) // Exact: the products are integers below 2^24.
      sum = builder.multiplyAdd(shift.zeros, loadCorrection(), sum);
    if (shift.minimums) {
      sum = arith::MulFOp::create(builder, sum, scales);
      sum = builder.multiplyAdd(shift.minimums, loadCorrection(), sum);
    }
    Value scale = builder.broadcast(loadInput(builder.getF32Type(), 1, group, t));
    if (scales && !shift.minimums)
      scale = arith::MulFOp::create(builder, scales, scale);
    results[t] = builder.multiplyAdd(sum, scale, results[t]);
  }
}

MatmulTileEmitter::Sums MatmulTileEmitter::emitQuantized(ArrayRef<RowTile> tiles) {
  std::vector<WeightReader> readers;
  Sums states, results(tiles.size(), Values(count, builder.constant(builder.floats(), 0.0)));
  for (const RowTile &tile : tiles) {
    readers.emplace_back(builder, type, weights, tile.number);
    states.push_back(readers.back().initialState());
  }
  auto loadShift = [&](WeightReader &reader, Value group) -> Shift {
    return {layout.asymmetric ? reader.loadZeros(group) : Value(),
            layout.minimums ? reader.loadMinimums(group) : Value()};
  };
  std::vector<Shift> rowShifts; // the zeros of rows stay where they are
  for (WeightReader &reader : readers)
    rowShifts.push_back(layout.perRow ? loadShift(reader, builder.index(0)) : Shift());
  Values carried = flatten(results);
  carried.append(flatten(states));
  Value groups = builder.index(readers[0].getGeometry().groups);
  carried = builder.loop(builder.index(0), groups, 1, carried, [&](Value group, ValueRange values) {
    unflatten(unflatten(values, results), states);
    whereReadFirst([&] {
      for (WeightReader &reader : readers)
        reader.prefetchPart(group, config.getPrefetch(), config.getLevel());
    });
    Sums sums = emitGroups(readers, group, states);
    for (size_t i = 0; i < readers.size(); ++i)
      addScaled(layout.perRow ? Value() : readers[i].loadScales(group),
                layout.perRow ? rowShifts[i] : loadShift(readers[i], group), group, sums[i],
                results[i]);
    Values next = flatten(results);
    next.append(flatten(states));
    return next;
  });
  unflatten(carried, results);
  for (size_t i = 0; i < readers.size() && layout.perRow; ++i) {
    Value scales = readers[i].loadScales(builder.index(0));
    for (Value &result : results[i])
      result = arith::MulFOp::create(builder, result, scales);
  }
  return results;
}
