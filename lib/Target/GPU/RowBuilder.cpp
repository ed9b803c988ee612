// What the kernels of rows share.
#include "RowBuilder.h"

#include "DeviceInstructions.h"

#include <limits>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

//===----------------------------------------------------------------------===//
// Arithmetic and control
//===----------------------------------------------------------------------===//

Value RowBuilder::plus(Value a, int64_t b) {
  return b == 0 ? a : createOrFold<arith::AddIOp>(a, constant(a.getType(), b));
}

Value RowBuilder::times(Value a, int64_t b) {
  return createOrFold<arith::MulIOp>(a, constant(a.getType(), b));
}

Value RowBuilder::quotient(Value a, int64_t b) {
  return createOrFold<arith::DivUIOp>(a, constant(a.getType(), b));
}

Value RowBuilder::remainder(Value a, int64_t b) {
  return createOrFold<arith::RemUIOp>(a, constant(a.getType(), b));
}

Value RowBuilder::isBelow(Value a, Value b) {
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, a, b);
}

Value RowBuilder::smaller(Value a, Value b) { return createOrFold<arith::MinUIOp>(a, b); }

Value RowBuilder::choose(Value condition, Value a, Value b) {
  return arith::SelectOp::create(*this, condition, a, b);
}

Value RowBuilder::productOf(Value a, Value b) { return arith::MulFOp::create(*this, a, b); }

void RowBuilder::guard(bool isNeeded, function_ref<Value()> condition, function_ref<void()> body) {
  if (!isNeeded)
    return body();
  ifThen(condition(), body);
}

void RowBuilder::forWarps(int64_t count, int64_t workers, function_ref<void(Value)> body,
                          int64_t shift) {
  Value first = warp();
  if (shift % workers != 0)
    first = remainder(plus(first, workers - shift % workers), workers);
  first = toIndex(first);
  if (workers < warps())
    first = choose(isBelow(warp(), workers), first, index(count));
  loop(first, index(count), workers, body);
}

void RowBuilder::syncWarp() {
  if (getTarget().warpThreads == 1)
    return;
  instructions().syncWarp(*this);
}

//===----------------------------------------------------------------------===//
// Columns
//===----------------------------------------------------------------------===//

bool RowBuilder::isAligned(Value matrix, int64_t columns) {
  auto type = cast<MemRefType>(matrix.getType());
  SmallVector<int64_t> strides;
  int64_t offset = 0;
  if (failed(type.getStridesAndOffset(strides, offset)) || strides.back() != 1 ||
      columns % kFour != 0)
    return false;
  return llvm::all_of(ArrayRef(strides).drop_back(), [](int64_t stride) {
    return !ShapedType::isDynamic(stride) && stride % kFour == 0;
  });
}

static Values indicesOf(RowBuilder &builder, ValueRange prefix, Value begin, Value column) {
  Values indices(prefix);
  indices.push_back(begin ? builder.add(begin, column) : column);
  return indices;
}

Values RowBuilder::loadFour(Value matrix, ValueRange prefix, Value begin, Value column,
                            int64_t columns, bool isInside) {
  Value zero = constant(getF32Type(), 0.0);
  Values four;
  if (isAligned(matrix, columns)) {
    // Columns behind the end read the last ones, so that nothing needs to branch.
    Value place = isInside ? column : smaller(column, columns - kFour);
    Value vector =
        vector::LoadOp::create(*this, floats(kFour), matrix, indicesOf(*this, prefix, begin, place),
                               /*nontemporal=*/false, llvm::MaybeAlign(16));
    Value isThere = isInside ? Value() : isBelow(column, columns);
    for (int64_t i = 0; i < kFour; ++i) {
      Value x = vector::ExtractOp::create(*this, vector, i);
      four.push_back(isInside ? x : choose(isThere, x, zero));
    }
    return four;
  }
  bool isWhole = isInside && columns % kFour == 0;
  for (int64_t i = 0; i < kFour; ++i) {
    Value here = plus(column, i);
    Value place = isWhole ? here : smaller(here, columns - 1);
    Value x = loadElement(matrix, indicesOf(*this, prefix, begin, place));
    four.push_back(isWhole ? x : choose(isBelow(here, columns), x, zero));
  }
  return four;
}

void RowBuilder::storeFour(ValueRange four, Value matrix, ValueRange prefix, Value begin,
                           Value column, int64_t columns, bool isInside) {
  if (isAligned(matrix, columns)) {
    Value vector = vector::FromElementsOp::create(*this, floats(kFour), four);
    guard(
        !isInside, [&] { return isBelow(column, columns); },
        [&] {
          vector::StoreOp::create(*this, vector, matrix, indicesOf(*this, prefix, begin, column),
                                  /*nontemporal=*/false, llvm::MaybeAlign(16));
        });
    return;
  }
  for (int64_t i = 0; i < kFour; ++i) {
    Value here = plus(column, i);
    guard(
        !isInside || columns % kFour != 0, [&] { return isBelow(here, columns); },
        [&] {
          memref::StoreOp::create(*this, four[i], matrix, indicesOf(*this, prefix, begin, here));
        });
  }
}

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

QuantizedLanes RowBuilder::quantize(ValueRange inputs, int64_t mask) {
  return quantizeGroups(Values(inputs), mask)[0];
}

Value RowBuilder::greatestBits(ValueRange inputs) {
  Value greatest;
  for (Value x : inputs) {
    Value bits = arith::BitcastOp::create(*this, getI32Type(), x);
    bits = arith::AndIOp::create(*this, bits, int32(0x7FFFFFFF));
    greatest = greatest ? combine(Reduction::UnsignedMaximum, greatest, bits) : bits;
  }
  return greatest;
}

QuantizedLanes RowBuilder::quantizeBelow(Value greatest, ValueRange inputs) {
  Type f32 = getF32Type(), i32 = getI32Type();
  Value infinity = constant(f32, std::numeric_limits<double>::infinity());
  Value magnitude = arith::BitcastOp::create(*this, f32, greatest);
  Value scale = arith::DivFOp::create(*this, magnitude, constant(f32, 127.0));
  Value inverse = arith::DivFOp::create(*this, constant(f32, 1.0), scale);
  // Infinite where all is zero, or too small for a scale: zeros, of padding too, must stay zeros.
  Value isFinite = arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, inverse, infinity);
  inverse = choose(isFinite, inverse, constant(f32, 0.0));
  QuantizedLanes result{{}, scale};
  for (Value x : inputs) {
    Value rounded = roundToEven(productOf(x, inverse));
    // Only what no promise covers is outside; NaN becomes the lowest code.
    rounded = minimum(maximum(rounded, constant(f32, -127.0)), constant(f32, 127.0));
    result.codes.push_back(arith::FPToSIOp::create(*this, i32, rounded));
  }
  return result;
}

SmallVector<QuantizedLanes> RowBuilder::quantizeGroups(ArrayRef<Values> groups, int64_t mask) {
  Values greatest;
  for (const Values &inputs : groups)
    greatest.push_back(greatestBits(inputs));
  reduceLanes(Reduction::UnsignedMaximum, greatest, mask);
  SmallVector<QuantizedLanes> results;
  for (auto [inputs, bits] : llvm::zip_equal(groups, greatest))
    results.push_back(quantizeBelow(bits, inputs));
  return results;
}

Value RowBuilder::packBytes(ValueRange four) {
  Value word = arith::ShLIOp::create(*this, four[kFour - 1], int32(24));
  for (int64_t i = 0; i + 1 < kFour; ++i) {
    Value byte = arith::AndIOp::create(*this, four[i], int32(255));
    if (i > 0)
      byte = arith::ShLIOp::create(*this, byte, int32(8 * i));
    word = arith::OrIOp::create(*this, word, byte);
  }
  return word;
}

Value RowBuilder::sumOf(ValueRange values) {
  Value sum = values[0];
  for (Value value : values.drop_front())
    sum = arith::AddIOp::create(*this, sum, value);
  return sum;
}
