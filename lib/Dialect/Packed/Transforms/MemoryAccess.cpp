// Which buffers a piece of code reads and writes, as far as barriers need to know.
#include "MemoryAccess.h"

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace stc;

using Kind = MemoryPiece::Kind;

bool MemoryPiece::mayOverlap(const MemoryPiece &other) const {
  if (kind == Kind::Constant || other.kind == Kind::Constant)
    return false;
  if (kind == Kind::Unknown || other.kind == Kind::Unknown)
    return true;
  return kind == other.kind && buffer == other.buffer;
}

/// Follows views and address arithmetic back to where a buffer or pointer comes from.
static Value findBase(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto view = dyn_cast<ViewLikeOpInterface>(op))
      value = view.getViewSource();
    else if (isa<LLVM::GEPOp, packed::BufferOp>(op))
      value = op->getOperand(0);
    else
      break;
  }
  return value;
}

MemoryPiece stc::findMemory(Value pointer) {
  Value base = findBase(pointer);
  if (isa<KVCacheType>(base.getType()))
    return {Kind::Cache, Value()};
  if (auto argument = dyn_cast<BlockArgument>(base)) {
    // Arguments that are written are different buffers: bufferization would copy otherwise.
    if (isa<func::FuncOp>(argument.getOwner()->getParentOp()) && isa<MemRefType>(base.getType()))
      return {Kind::Buffer, base};
    return {};
  }
  Operation *op = base.getDefiningOp();
  if (isa<memref::AllocOp>(op))
    return {Kind::Buffer, base};
  if (isa<memref::AllocaOp>(op))
    return {Kind::Private, base};
  if (isa<memref::GetGlobalOp, packed::PointerOp, packed::VectorOp>(op))
    return {Kind::Constant, Value()};
  if (isa<packed::CachePointersOp>(op))
    return {Kind::Cache, Value()};
  return {};
}

MemoryAccesses::MemoryAccesses(Operation *op) {
  op->walk([&](Operation *inner) { addOperation(inner); });
}

void MemoryAccesses::add(Value pointer, bool isWrite) {
  MemoryPiece piece = pointer ? findMemory(pointer) : MemoryPiece();
  if (piece.kind != Kind::Constant)
    (isWrite ? written : read).push_back(piece);
}

void MemoryAccesses::addOperation(Operation *op) {
  if (op->hasTrait<OpTrait::HasRecursiveMemoryEffects>())
    return; // The operations inside are visited.
  if (auto interface = dyn_cast<MemoryEffectOpInterface>(op)) {
    SmallVector<MemoryEffects::EffectInstance> effects;
    interface.getEffects(effects);
    for (const MemoryEffects::EffectInstance &effect : effects)
      if (isa<MemoryEffects::Read, MemoryEffects::Write>(effect.getEffect()))
        add(effect.getValue(), isa<MemoryEffects::Write>(effect.getEffect()));
    return;
  }
  if (op->hasTrait<OpTrait::IsTerminator>())
    return;
  bool any = false;
  for (Value operand : op->getOperands())
    if (isa<BaseMemRefType, KVCacheType>(operand.getType())) {
      add(operand, /*isWrite=*/true);
      any = true;
    }
  if (!any)
    add(Value(), /*isWrite=*/true);
}

/// True if some pieces overlap; between threads, private ones do not.
static bool anyOverlap(ArrayRef<MemoryPiece> a, ArrayRef<MemoryPiece> b, bool betweenThreads) {
  return llvm::any_of(a, [&](const MemoryPiece &left) {
    return llvm::any_of(b, [&](const MemoryPiece &right) {
      bool isPrivate = left.kind == Kind::Private || right.kind == Kind::Private;
      return left.mayOverlap(right) && !(betweenThreads && isPrivate);
    });
  });
}

static bool conflict(ArrayRef<MemoryPiece> read, ArrayRef<MemoryPiece> written,
                     ArrayRef<MemoryPiece> otherRead, ArrayRef<MemoryPiece> otherWritten,
                     bool betweenThreads) {
  return anyOverlap(written, otherRead, betweenThreads) ||
         anyOverlap(written, otherWritten, betweenThreads) ||
         anyOverlap(read, otherWritten, betweenThreads);
}

bool MemoryAccesses::conflictsWith(const MemoryAccesses &other) const {
  return conflict(read, written, other.read, other.written, /*betweenThreads=*/false);
}

bool MemoryAccesses::racesWith(const MemoryAccesses &other) const {
  return conflict(read, written, other.read, other.written, /*betweenThreads=*/true);
}

MemoryAccesses MemoryAccesses::asReads() const {
  MemoryAccesses result;
  result.read = read;
  result.read.append(written);
  return result;
}

void MemoryAccesses::merge(const MemoryAccesses &other) {
  llvm::append_range(read, other.read);
  llvm::append_range(written, other.written);
}
