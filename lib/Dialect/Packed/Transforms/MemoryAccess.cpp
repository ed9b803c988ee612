// Which buffers a piece of code reads and writes, as far as barriers need to know.
#include "MemoryAccess.h"

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace stc;

bool MemoryRange::mayOverlap(const MemoryRange &other) const {
  if (kind == Kind::Unknown || other.kind == Kind::Unknown)
    return true;
  if (kind != other.kind || kind == Kind::Constant)
    return false;
  switch (kind) {
  case Kind::Arena:
    return begin < other.end && other.begin < end;
  case Kind::Argument:
    return argument == other.argument;
  default:
    return true;
  }
}

/// Follows views, casts and address arithmetic back to where a buffer or pointer comes from.
static Value findBase(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (auto view = dyn_cast<ViewLikeOpInterface>(op))
      value = view.getViewSource();
    else if (isa<LLVM::GEPOp, LLVM::IntToPtrOp, LLVM::PtrToIntOp, arith::IndexCastOp,
                 arith::IndexCastUIOp, memref::ExtractAlignedPointerAsIndexOp, packed::BufferOp>(
                 op))
      value = op->getOperand(0);
    else if (isa<arith::AddIOp, LLVM::AddOp>(op))
      // Only one operand of an address computation can be an address: the one that leads to one.
      value = findBase(op->getOperand(0)).getDefiningOp<arith::ConstantOp>() ? op->getOperand(1)
                                                                             : op->getOperand(0);
    else
      break;
  }
  return value;
}

static MemoryRange rangeOf(Value value) {
  using Kind = MemoryRange::Kind;
  MemoryRange range;
  Value base = findBase(value);
  if (auto argument = dyn_cast<BlockArgument>(base)) {
    if (isa<func::FuncOp>(argument.getOwner()->getParentOp()) &&
        isa<BaseMemRefType>(argument.getType())) {
      range.kind = Kind::Argument;
      range.argument = argument;
    } else if (isa<KVCacheType>(argument.getType())) {
      range.kind = Kind::Cache;
    }
    return range;
  }
  Operation *op = base.getDefiningOp();
  if (auto scratch = dyn_cast<packed::ScratchOp>(op)) {
    range.kind = Kind::Arena;
    range.begin = scratch.getOffset();
    range.end = range.begin + scratch.getBytes();
  } else if (isa<packed::VectorOp, packed::PointerOp, memref::GetGlobalOp>(op)) {
    range.kind = Kind::Constant;
  } else if (isa<packed::CachePointersOp>(op)) {
    range.kind = Kind::Cache;
  }
  return range;
}

MemoryAccesses::MemoryAccesses(Operation *op) {
  op->walk([&](Operation *inner) { addOperation(inner); });
}

void MemoryAccesses::add(Value buffer, bool isWrite) {
  MemoryRange range = buffer ? rangeOf(buffer) : MemoryRange();
  if (range.kind != MemoryRange::Kind::Constant)
    (isWrite ? written : read).push_back(range);
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

static bool anyOverlap(ArrayRef<MemoryRange> a, ArrayRef<MemoryRange> b) {
  return llvm::any_of(a, [&](const MemoryRange &left) {
    return llvm::any_of(b, [&](const MemoryRange &right) { return left.mayOverlap(right); });
  });
}

bool MemoryAccesses::conflictsWith(const MemoryAccesses &other) const {
  return anyOverlap(written, other.read) || anyOverlap(written, other.written) ||
         anyOverlap(read, other.written);
}

void MemoryAccesses::merge(const MemoryAccesses &other) {
  llvm::append_range(read, other.read);
  llvm::append_range(written, other.written);
}
