// Attention by tensor cores: keys and values come to shared memory, as halves.
#include "AttentionMatrix.h"
#include "DeviceInstructions.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// Bytes of a unit, and of a load.
constexpr int64_t kUnit = 16;

//===----------------------------------------------------------------------===//
// Places
//===----------------------------------------------------------------------===//

/// What the cache has side by side stays so: positions of keys and elements of values, or of int8
/// elements of keys and positions of values.
void MatrixAttention::placeStaged() {
  int64_t padded = layout.paddedDim();
  stagedValues = {0, isInt8() ? kKVBlock / 8 : padded / 8, !isInt8()};
  stagedKeys = {kKVBlock * padded * 2, isInt8() ? padded / 8 : kKVTile / 8, !isInt8()};
  bufferBytes = 2 * kKVBlock * padded * 2;
}

Value MatrixAttention::swizzled(const Staged &staged, Value row, Value unit) {
  Words words(builder);
  int64_t period = staged.period();
  Value exchanged = words.both(words.right(row, llvm::Log2_64(8 / period)), period - 1);
  return words.add(words.mul(row, staged.rowBytes()), words.left(words.flip(unit, exchanged), 4));
}

/// Elements behind the head are never copied: what they are multiplied with is zero, and so must
/// they be.
void MatrixAttention::clearPadding() {
  if (layout.headDim == layout.paddedDim())
    return;
  auto four = VectorType::get(4, builder.getI32Type());
  Value zeros = builder.constant(four, int64_t(0));
  builder.forThreads(plannedTile.buffers * bufferBytes / kUnit, [&](Value number) {
    builder.storeAligned(zeros, builder.address(staging, builder.times(number, kUnit)), kUnit);
  });
  builder.barrier();
}

Value MatrixAttention::isSeen(const Block &block, Value place) {
  Value start = builder.times(block.number, kKVBlock);
  auto compare = [&](arith::CmpIPredicate predicate, Value bound) -> Value {
    bound = builder.toI32(arith::SubIOp::create(builder, bound, start));
    return arith::CmpIOp::create(builder, predicate, place, bound);
  };
  Value seen = compare(arith::CmpIPredicate::slt, blocks.end);
  if (op.getWindow() == 0)
    return seen;
  Value inside =
      compare(arith::CmpIPredicate::sge, builder.plus(firstPosition, 1 - int64_t(op.getWindow())));
  if (op.getSinks() != 0)
    inside = arith::OrIOp::create(builder, inside,
                                  compare(arith::CmpIPredicate::slt, builder.index(op.getSinks())));
  return arith::AndIOp::create(builder, seen, inside);
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

Values MatrixAttention::beginCopy(const Block &block, Value exists) {
  if (layout.element != KVElement::F16)
    return loadBytes(block);
  builder.ifThen(exists, [&] { copyHalves(block); });
  return {};
}

void MatrixAttention::finishCopy(const Block &block, Value exists, ValueRange loaded) {
  if (layout.element == KVElement::F16)
    NVVM::CpAsyncWaitGroupOp::create(builder, 0);
  else
    builder.ifThen(exists,
                   [&] { isInt8() ? storeCodes(block, loaded) : storeFloat8(block, loaded); });
}

/// Calls `body` with the numbers (i32) below `count` that are the thread's. Places of copies are
/// found anew for each block: registers are for results.
static void forOwn(RowBuilder &builder, int64_t count, function_ref<void(Value)> body) {
  Value thread = builder.instructions().keepHere(builder, builder.thread());
  for (int64_t first = 0; first < count; first += builder.threads()) {
    Value number = builder.plus(thread, first);
    builder.guard(
        first + builder.threads() > count, [&] { return builder.isBelow(number, count); },
        [&] { body(number); });
  }
}

void MatrixAttention::copyHalves(const Block &block) {
  Words words(builder);
  int64_t padded = layout.paddedDim(), unitsOfTile = layout.keyTileBytes() / kUnit;
  Value from = builder.address(keys, builder.times(block.number, layout.keyBlockBytes()));
  auto copy = [&](Value from, Value number, Value to) {
    NVVM::CpAsyncOp::create(builder, to, builder.address(from, words.mul(number, kUnit)), kUnit,
                            NVVM::LoadCacheModifierKind::CG, Value());
  };
  Value to = builder.address(block.buffer, stagedKeys.offset);
  forOwn(builder, kKVBlock / kKVTile * unitsOfTile, [&](Value number) {
    Value tile = words.div(number, unitsOfTile), inTile = words.rem(number, unitsOfTile);
    Value place = swizzled(stagedKeys, words.div(inTile, 2), words.rem(inTile, 2));
    place = words.add(place, words.mul(tile, padded * stagedKeys.rowBytes()));
    copy(from, number, builder.address(to, place));
  });
  from = builder.address(values, builder.times(block.number, layout.valueBlockBytes()));
  to = builder.address(block.buffer, stagedValues.offset);
  auto four = VectorType::get(4, builder.getI32Type());
  forOwn(builder, kKVBlock * stagedValues.units, [&](Value number) {
    Value key = words.div(number, stagedValues.units);
    Value place = swizzled(stagedValues, key, words.rem(number, stagedValues.units));
    // What lies where nobody looks may be no number, which a weight of zero would not undo.
    auto branch = scf::IfOp::create(builder, isSeen(block, key), /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    copy(from, number, builder.address(to, place));
    builder.setInsertionPointToStart(branch.elseBlock());
    builder.storeAligned(builder.constant(four, int64_t(0)), builder.address(to, place), kUnit);
  });
  NVVM::CpAsyncCommitGroupOp::create(builder);
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

/// The thread's units of keys, then of values.
Values MatrixAttention::loadBytes(const Block &block) {
  Words words(builder);
  auto four = VectorType::get(4, builder.getI32Type());
  Values loaded;
  auto load = [&](Value from, int64_t bytes) {
    for (int64_t first = 0; first < bytes / kUnit; first += builder.threads()) {
      Value number = builder.plus(builder.thread(), first);
      if (first + builder.threads() > bytes / kUnit)
        number = builder.smaller(number, bytes / kUnit - 1);
      loaded.push_back(
          builder.loadAligned(four, builder.address(from, words.mul(number, kUnit)), kUnit));
    }
  };
  load(builder.address(keys, builder.times(block.number, layout.keyBlockBytes())),
       layout.keyScalesInBlock());
  load(builder.address(values, builder.times(block.number, layout.valueBlockBytes())),
       layout.valueScalesInBlock());
  return loaded;
}

/// Four floats of codes + 128: behind 2^23, the lowest bits of a float are an integer.
Values MatrixAttention::floatsOfCodes(Value word) {
  Words words(builder);
  Type f32 = builder.getF32Type();
  Value bias = builder.constant(f32, -(8388608.0 + 128.0));
  Values floats;
  for (int64_t i = 0; i < kFour; ++i) {
    Value bits = words.permute(word, words.number(0x4B000000), uint32_t(0x7440 | i));
    floats.push_back(
        arith::AddFOp::create(builder, arith::BitcastOp::create(builder, f32, bits), bias));
  }
  return floats;
}

/// Four halves in two words. Exact, as f16 has more bits of both exponent and mantissa.
Values MatrixAttention::halvesOfFloat8(Value word) {
  Words words(builder);
  auto pair = VectorType::get(2, builder.getF16Type());
  Value scale = builder.constant(pair, double(kFloat8Scale));
  Values halves;
  for (uint32_t selector : {0x1404, 0x3424}) { // bytes with zeros below
    Value bytes = words.permute(word, words.number(0), selector);
    Value bits =
        words.either(words.right(words.both(bytes, 0x7F007F00), 1), words.both(bytes, 0x80008000));
    Value half = LLVM::BitcastOp::create(builder, pair, bits);
    half = builder.productOf(half, scale);
    halves.push_back(LLVM::BitcastOp::create(builder, builder.getI32Type(), half));
  }
  return halves;
}

/// A unit is 16 positions of an element of keys, or 16 elements of a position of values. What lies
/// where nobody looks is a number, too.
void MatrixAttention::storeFloat8(const Block &block, ValueRange loaded) {
  Words words(builder);
  auto four = VectorType::get(kFour, builder.getI32Type());
  size_t next = 0;
  auto store = [&](const Staged &staged, Value row, Value unit, Value place) {
    Value bytes = loaded[next++];
    for (int64_t half : {0, 1}) {
      Values halves = halvesOfFloat8(words.part(bytes, 2 * half));
      halves.append(halvesOfFloat8(words.part(bytes, 2 * half + 1)));
      Value to = swizzled(staged, row, words.add(words.left(unit, 1), uint32_t(half)));
      to = builder.address(block.buffer, words.add(to, place));
      builder.storeAligned(vector::FromElementsOp::create(builder, four, halves),
                           builder.address(to, staged.offset), kUnit);
    }
  };
  forOwn(builder, layout.keyScalesInBlock() / kUnit, [&](Value number) {
    Value tile = words.div(number, layout.headDim), element = words.rem(number, layout.headDim);
    store(stagedKeys, element, words.number(0),
          words.mul(tile, layout.paddedDim() * stagedKeys.rowBytes()));
  });
  int64_t unitsOfValue = layout.paddedDim() / kUnit;
  forOwn(builder, kKVBlock * unitsOfValue, [&](Value number) {
    store(stagedValues, words.div(number, unitsOfValue), words.rem(number, unitsOfValue),
          words.number(0));
  });
}

void MatrixAttention::storeCodes(const Block &block, ValueRange loaded) {
  Words words(builder);
  int64_t padded = layout.paddedDim();
  auto halves = VectorType::get(kFour, builder.getF16Type());
  Value to = builder.address(block.buffer, stagedKeys.offset);
  size_t next = 0;
  auto store = [&](const Staged &staged, Value to, Value row, Value eight, Value half,
                   ValueRange floats) {
    Value vector = vector::FromElementsOp::create(builder, builder.floats(kFour), floats);
    vector = arith::TruncFOp::create(builder, halves, vector);
    Value place = words.add(swizzled(staged, row, eight), words.left(half, 3));
    builder.storeAligned(vector, builder.address(to, place), 8);
  };
  // A unit is four positions of four elements.
  int64_t fours = llvm::divideCeil(layout.headDim, kFour);
  forOwn(builder, layout.keyScalesInBlock() / kUnit, [&](Value number) {
    Value unit = loaded[next++];
    Value inTile = words.rem(number, fours * kFour), tile = words.div(number, fours * kFour);
    Value element = words.div(inTile, kFour), key = words.rem(inTile, kFour);
    key = words.add(words.mul(tile, kKVTile), words.mul(key, kFour));
    for (int64_t i = 0; i < kFour; ++i)
      store(stagedKeys, to, words.add(key, i), words.div(element, 2), words.rem(element, 2),
            floatsOfCodes(words.part(unit, i)));
  });
  to = builder.address(block.buffer, stagedValues.offset);
  Value scales = builder.address(values, builder.times(block.number, layout.valueBlockBytes()));
  scales = builder.address(scales, layout.valueScalesInBlock());
  forOwn(builder, kKVBlock * padded / kUnit, [&](Value number) {
    Value unit = loaded[next++];
    Value keys = words.div(number, padded / kFour), element = words.rem(number, padded / kFour);
    Value four = builder.loadAligned(builder.floats(kFour),
                                     builder.address(scales, words.mul(keys, kUnit)), kUnit);
    Values scaleOfKey;
    for (int64_t i = 0; i < kFour; ++i) {
      // The scale of a position that nobody sees may be anything.
      Value seen = isSeen(block, words.add(words.mul(keys, kFour), i));
      scaleOfKey.push_back(
          builder.choose(seen, words.part(four, i), builder.constant(builder.getF32Type(), 0.0)));
    }
    for (int64_t i = 0; i < kFour; ++i) {
      Values floats = floatsOfCodes(words.flip(words.part(unit, i), 0x80808080));
      for (auto [x, scale] : llvm::zip_equal(floats, scaleOfKey))
        x = builder.productOf(x, scale);
      store(stagedValues, to, words.add(words.mul(element, kFour), i), words.div(keys, 2),
            words.rem(keys, 2), floats);
    }
  });
}
