// What all kernels are written with: constants, addresses, vectors of 16 floats, loops.
#include "stc/Target/Kernels/KernelBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;

//===----------------------------------------------------------------------===//
// Constants and index arithmetic
//===----------------------------------------------------------------------===//

Value BaseKernelBuilder::index(int64_t value) {
  return arith::ConstantIndexOp::create(*this, value);
}

static TypedAttr makeConstant(Type type, Attribute element) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    return DenseElementsAttr::get(shaped, element);
  return cast<TypedAttr>(element);
}

Value BaseKernelBuilder::constant(Type type, int64_t value) {
  return arith::ConstantOp::create(
      *this, makeConstant(type, getIntegerAttr(getElementTypeOrSelf(type), value)));
}

Value BaseKernelBuilder::constant(Type type, double value) {
  return arith::ConstantOp::create(
      *this, makeConstant(type, getFloatAttr(getElementTypeOrSelf(type), value)));
}

Value BaseKernelBuilder::add(Value a, Value b) { return createOrFold<arith::AddIOp>(a, b); }

Value BaseKernelBuilder::mul(Value a, int64_t b) {
  return createOrFold<arith::MulIOp>(a, index(b));
}

Value BaseKernelBuilder::toI64(Value value) {
  if (value.getType().isInteger(64))
    return value;
  return createOrFold<arith::IndexCastOp>(getI64Type(), value);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value BaseKernelBuilder::address(Value base, Value offset) {
  if (offset.getType().isIndex())
    offset = toI64(offset);
  return LLVM::GEPOp::create(*this, base.getType(), getI8Type(), base, offset);
}

Value BaseKernelBuilder::address(Value base, int64_t offset) {
  if (offset == 0)
    return base;
  return address(base, index(offset));
}

Value BaseKernelBuilder::rowAddress(Value matrix, Value row) {
  auto type = cast<MemRefType>(matrix.getType());
  Value start = memref::ExtractAlignedPointerAsIndexOp::create(*this, matrix);
  auto pointer = LLVM::LLVMPointerType::get(getContext());
  Value base = LLVM::IntToPtrOp::create(*this, pointer, toI64(start));
  return address(base, mul(row, rowBytes(type)));
}

int64_t BaseKernelBuilder::rowBytes(MemRefType type) {
  return type.getDimSize(1) * type.getElementTypeBitWidth() / 8;
}

Value BaseKernelBuilder::weightAddress(Value weight) {
  return packed::PointerOp::create(*this, LLVM::LLVMPointerType::get(getContext()), weight);
}

std::pair<Value, Value> BaseKernelBuilder::cachePointers(Value cache, Value layer) {
  Type pointer = LLVM::LLVMPointerType::get(getContext());
  auto pointers = packed::CachePointersOp::create(*this, pointer, pointer, cache, layer);
  return {pointers.getKeys(), pointers.getValues()};
}

Value BaseKernelBuilder::stackBuffer(int64_t bytes) {
  InsertionGuard guard(*this);
  auto function = getInsertionBlock()->getParentOp()->getParentOfType<mlir::func::FuncOp>();
  if (!function)
    function = cast<mlir::func::FuncOp>(getInsertionBlock()->getParentOp());
  setInsertionPointToStart(&function.front());
  Value count = arith::ConstantOp::create(*this, getI64IntegerAttr(bytes));
  return LLVM::AllocaOp::create(*this, LLVM::LLVMPointerType::get(getContext()), getI8Type(), count,
                                /*alignment=*/64);
}

void BaseKernelBuilder::store(Value value, Value address) {
  LLVM::StoreOp::create(*this, value, address, /*alignment=*/1);
}

Value BaseKernelBuilder::load(Type type, Value address) {
  return LLVM::LoadOp::create(*this, type, address, /*alignment=*/1);
}

Value BaseKernelBuilder::loadVector(VectorType type, Value memref, ValueRange indices, Value mask) {
  if (!mask)
    return vector::LoadOp::create(*this, type, memref, indices);
  Value zero = arith::ConstantOp::create(*this, cast<TypedAttr>(getZeroAttr(type)));
  return vector::MaskedLoadOp::create(*this, type, memref, indices, mask, zero);
}

void BaseKernelBuilder::storeVector(Value vector, Value memref, ValueRange indices, Value mask) {
  if (mask)
    vector::MaskedStoreOp::create(*this, memref, indices, mask, vector);
  else
    vector::StoreOp::create(*this, vector, memref, indices);
}

Value BaseKernelBuilder::loadElement(Value memref, ValueRange indices) {
  return memref::LoadOp::create(*this, memref, indices);
}

//===----------------------------------------------------------------------===//
// Vectors
//===----------------------------------------------------------------------===//

Value BaseKernelBuilder::broadcast(Value scalar, int64_t lanes) {
  return vector::BroadcastOp::create(*this, VectorType::get(lanes, scalar.getType()), scalar);
}

Value BaseKernelBuilder::laneNumbers() {
  SmallVector<int32_t> numbers(kLanes);
  std::iota(numbers.begin(), numbers.end(), 0);
  return arith::ConstantOp::create(*this, DenseElementsAttr::get(ints(), ArrayRef(numbers)));
}

Value BaseKernelBuilder::firstLanes(int64_t count) {
  SmallVector<bool> bits(kLanes, false);
  std::fill_n(bits.begin(), count, true);
  auto type = VectorType::get(kLanes, getI1Type());
  return arith::ConstantOp::create(*this, DenseElementsAttr::get(type, ArrayRef(bits)));
}

Value BaseKernelBuilder::firstLanes(Value count) {
  Value limit = broadcast(arith::IndexCastOp::create(*this, getI32Type(), count));
  return arith::CmpIOp::create(*this, arith::CmpIPredicate::slt, laneNumbers(), limit);
}

Value BaseKernelBuilder::interleave(Value a, Value b) {
  int64_t count = cast<VectorType>(a.getType()).getNumElements();
  SmallVector<int64_t> lanes;
  for (int64_t i = 0; i < count; ++i)
    lanes.append({i, count + i});
  return vector::ShuffleOp::create(*this, a, b, lanes);
}

Value BaseKernelBuilder::everyOther(Value x, int64_t first) {
  int64_t count = cast<VectorType>(x.getType()).getNumElements();
  SmallVector<int64_t> lanes;
  for (int64_t i = first; i < count; i += 2)
    lanes.push_back(i);
  return vector::ShuffleOp::create(*this, x, x, lanes);
}

Value BaseKernelBuilder::multiplyAdd(Value a, Value b, Value c) {
  if (features.fma)
    return math::FmaOp::create(*this, a, b, c);
  return arith::AddFOp::create(*this, arith::MulFOp::create(*this, a, b), c);
}

Value BaseKernelBuilder::roundToEven(Value x) {
  // Adding 1.5 * 2^23 leaves no bits for a fraction; the default rounding mode does the rest.
  Value magic = constant(x.getType(), 12582912.0);
  return arith::SubFOp::create(*this, arith::AddFOp::create(*this, x, magic), magic);
}

Value BaseKernelBuilder::maximum(Value a, Value b) {
  Value larger = arith::CmpFOp::create(*this, arith::CmpFPredicate::OGT, a, b);
  return arith::SelectOp::create(*this, larger, a, b);
}

Value BaseKernelBuilder::minimum(Value a, Value b) {
  Value smaller = arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, a, b);
  return arith::SelectOp::create(*this, smaller, a, b);
}

Value BaseKernelBuilder::expOfNegative(Value x) {
  Type type = x.getType();
  // exp(x) = 2^n * exp(r) with n the integer nearest to x / ln 2, so |r| <= ln 2 / 2. ln 2 is
  // split in two so that n times its first part is exact.
  Value lowest = constant(type, -87.3365447);
  x = maximum(x, lowest);
  Value n = roundToEven(arith::MulFOp::create(*this, x, constant(type, 1.44269504088896341)));
  Value r = multiplyAdd(n, constant(type, -0.693359375), x);
  r = multiplyAdd(n, constant(type, 2.12194440e-4), r);
  // Taylor's coefficients: the remainder of degree 7 is below half an ulp in this range.
  constexpr double coefficients[] = {1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1.0, 1.0};
  Value sum = constant(type, 1.0 / 5040);
  for (double coefficient : coefficients)
    sum = multiplyAdd(sum, r, constant(type, coefficient));
  Type intType = getI32Type();
  if (auto vector = dyn_cast<VectorType>(type))
    intType = vector.clone(getI32Type());
  Value exponent = arith::FPToSIOp::create(*this, intType, n);
  exponent = arith::AddIOp::create(*this, exponent, constant(intType, int64_t(127)));
  exponent = arith::ShLIOp::create(*this, exponent, constant(intType, int64_t(23)));
  return arith::MulFOp::create(*this, sum, arith::BitcastOp::create(*this, type, exponent));
}

Value BaseKernelBuilder::tanh(Value x) {
  Type type = x.getType();
  Value one = constant(type, 1.0);
  Value magnitude = math::AbsFOp::create(*this, x);
  // (1 - exp(-2 |x|)) / (1 + exp(-2 |x|)), whose difference would cancel near zero; there Taylor's
  // polynomial of degree 9 is exact to below half an ulp.
  Value e = expOfNegative(arith::MulFOp::create(*this, magnitude, constant(type, -2.0)));
  Value large = arith::DivFOp::create(*this, arith::SubFOp::create(*this, one, e),
                                      arith::AddFOp::create(*this, one, e));
  Value square = arith::MulFOp::create(*this, x, x);
  Value sum = constant(type, 62.0 / 2835);
  for (double coefficient : {-17.0 / 315, 2.0 / 15, -1.0 / 3, 1.0})
    sum = multiplyAdd(sum, square, constant(type, coefficient));
  Value small = arith::MulFOp::create(*this, magnitude, sum);
  Value isSmall =
      arith::CmpFOp::create(*this, arith::CmpFPredicate::OLT, magnitude, constant(type, 0.25));
  Value result = arith::SelectOp::create(*this, isSmall, small, large);
  return math::CopySignOp::create(*this, result, x);
}

/// The type, be it a scalar or a vector, with other elements.
static Type withElement(Type type, Type element) {
  auto vector = dyn_cast<VectorType>(type);
  return vector ? Type(vector.clone(element)) : element;
}

Value BaseKernelBuilder::toF32(Value x) {
  Type type = x.getType(), element = getElementTypeOrSelf(type);
  if (element.isF32())
    return x;
  Type result = withElement(type, getF32Type());
  if (element.isF16() && features.convertsHalf)
    return arith::ExtFOp::create(*this, result, x);
  Type wide = withElement(type, getI32Type());
  Value bits = arith::BitcastOp::create(*this, withElement(type, getI16Type()), x);
  bits = arith::ExtUIOp::create(*this, wide, bits);
  auto constantBits = [&](int64_t value) { return constant(wide, value); };
  if (element.isBF16())
    return arith::BitcastOp::create(*this, result,
                                    arith::ShLIOp::create(*this, bits, constantBits(16)));
  // Without an instruction LLVM would call the library. The bits of exponent and mantissa, moved
  // to their places in an f32, are the value times 2^-112, subnormals included.
  Value magnitude = arith::AndIOp::create(*this, bits, constantBits(0x7FFF));
  magnitude = arith::ShLIOp::create(*this, magnitude, constantBits(13));
  Value value = arith::BitcastOp::create(*this, result, magnitude);
  value =
      arith::MulFOp::create(*this, value, constant(result, 5192296858534827628530496329220096.0));
  Value sign = arith::AndIOp::create(*this, bits, constantBits(0x8000));
  sign = arith::ShLIOp::create(*this, sign, constantBits(16));
  value = arith::BitcastOp::create(*this, wide, value);
  return arith::BitcastOp::create(*this, result, arith::OrIOp::create(*this, value, sign));
}

Value BaseKernelBuilder::toF16Bits(Value x) {
  Type type = x.getType();
  Type narrow = withElement(type, getI16Type()), wide = withElement(type, getI32Type());
  Value largest = constant(type, 65504.0), lowest = constant(type, -65504.0);
  x = minimum(maximum(x, lowest), largest);
  if (features.convertsHalf)
    return arith::BitcastOp::create(*this, narrow,
                                    arith::TruncFOp::create(*this, withElement(type, getF16Type()), x));
  // As above, LLVM would call the library.
  auto bitsOf = [&](int64_t value) { return constant(wide, value); };
  Value bits = arith::BitcastOp::create(*this, wide, x);
  Value magnitude = arith::AndIOp::create(*this, bits, bitsOf(0x7FFFFFFF));
  // Subnormals: adding 0.5 leaves them in the lowest bits, rounded.
  Value small = arith::AddFOp::create(*this, arith::BitcastOp::create(*this, type, magnitude),
                                      constant(type, 0.5));
  small = arith::SubIOp::create(*this, arith::BitcastOp::create(*this, wide, small),
                                bitsOf(0x3F000000));
  Value odd = arith::ShRUIOp::create(*this, magnitude, bitsOf(13));
  odd = arith::AndIOp::create(*this, odd, bitsOf(1));
  Value normal = arith::SubIOp::create(*this, magnitude, bitsOf((112 << 23) - 0xFFF));
  normal = arith::AddIOp::create(*this, normal, odd);
  normal = arith::ShRUIOp::create(*this, normal, bitsOf(13));
  Value isSmall =
      arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, magnitude, bitsOf(113 << 23));
  Value result = arith::SelectOp::create(*this, isSmall, small, normal);
  Value sign = arith::ShRUIOp::create(*this, bits, bitsOf(16));
  sign = arith::AndIOp::create(*this, sign, bitsOf(0x8000));
  return arith::TruncIOp::create(*this, narrow, arith::OrIOp::create(*this, result, sign));
}

Value BaseKernelBuilder::largestLane(Value x) {
  return vector::ReductionOp::create(*this, vector::CombiningKind::MAXNUMF, x,
                                     arith::FastMathFlags::nnan);
}

//===----------------------------------------------------------------------===//
// Loops
//===----------------------------------------------------------------------===//

Values BaseKernelBuilder::loop(Value begin, Value end, int64_t step, ValueRange initial,
                               function_ref<Values(Value, ValueRange)> body) {
  auto op = scf::ForOp::create(*this, begin, end, index(step), initial);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(op.getBody());
  Values results = body(op.getInductionVar(), op.getRegionIterArgs());
  // A loop without values gets its terminator from its builder.
  if (!initial.empty())
    scf::YieldOp::create(*this, results);
  return Values(op.getResults());
}

void BaseKernelBuilder::loop(Value begin, Value end, int64_t step, function_ref<void(Value)> body) {
  loop(begin, end, step, {}, [&](Value i, ValueRange) {
    body(i);
    return Values();
  });
}
