// What the kernels of GPUs are written with.
#include "BlockBuilder.h"

#include "DeviceInstructions.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

const DeviceInstructions &BlockBuilder::instructions() { return DeviceInstructions::of(target); }

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

Values BlockBuilder::ifElse(Value condition, ValueRange others, function_ref<Values()> body) {
  auto branch = scf::IfOp::create(*this, others.getTypes(), condition, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(*this);
  setInsertionPointToStart(branch.elseBlock());
  scf::YieldOp::create(*this, others);
  setInsertionPointToStart(branch.thenBlock());
  scf::YieldOp::create(*this, body());
  return Values(branch.getResults());
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
  instructions().prefetchBulk(*this, address, bytes);
}

//===----------------------------------------------------------------------===//
// Values of several threads
//===----------------------------------------------------------------------===//

Value BlockBuilder::shuffleXor(Value value, int64_t mask) {
  return instructions().shuffleXor(*this, value, mask);
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
  // One instruction does it for integers, where there is one and all lanes take part.
  if (mask == target.warpThreads - 1 && !values.empty() && values[0].getType().isInteger(32))
    if (Value first = instructions().reduceWarp(*this, kind, values[0])) {
      values[0] = first;
      for (Value &value : values.drop_front())
        value = instructions().reduceWarp(*this, kind, value);
      return;
    }
  if (target.isOpenCL())
    return exchangeLanes(kind, values, mask);
  // Step by step for all values: the steps of one would wait for each other.
  for (int64_t bit = target.warpThreads / 2; bit > 0; bit /= 2)
    if (mask & bit)
      for (Value &value : values)
        value = combine(kind, value, shuffleXor(value, bit));
}

/// The memory for exchanges, of at least `bytes` bytes.
static Value exchangeMemory(BlockBuilder &builder, int64_t bytes) {
  ModuleOp module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto memory = module.lookupSymbol<LLVM::GlobalOp>(kExchangeMemory);
  if (!memory) {
    OpBuilder start(module.getBody(), module.getBody()->begin());
    auto none = LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
    memory = LLVM::GlobalOp::create(start, module.getLoc(), none, /*isConstant=*/false,
                                    LLVM::Linkage::Internal, kExchangeMemory, Attribute(),
                                    /*alignment=*/128, kShared);
  }
  auto known = cast<LLVM::LLVMArrayType>(memory.getGlobalType());
  uint64_t most = std::max<uint64_t>(known.getNumElements(), bytes);
  memory.setGlobalType(LLVM::LLVMArrayType::get(builder.getI8Type(), most));
  auto type = LLVM::LLVMPointerType::get(builder.getContext(), kShared);
  return LLVM::AddressOfOp::create(builder, type, kExchangeMemory);
}

/// The lanes leave their values in shared memory; each then does by itself what the steps between
/// lanes would have given it.
void BlockBuilder::exchangeLanes(Reduction kind, MutableArrayRef<Value> values, int64_t mask) {
  assert(warps() == 1 && "a barrier of the block is one of the warp");
  constexpr int64_t bytes = 4;
  int64_t rowBytes = target.warpThreads * bytes;
  Value memory = exchangeMemory(*this, rowBytes * static_cast<int64_t>(values.size()));
  auto place = [&](size_t row, Value number) {
    Value offset = arith::MulIOp::create(*this, number, int32(bytes));
    return address(address(memory, static_cast<int64_t>(row) * rowBytes), offset);
  };
  for (auto [row, value] : llvm::enumerate(values))
    storeAligned(value, place(row, lane()), bytes);
  barrier();
  for (auto [row, value] : llvm::enumerate(values)) {
    // Those of the lanes whose numbers differ from this one's by a subset of the mask.
    SmallVector<Value> parts(mask + 1);
    for (int64_t subset = 0; subset <= mask; ++subset)
      if ((subset & ~mask) == 0)
        parts[subset] =
            loadAligned(value.getType(),
                        place(row, arith::XOrIOp::create(*this, lane(), int32(subset))), bytes);
    for (int64_t bit = target.warpThreads / 2; bit > 0; bit /= 2)
      for (int64_t subset = 0; (mask & bit) && subset <= mask; ++subset)
        if (parts[subset] && !(subset & bit)) {
          parts[subset] = combine(kind, parts[subset], parts[subset | bit]);
          parts[subset | bit] = Value();
        }
    value = parts[0];
  }
  barrier();
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
  if (parts == 1)
    return loadAligned(type, slot(int32(0)), 4);
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

Value BlockBuilder::dot4(Value a, Bytes aKind, Value b, Bytes bKind, Value acc) {
  return instructions().dot4(*this, a, aKind, b, bKind, acc);
}

Value BlockBuilder::permuteBytes(Value a, Value b, Value selector) {
  return instructions().permuteBytes(*this, a, b, selector);
}

Value BlockBuilder::fastExp(Value x) {
  // exp2 is an instruction everywhere; the factor costs half an ulp of the exponent.
  Value scaled = arith::MulFOp::create(*this, x, constant(x.getType(), 1.44269504088896341));
  return instructions().exp2(*this, scaled);
}
