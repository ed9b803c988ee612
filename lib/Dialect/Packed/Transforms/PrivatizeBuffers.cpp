// packed-privatize-buffers: small work is done by every thread for itself.
#include "MemoryAccess.h"
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_PRIVATIZEBUFFERSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

int64_t bytesOf(memref::AllocOp op) {
  MemRefType type = op.getType();
  return type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

class PrivatizeBuffers final : public impl::PrivatizeBuffersPassBase<PrivatizeBuffers> {
public:
  using PrivatizeBuffersPassBase::PrivatizeBuffersPassBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isExternal())
        privatize(function);
  }

private:
  void collect(func::FuncOp function);
  void settle();
  void privatize(func::FuncOp function);

  /// Buffers that may become private and loops that may be replicated, with what each writes.
  llvm::SetVector<Value> buffers;
  llvm::SetVector<Operation *> loops;
  llvm::DenseMap<Operation *, MemoryAccesses> accesses; // of loops and of other operations
};

void PrivatizeBuffers::collect(func::FuncOp function) {
  buffers.clear();
  loops.clear();
  accesses.clear();
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto alloc = dyn_cast<memref::AllocOp>(op)) {
      MemRefType type = alloc.getType();
      if (type.hasStaticShape() && type.getElementType().isIntOrFloat())
        buffers.insert(alloc);
    } else if (auto loop = dyn_cast<scf::ForallOp>(op)) {
      accesses[op] = MemoryAccesses(op);
      if (hasOneIteration(loop))
        loops.insert(op);
      return WalkResult::skip();
    } else if (op->getNumRegions() == 0 && !isMemoryEffectFree(op) && !isa<memref::DeallocOp>(op)) {
      accesses[op] = MemoryAccesses(op);
    }
    return WalkResult::advance();
  });
}

/// Drops buffers that something else than a candidate loop writes, and loops that write something
/// else than candidate buffers, until nothing changes.
void PrivatizeBuffers::settle() {
  for (bool changed = true; changed;) {
    changed = false;
    for (auto &[op, own] : accesses) {
      bool isCandidate = loops.contains(op);
      bool writesOther = llvm::any_of(own.getWritten(), [&](const MemoryPiece &piece) {
        return piece.kind != MemoryPiece::Kind::Buffer || !buffers.contains(piece.buffer);
      });
      if (isCandidate && !writesOther)
        continue;
      changed |= loops.remove(op);
      for (const MemoryPiece &piece : own.getWritten()) {
        if (piece.kind == MemoryPiece::Kind::Unknown && !buffers.empty()) {
          buffers.clear();
          changed = true;
        }
        changed |= buffers.remove(piece.buffer);
      }
    }
  }
}

void PrivatizeBuffers::privatize(func::FuncOp function) {
  collect(function);
  settle();
  // Only those that could be private count: the first ones that fit together stay.
  int64_t total = 0;
  buffers.remove_if([&](Value buffer) {
    int64_t bytes = bytesOf(buffer.getDefiningOp<memref::AllocOp>());
    if (total + bytes > maxBytes)
      return true;
    total += bytes;
    return false;
  });
  settle();

  for (Operation *loop : loops) {
    loop->setAttr(kReplicatedAttr, UnitAttr::get(&getContext()));
    ++replicated;
  }
  OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
  for (Value buffer : buffers) {
    auto alloc = buffer.getDefiningOp<memref::AllocOp>();
    // Vectors of 64 bytes do not cross cache lines.
    Value stack = memref::AllocaOp::create(builder, alloc.getLoc(), alloc.getType(),
                                           builder.getI64IntegerAttr(64));
    for (Operation *user : llvm::make_early_inc_range(alloc->getUsers()))
      if (isa<memref::DeallocOp>(user))
        user->erase();
    alloc->getResult(0).replaceAllUsesWith(stack);
    alloc.erase();
  }
}

} // namespace
} // namespace stc
