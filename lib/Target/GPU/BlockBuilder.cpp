// What the kernels of GPUs are written with.
#include "BlockBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

//===----------------------------------------------------------------------===//
// Threads
//===----------------------------------------------------------------------===//

Value BlockBuilder::toI32(Value value) {
  if (value.getType().isInteger(32))
    return value;
  return createOrFold<arith::IndexCastUIOp>(getI32Type(), value);
}

Value BlockBuilder::toIndex(Value value) {
  if (value.getType().isIndex())
    return value;
  return createOrFold<arith::IndexCastUIOp>(getIndexType(), value);
}

Value BlockBuilder::thread() {
  return toI32(
      mlir::gpu::ThreadIdOp::create(*this, mlir::gpu::Dimension::x, getIndexAttr(threads())));
}

Value BlockBuilder::warp() {
  return arith::DivUIOp::create(*this, thread(), int32(target.warpThreads));
}

Value BlockBuilder::lane() {
  return arith::RemUIOp::create(*this, thread(), int32(target.warpThreads));
}

void BlockBuilder::barrier() { mlir::gpu::BarrierOp::create(*this); }

void BlockBuilder::ifThen(Value condition, function_ref<void()> body) {
  auto branch = scf::IfOp::create(*this, condition);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.thenBlock());
  body();
}

void BlockBuilder::forThreads(Value count, function_ref<void(Value)> body) {
  loop(toIndex(thread()), toIndex(count), threads(), body);
}

void BlockBuilder::forThreads(int64_t count, function_ref<void(Value)> body) {
  if (count == threads())
    return body(toIndex(thread()));
  if (count > threads())
    return forThreads(index(count), body);
  Value isIn = arith::CmpIOp::create(*this, arith::CmpIPredicate::ult, thread(), int32(count));
  ifThen(isIn, [&] { body(toIndex(thread())); });
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

Value BlockBuilder::scratch(int64_t bytes) {
  ModuleOp module = getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto known = module->getAttrOfType<IntegerAttr>(kScratchBytesAttr);
  int64_t most = std::max<int64_t>(known ? known.getInt() : 0, llvm::alignTo(bytes, 128));
  module->setAttr(kScratchBytesAttr, getI64IntegerAttr(most));
  return address(barrierGoal(), kBarrierBytes);
}

Value BlockBuilder::barrierGoal() {
  auto type = LLVM::LLVMPointerType::get(getContext(), kShared);
  return LLVM::AddressOfOp::create(*this, type, kSharedMemory);
}

Value BlockBuilder::global(Value pointer) {
  auto type = LLVM::LLVMPointerType::get(getContext(), kGlobal);
  return pointer.getType() == type
             ? pointer
             : LLVM::AddrSpaceCastOp::create(*this, type, pointer).getResult();
}

Value BlockBuilder::loadAligned(Type type, Value address, unsigned alignment, bool invariant) {
  return LLVM::LoadOp::create(*this, type, address, alignment, /*isVolatile=*/false,
                              /*isNonTemporal=*/false, invariant);
}

void BlockBuilder::storeAligned(Value value, Value address, unsigned alignment) {
  LLVM::StoreOp::create(*this, value, address, alignment);
}

void BlockBuilder::prefetchBulk(Value address, Value bytes) {
  NVVM::CpAsyncBulkPrefetchOp::create(*this, address, bytes, /*l2CacheHint=*/Value());
}

//===----------------------------------------------------------------------===//
// Values of several threads
//===----------------------------------------------------------------------===//

Value BlockBuilder::shuffleXor(Value value, int64_t mask) {
  return mlir::gpu::ShuffleOp::create(*this, value, int32(mask), int32(target.warpThreads),
                                      mlir::gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

Value BlockBuilder::combine(Reduction kind, Value a, Value b) {
  bool isFloat = isa<FloatType>(a.getType());
  switch (kind) {
  case Reduction::Sum:
    return isFloat ? arith::AddFOp::create(*this, a, b).getResult()
                   : arith::AddIOp::create(*this, a, b).getResult();
  case Reduction::Maximum:
    return isFloat ? arith::MaxNumFOp::create(*this, a, b).getResult()
                   : arith::MaxSIOp::create(*this, a, b).getResult();
  case Reduction::UnsignedMaximum:
    return arith::MaxUIOp::create(*this, a, b);
  }
  llvm_unreachable("every reduction is listed");
}

Value BlockBuilder::reduceLanes(Reduction kind, Value value, int64_t mask) {
  reduceLanes(kind, MutableArrayRef<Value>(value), mask);
  return value;
}

void BlockBuilder::reduceLanes(Reduction kind, MutableArrayRef<Value> values, int64_t mask) {
  // One instruction does it for integers, where all lanes take part.
  if (target.isNvidia() && mask == target.warpThreads - 1 && !values.empty() &&
      values[0].getType().isInteger(32)) {
    NVVM::ReduxKind redux = kind == Reduction::Sum       ? NVVM::ReduxKind::ADD
                            : kind == Reduction::Maximum ? NVVM::ReduxKind::MAX
                                                         : NVVM::ReduxKind::UMAX;
    for (Value &value : values)
      value = NVVM::ReduxOp::create(*this, getI32Type(), value, redux, int32(-1));
    return;
  }
  // Step by step for all values: the steps of one would wait for each other.
  for (int64_t bit = target.warpThreads / 2; bit > 0; bit /= 2)
    if (mask & bit)
      for (Value &value : values)
        value = combine(kind, value, shuffleXor(value, bit));
}

Value BlockBuilder::reduceBlock(Reduction kind, Value value, Value scratch) {
  constexpr int64_t kWide = 4; // values of one load
  Type type = value.getType();
  auto slot = [&](Value number) {
    Value offset = arith::MulIOp::create(*this, toI32(number), int32(4));
    return address(scratch, offset);
  };
  // One value per warp, or per thread where there are none.
  int64_t parts = warps();
  if (target.warpThreads > 1)
    value = reduceLanes(kind, value, target.warpThreads - 1);
  Value writer = arith::CmpIOp::create(*this, arith::CmpIPredicate::eq, lane(), int32(0));
  ifThen(writer, [&] { storeAligned(value, slot(warp()), 4); });
  barrier();
  if (parts > 32) {
    Value first = loadAligned(type, slot(int32(0)), 4);
    return loop(index(1), index(parts), 1, first, [&](Value i, ValueRange carried) -> Values {
      return {combine(kind, carried[0], loadAligned(type, slot(i), 4))};
    })[0];
  }
  // Few loads, all under way together, and few steps one after the other.
  int64_t wide = parts % kWide == 0 ? kWide : 1;
  SmallVector<Value> values;
  for (int64_t i = 0; i < parts; i += wide) {
    Value loaded = loadAligned(VectorType::get(wide, type), slot(int32(i)), unsigned(4 * wide));
    for (int64_t j = 0; j < wide; ++j)
      values.push_back(vector::ExtractOp::create(*this, loaded, j));
  }
  while (values.size() > 1) {
    size_t half = llvm::divideCeil(values.size(), 2);
    for (size_t i = half; i < values.size(); ++i)
      values[i - half] = combine(kind, values[i - half], values[i]);
    values.truncate(half);
  }
  return values[0];
}

//===----------------------------------------------------------------------===//
// Bytes
//===----------------------------------------------------------------------===//

Value BlockBuilder::dot4(Value a, bool aSigned, Value b, bool bSigned, Value acc) {
  if (target.isNvidia()) {
    auto bytes = VectorType::get(4, getI8Type());
    auto kind = [](bool isSigned) {
      return isSigned ? NVVM::DotAccumulateType::SIGNED : NVVM::DotAccumulateType::UNSIGNED;
    };
    Value left = LLVM::BitcastOp::create(*this, bytes, a);
    Value right = LLVM::BitcastOp::create(*this, bytes, b);
    return NVVM::DotAccumulate4WayOp::create(*this, getI32Type(), left, kind(aSigned), right,
                                             kind(bSigned), acc);
  }
  auto byteOf = [&](Value word, int64_t i, bool isSigned) -> Value {
    Value up = arith::ShLIOp::create(*this, word, int32(24 - 8 * i));
    return isSigned ? arith::ShRSIOp::create(*this, up, int32(24)).getResult()
                    : arith::ShRUIOp::create(*this, up, int32(24)).getResult();
  };
  for (int64_t i = 0; i < 4; ++i) {
    Value product = arith::MulIOp::create(*this, byteOf(a, i, aSigned), byteOf(b, i, bSigned));
    acc = arith::AddIOp::create(*this, acc, product);
  }
  return acc;
}

Value BlockBuilder::permuteBytesOrSigns(Value a, Value b, Value selector) {
  if (target.isNvidia())
    return NVVM::PermuteOp::create(*this, getI32Type(), a, b, selector, NVVM::PermuteMode::DEFAULT);
  Value bytes = permuteBytes(a, b, selector);
  Value result = int32(0);
  for (int64_t i = 0; i < 4; ++i) {
    // Shifts that keep the sign bring down the byte, or nothing but its highest bit.
    Value byte = arith::ShLIOp::create(*this, bytes, int32(24 - 8 * i));
    Value sign = arith::ShRSIOp::create(*this, byte, int32(31));
    byte = arith::ShRUIOp::create(*this, byte, int32(24));
    Value isSign = arith::AndIOp::create(*this, selector, int32(8 << (4 * i)));
    isSign = arith::CmpIOp::create(*this, arith::CmpIPredicate::ne, isSign, int32(0));
    byte = arith::SelectOp::create(*this, isSign, arith::AndIOp::create(*this, sign, int32(255)),
                                   byte);
    result = arith::OrIOp::create(*this, result, arith::ShLIOp::create(*this, byte, int32(8 * i)));
  }
  return result;
}

Value BlockBuilder::permuteBytes(Value a, Value b, Value selector) {
  // Which nibbles are below 8, where signs do not count.
  if (target.isNvidia())
    return NVVM::PermuteOp::create(*this, getI32Type(), a, b, selector, NVVM::PermuteMode::DEFAULT);
  Type i64 = getI64Type();
  Value both = arith::ShLIOp::create(*this, arith::ExtUIOp::create(*this, i64, b),
                                     constant(i64, int64_t(32)));
  both = arith::OrIOp::create(*this, both, arith::ExtUIOp::create(*this, i64, a));
  Value result = int32(0);
  for (int64_t i = 0; i < 4; ++i) {
    Value number = arith::ShRUIOp::create(*this, selector, int32(4 * i));
    number = arith::AndIOp::create(*this, number, int32(7));
    Value shift = arith::ShLIOp::create(*this, number, int32(3));
    Value byte = arith::ShRUIOp::create(*this, both, arith::ExtUIOp::create(*this, i64, shift));
    byte = arith::TruncIOp::create(*this, getI32Type(), byte);
    byte = arith::AndIOp::create(*this, byte, int32(255));
    result = arith::OrIOp::create(*this, result, arith::ShLIOp::create(*this, byte, int32(8 * i)));
  }
  return result;
}

Value BlockBuilder::fastExp(Value x) {
  // exp2 is an instruction everywhere; the factor costs half an ulp of the exponent.
  Value scaled = arith::MulFOp::create(*this, x, constant(x.getType(), 1.44269504088896341));
  if (!target.isNvidia())
    return math::Exp2Op::create(*this, scaled);
  return LLVM::CallIntrinsicOp::create(
             *this, getF32Type(), getStringAttr("llvm.nvvm.ex2.approx.ftz.f"), ValueRange{scaled})
      .getResult(0);
}
