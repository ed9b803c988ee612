// Quantized weights times int8 activations by tensor cores, for every layout.
#include "TensorMatmul.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// 1.5 * 2^23: an integer below 2^22 that is added to these bits is one that is added to this
/// number, so that integers become floats by a subtraction. The sum of a group's products is below
/// that: 128 columns times 255 times 127.
constexpr int64_t kFloatBits = 0x4B400000;
constexpr double kFloatOfBits = 12582912.0;
static_assert(kRowScaleGroup * 255 * 127 < 1 << 22);

/// Goes through the groups of a tile: sums of integers for each group, which then are scaled. What
/// the scales and sums of a group of activations are, all threads of a warp learn through shared
/// memory, as each needs those of many tokens.
class CodeMatmul final : public TensorMatmul {
public:
  CodeMatmul(packed::MatmulTileOp op, const TargetDescription &target) : TensorMatmul(op, target) {}

private:
  /// A block of tokens times a tile, while it is emitted.
  struct State {
    const Share &share;
    const TokenBlock &block;
    CodeReader reader;
    Values codes; // of each fragment's token of this thread, from its part of a span on
    Values scaleRows, sumRows; // of the tokens whose values this thread brings
  };

  Values multiply(const Share &share, const TokenBlock &block) override;
  int64_t stagingBytes(const TokenBlock &block) const override {
    return 2 * stagedTokens(block) * sizeof(float);
  }
  /// Tokens of a warp's shared memory: every thread brings some.
  int64_t stagedTokens(const TokenBlock &block) const {
    return std::max(block.count, builder.getTarget().warpThreads);
  }
  bool needsSums() const {
    return layout.kind != LayoutKind::Pairs && layout.kind != LayoutKind::Block;
  }

  Values loadStaged(State &state, Value group);
  void stage(State &state, ValueRange values);
  /// The pair of values of each fragment that the warp's shared memory has; 0: scales, 1: sums.
  SmallVector<std::array<Value, 2>> staged(State &state, int64_t array);
  /// What the integer sums of a group start from.
  Values startingSums(State &state, Value group);
  /// Adds the products of a span, whose words are those of `words`.
  void addSpan(State &state, ValueRange words, Value span, Values &sums);
  void addFragments(State &state, ValueRange words, ValueRange inputs, Values &sums);
  /// The words of a span as an instruction takes them; moves `position` on where those are counted.
  Values readSpan(State &state, Value span, Value &position);
  Value firstPosition(State &state, Value group);
  void addStored(State &state, Value group, Values &sums);
  void addScaled(State &state, Value group, ArrayRef<Value> sums, Values &results);

  int64_t spansOfGroup() const { return layout.group / kSpanColumns; }
};

} // namespace

//===----------------------------------------------------------------------===//
// Scales and sums of activations
//===----------------------------------------------------------------------===//

Values CodeMatmul::loadStaged(State &state, Value group) {
  Values values;
  Value offset = builder.mul(group, 4);
  for (Value row : state.scaleRows)
    values.push_back(builder.loadAligned(builder.getF32Type(), builder.address(row, offset), 4));
  for (Value row : state.sumRows)
    values.push_back(builder.loadAligned(builder.getI32Type(), builder.address(row, offset), 4));
  return values;
}

void CodeMatmul::stage(State &state, ValueRange values) {
  // What the group before read.
  NVVM::SyncWarpOp::create(builder, builder.int32(-1));
  Value own = builder.address(
      state.share.staging,
      arith::MulIOp::create(builder, state.share.lane, builder.int32(4)).getResult());
  for (auto [i, value] : llvm::enumerate(values))
    builder.storeAligned(value,
                         builder.address(own, int64_t(i) * builder.getTarget().warpThreads * 4), 4);
  NVVM::SyncWarpOp::create(builder, builder.int32(-1));
}

SmallVector<std::array<Value, 2>> CodeMatmul::staged(State &state, int64_t array) {
  Type element = array == 0 ? Type(builder.getF32Type()) : Type(builder.getI32Type());
  Value start = builder.address(
      state.share.staging,
      arith::MulIOp::create(builder, state.share.part, builder.int32(8)).getResult());
  start = builder.address(start, array * stagedTokens(state.block) * 4);
  SmallVector<std::array<Value, 2>> values;
  for (int64_t first = 0; first < state.block.count; first += kFragmentTokens) {
    Value two =
        builder.loadAligned(VectorType::get(2, element), builder.address(start, first * 4), 8);
    values.push_back(
        {vector::ExtractOp::create(builder, two, 0), vector::ExtractOp::create(builder, two, 1)});
  }
  return values;
}

Values CodeMatmul::startingSums(State &state, Value group) {
  Value bits = builder.int32(kFloatBits);
  if (!needsSums())
    return Values(state.codes.size() * kFragmentValues, bits);
  std::array<Value, 2> zeros;
  if (layout.asymmetric)
    std::tie(zeros[0], zeros[1]) = state.reader.loadZeros(layout.perRow ? builder.index(0) : group);
  Values sums;
  for (const std::array<Value, 2> &ofTokens : staged(state, 1))
    for (int64_t row : {0, 1})
      for (Value sum : ofTokens) {
        if (layout.asymmetric)
          sum = arith::MulIOp::create(builder, sum, zeros[row]);
        sums.push_back(arith::AddIOp::create(builder, sum, bits));
      }
  return sums;
}

void CodeMatmul::addScaled(State &state, Value group, ArrayRef<Value> sums, Values &results) {
  Type f32 = builder.getF32Type();
  std::array<Value, 2> weightScales;
  if (!layout.perRow)
    std::tie(weightScales[0], weightScales[1]) = state.reader.loadScales(group);
  Value offset = builder.constant(f32, kFloatOfBits);
  size_t i = 0;
  for (const std::array<Value, 2> &ofTokens : staged(state, 0))
    for (int64_t row : {0, 1})
      for (Value scale : ofTokens) {
        Value sum = arith::BitcastOp::create(builder, f32, sums[i]);
        sum = arith::SubFOp::create(builder, sum, offset);
        if (!layout.perRow)
          scale = arith::MulFOp::create(builder, weightScales[row], scale);
        results[i] = builder.multiplyAdd(sum, scale, results[i]);
        ++i;
      }
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

Values CodeMatmul::readSpan(State &state, Value span, Value &position) {
  Value part = state.share.part, own = position;
  if (state.reader.countsPositions()) {
    // What the threads of the parts before have, and what all four have.
    Value bytes = state.reader.bytesOf(span, part);
    Value neighbour = builder.shuffleXor(bytes, 1);
    Value both = arith::AddIOp::create(builder, bytes, neighbour);
    Value others = builder.shuffleXor(both, 2);
    auto ifBit = [&](int64_t bit, Value value) -> Value {
      Value masked = arith::AndIOp::create(builder, part, builder.int32(bit));
      Value isSet =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, masked, builder.int32(0));
      return arith::SelectOp::create(builder, isSet, value, builder.int32(0));
    };
    own = arith::AddIOp::create(builder, position, ifBit(1, neighbour));
    own = arith::AddIOp::create(builder, own, ifBit(2, others));
    position = arith::AddIOp::create(builder, position,
                                     arith::AddIOp::create(builder, both, others).getResult());
  }
  CodeWords words = state.reader.read(span, part, own);
  return {words.words[0][0], words.words[0][1], words.words[1][0], words.words[1][1]};
}

/// Where the values of a group begin, as the masks before it say: each thread counts some.
Value CodeMatmul::firstPosition(State &state, Value group) {
  Value parts = builder.mul(group, spansOfGroup() * kSpanParts);
  Value lane = builder.toIndex(state.share.lane);
  Value sum = builder.loop(lane, parts, builder.getTarget().warpThreads, builder.int32(0),
                           [&](Value number, ValueRange values) -> Values {
                             Value count = builder.index(kSpanParts);
                             Value span = arith::DivUIOp::create(builder, number, count);
                             Value part = arith::RemUIOp::create(builder, number, count);
                             Value bytes = state.reader.bytesOf(span, builder.toI32(part));
                             return {arith::AddIOp::create(builder, values[0], bytes)};
                           })[0];
  return builder.reduceLanes(Reduction::Sum, sum, builder.getTarget().warpThreads - 1);
}

void CodeMatmul::addFragments(State &state, ValueRange words, ValueRange inputs, Values &sums) {
  Type i32 = builder.getI32Type();
  auto result = LLVM::LLVMStructType::getLiteral(builder.getContext(), {i32, i32, i32, i32});
  NVVM::MMATypes weightType = state.reader.isSigned() ? NVVM::MMATypes::s8 : NVVM::MMATypes::u8;
  for (size_t i = 0; i < state.codes.size(); ++i) {
    Values fragment(ValueRange(sums).slice(i * kFragmentValues, kFragmentValues));
    Value product = NVVM::MmaOp::create(
        builder, result, words, inputs.slice(2 * i, 2), fragment,
        ArrayRef<int64_t>{kTileRows, kFragmentTokens, kSpanColumns}, std::nullopt,
        NVVM::MMAIntOverflow::wrapped,
        std::array<NVVM::MMATypes, 2>{weightType, NVVM::MMATypes::s8},
        std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
    for (int64_t value = 0; value < kFragmentValues; ++value)
      sums[i * kFragmentValues + value] = LLVM::ExtractValueOp::create(builder, product, value);
  }
}

void CodeMatmul::addSpan(State &state, ValueRange words, Value span, Values &sums) {
  Value column = builder.mul(span, kSpanColumns);
  auto two = VectorType::get(2, builder.getI32Type());
  Values inputs;
  for (Value row : state.codes) {
    Value codes = builder.loadAligned(two, builder.address(row, column), 8);
    // What is stored with an offset is signed without its highest bit.
    if (state.reader.isSigned())
      codes = arith::XOrIOp::create(builder, codes,
                                    builder.constant(two, int64_t(int32_t(0x80808080))));
    inputs.push_back(vector::ExtractOp::create(builder, codes, 0));
    inputs.push_back(vector::ExtractOp::create(builder, codes, 1));
  }
  addFragments(state, words, inputs, sums);
}

/// Products of what is stored of a group: eight steps make a span, wherever they belong.
void CodeMatmul::addStored(State &state, Value group, Values &sums) {
  CodeReader &reader = state.reader;
  Value zero = builder.int32(0);
  Value isFirst = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, group, builder.index(0));
  Value before = arith::SubIOp::create(builder, group, builder.index(1));
  before = arith::SelectOp::create(builder, isFirst, group, before);
  Value begin = arith::SelectOp::create(builder, isFirst, zero, reader.storedUpTo(before));
  Value end = reader.storedUpTo(group);
  Value last = arith::SubIOp::create(builder, end, builder.int32(1));
  constexpr int64_t steps = kSpanColumns / kDotColumns;
  sums = builder.loop(
      builder.toIndex(begin), builder.toIndex(end), steps, sums,
      [&](Value number, ValueRange carried) {
        Values next(carried), words, columns;
        Value first = arith::AddIOp::create(
            builder, builder.toI32(number),
            arith::MulIOp::create(builder, state.share.part, builder.int32(2)));
        for (int64_t step : {0, 1}) {
          Value stored = arith::AddIOp::create(builder, first, builder.int32(step));
          Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, stored, end);
          stored = arith::MinUIOp::create(builder, stored, last);
          columns.push_back(
              arith::MulIOp::create(builder, reader.stepOf(stored), builder.int32(kDotColumns)));
          auto [row0, row1] = reader.readStored(stored);
          words.push_back(arith::SelectOp::create(builder, exists, row0, zero));
          words.push_back(arith::SelectOp::create(builder, exists, row1, zero));
        }
        Values inputs;
        for (Value row : state.codes)
          for (Value column : columns) {
            Value x = builder.loadAligned(builder.getI32Type(), builder.address(row, column), 4);
            inputs.push_back(arith::XOrIOp::create(builder, x, builder.int32(int32_t(0x80808080))));
          }
        addFragments(state, words, inputs, next);
        return next;
      });
}

Values CodeMatmul::multiply(const Share &share, const TokenBlock &block) {
  State state{share, block, CodeReader(builder, type, share.tile, share.rowPair), {}, {}, {}};
  CodeReader &reader = state.reader;
  Value partOffset = builder.int32(0);
  if (!reader.hasStoredSteps())
    partOffset =
        arith::MulIOp::create(builder, share.part, builder.int32(kSpanColumns / kSpanParts));
  state.codes = fragmentRows(0, block, share, partOffset);
  for (int64_t first = 0; first < block.count; first += builder.getTarget().warpThreads) {
    Value token = arith::AddIOp::create(builder, share.lane, builder.int32(first));
    if (block.count < builder.getTarget().warpThreads)
      token = arith::MinUIOp::create(builder, token, builder.int32(block.count - 1));
    state.scaleRows.push_back(inputRow(1, block, token));
    if (needsSums())
      state.sumRows.push_back(inputRow(2, block, token));
  }

  auto [begin, end] = sliceOf(share.slice, geometry.groups);
  // The last group again, where there is no next one.
  Value last = builder.index(geometry.groups - 1);
  auto known = [&](Value group) -> Value { return arith::MinUIOp::create(builder, group, last); };
  bool readsAhead = !reader.countsPositions() && !reader.hasStoredSteps();
  Values carried(block.count / kFragmentTokens * kFragmentValues,
                 builder.constant(builder.getF32Type(), 0.0));
  size_t results = carried.size();
  Value first = known(begin), none;
  llvm::append_range(carried, loadStaged(state, first));
  size_t stagedEnd = carried.size();
  if (readsAhead)
    llvm::append_range(carried, readSpan(state, builder.mul(first, spansOfGroup()), none));
  else if (reader.countsPositions())
    carried.push_back(firstPosition(state, begin));
  carried = builder.loop(begin, end, 1, carried, [&](Value group, ValueRange values) {
    Values sums, next(values.take_front(results));
    Value following = known(builder.add(group, 1));
    stage(state, values.slice(results, stagedEnd - results));
    Values ahead = loadStaged(state, following);
    sums = startingSums(state, group);
    if (reader.hasStoredSteps()) {
      addStored(state, group, sums);
    } else if (readsAhead) {
      Values words(values.drop_front(stagedEnd));
      for (int64_t i = 0; i < spansOfGroup(); ++i) {
        Value span = builder.add(builder.mul(group, spansOfGroup()), i);
        Value nextSpan =
            i + 1 < spansOfGroup() ? builder.add(span, 1) : builder.mul(following, spansOfGroup());
        Values nextWords = readSpan(state, nextSpan, none);
        addSpan(state, words, span, sums);
        words = nextWords;
      }
      llvm::append_range(ahead, words);
    } else {
      Value position = values.back();
      for (int64_t i = 0; i < spansOfGroup(); ++i) {
        Value span = builder.add(builder.mul(group, spansOfGroup()), i);
        addSpan(state, readSpan(state, span, position), span, sums);
      }
      ahead.push_back(position);
    }
    addScaled(state, group, sums, next);
    llvm::append_range(next, ahead);
    return next;
  });
  carried.truncate(results);
  if (layout.perRow) {
    auto [first, second] = reader.loadScales(builder.index(0));
    for (auto [i, result] : llvm::enumerate(carried))
      result = arith::MulFOp::create(builder, result, i % kFragmentValues < 2 ? first : second);
  }
  return carried;
}

std::unique_ptr<MatmulEmitter> stc::gpu::createCodeMatmul(packed::MatmulTileOp op,
                                                          const TargetDescription &target) {
  return std::make_unique<CodeMatmul>(op, target);
}
