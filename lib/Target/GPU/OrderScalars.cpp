// Barriers between the scalar accesses that all threads of a block make alike.
#include "BlockLowerings.h"

#include "stc/Dialect/Packed/Transforms/ColumnLoops.h"

#include "llvm/ADT/DenseSet.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Goes through code in order and knows what was read since the last barrier.
class ScalarOrder {
public:
  ScalarOrder(const TargetDescription &target) : target(target) {}
  void visit(Block &block);

private:
  /// The buffer that a view is a part of.
  static Value rootOf(Value memory);
  void visit(Operation *op);
  void visitLoop(scf::ForOp loop);
  /// All that is read in an operation's regions.
  void readAll(Operation *op);

  const TargetDescription &target;
  DenseSet<Value> read;
};

} // namespace

Value ScalarOrder::rootOf(Value memory) {
  while (Operation *op = memory.getDefiningOp()) {
    auto view = dyn_cast<ViewLikeOpInterface>(op);
    if (!view)
      break;
    memory = view.getViewSource();
  }
  return memory;
}

void ScalarOrder::readAll(Operation *op) {
  op->walk([&](Operation *inner) {
    if (auto load = dyn_cast<memref::LoadOp>(inner))
      read.insert(rootOf(load.getMemRef()));
    else if (auto load = dyn_cast<vector::LoadOp>(inner))
      read.insert(rootOf(load.getBase()));
  });
}

void ScalarOrder::visitLoop(scf::ForOp loop) {
  if (loop->hasAttr(kColumnsAttr)) {
    // Divided among the threads, with a barrier behind it; or run by all of them, without stores.
    if (loop.getNumResults() == 0 || dividedSum(loop))
      read.clear();
    else
      readAll(loop);
    return;
  }
  // What an iteration reads, the next one may store.
  readAll(loop);
  visit(*loop.getBody());
}

void ScalarOrder::visit(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return visitLoop(loop);
  if (isa<packed::AttentionCombineOp, packed::AttentionTileOp, packed::GatherOp,
          packed::MatmulTileOp, packed::QuantizeActivationsOp, packed::RMSNormOp, packed::RotaryOp,
          CacheUpdateOp>(op)) {
    read.clear();
    return;
  }
  if (auto store = dyn_cast<memref::StoreOp>(op);
      store && read.contains(rootOf(store.getMemRef()))) {
    BlockBuilder(op, target).barrier();
    read.clear();
    return;
  }
  if (op->getNumRegions() == 0)
    return readAll(op);
  // Branches: what either reads counts, also where only the other one has a barrier.
  DenseSet<Value> before = read, after = read;
  for (Region &region : op->getRegions())
    for (Block &block : region) {
      read = before;
      visit(block);
      after.insert(read.begin(), read.end());
    }
  read = after;
}

void ScalarOrder::visit(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block))
    visit(&op);
}

void stc::gpu::orderScalars(scf::ForallOp loop, const TargetDescription &target) {
  ScalarOrder(target).visit(*loop.getBody());
}
