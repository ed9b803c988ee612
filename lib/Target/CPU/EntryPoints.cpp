// stc-emit-entry-points: the C functions of a model binary, and the context every function needs.
#include "stc/Runtime/ModelABI.h"
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/CPU/VariantTable.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <cstddef>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_EMITENTRYPOINTSPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

constexpr unsigned kContextArguments = 3; // frame, thread, threads
constexpr StringLiteral kBarrier = "stc_rt_barrier";

/// An entry point: the function it calls, and the frame's fields that are its f32 buffers.
struct EntryPoint {
  StringLiteral function;
  SmallVector<size_t, 2> floatFields;
};

class EmitEntryPoints final : public impl::EmitEntryPointsPassBase<EmitEntryPoints> {
public:
  using EmitEntryPointsPassBase::EmitEntryPointsPassBase;

  void runOnOperation() override;

private:
  void addContext(func::FuncOp function);
  void lower(Operation *op, SymbolTable &symbols);
  Value lowerWeight(OpBuilder &builder, Location loc, Value frame, Value offset, Type type);
  void lowerWeightRow(packed::WeightRowOp op, Value frame, SymbolTable &symbols);
  LogicalResult emitEntryPoint(const EntryPoint &entry, SymbolTable &symbols);
  void declareRuntime();
  void emitConstants();

  /// A field of the frame. Fields do not change during a call, so loads may be merged and moved.
  Value loadField(OpBuilder &builder, Location loc, Value frame, size_t offset, Type type);
  Value addBytes(OpBuilder &builder, Location loc, Value pointer, Value bytes);
  Value constant(OpBuilder &builder, Location loc, int64_t value);

  Type pointer, i64;
};

} // namespace

Value EmitEntryPoints::constant(OpBuilder &builder, Location loc, int64_t value) {
  return LLVM::ConstantOp::create(builder, loc, i64, builder.getI64IntegerAttr(value));
}

Value EmitEntryPoints::addBytes(OpBuilder &builder, Location loc, Value base, Value bytes) {
  return LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), base, bytes);
}

Value EmitEntryPoints::loadField(OpBuilder &builder, Location loc, Value frame, size_t offset,
                                 Type type) {
  Value address = addBytes(builder, loc, frame, constant(builder, loc, offset));
  return LLVM::LoadOp::create(builder, loc, type, address, /*alignment=*/8, /*isVolatile=*/false,
                              /*isNonTemporal=*/false, /*isInvariant=*/true);
}

/// Prepends the context to the function's arguments; calls inside it hand theirs on.
void EmitEntryPoints::addContext(func::FuncOp function) {
  Type types[kContextArguments] = {pointer, i64, i64};
  for (auto [index, type] : llvm::enumerate(types))
    if (failed(function.insertArgument(index, type, {}, function.getLoc())))
      llvm_unreachable("arguments can be added to every function with a body");
  function.walk([&](func::CallOp call) {
    call.getOperandsMutable().append(ValueRange());
    SmallVector<Value> operands(function.getArguments().take_front(kContextArguments));
    llvm::append_range(operands, call.getOperands());
    call->setOperands(operands);
  });
  function.setPrivate();
  function->setAttr("llvm.linkage", LLVM::LinkageAttr::get(&getContext(), LLVM::Linkage::Internal));
}

Value EmitEntryPoints::lowerWeight(OpBuilder &builder, Location loc, Value frame, Value offset,
                                   Type type) {
  Value base = loadField(builder, loc, frame, offsetof(StcFrame, weights), pointer);
  Value address = addBytes(builder, loc, base, offset);
  return UnrealizedConversionCastOp::create(builder, loc, type, address).getResult(0);
}

/// The table of offsets is one constant; row i starts at i times the number of weights.
void EmitEntryPoints::lowerWeightRow(packed::WeightRowOp op, Value frame, SymbolTable &symbols) {
  SmallVector<int64_t> offsets;
  for (Attribute row : op.getWeights())
    for (auto symbol : cast<ArrayAttr>(row).getAsRange<FlatSymbolRefAttr>())
      offsets.push_back(symbols.lookup<packed::WeightOp>(symbol.getValue()).getOffset());
  OpBuilder builder(getOperation().getBody(), getOperation().getBody()->begin());
  Location loc = op.getLoc();
  auto type = RankedTensorType::get({static_cast<int64_t>(offsets.size())}, i64);
  auto table = LLVM::GlobalOp::create(
      builder, loc, LLVM::LLVMArrayType::get(i64, offsets.size()), /*isConstant=*/true,
      LLVM::Linkage::Internal, "weight_offsets", DenseElementsAttr::get(type, ArrayRef(offsets)));
  symbols.insert(table);

  builder.setInsertionPoint(op);
  Value row = arith::IndexCastOp::create(builder, loc, i64, op.getIndex());
  Value first =
      arith::MulIOp::create(builder, loc, row, constant(builder, loc, op.getNumResults()));
  Value address = LLVM::AddressOfOp::create(builder, loc, table);
  Value entries = LLVM::GEPOp::create(builder, loc, pointer, i64, address, first);
  for (auto [index, result] : llvm::enumerate(op.getResults())) {
    Value offset = loadField(builder, loc, entries, 8 * index, i64);
    result.replaceAllUsesWith(lowerWeight(builder, loc, frame, offset, result.getType()));
  }
}

/// Expresses `op` by the context of its function, if it needs it. Erases what it replaces.
void EmitEntryPoints::lower(Operation *op, SymbolTable &symbols) {
  if (!isa<packed::ThreadOp, packed::BarrierOp, packed::ScratchOp, packed::GetWeightOp,
           packed::WeightRowOp, packed::VectorOp, packed::CachePointersOp>(op))
    return;
  auto function = op->getParentOfType<func::FuncOp>();
  Value frame = function.getArgument(0);
  OpBuilder builder(op);
  Location loc = op->getLoc();
  if (isa<packed::ThreadOp>(op)) {
    for (unsigned i : {0, 1})
      op->getResult(i).replaceAllUsesWith(arith::IndexCastOp::create(
          builder, loc, builder.getIndexType(), function.getArgument(1 + i)));
  } else if (isa<packed::BarrierOp>(op)) {
    Value sync = loadField(builder, loc, frame, offsetof(StcFrame, sync), pointer);
    LLVM::CallOp::create(builder, loc, TypeRange(), kBarrier, sync);
  } else if (auto scratch = dyn_cast<packed::ScratchOp>(op)) {
    Value arena = loadField(builder, loc, frame, offsetof(StcFrame, arena), pointer);
    Value start = addBytes(builder, loc, arena, constant(builder, loc, scratch.getOffset()));
    scratch.replaceAllUsesWith(
        packed::BufferOp::create(builder, loc, scratch.getType(), start, scratch.getSizes())
            .getResult());
  } else if (auto get = dyn_cast<packed::GetWeightOp>(op)) {
    auto weight = symbols.lookup<packed::WeightOp>(get.getWeight());
    get.replaceAllUsesWith(lowerWeight(builder, loc, frame,
                                       constant(builder, loc, weight.getOffset()), get.getType()));
  } else if (auto row = dyn_cast<packed::WeightRowOp>(op)) {
    lowerWeightRow(row, frame, symbols);
  } else if (auto vector = dyn_cast<packed::VectorOp>(op)) {
    Value address = packed::PointerOp::create(builder, loc, pointer, vector.getWeight());
    vector.replaceAllUsesWith(
        packed::BufferOp::create(builder, loc, vector.getType(), address, ValueRange())
            .getResult());
  } else if (auto cache = dyn_cast<packed::CachePointersOp>(op)) {
    KVCacheLayout layout = cast<KVCacheType>(cache.getCache().getType()).getLayout();
    Value layer = arith::IndexCastOp::create(builder, loc, i64, cache.getLayer());
    auto address = [&](size_t field, int64_t layerBytes) {
      Value start = arith::MulIOp::create(builder, loc, layer, constant(builder, loc, layerBytes));
      return addBytes(builder, loc, loadField(builder, loc, frame, field, pointer), start);
    };
    cache.getKeys().replaceAllUsesWith(address(offsetof(StcFrame, key_cache), layout.keyBytes()));
    cache.getValues().replaceAllUsesWith(
        address(offsetof(StcFrame, value_cache), layout.valueBytes()));
  }
  op->erase();
}

LogicalResult EmitEntryPoints::emitEntryPoint(const EntryPoint &entry, SymbolTable &symbols) {
  auto callee = symbols.lookup<func::FuncOp>(entry.function);
  if (!callee)
    return success();
  OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
  Location loc = callee.getLoc();
  std::string name = cpu::entryPointName(entry.function, variant);
  auto function =
      func::FuncOp::create(builder, loc, name, builder.getFunctionType({pointer, i64, i64}, {}));
  symbols.insert(function);
  builder.setInsertionPointToStart(function.addEntryBlock());
  Value frame = function.getArgument(0);
  auto loadIndex = [&](size_t field) -> Value {
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                      loadField(builder, loc, frame, field, i64));
  };
  SmallVector<Value> operands(function.getArguments());
  ArrayRef<size_t> floatFields = entry.floatFields;
  for (Type type : callee.getArgumentTypes().drop_front(kContextArguments)) {
    if (type.isIndex()) {
      operands.push_back(loadIndex(offsetof(StcFrame, position)));
      continue;
    }
    if (isa<KVCacheType>(type)) {
      // The cache is found through the frame, so any pointer will do.
      operands.push_back(
          UnrealizedConversionCastOp::create(builder, loc, type, frame).getResult(0));
      continue;
    }
    auto memref = dyn_cast<MemRefType>(type);
    bool isTokens = memref && memref.getElementType().isInteger(32);
    if (!memref || (!isTokens && (!memref.getElementType().isF32() || floatFields.empty())))
      return callee.emitOpError("expects tokens, position, cache, hidden state and logits as "
                                "arguments, but got ")
             << type;
    size_t field = isTokens ? offsetof(StcFrame, tokens) : floatFields.front();
    if (!isTokens)
      floatFields = floatFields.drop_front();
    Value address = loadField(builder, loc, frame, field, pointer);
    SmallVector<Value> sizes(memref.getNumDynamicDims(), loadIndex(offsetof(StcFrame, n_tokens)));
    operands.push_back(packed::BufferOp::create(builder, loc, memref, address, sizes));
  }
  if (!floatFields.empty() || callee.getNumResults() != 0)
    return callee.emitOpError("expects ")
           << entry.floatFields.size() << " buffers of f32 as arguments and no results";
  func::CallOp::create(builder, loc, callee, operands);
  func::ReturnOp::create(builder, loc);
  return success();
}

void EmitEntryPoints::emitConstants() {
  ModuleOp module = getOperation();
  OpBuilder builder(module.getBody(), module.getBody()->begin());
  auto fingerprint = module->getAttrOfType<IntegerAttr>("stc.fingerprint");
  cpu::emitModelConstants(builder, module.getLoc(), fingerprint ? fingerprint.getInt() : 0);
}

void EmitEntryPoints::declareRuntime() {
  ModuleOp module = getOperation();
  OpBuilder builder(module.getBody(), module.getBody()->begin());
  LLVM::LLVMFuncOp::create(
      builder, module.getLoc(), kBarrier,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()), pointer));
}

void EmitEntryPoints::runOnOperation() {
  ModuleOp module = getOperation();
  pointer = LLVM::LLVMPointerType::get(&getContext());
  i64 = IntegerType::get(&getContext(), 64);
  SymbolTable symbols(module);
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal()) {
      function.emitOpError("expects a body");
      return signalPassFailure();
    }
    addContext(function);
  }
  // One of several variants leaves the constants of the model to their table.
  if (variant < 0)
    emitConstants();
  declareRuntime();
  SmallVector<Operation *> operations;
  module.walk([&](Operation *op) { operations.push_back(op); });
  for (Operation *op : operations)
    lower(op, symbols);

  const EntryPoint entryPoints[] = {
      {"prefill", {offsetof(StcFrame, hidden)}},
      {"decode", {offsetof(StcFrame, logits)}},
      {"score", {offsetof(StcFrame, hidden), offsetof(StcFrame, logits)}},
  };
  for (const EntryPoint &entry : entryPoints)
    if (failed(emitEntryPoint(entry, symbols)))
      return signalPassFailure();
  for (auto weight : llvm::make_early_inc_range(module.getOps<packed::WeightOp>()))
    symbols.erase(weight);
}

} // namespace stc
