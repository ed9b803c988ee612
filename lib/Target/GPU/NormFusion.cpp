// Which quantizations are done together with the norm before them.
#include "NormFusion.h"
#include "RowBuilder.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// Whether two memrefs are the same part of the same buffer.
static bool isSamePart(Value a, Value b) {
  if (a == b)
    return true;
  auto first = a.getDefiningOp<memref::SubViewOp>(), second = b.getDefiningOp<memref::SubViewOp>();
  auto areEqual = [](ArrayRef<OpFoldResult> lefts, ArrayRef<OpFoldResult> rights) {
    return llvm::equal(lefts, rights, isEqualConstantIntOrValue);
  };
  return first && second && first.getSource() == second.getSource() &&
         areEqual(first.getMixedOffsets(), second.getMixedOffsets()) &&
         areEqual(first.getMixedSizes(), second.getMixedSizes()) &&
         areEqual(first.getMixedStrides(), second.getMixedStrides());
}

/// Whether something else than the norm and its quantizations has to do with what it writes.
static bool hasOtherUsers(packed::RMSNormOp op,
                          ArrayRef<packed::QuantizeActivationsOp> quantizations) {
  Value root = op.getOut();
  while (auto view = root.getDefiningOp<memref::SubViewOp>())
    root = view.getSource();
  if (!root.getDefiningOp<memref::AllocaOp>())
    return true; // others may see it
  SmallVector<Value> views{root};
  while (!views.empty())
    for (Operation *user : views.pop_back_val().getUsers()) {
      if (auto view = dyn_cast<memref::SubViewOp>(user))
        views.push_back(view);
      else if (user != op.getOperation() && !llvm::is_contained(quantizations, user))
        return true;
    }
  return false;
}

NormFusion stc::gpu::fuseNorm(packed::RMSNormOp op, const TargetDescription &target) {
  NormFusion fusion;
  int64_t columns = cast<MemRefType>(op.getOut().getType()).getDimSize(1);
  if (op.getGroups() != 1 || !keepsRow(columns, target))
    return fusion;
  for (Operation *next = op->getNextNode(); next; next = next->getNextNode()) {
    auto quantize = dyn_cast<packed::QuantizeActivationsOp>(next);
    // Only lanes of one warp exchange values.
    if (quantize && !quantize.getOrder() && isSamePart(quantize.getInput(), op.getOut()) &&
        (quantize.isWhole() || int64_t(quantize.getGroup()) <= target.warpThreads * kFour))
      fusion.quantizations.push_back(quantize);
    else if (!isMemoryEffectFree(next))
      break;
  }
  if (fusion.quantizations.empty())
    return fusion;
  op->moveBefore(fusion.quantizations.back());
  fusion.isStored = hasOtherUsers(op, fusion.quantizations);
  return fusion;
}
