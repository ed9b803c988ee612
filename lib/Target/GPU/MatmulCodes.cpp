// Quantized weights times int8 activations by tensor cores, for every layout.
#include "TensorMatmul.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Most spans of a block's slices that are in shared memory.
constexpr int64_t kMostSpans = 32;
/// Bytes of a span's codes that are copied at once.
constexpr int64_t kCopyBytes = 16;
static_assert(kSpanColumns % kCopyBytes == 0);

/// Goes through the groups of a tile: sums of integers for each group, which then are scaled. The
/// warps of a slice bring its activations to shared memory together: the scales and sums of a group
/// one group ahead, the codes of spans as far ahead as there is room.
class CodeMatmul final : public TensorMatmul {
public:
  CodeMatmul(packed::MatmulTileOp op, const TargetDescription &target)
      : TensorMatmul(op, target),
        hasManyTokens(cast<MemRefType>(op.getOut().getType()).isDynamicDim(0)),
        isPruned(target.hasSparseMma && isForSparseProducts(layout)) {}

private:
  /// A block of tokens times a tile, while it is emitted.
  struct State {
    const Share &share;
    const TokenBlock &block;
    CodeReader reader;
    Value end; // index: the slice's end, in spans
    /// Where the codes of each fragment's token of this thread begin: in shared memory in a span's
    /// buffer, or else in the matrix.
    Values codes;
    Value isCopier;            // whether this thread copies codes; null: it does
    Values copies, copyPlaces; // where this thread copies codes from, and to in a buffer
    Values rows, places;       // where it loads scales and sums of tokens, and stores them
  };

  Values multiply(const Share &share, const TokenBlock &block) override;
  int64_t stagingBytes(const TokenBlock &block) const override {
    return 2 * scaleBytes(block) +
           (copiesCodes() ? buffers() * spansAtOnce() * codeBytes(block) : 0);
  }
  /// Bytes of the scales and sums of a group, and of the codes of a span.
  int64_t scaleBytes(const TokenBlock &block) const { return 2 * block.count * sizeof(float); }
  int64_t codeBytes(const TokenBlock &block) const { return block.count * kSpanColumns; }
  /// Spans that an instruction takes, and how many times these, of all slices together, are in
  /// shared memory or on the way there.
  int64_t spansAtOnce() const { return isPruned ? 2 : 1; }
  int64_t buffers() const { return std::min<int64_t>(4, kMostSpans / (slices() * spansAtOnce())); }
  /// Whether codes go through shared memory: those of any number of tokens are in global memory.
  /// Stored steps take codes from anywhere.
  bool copiesCodes() const {
    return hasManyTokens && layout.kind != LayoutKind::Block && buffers() > 1;
  }
  /// Whether codes are multiplied as they are, and not as signed weights.
  bool needsSums() const {
    return !isPruned && layout.kind != LayoutKind::Pairs && layout.kind != LayoutKind::Block;
  }

  void initialize(State &state);
  Values loadStaged(State &state, Value group);
  void stage(State &state, Value group, ValueRange values);
  /// The pair of values of each fragment that shared memory has of a group; 0: scales, 1: sums.
  SmallVector<std::array<Value, 2>> staged(State &state, Value group, int64_t array);
  Value scalePlace(State &state, Value group);
  /// Where the buffer of a span (index) begins.
  Value buffer(State &state, Value span);
  void copySpans(State &state, Value span);
  void awaitSpans(State &state, Value span);
  /// What the integer sums of a group start from.
  Values startingSums(State &state, Value group);
  /// Adds the products of a span, whose words are those of `words`.
  void addSpan(State &state, ValueRange words, Value span, Values &sums);
  void addFragments(State &state, ValueRange words, ValueRange inputs, Values &sums);
  /// The words of a span as an instruction takes them; moves `position` on where those are counted.
  Values readSpan(State &state, Value span, Value &position);
  void addStored(State &state, Value group, Values &sums);
  void addScaled(State &state, Value group, ArrayRef<Value> sums, Values &results);

  int64_t spansOfGroup() const { return layout.group / kSpanColumns; }

  /// Two spans of a 2:4 matrix: words of one row of each span after the other, and the places of
  /// their weights.
  Values readPrunedSpans(State &state, Value span);
  void addPrunedSpans(State &state, ValueRange words, Value span, Values &sums);
  /// The words of a fragment's activations, `columns` after this thread's first one of a span.
  Value loadCodes(State &state, Value start, Value row, Type type, int64_t columns);

  bool hasManyTokens;
  /// Whether instructions leave out what a 2:4 matrix does not store. They take 64 columns.
  bool isPruned;
};

} // namespace

//===----------------------------------------------------------------------===//
// What comes through shared memory
//===----------------------------------------------------------------------===//

void CodeMatmul::initialize(State &state) {
  const Share &share = state.share;
  const TokenBlock &block = state.block;
  auto numberOf = [&](int64_t first) -> Value {
    return arith::AddIOp::create(builder, share.number, builder.int32(first));
  };
  // Scales, then sums. Threads beyond those do what the last one does.
  int64_t values = (needsSums() ? 2 : 1) * block.count;
  for (int64_t first = 0; first < values; first += sliceThreads()) {
    Value number = arith::MinUIOp::create(builder, numberOf(first), builder.int32(values - 1));
    Value token = arith::RemUIOp::create(builder, number, builder.int32(block.count));
    Value row = inputRow(1, block, token);
    if (needsSums()) {
      Value isScale = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, number,
                                            builder.int32(block.count));
      row = LLVM::SelectOp::create(builder, isScale, row, inputRow(2, block, token));
    }
    state.rows.push_back(row);
    Value offset = arith::MulIOp::create(builder, number, builder.int32(4));
    state.places.push_back(builder.address(share.staging, offset));
  }

  Value partOffset = builder.int32(0);
  // Of a sparse instruction's columns, a thread has four, and the same after every 16.
  int64_t partColumns = isPruned ? kDotColumns : kSpanColumns / kSpanParts;
  if (!state.reader.hasStoredSteps())
    partOffset = arith::MulIOp::create(builder, share.part, builder.int32(partColumns));
  if (!copiesCodes()) {
    state.codes = fragmentRows(0, block, share, partOffset);
    return;
  }
  Value row = arith::MulIOp::create(builder, share.rowPair, builder.int32(kSpanColumns));
  row = arith::AddIOp::create(builder, row, partOffset);
  for (int64_t first = 0; first < block.count; first += kFragmentTokens)
    state.codes.push_back(arith::AddIOp::create(builder, row, builder.int32(first * kSpanColumns)));
  constexpr int64_t perToken = kSpanColumns / kCopyBytes;
  int64_t copies = perToken * block.count;
  if (copies < sliceThreads())
    state.isCopier = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, share.number,
                                           builder.int32(copies));
  for (int64_t first = 0; first < copies; first += sliceThreads()) {
    Value number = arith::MinUIOp::create(builder, numberOf(first), builder.int32(copies - 1));
    Value token = arith::DivUIOp::create(builder, number, builder.int32(perToken));
    Value inToken = arith::RemUIOp::create(builder, number, builder.int32(perToken));
    inToken = arith::MulIOp::create(builder, inToken, builder.int32(kCopyBytes));
    state.copies.push_back(builder.global(builder.address(inputRow(0, block, token), inToken)));
    state.copyPlaces.push_back(arith::MulIOp::create(builder, number, builder.int32(kCopyBytes)));
  }
}

Value CodeMatmul::scalePlace(State &state, Value group) {
  Value number = builder.toI32(arith::RemUIOp::create(builder, group, builder.index(2)));
  return arith::MulIOp::create(builder, number, builder.int32(scaleBytes(state.block)));
}

Values CodeMatmul::loadStaged(State &state, Value group) {
  Values values;
  for (Value row : state.rows)
    values.push_back(
        builder.loadAligned(builder.getI32Type(), builder.address(row, builder.mul(group, 4)), 4));
  return values;
}

/// Two groups take turns: while one is written, slower warps still read the other.
void CodeMatmul::stage(State &state, Value group, ValueRange values) {
  Value offset = scalePlace(state, group);
  for (auto [place, value] : llvm::zip_equal(state.places, values))
    builder.storeAligned(value, builder.address(place, offset), 4);
  if (!copiesCodes())
    sliceBarrier(state.share);
}

SmallVector<std::array<Value, 2>> CodeMatmul::staged(State &state, Value group, int64_t array) {
  Type element = array == 0 ? Type(builder.getF32Type()) : Type(builder.getI32Type());
  Value offset = arith::MulIOp::create(builder, state.share.part, builder.int32(8));
  offset = arith::AddIOp::create(builder, offset, scalePlace(state, group));
  Value start =
      builder.address(builder.address(state.share.staging, offset), array * state.block.count * 4);
  SmallVector<std::array<Value, 2>> values;
  for (int64_t first = 0; first < state.block.count; first += kFragmentTokens) {
    Value two =
        builder.loadAligned(VectorType::get(2, element), builder.address(start, first * 4), 8);
    values.push_back(
        {vector::ExtractOp::create(builder, two, 0), vector::ExtractOp::create(builder, two, 1)});
  }
  return values;
}

Value CodeMatmul::buffer(State &state, Value span) {
  Value number = builder.toI32(
      arith::RemUIOp::create(builder, span, builder.index(buffers() * spansAtOnce())));
  number = arith::MulIOp::create(builder, number, builder.int32(codeBytes(state.block)));
  return builder.address(builder.address(state.share.staging, 2 * scaleBytes(state.block)), number);
}

/// Starts to copy what an instruction takes, from `span` on, if it belongs to the slice.
void CodeMatmul::copySpans(State &state, Value span) {
  Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, span, state.end);
  if (state.isCopier)
    exists = arith::AndIOp::create(builder, exists, state.isCopier);
  builder.ifThen(exists, [&] {
    for (int64_t i = 0; i < spansAtOnce(); ++i) {
      Value number = builder.add(span, i);
      Value start = buffer(state, number), column = builder.mul(number, kSpanColumns);
      for (auto [from, place] : llvm::zip_equal(state.copies, state.copyPlaces))
        NVVM::CpAsyncOp::create(builder, builder.address(start, place),
                                builder.address(from, column), kCopyBytes,
                                NVVM::LoadCacheModifierKind::CG, Value());
    }
  });
  NVVM::CpAsyncCommitGroupOp::create(builder);
}

/// Waits for what an instruction takes, and starts to copy what comes where the spans before were,
/// which then nobody reads any more.
void CodeMatmul::awaitSpans(State &state, Value span) {
  NVVM::CpAsyncWaitGroupOp::create(builder, buffers() - 2);
  sliceBarrier(state.share);
  copySpans(state, builder.add(span, (buffers() - 1) * spansAtOnce()));
}

Values CodeMatmul::startingSums(State &state, Value group) {
  Value bits = builder.int32(kFloatBits);
  if (!needsSums() || layout.minimums)
    return Values(state.codes.size() * kFragmentValues, bits);
  std::array<Value, 2> zeros;
  if (layout.asymmetric)
    std::tie(zeros[0], zeros[1]) = state.reader.loadZeros(layout.perRow ? builder.index(0) : group);
  Values sums;
  for (const std::array<Value, 2> &ofTokens : staged(state, group, 1))
    for (int64_t row : {0, 1})
      for (Value sum : ofTokens) {
        if (layout.asymmetric)
          sum = arith::MulIOp::create(builder, sum, zeros[row]);
        sums.push_back(arith::AddIOp::create(builder, sum, bits));
      }
  return sums;
}

void CodeMatmul::addScaled(State &state, Value group, ArrayRef<Value> sums, Values &results) {
  std::array<Value, 2> weightScales, minimums;
  if (!layout.perRow)
    std::tie(weightScales[0], weightScales[1]) = state.reader.loadScales(group);
  SmallVector<std::array<Value, 2>> inputScales = staged(state, group, 0), inputSums;
  if (layout.minimums) {
    std::tie(minimums[0], minimums[1]) = state.reader.loadMinimums(group);
    inputSums = staged(state, group, 1);
  }
  size_t i = 0;
  for (auto [fragment, ofTokens] : llvm::enumerate(inputScales))
    for (int64_t row : {0, 1})
      for (int64_t token : {0, 1}) {
        Value scale = ofTokens[token];
        if (layout.minimums) {
          results[i] = addShiftedSum(sums[i], weightScales[row], minimums[row],
                                     inputSums[fragment][token], scale, results[i]);
          ++i;
          continue;
        }
        if (!layout.perRow)
          scale = arith::MulFOp::create(builder, weightScales[row], scale);
        results[i] = addScaledSum(sums[i], scale, results[i]);
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

void CodeMatmul::addFragments(State &state, ValueRange words, ValueRange inputs, Values &sums) {
  for (size_t i = 0; i < state.codes.size(); ++i)
    addProducts(words, state.reader.isSigned(), inputs.slice(2 * i, 2),
                MutableArrayRef<Value>(sums).slice(i * kFragmentValues, kFragmentValues));
}

Value CodeMatmul::loadCodes(State &state, Value start, Value row, Type type, int64_t columns) {
  Value place = copiesCodes() ? builder.address(start, row) : builder.address(row, start);
  return builder.loadAligned(type, builder.address(place, columns), isa<VectorType>(type) ? 8 : 4);
}

void CodeMatmul::addSpan(State &state, ValueRange words, Value span, Values &sums) {
  Value start = copiesCodes() ? buffer(state, span) : builder.mul(span, kSpanColumns);
  auto two = VectorType::get(2, builder.getI32Type());
  Values inputs;
  for (Value row : state.codes) {
    Value codes = loadCodes(state, start, row, two, 0);
    // What is stored with an offset is signed without its highest bit.
    if (state.reader.isSigned())
      codes = arith::XOrIOp::create(builder, codes,
                                    builder.constant(two, int64_t(int32_t(0x80808080))));
    inputs.push_back(vector::ExtractOp::create(builder, codes, 0));
    inputs.push_back(vector::ExtractOp::create(builder, codes, 1));
  }
  addFragments(state, words, inputs, sums);
}

Values CodeMatmul::readPrunedSpans(State &state, Value span) {
  Value part = state.share.part, zero = builder.int32(0);
  auto isSet = [&](int64_t bit) -> Value {
    Value masked = arith::AndIOp::create(builder, part, builder.int32(bit));
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, masked, zero);
  };
  auto select = [&](Value condition, Value a, Value b) -> Value {
    return arith::SelectOp::create(builder, condition, a, b);
  };
  auto left = [&](Value value, Value bits) -> Value {
    return arith::ShLIOp::create(builder, value, bits);
  };
  auto either = [&](Value a, Value b) -> Value { return arith::OrIOp::create(builder, a, b); };
  Values words;
  Value rows[2] = {zero, zero}; // the places of each row, the second span's in the upper half
  for (int64_t i : {0, 1}) {
    PrunedWords own = state.reader.readPruned(builder.add(span, i), part);
    for (int64_t row : {0, 1}) {
      words.push_back(own.words[row]);
      rows[row] = either(rows[row], left(own.places[row], builder.int32(16 * i)));
    }
  }
  // Thread 0 of four has the places of the first row and span, thread 1 those of the second row,
  // threads 2 and 3 those of the second span. First neighbours exchange rows, then spans.
  Value isOdd = isSet(1), isUpper = isSet(2);
  Value kept = select(isOdd, rows[1], rows[0]), given = select(isOdd, rows[0], rows[1]);
  Value other = builder.shuffleXor(given, 1);
  Value eight = builder.int32(8);
  Value both = select(isOdd, either(other, left(kept, eight)), either(kept, left(other, eight)));
  Value half = builder.int32(0xFFFF), sixteen = builder.int32(16);
  Value low = arith::AndIOp::create(builder, both, half);
  Value high = arith::ShRUIOp::create(builder, both, sixteen);
  kept = select(isUpper, high, low);
  other = builder.shuffleXor(select(isUpper, low, high), 2);
  words.push_back(
      select(isUpper, either(other, left(kept, sixteen)), either(kept, left(other, sixteen))));
  return words;
}

void CodeMatmul::addPrunedSpans(State &state, ValueRange words, Value span, Values &sums) {
  Type i32 = builder.getI32Type();
  Value starts[2];
  for (int64_t i : {0, 1}) {
    Value number = builder.add(span, i);
    starts[i] = copiesCodes() ? buffer(state, number) : builder.mul(number, kSpanColumns);
  }
  for (auto [i, row] : llvm::enumerate(state.codes)) {
    Values inputs;
    for (Value start : starts)
      for (int64_t columns = 0; columns < kSpanColumns; columns += 16)
        inputs.push_back(loadCodes(state, start, row, i32, columns));
    addSparseProducts(words.take_front(4), words[4], inputs,
                      MutableArrayRef<Value>(sums).slice(i * kFragmentValues, kFragmentValues));
  }
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
  auto [begin, end] = sliceOf(share.slice, geometry.groups);
  State state{share,
              block,
              CodeReader(builder, type, share.tile, share.rowPair, isPruned),
              builder.mul(end, spansOfGroup()),
              {},
              {},
              {},
              {},
              {},
              {}};
  CodeReader &reader = state.reader;
  initialize(state);
  for (int64_t i = 0; copiesCodes() && i + 1 < buffers(); ++i)
    copySpans(state, builder.add(builder.mul(begin, spansOfGroup()), i * spansAtOnce()));

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
  auto readAhead = [&](Value span) {
    return isPruned ? readPrunedSpans(state, span) : readSpan(state, span, none);
  };
  if (readsAhead)
    llvm::append_range(carried, readAhead(builder.mul(first, spansOfGroup())));
  else if (reader.countsPositions())
    carried.push_back(firstPosition(reader, share.lane, begin));
  carried = builder.loop(begin, end, 1, carried, [&](Value group, ValueRange values) {
    Values sums, next(values.take_front(results));
    Value following = known(builder.add(group, 1));
    stage(state, group, values.slice(results, stagedEnd - results));
    Values ahead = loadStaged(state, following);
    // The barrier of a group's first span is also that of its scales.
    if (copiesCodes())
      awaitSpans(state, builder.mul(group, spansOfGroup()));
    auto awaitNext = [&](Value span, int64_t i) {
      if (copiesCodes() && i > 0)
        awaitSpans(state, span);
    };
    sums = startingSums(state, group);
    if (reader.hasStoredSteps()) {
      addStored(state, group, sums);
    } else if (readsAhead) {
      Values words(values.drop_front(stagedEnd));
      for (int64_t i = 0; i < spansOfGroup(); i += spansAtOnce()) {
        Value span = builder.add(builder.mul(group, spansOfGroup()), i);
        Value nextSpan = i + spansAtOnce() < spansOfGroup()
                             ? builder.add(span, spansAtOnce())
                             : builder.mul(following, spansOfGroup());
        Values nextWords = readAhead(nextSpan);
        awaitNext(span, i);
        if (isPruned)
          addPrunedSpans(state, words, span, sums);
        else
          addSpan(state, words, span, sums);
        words = nextWords;
      }
      llvm::append_range(ahead, words);
    } else {
      Value position = values.back();
      for (int64_t i = 0; i < spansOfGroup(); ++i) {
        Value span = builder.add(builder.mul(group, spansOfGroup()), i);
        Values words = readSpan(state, span, position);
        awaitNext(span, i);
        addSpan(state, words, span, sums);
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
