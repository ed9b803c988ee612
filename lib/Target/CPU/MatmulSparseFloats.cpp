// The sums of floats with masks, for one token and for many.
#include "MatmulEmitter.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

/// Vectors that hold a step: 16 lanes are four rows with four columns each.
constexpr int64_t kQuarters = kStepBytes / kLanes;
/// Bytes of an f32, of four activations, and of a vector.
constexpr int64_t kFloatBytes = 4, kFourBytes = kDotColumns * kFloatBytes,
                  kVectorBytes = kLanes * kFloatBytes;
/// Steps of a block of columns, as WeightReader reads them, and of those that are expanded into
/// memory before they are multiplied: with the activations of all tokens they stay in the first
/// cache.
constexpr int64_t kBlockSteps = kSparseFloatColumns / kDotColumns;
constexpr int64_t kPanelSteps = 4 * kBlockSteps;
constexpr int64_t kPanelBytes = kPanelSteps * kVectorBytes; // of each quarter
/// Steps of an iteration: in more, sums would leave their registers for weights that wait.
constexpr int64_t kUnrolledSteps = 2;

/// Adds neighbouring lanes of two vectors behind one another.
Value addNeighbours(KernelBuilder &builder, Value a, Value b) {
  SmallVector<int64_t> even, odd;
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    even.push_back(2 * lane);
    odd.push_back(2 * lane + 1);
  }
  Value first = vector::ShuffleOp::create(builder, a, b, even);
  return arith::AddFOp::create(builder, first, vector::ShuffleOp::create(builder, a, b, odd));
}

/// The sums of 16 rows, each of which has four lanes of the quarters.
Value addQuarters(KernelBuilder &builder, ArrayRef<Value> quarters) {
  Value low = addNeighbours(builder, quarters[0], quarters[1]);
  Value high = addNeighbours(builder, quarters[2], quarters[3]);
  return addNeighbours(builder, low, high);
}

/// Four activations at an address, or the first `present` of them and zeros.
Value loadFour(KernelBuilder &builder, Value address, int64_t present) {
  if (present >= kDotColumns)
    return builder.load(builder.floats(kDotColumns), address);
  Type f32 = builder.getF32Type();
  Values values(kDotColumns, builder.constant(f32, 0.0));
  for (int64_t i = 0; i < present; ++i)
    values[i] = builder.load(f32, builder.address(address, i * kFloatBytes));
  return vector::FromElementsOp::create(builder, builder.floats(kDotColumns), values);
}

/// The same for the lanes of every row.
Value loadForRows(KernelBuilder &builder, Value address, int64_t present = kDotColumns) {
  SmallVector<int64_t> lanes;
  for (int64_t lane = 0; lane < kLanes; ++lane)
    lanes.push_back(lane % kDotColumns);
  Value x = loadFour(builder, address, present);
  return vector::ShuffleOp::create(builder, x, x, lanes);
}

} // namespace

/// Passes the weights of `steps` steps from block `block` on, with the number of their step among
/// those and their quarter, to `consume`, which changes what it carries. `carried` ends with the
/// reader's state.
void MatmulTileEmitter::readSteps(
    WeightReader &reader, Value block, int64_t steps, Values &carried,
    function_ref<void(Value step, int64_t quarter, Value weights, Values &own)> consume) {
  size_t own = carried.size() - (layout.kind == LayoutKind::Bitmap);
  int64_t chunkSteps = layout.chunkSteps();
  Value firstChunk = builder.mul(block, kBlockSteps / chunkSteps);
  auto readChunk = [&](Value chunk, int64_t count, Values &values) {
    Values state(values.begin() + own, values.end());
    values.truncate(own);
    Value first = builder.mul(chunk, chunkSteps);
    reader.readFloatChunk(builder.add(firstChunk, chunk), count, state,
                          [&](int64_t step, int64_t quarter, Value weights) {
                            consume(builder.add(first, step), quarter, weights, values);
                          });
    values.append(state);
  };
  int64_t chunks = steps / chunkSteps, unrolled = std::max<int64_t>(1, kUnrolledSteps / chunkSteps);
  int64_t whole = chunks / unrolled * unrolled;
  if (whole > 0)
    carried = builder.loop(builder.index(0), builder.index(whole), unrolled, carried,
                           [&](Value chunk, ValueRange before) {
                             Values values(before);
                             for (int64_t i = 0; i < unrolled; ++i)
                               readChunk(builder.add(chunk, i), chunkSteps, values);
                             return values;
                           });
  for (int64_t chunk = whole; chunk * chunkSteps < steps; ++chunk)
    readChunk(builder.index(chunk), std::min(chunkSteps, steps - chunk * chunkSteps), carried);
}

/// One token multiplies weights as they are expanded.
Value MatmulTileEmitter::emitSparseRow(WeightReader &reader) {
  Values carried(kQuarters, builder.constant(builder.floats(), 0.0));
  carried.append(reader.initialState());
  auto addBlock = [&](Value block, Value inputs, int64_t steps, Values &values) {
    whereReadFirst([&] { reader.prefetchPart(block, config.getPrefetch(), config.getLevel()); });
    Value x;
    readSteps(reader, block, steps, values,
              [&](Value step, int64_t quarter, Value weights, Values &sums) {
                if (quarter == 0)
                  x = loadForRows(builder, builder.address(inputs, builder.mul(step, kFourBytes)));
                sums[quarter] = builder.multiplyAdd(weights, x, sums[quarter]);
              });
  };
  int64_t whole = type.getColumns() / kSparseFloatColumns;
  auto inputsOf = [&](Value block) {
    return builder.address(inputAddresses[0], builder.mul(block, kBlockSteps * kFourBytes));
  };
  if (whole > 0)
    carried = builder.loop(builder.index(0), builder.index(whole), 1, carried,
                           [&](Value block, ValueRange before) {
                             Values values(before);
                             addBlock(block, inputsOf(block), kBlockSteps, values);
                             return values;
                           });
  if (int64_t rest = type.getColumns() % kSparseFloatColumns) {
    // What a last step lacks is zero.
    Value last = builder.index(whole), inputs = builder.stackBuffer(kBlockSteps * kFourBytes);
    int64_t steps = llvm::divideCeil(rest, kDotColumns);
    for (int64_t step = 0; step < steps; ++step) {
      Value from = builder.address(inputsOf(last), step * kFourBytes);
      builder.store(loadFour(builder, from, rest - step * kDotColumns),
                    builder.address(inputs, step * kFourBytes));
    }
    addBlock(last, inputs, steps, carried);
  }
  return addQuarters(builder, ArrayRef(carried).take_front(kQuarters));
}

/// Expands `steps` steps from block `block` on into the panel.
void MatmulTileEmitter::expandPanel(WeightReader &reader, Value panel, Value block, int64_t steps,
                                    Values &state) {
  whereReadFirst([&] {
    int64_t blocks = llvm::divideCeil(steps, kBlockSteps);
    builder.loop(builder.index(0), builder.index(blocks), 1, [&](Value number) {
      reader.prefetchPart(builder.add(block, number), config.getPrefetch(), config.getLevel());
    });
  });
  readSteps(reader, block, steps, state, [&](Value step, int64_t quarter, Value weights, Values &) {
    Value place = builder.address(panel, builder.mul(step, kVectorBytes));
    builder.store(weights, builder.address(place, quarter * kPanelBytes));
  });
}

/// Adds the products of `columns` columns, from column `first` on, that were expanded to the panel
/// to the sums of all tokens in memory. As many tokens go through the panel together as registers
/// hold sums of.
void MatmulTileEmitter::multiplyPanel(Value panel, Value sums, Value first, int64_t columns) {
  int64_t steps = columns / kDotColumns, unrolled = steps % kUnrolledSteps ? 1 : kUnrolledSteps;
  int64_t stride = KernelBuilder::rowBytes(cast<MemRefType>(op.getInputs()[0].getType()));
  Value columnInputs = builder.address(inputAddresses[0], builder.mul(first, kFloatBytes));
  auto multiply = [&](Value quarter, Value token, int64_t tokens) {
    Value weights = builder.address(panel, builder.mul(quarter, kPanelBytes));
    Value own = builder.address(sums, builder.mul(quarter, count * kVectorBytes));
    own = builder.address(own, builder.mul(token, kVectorBytes));
    Value inputs = builder.address(columnInputs, builder.mul(token, stride));
    auto addStep = [&](Value step, int64_t present, Values &values) {
      Value weight =
          builder.load(builder.floats(), builder.address(weights, builder.mul(step, kVectorBytes)));
      Value x = builder.address(inputs, builder.mul(step, kFourBytes));
      for (int64_t t = 0; t < tokens; ++t)
        values[t] = builder.multiplyAdd(
            weight, loadForRows(builder, builder.address(x, t * stride), present), values[t]);
    };
    Values values;
    for (int64_t t = 0; t < tokens; ++t)
      values.push_back(builder.load(builder.floats(), builder.address(own, t * kVectorBytes)));
    if (steps > 0)
      values = builder.loop(builder.index(0), builder.index(steps), unrolled, values,
                            [&](Value step, ValueRange before) {
                              Values next(before);
                              for (int64_t i = 0; i < unrolled; ++i)
                                addStep(builder.add(step, i), kDotColumns, next);
                              return next;
                            });
    if (int64_t rest = columns % kDotColumns)
      addStep(builder.index(steps), rest, values);
    for (int64_t t = 0; t < tokens; ++t)
      builder.store(values[t], builder.address(own, t * kVectorBytes));
  };
  int64_t most = std::min(count, floatTokensInRegisters(builder.getTarget()));
  int64_t whole = count / most * most;
  builder.loop(builder.index(0), builder.index(kQuarters), 1, [&](Value quarter) {
    builder.loop(builder.index(0), builder.index(whole), most,
                 [&](Value token) { multiply(quarter, token, most); });
    if (count > whole)
      multiply(quarter, builder.index(whole), count - whole);
  });
}

/// Several tokens share weights that are expanded into memory, some columns at a time.
Values MatmulTileEmitter::emitSparseTokens(WeightReader &reader) {
  constexpr int64_t panelColumns = kPanelSteps * kDotColumns;
  Value panel = builder.stackBuffer(kQuarters * kPanelBytes);
  int64_t sumBytes = kQuarters * count * kVectorBytes;
  Value sums = builder.stackBuffer(sumBytes), zero = builder.constant(builder.floats(), 0.0);
  builder.loop(builder.index(0), builder.index(sumBytes), kVectorBytes,
               [&](Value place) { builder.store(zero, builder.address(sums, place)); });
  auto addPanel = [&](Value number, int64_t columns, Values &state) {
    Value block = builder.mul(number, kPanelSteps / kBlockSteps);
    expandPanel(reader, panel, block, llvm::divideCeil(columns, kDotColumns), state);
    multiplyPanel(panel, sums, builder.mul(number, panelColumns), columns);
  };
  Values state = reader.initialState();
  int64_t whole = type.getColumns() / panelColumns;
  if (whole > 0)
    state = builder.loop(builder.index(0), builder.index(whole), 1, state,
                         [&](Value number, ValueRange before) {
                           Values next(before);
                           addPanel(number, panelColumns, next);
                           return next;
                         });
  if (int64_t rest = type.getColumns() % panelColumns)
    addPanel(builder.index(whole), rest, state);
  // The sums of rows take the place of those of the first quarter.
  builder.loop(builder.index(0), builder.index(count), 1, [&](Value token) {
    Value own = builder.address(sums, builder.mul(token, kVectorBytes));
    Values quarters;
    for (int64_t quarter = 0; quarter < kQuarters; ++quarter)
      quarters.push_back(
          builder.load(builder.floats(), builder.address(own, quarter * count * kVectorBytes)));
    builder.store(addQuarters(builder, quarters), own);
  });
  Values results;
  for (int64_t t = 0; t < count; ++t)
    results.push_back(builder.load(builder.floats(), builder.address(sums, t * kVectorBytes)));
  return results;
}

Values MatmulTileEmitter::emitSparseFloats(const RowTile &tile) {
  WeightReader reader(builder, type, weights, tile.number);
  return count == 1 ? Values{emitSparseRow(reader)} : emitSparseTokens(reader);
}
