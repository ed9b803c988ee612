// packed-fuse-rows: takes each token's row through several operations before the next token's.
#include "stc/Dialect/Packed/Transforms/ForallUtils.h"
#include "MemoryAccess.h"

#include "stc/Dialect/Packed/Transforms/Passes.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_FUSEROWSPASS
#include "stc/Dialect/Packed/Transforms/Passes.h.inc"

namespace {

class FuseRows final : public impl::FuseRowsPassBase<FuseRows> {
public:
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      for (Block &block : function.getBody())
        processBlock(block);
  }

private:
  void processBlock(Block &block);
};

/// A buffer from outside that an operation of a loop takes.
struct BufferUse {
  Operation *op;
  Value buffer;
  MemoryPiece piece;
};

SmallVector<BufferUse> outsideBuffers(scf::ForallOp loop) {
  SmallVector<BufferUse> uses;
  loop.getBody()->walk([&](Operation *op) {
    for (Value operand : op->getOperands())
      if (isa<BaseMemRefType>(operand.getType()) && loop.isDefinedOutsideOfLoop(operand))
        uses.push_back({op, operand, findMemory(operand)});
  });
  return uses;
}

/// True if the use touches row `row` of its buffer only.
bool isRowLocal(const BufferUse &use, Value row) {
  return llvm::TypeSwitch<Operation *, bool>(use.op)
      .Case([&](memref::SubViewOp view) {
        return view.getMixedOffsets()[0] == OpFoldResult(row) &&
               isConstantIntValue(view.getMixedSizes()[0], 1);
      })
      .Case([&](memref::DimOp) { return true; })
      .Case<memref::LoadOp, memref::StoreOp, vector::LoadOp, vector::StoreOp, vector::MaskedLoadOp,
            vector::MaskedStoreOp>([&](auto access) {
        return !access.getIndices().empty() && access.getIndices()[0] == row;
      })
      .Default([](Operation *) { return false; });
}

/// True if, of two loops over rows, one may run for a row before the other has run for all.
bool areRowLocal(scf::ForallOp first, scf::ForallOp second) {
  MemoryAccesses firstAccesses(first), secondAccesses(second);
  if (!firstAccesses.conflictsWith(secondAccesses))
    return true;
  auto isWritten = [](const MemoryAccesses &accesses, const MemoryPiece &piece) {
    return llvm::any_of(accesses.getWritten(),
                        [&](const MemoryPiece &other) { return other.mayOverlap(piece); });
  };
  // What is not a buffer (the cache, say) has no rows here.
  for (const MemoryAccesses *accesses : {&firstAccesses, &secondAccesses})
    for (const MemoryPiece &piece : accesses->getWritten())
      if (piece.kind != MemoryPiece::Kind::Buffer &&
          isWritten(accesses == &firstAccesses ? secondAccesses : firstAccesses, piece))
        return false;
  if (llvm::any_of(firstAccesses.getWritten(), [](const MemoryPiece &piece) {
        return piece.kind == MemoryPiece::Kind::Unknown;
      }))
    return false;
  SmallVector<BufferUse> secondUses = outsideBuffers(second);
  for (const BufferUse &a : outsideBuffers(first))
    for (const BufferUse &b : secondUses) {
      if (!a.piece.mayOverlap(b.piece) ||
          !(isWritten(firstAccesses, a.piece) || isWritten(secondAccesses, b.piece)))
        continue;
      if (!isRowLocal(a, first.getInductionVar(0)) || !isRowLocal(b, second.getInductionVar(0)))
        return false;
    }
  return true;
}

/// Loops over the rows of several tokens. A single token's need no fusion: they run in one thread.
/// Loops over the tiles of weights are streams of their own.
bool isRowLoop(scf::ForallOp loop) {
  return loop.getRank() == 1 && loop.isNormalized() && !hasOneIteration(loop) &&
         loop.getBody()->getOps<packed::MatmulTileOp>().empty();
}

/// A dynamic bound is the number of tokens, as a function has no other dynamic dimension.
bool haveEqualRows(scf::ForallOp first, scf::ForallOp second) {
  return isRowLoop(first) && isRowLoop(second) && tripCount(first) == tripCount(second);
}

/// True if `loop` may run after `others`, which it comes before.
bool mayFollow(scf::ForallOp loop, ArrayRef<scf::ForallOp> others) {
  MemoryAccesses accesses(loop);
  return llvm::none_of(
      others, [&](scf::ForallOp other) { return accesses.conflictsWith(MemoryAccesses(other)); });
}

void FuseRows::processBlock(Block &block) {
  // The loops since the last operation that is none, whose order is free where nothing conflicts.
  SmallVector<scf::ForallOp> before;
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (auto loop = dyn_cast<scf::ForallOp>(op)) {
      for (size_t i = before.size(); i-- > 0;) {
        if (!haveEqualRows(before[i], loop) || !areRowLocal(before[i], loop) ||
            !mayFollow(before[i], ArrayRef(before).drop_front(i + 1)))
          continue;
        prependBody(before[i], loop);
        before.erase(before.begin() + i);
        ++fused;
      }
      before.push_back(loop);
    } else if (!isMemoryEffectFree(&op) && !isa<memref::AllocOp>(op)) {
      before.clear();
      for (Region &region : op.getRegions())
        for (Block &inner : region)
          processBlock(inner);
    }
  }
}

} // namespace
} // namespace stc
