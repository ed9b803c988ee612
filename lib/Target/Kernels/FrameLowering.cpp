// How generated functions find weights, buffers and caches.
#include "stc/Target/Kernels/FrameLowering.h"

#include "stc/Runtime/ModelABI.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <cstddef>

using namespace mlir;
using namespace stc;

llvm::ArrayRef<EntryPoint> stc::entryPoints() {
  constexpr size_t position = offsetof(StcFrame, position), encoded = offsetof(StcFrame, encoded);
  constexpr size_t hidden = offsetof(StcFrame, hidden), logits = offsetof(StcFrame, logits);
  constexpr size_t features = offsetof(StcFrame, features);
  static const EntryPoint entries[] = {
      {"prefill", {position, encoded}, {features, hidden}, /*needsAllFloats=*/false},
      {"decode", {position, encoded}, {logits}},
      {"score", {}, {hidden, logits}},
      {"encode", {}, {features}, /*needsAllFloats=*/false},
      {"stem", {}, {features, hidden}},
  };
  return entries;
}

std::string stc::entryPointName(StringRef function, int64_t variant) {
  std::string name = ("stc_model_" + function).str();
  return variant < 0 ? name : absl::StrCat(name, "_", variant);
}

FrameLowering::FrameLowering(ModuleOp module, ArrayRef<Type> context)
    : module(module), symbols(module), context(context),
      pointer(LLVM::LLVMPointerType::get(module.getContext())),
      i64(IntegerType::get(module.getContext(), 64)) {}

Value FrameLowering::constant(OpBuilder &builder, Location loc, int64_t value) {
  return LLVM::ConstantOp::create(builder, loc, i64, builder.getI64IntegerAttr(value));
}

Value FrameLowering::addBytes(OpBuilder &builder, Location loc, Value base, Value bytes) {
  return LLVM::GEPOp::create(builder, loc, pointer, builder.getI8Type(), base, bytes);
}

Value FrameLowering::loadField(OpBuilder &builder, Location loc, Value frame, size_t offset,
                               Type type) {
  Value address = addBytes(builder, loc, frame, constant(builder, loc, offset));
  return LLVM::LoadOp::create(builder, loc, type, address, /*alignment=*/8, /*isVolatile=*/false,
                              /*isNonTemporal=*/false, /*isInvariant=*/true);
}

LogicalResult FrameLowering::addContexts() {
  for (auto function : module.getOps<func::FuncOp>()) {
    if (function.isExternal())
      return function.emitOpError("expects a body");
    for (auto [index, type] : llvm::enumerate(context))
      if (failed(function.insertArgument(index, type, {}, function.getLoc())))
        return failure();
    function.walk([&](func::CallOp call) {
      SmallVector<Value> operands(function.getArguments().take_front(context.size()));
      llvm::append_range(operands, call.getOperands());
      call->setOperands(operands);
    });
    function.setPrivate();
    function->setAttr("llvm.linkage",
                      LLVM::LinkageAttr::get(module.getContext(), LLVM::Linkage::Internal));
  }
  return success();
}

Value FrameLowering::lowerWeight(OpBuilder &builder, Location loc, Value frame, Value offset,
                                 Type type) {
  Value base = loadField(builder, loc, frame, offsetof(StcFrame, weights), pointer);
  Value address = addBytes(builder, loc, base, offset);
  return UnrealizedConversionCastOp::create(builder, loc, type, address).getResult(0);
}

/// The table of offsets is one constant; row i starts at i times the number of weights.
void FrameLowering::lowerWeightRow(packed::WeightRowOp op, Value frame) {
  SmallVector<int64_t> offsets;
  for (Attribute row : op.getWeights())
    for (auto symbol : cast<ArrayAttr>(row).getAsRange<FlatSymbolRefAttr>())
      offsets.push_back(symbols.lookup<packed::WeightOp>(symbol.getValue()).getOffset());
  OpBuilder builder(module.getBody(), module.getBody()->begin());
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
void FrameLowering::lower(Operation *op) {
  auto function = op->getParentOfType<func::FuncOp>();
  Value frame = function.getArgument(0);
  OpBuilder builder(op);
  Location loc = op->getLoc();
  if (auto scratch = dyn_cast<packed::ScratchOp>(op)) {
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
    lowerWeightRow(row, frame);
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

void FrameLowering::lowerOperations() {
  SmallVector<Operation *> operations;
  module.walk([&](Operation *op) {
    if (isa<packed::ScratchOp, packed::GetWeightOp, packed::WeightRowOp, packed::VectorOp,
            packed::CachePointersOp>(op))
      operations.push_back(op);
  });
  for (Operation *op : operations)
    lower(op);
}

FailureOr<SmallVector<Value>> FrameLowering::operandsOf(const EntryPoint &entry,
                                                        func::FuncOp callee, OpBuilder &builder,
                                                        ValueRange contextValues) {
  Location loc = callee.getLoc();
  Value frame = contextValues[0];
  auto loadIndex = [&](size_t field) -> Value {
    return arith::IndexCastOp::create(builder, loc, builder.getIndexType(),
                                      loadField(builder, loc, frame, field, i64));
  };
  SmallVector<Value> operands(contextValues);
  ArrayRef<size_t> indexFields = entry.indexFields, floatFields = entry.floatFields;
  auto isFloats = [](Type type) {
    auto memref = dyn_cast<MemRefType>(type);
    return memref && memref.getElementType().isF32();
  };
  size_t floats = llvm::count_if(callee.getArgumentTypes().drop_front(context.size()), isFloats);
  if (!entry.needsAllFloats && floats < floatFields.size())
    floatFields = floatFields.take_back(floats);
  for (Type type : callee.getArgumentTypes().drop_front(context.size())) {
    if (type.isIndex() && !indexFields.empty()) {
      operands.push_back(loadIndex(indexFields.front()));
      indexFields = indexFields.drop_front();
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
  if ((entry.needsAllFloats && !floatFields.empty()) || callee.getNumResults() != 0)
    return callee.emitOpError("expects ")
           << entry.floatFields.size() << " buffers of f32 as arguments and no results";
  return operands;
}

void FrameLowering::eraseWeights() {
  for (auto weight : llvm::make_early_inc_range(module.getOps<packed::WeightOp>()))
    symbols.erase(weight);
}
