// Reads the codes of quantized row tiles as words of four, for products of many tokens.
#include "CodeReader.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kWordBytes = 4, kRowPairBytes = 8;
constexpr int64_t kSpanSteps = kSpanColumns / kDotColumns;

/// `byte` in each byte of a word.
static int64_t inEachByte(uint32_t byte) { return static_cast<int32_t>(byte * 0x01010101u); }

CodeReader::CodeReader(BlockBuilder &builder, packed::WeightType type, Value tile, Value rowPair,
                       bool isPruned)
    : builder(builder), layout(type.getLayout().getLayout()),
      geometry(tileGeometry(layout, type.getRows(), type.getColumns())), isPruned(isPruned),
      tile(tile), rowPair(rowPair) {
  rows = builder.address(tile, times(rowPair, kRowPairBytes));
  if (!hasStoredSteps())
    return;
  // Behind all indices, which are rounded up to 64 bytes.
  Value stored = storedUpTo(builder.index(geometry.groups - 1));
  Value bytes = plus(times(stored, 2), kSectionAlignment - 1);
  bytes = masked(bytes, -kSectionAlignment);
  values = builder.address(builder.address(tile, geometry.indicesOffset), bytes);
}

Value CodeReader::apply(Value a, Value b, char operation) {
  switch (operation) {
  case '+':
    return builder.createOrFold<arith::AddIOp>(a, b);
  case '-':
    return builder.createOrFold<arith::SubIOp>(a, b);
  case '*':
    return builder.createOrFold<arith::MulIOp>(a, b);
  case '&':
    return builder.createOrFold<arith::AndIOp>(a, b);
  case '>':
    return builder.createOrFold<arith::ShRUIOp>(a, b);
  default:
    return builder.createOrFold<arith::ShLIOp>(a, b);
  }
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

std::pair<Value, Value> CodeReader::loadScales(Value group) {
  Value start =
      builder.address(tile, builder.add(builder.mul(group, 2 * kTileRows), geometry.scalesOffset));
  return scalesAt(start, /*invariant=*/true);
}

std::array<Value, 2> CodeReader::halvesAt(Value start, bool invariant) {
  auto type = VectorType::get(2, builder.getF16Type());
  Value halves = builder.loadAligned(type, builder.address(start, times(rowPair, 4)), 4, invariant);
  std::array<Value, 2> values;
  for (int64_t row : {0, 1}) {
    Value half = vector::ExtractOp::create(builder, halves, row);
    values[row] = arith::ExtFOp::create(builder, builder.getF32Type(), half);
  }
  return values;
}

std::pair<Value, Value> CodeReader::scalesAt(Value start, bool invariant) {
  std::array<Value, 2> scales = halvesAt(start, invariant);
  if (storedFactor() != 1) // Exact: a power of two.
    for (Value &scale : scales)
      scale = arith::MulFOp::create(builder, scale,
                                    builder.constant(builder.getF32Type(), 1.0 / storedFactor()));
  return {scales[0], scales[1]};
}

std::pair<Value, Value> CodeReader::loadMinimums(Value group) {
  Value start = builder.address(
      tile, builder.add(builder.mul(group, 2 * kTileRows), geometry.minimumsOffset));
  return minimumsAt(start, /*invariant=*/true);
}

std::pair<Value, Value> CodeReader::minimumsAt(Value start, bool invariant) {
  std::array<Value, 2> minimums = halvesAt(start, invariant);
  return {minimums[0], minimums[1]};
}

std::pair<Value, Value> CodeReader::loadZeros(Value group) {
  Value start =
      builder.address(tile, builder.add(builder.mul(group, kTileRows), geometry.zerosOffset));
  return zerosAt(start, /*invariant=*/true);
}

std::pair<Value, Value> CodeReader::zerosAt(Value start, bool invariant) {
  Value bytes = builder.loadAligned(builder.bytes(2), builder.address(start, times(rowPair, 2)), 2,
                                    invariant);
  auto zeroOf = [&](int64_t row) -> Value {
    Value byte = vector::ExtractOp::create(builder, bytes, row);
    return arith::ExtUIOp::create(builder, builder.getI32Type(), byte);
  };
  return {zeroOf(0), zeroOf(1)};
}

//===----------------------------------------------------------------------===//
// Dense layouts
//===----------------------------------------------------------------------===//

CodeWords CodeReader::read(Value span, Value part, Value position) {
  if (layout.hasMasks())
    return readMasked(span, part, position);
  return layout.kind == LayoutKind::Pairs ? readPairs(span, part) : readDense(span, part);
}

std::pair<Value, Value> CodeReader::loadRows(Value address, bool invariant) {
  auto type = VectorType::get(2, builder.getI32Type());
  Value words = builder.loadAligned(type, address, kRowPairBytes, invariant);
  return {vector::ExtractOp::create(builder, words, 0),
          vector::ExtractOp::create(builder, words, 1)};
}

CodeWords CodeReader::readDense(Value span, Value part) {
  Value start =
      builder.address(rows, builder.add(builder.mul(span, spanBytes()), geometry.valuesOffset));
  return decodeDense(part, [&](Value vector, int64_t more) {
    Value address = builder.address(start, times(vector, kStepBytes));
    return loadRows(builder.address(address, more * kStepBytes));
  });
}

Value CodeReader::stagedPlace(Value offset) {
  // What the threads of half a warp read at once are 32 bytes of each of four steps or vectors,
  // which without this would begin in the same bank, or in two.
  int64_t bits = layout.lanes() == 1 ? 0x60 : layout.lanes() == 2 ? 0x20 : 0;
  if (bits == 0)
    return offset;
  return arith::XOrIOp::create(builder, offset, masked(right(offset, 2), bits));
}

std::pair<Value, Value> CodeReader::loadStaged(Value start, int64_t span, Value vector,
                                               int64_t more) {
  Value offset = plus(times(plus(vector, more), kStepBytes), times(rowPair, kRowPairBytes));
  Value address = builder.address(start, stagedPlace(offset));
  return loadRows(builder.address(address, span * spanBytes()), /*invariant=*/false);
}

CodeWords CodeReader::readStaged(Value start, int64_t span, Value part) {
  return decodeDense(
      part, [&](Value vector, int64_t more) { return loadStaged(start, span, vector, more); });
}

CodeWords CodeReader::readStagedInOrder(Value start, int64_t span, Value part, bool asWeights) {
  int64_t lanes = layout.lanes(), laneBits = 8 / lanes;
  bool hasHighBits = layout.element == ElementKind::I3;
  // Both steps are the same lane of their vectors.
  Value vector = builder.createOrFold<arith::DivUIOp>(part, builder.int32(lanes));
  Value lane = builder.createOrFold<arith::RemUIOp>(part, builder.int32(lanes));
  // Weights are the upper bits of a byte.
  bool areUpper = asWeights && !hasHighBits;
  if (areUpper)
    lane = apply(builder.int32(lanes - 1), lane, '-');
  Value shift = times(lane, laneBits);
  int64_t laneMask = ((1 << laneBits) - 1) << (areUpper ? 8 - laneBits : 0);
  std::pair<Value, Value> high;
  if (hasHighBits)
    high = loadStaged(start, span, builder.int32(0), 2);
  CodeWords result;
  for (int64_t half : {0, 1}) {
    auto [first, second] = loadStaged(start, span, vector, half * kSpanParts / lanes);
    for (int64_t row : {0, 1}) {
      Value word = row == 0 ? first : second;
      if (lanes > 1)
        word = masked(areUpper ? left(word, shift) : right(word, shift), inEachByte(laneMask));
      if (hasHighBits) {
        Value bit = right(row == 0 ? high.first : high.second, plus(part, half * kSpanParts));
        word = arith::OrIOp::create(builder, word, left(masked(bit, inEachByte(1)), 2));
        if (asWeights)
          word = left(word, 8 - layout.codeBits());
      }
      if (asWeights) // without the zero point
        word = arith::XOrIOp::create(builder, word, builder.int32(inEachByte(0x80)));
      result.words[half][row] = word;
    }
  }
  return result;
}

std::array<Value, 2> CodeReader::readStagedPairs(Value start, int64_t span, int64_t half,
                                                 Value part) {
  int64_t lanes = layout.lanes(), laneBits = 8 / lanes;
  // Two threads have columns of a step; the next two those of the next step.
  Value inStep = masked(part, 1), step = right(part, 1);
  Value selector = plus(times(inStep, 0x2222), 0x5410);
  // Two bytes of each of two words, from bit `shift` on, and `bits` of each.
  auto join = [&](Value first, Value second, Value shift, int64_t bits) {
    Value bytes = right(builder.permuteBytes(first, second, selector), shift);
    return masked(bytes, inEachByte((1 << bits) - 1));
  };
  std::array<Value, 2> result;
  auto load = [&](int64_t vector, Value more) {
    return loadStaged(start, span, plus(more, vector), 0);
  };
  if (lanes < 4) { // the two steps of eight columns are one vector, or two
    bool isOne = lanes == 2;
    Value more = isOne ? builder.int32(0) : step;
    std::pair<Value, Value> words[2] = {load(half * 4 / lanes, more),
                                        load((half * 4 + 2) / lanes, more)};
    for (int64_t row : {0, 1}) {
      auto of = [&](const std::pair<Value, Value> &word) {
        return row == 0 ? word.first : word.second;
      };
      result[row] = isOne ? join(of(words[0]), of(words[1]), times(step, laneBits), laneBits)
                          : builder.permuteBytes(of(words[0]), of(words[1]), selector);
    }
    return result;
  }
  // All 16 columns are one vector.
  auto [first, second] = load(half, builder.int32(0));
  result = {first, second};
  for (Value &word : result)
    word = join(word, right(word, 2 * laneBits), times(step, laneBits), laneBits);
  if (layout.element != ElementKind::I3)
    return result;
  auto [highFirst, highSecond] = loadStaged(start, span, builder.int32(0), 2);
  for (int64_t row : {0, 1}) {
    Value high = row == 0 ? highFirst : highSecond;
    high = join(high, right(high, 2), plus(step, half * 4), 1);
    result[row] = arith::OrIOp::create(builder, result[row], left(high, 2));
  }
  return result;
}

CodeWords
CodeReader::decodeDense(Value part,
                        function_ref<std::pair<Value, Value>(Value vector, int64_t more)> load) {
  // A vector of 64 bytes has a word of each row, and holds one step, or two, or four.
  int64_t steps = layout.lanes();
  Value vector = steps == 1 ? times(part, 2) : steps == 2 ? part : right(part, 1);
  auto [first, second] = load(vector, 0);
  CodeWords result;
  if (steps == 1) {
    auto [third, fourth] = load(vector, 1);
    return {{{first, second}, {third, fourth}}};
  }
  // What the part's steps are shifted by in their vector.
  int64_t laneBits = 8 / steps;
  Value shift = steps == 2 ? builder.int32(0) : times(masked(part, 1), 2 * laneBits);
  int64_t mask = inEachByte((1 << laneBits) - 1);
  for (int64_t step : {0, 1})
    for (int64_t row : {0, 1}) {
      Value word = right(row == 0 ? first : second, plus(shift, step * laneBits));
      result.words[step][row] = masked(word, mask);
    }
  if (layout.element != ElementKind::I3)
    return result;
  // Behind both vectors with the low bits, bit s of each byte is step s's highest.
  auto [highFirst, highSecond] = load(builder.int32(0), 2);
  for (int64_t step : {0, 1})
    for (int64_t row : {0, 1}) {
      Value high = right(row == 0 ? highFirst : highSecond, plus(times(part, 2), step));
      high = left(masked(high, inEachByte(1)), 2);
      result.words[step][row] = arith::OrIOp::create(builder, result.words[step][row], high);
    }
  return result;
}

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

Value CodeReader::loadMask(Value step) {
  Value start = builder.address(tile, builder.add(builder.mul(step, 8), geometry.masksOffset));
  return builder.loadAligned(builder.getI64Type(), start, 8, true);
}

Value CodeReader::countBits(Value mask) {
  Value count = math::CtPopOp::create(builder, mask);
  if (count.getType().isInteger(32))
    return count;
  return arith::TruncIOp::create(builder, builder.getI32Type(), count);
}

Value CodeReader::bytesOf(Value span, Value part) {
  Value step = builder.add(builder.mul(span, kSpanSteps), builder.toIndex(times(part, 2)));
  Value first = countBits(loadMask(step)), second = countBits(loadMask(builder.add(step, 1)));
  if (layout.lanes() == 1)
    return plus(first, second);
  return arith::MaxUIOp::create(builder, first, second);
}

CodeWords CodeReader::readMasked(Value span, Value part, Value position) {
  Value step = builder.add(builder.mul(span, kSpanSteps), builder.toIndex(times(part, 2)));
  Value masks[] = {loadMask(step), loadMask(builder.add(step, 1))};
  bool isNibbles = layout.lanes() == 2;
  Value zero = builder.int32(0), positions[2], shifts[] = {zero, zero};
  int64_t chunkSteps = layout.chunkSteps(), chunkBytes = kTileRows * layout.n;
  // Bytes of the values of all chunks of a span, where they are known.
  int64_t spanBytes = kSpanSteps / chunkSteps / layout.lanes() * chunkBytes;
  if (layout.kind == LayoutKind::NM)
    position = builder.toI32(builder.mul(span, spanBytes));
  if (chunkSteps == 1) {
    // Each step has a chunk of its own: its neighbour's other nibble, or the bytes behind it.
    if (layout.kind == LayoutKind::NM)
      position = plus(position, times(part, isNibbles ? chunkBytes : 2 * chunkBytes));
    positions[0] = positions[1] = position;
    if (isNibbles)
      shifts[1] = builder.int32(4);
    else
      positions[1] = plus(position, layout.kind == LayoutKind::NM ? builder.int32(chunkBytes)
                                                                  : countBits(masks[0]));
  } else {
    // A chunk is the part, or two of them.
    Value chunk = chunkSteps == 2 ? part : right(part, 1);
    if (isNibbles)
      shifts[0] = shifts[1] = times(masked(chunk, 1), 4);
    position = plus(position, times(isNibbles ? right(chunk, 1) : chunk, chunkBytes));
    if (chunkSteps == 4) {
      Value isSecond =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, masked(part, 1), zero);
      // Of the first part of a chunk nothing comes before; any masks will do.
      Value before = arith::SelectOp::create(builder, isSecond, builder.index(2), builder.index(0));
      before = arith::SubIOp::create(builder, step, before);
      Value count = plus(countBits(loadMask(before)), countBits(loadMask(builder.add(before, 1))));
      position = plus(position, arith::SelectOp::create(builder, isSecond, count, zero));
    }
    positions[0] = position;
    positions[1] = plus(position, countBits(masks[0]));
  }
  CodeWords result;
  for (int64_t i : {0, 1})
    std::tie(result.words[i][0], result.words[i][1]) =
        expandRows(masks[i], positions[i], shifts[i]);
  return result;
}

std::pair<Value, Value> CodeReader::expandRows(Value mask, Value position, Value shift) {
  Type i32 = builder.getI32Type(), i64 = builder.getI64Type();
  Value distance = arith::ExtUIOp::create(builder, i64, times(rowPair, 8));
  Value one = builder.constant(i64, int64_t(1));
  Value below = arith::SubIOp::create(builder, arith::ShLIOp::create(builder, one, distance), one);
  Value rank = countBits(arith::AndIOp::create(builder, mask, below));
  Value bits =
      arith::TruncIOp::create(builder, i32, arith::ShRUIOp::create(builder, mask, distance));
  // Eight codes, wherever they begin.
  Value start = plus(position, rank);
  Value aligned =
      builder.address(builder.address(tile, geometry.valuesOffset), masked(start, -kWordBytes));
  Value words[3];
  for (int64_t i = 0; i < 3; ++i)
    words[i] = loadWord(builder.address(aligned, i * kWordBytes));
  auto join = [&](Value low, Value high) -> Value {
    high = arith::ShLIOp::create(builder, arith::ExtUIOp::create(builder, i64, high),
                                 builder.constant(i64, int64_t(32)));
    return arith::OrIOp::create(builder, arith::ExtUIOp::create(builder, i64, low), high);
  };
  auto lowWord = [&](Value value, Value byte) -> Value {
    Value distance = arith::ExtUIOp::create(builder, i64, times(byte, 8));
    return arith::TruncIOp::create(builder, i32, arith::ShRUIOp::create(builder, value, distance));
  };
  Value byte = masked(start, kWordBytes - 1);
  Value low = lowWord(join(words[0], words[1]), byte);
  Value high = lowWord(join(words[1], words[2]), byte);
  Value firstBits = masked(bits, 15), secondBits = masked(right(bits, 4), 15);
  Value stored[] = {low, lowWord(join(low, high), countBits(firstBits))};
  if (layout.lanes() == 2)
    for (Value &word : stored)
      word = masked(right(word, shift), inEachByte(15));
  return {expandWord(stored[0], firstBits), expandWord(stored[1], secondBits)};
}

Value CodeReader::expandWord(Value stored, Value bits) {
  auto either = [&](Value a, Value b) -> Value { return arith::OrIOp::create(builder, a, b); };
  // Bit i to nibble i; times 0x1110, nibble i is how many of the bits below i are set.
  Value spread = either(either(bits, left(bits, 3)), either(left(bits, 6), left(bits, 9)));
  spread = masked(spread, 0x1111);
  Value isStored = times(spread, 15);
  Value places = arith::AndIOp::create(builder, times(spread, 0x1110), isStored);
  Value isAbsent = arith::XOrIOp::create(builder, isStored, builder.int32(0xFFFF));
  Value selector = either(places, masked(isAbsent, 0x4444));
  return builder.permuteBytes(stored, builder.int32(inEachByte(layout.zeroPoint())), selector);
}

/// Both rows of a step have two values each, so that all places are known.
PrunedWords CodeReader::readPruned(Value span, Value part) {
  Type i32 = builder.getI32Type(), i64 = builder.getI64Type();
  // A step's values take 32 bytes, four of them for two rows; i4 has two steps in those.
  int64_t stepBytes = 2 * kTileRows, lanes = layout.lanes();
  Value start = builder.address(
      tile, builder.add(builder.mul(span, kSpanSteps * stepBytes / lanes), geometry.valuesOffset));
  Value offset = plus(times(part, 2 * stepBytes / lanes), times(rowPair, kWordBytes));
  start = builder.address(start, offset);
  Value steps[2] = {loadWord(start), Value()};
  if (lanes == 1) {
    steps[1] = loadWord(builder.address(start, stepBytes));
  } else {
    // Nibbles become the upper half of a byte.
    steps[1] = masked(steps[0], inEachByte(0xF0));
    steps[0] = masked(left(steps[0], 4), inEachByte(0xF0));
  }
  // Without the zero point, 128 or 16 times 8, codes are signed weights.
  for (Value &word : steps)
    word = arith::XOrIOp::create(builder, word, builder.int32(inEachByte(0x80)));
  PrunedWords result;
  result.words[0] = builder.permuteBytes(steps[0], steps[1], builder.int32(0x5410));
  result.words[1] = builder.permuteBytes(steps[0], steps[1], builder.int32(0x7632));

  // Entry n has the numbers of both bits that are set in n.
  Value table = builder.constant(i64, int64_t(0x000E0DC009804000));
  Value step = builder.add(builder.mul(span, kSpanSteps), builder.toIndex(times(part, 2)));
  Value distance = arith::ExtUIOp::create(builder, i64, times(rowPair, 8));
  Value bits[2];
  for (int64_t i : {0, 1}) {
    Value mask = arith::ShRUIOp::create(builder, loadMask(builder.add(step, i)), distance);
    bits[i] = arith::TruncIOp::create(builder, i32, mask);
  }
  for (int64_t row : {0, 1}) {
    auto placesOf = [&](Value mask) -> Value {
      Value entry = arith::ExtUIOp::create(builder, i64, left(masked(right(mask, 4 * row), 15), 2));
      Value shifted = arith::ShRUIOp::create(builder, table, entry);
      return masked(arith::TruncIOp::create(builder, i32, shifted), 15);
    };
    result.places[row] =
        arith::OrIOp::create(builder, placesOf(bits[0]), left(placesOf(bits[1]), 4));
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Pairs and blocks
//===----------------------------------------------------------------------===//

CodeWords CodeReader::readPairs(Value span, Value part) {
  Type i64 = builder.getI64Type();
  // A part is half of the 16 columns that positions count in. With fewer than four pairs in those,
  // a vector covers several of them.
  int64_t n = layout.n, chunks = std::max<int64_t>(1, kDotColumns / n);
  int64_t chunkBytes = kTileRows * n * chunks; // of one vector, or two
  Value chunk = builder.add(builder.mul(span, 2), builder.toIndex(right(part, 1)));
  Value vector = arith::DivUIOp::create(builder, chunk, builder.index(chunks));
  Value inVector = arith::RemUIOp::create(builder, chunk, builder.index(chunks));
  Value start =
      builder.address(rows, builder.add(builder.mul(vector, chunkBytes), geometry.valuesOffset));
  start = builder.address(start, builder.mul(inVector, n));
  Value half = masked(part, 1);
  CodeWords result;
  for (int64_t row : {0, 1}) {
    Value word = builder.constant(i64, int64_t(0));
    for (int64_t i = 0; i < n; ++i) {
      int64_t offset = row * kWordBytes + i / 4 * kStepBytes + i % 4;
      Value pair =
          builder.loadAligned(builder.getI8Type(), builder.address(start, offset), 1, true);
      pair = arith::ExtUIOp::create(builder, builder.getI32Type(), pair);
      Value isHere =
          arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, masked(right(pair, 3), 1), half);
      Value weight = arith::SelectOp::create(builder, isHere, masked(pair, 0xF0), builder.int32(0));
      weight =
          arith::ShLIOp::create(builder, arith::ExtUIOp::create(builder, i64, weight),
                                arith::ExtUIOp::create(builder, i64, left(masked(pair, 7), 3)));
      word = arith::OrIOp::create(builder, word, weight);
    }
    result.words[0][row] = arith::TruncIOp::create(builder, builder.getI32Type(), word);
    word = arith::ShRUIOp::create(builder, word, builder.constant(i64, int64_t(32)));
    result.words[1][row] = arith::TruncIOp::create(builder, builder.getI32Type(), word);
  }
  return result;
}

Value CodeReader::storedUpTo(Value group) {
  Value start = builder.address(tile, builder.add(builder.mul(group, 2), geometry.endsOffset));
  Value number = builder.loadAligned(builder.getI16Type(), start, 2, true);
  return arith::ExtUIOp::create(builder, builder.getI32Type(), number);
}

Value CodeReader::stepOf(Value stored) {
  Value start = builder.address(builder.address(tile, geometry.indicesOffset), times(stored, 2));
  Value number = builder.loadAligned(builder.getI16Type(), start, 2, true);
  return arith::ExtUIOp::create(builder, builder.getI32Type(), number);
}

std::pair<Value, Value> CodeReader::readStored(Value stored) {
  Value start = builder.address(values, times(stored, blockStepBytes(layout)));
  if (layout.element == ElementKind::I8)
    return loadRows(builder.address(start, times(rowPair, kRowPairBytes)));
  // Rows 0 to 7 are the low nibbles, which become the upper half of a byte.
  auto [first, second] = loadRows(builder.address(start, times(masked(rowPair, 3), kRowPairBytes)));
  Value isLow =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, rowPair, builder.int32(4));
  auto upper = [&](Value word) {
    return masked(arith::SelectOp::create(builder, isLow, left(word, 4), word), inEachByte(0xF0));
  };
  return {upper(first), upper(second)};
}
