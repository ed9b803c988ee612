// packed-lower-micro-ops: turns micro-operations into the target's instructions.
#include "MicroOps.h"

#include "stc/Target/CPU/Passes.h"

using namespace mlir;
using namespace stc::cpu;

Value stc::cpu::callIntrinsic(KernelBuilder &builder, StringRef name, Type result,
                              ValueRange operands) {
  auto call = LLVM::CallIntrinsicOp::create(builder, result, builder.getStringAttr(name), operands,
                                            LLVM::FastmathFlagsAttr());
  return call.getResults();
}

/// Lanes [first, first + count) of two vectors behind one another.
static Value selectLanes(KernelBuilder &builder, Value a, Value b, int64_t first, int64_t count) {
  SmallVector<int64_t> lanes(count);
  std::iota(lanes.begin(), lanes.end(), first);
  return vector::ShuffleOp::create(builder, a, b, lanes);
}

Values stc::cpu::splitVector(KernelBuilder &builder, Value vector, int64_t count) {
  if (count == 1)
    return {vector};
  int64_t lanes = cast<VectorType>(vector.getType()).getNumElements() / count;
  Values pieces;
  for (int64_t i = 0; i < count; ++i)
    pieces.push_back(selectLanes(builder, vector, vector, i * lanes, lanes));
  return pieces;
}

Value stc::cpu::joinVectors(KernelBuilder &builder, Values pieces) {
  for (; pieces.size() > 1; pieces.resize(pieces.size() / 2)) {
    int64_t lanes = cast<VectorType>(pieces[0].getType()).getNumElements();
    for (size_t i = 0; i < pieces.size() / 2; ++i)
      pieces[i] = selectLanes(builder, pieces[2 * i], pieces[2 * i + 1], 0, 2 * lanes);
  }
  return pieces[0];
}

namespace stc {

#define GEN_PASS_DEF_LOWERMICROOPSPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

/// The dot product that takes this one's result as its accumulator, and nothing else of it.
packed::Dot4Op nextInChain(packed::Dot4Op op) {
  if (!op->hasOneUse())
    return {};
  auto next = dyn_cast<packed::Dot4Op>(*op->user_begin());
  bool same = next && next->getBlock() == op->getBlock() && next.getBits() == op.getBits() &&
              next.getSignedBits() == op.getSignedBits();
  return same ? next : packed::Dot4Op();
}

class LowerMicroOps final : public impl::LowerMicroOpsPassBase<LowerMicroOps> {
public:
  using LowerMicroOpsPassBase::LowerMicroOpsPassBase;

  void runOnOperation() override {
    auto description = TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    SmallVector<packed::TileDotOp> tiles;
    getOperation().walk([&](packed::TileDotOp op) { tiles.push_back(op); });
    for (packed::TileDotOp op : tiles) {
      KernelBuilder builder(op, *description);
      lowerTileDot(builder, op);
      op.erase();
    }
    lowerBF16Tiles(*description);
    SmallVector<packed::Dot4Op> dots;
    SmallVector<Operation *> others;
    getOperation().walk([&](Operation *op) {
      if (auto dot = dyn_cast<packed::Dot4Op>(op))
        dots.push_back(dot);
      else if (isa<packed::ExpandOp, packed::Select16Op, packed::Select64Op, packed::PrefetchOp>(
                   op))
        others.push_back(op);
    });
    lowerDots(dots, *description);
    for (Operation *op : others) {
      KernelBuilder builder(op, *description);
      if (auto expand = dyn_cast<packed::ExpandOp>(op))
        expand.replaceAllUsesWith(lowerExpand(builder, expand));
      else if (auto select = dyn_cast<packed::Select16Op>(op))
        select.replaceAllUsesWith(lowerSelect16(builder, select));
      else if (auto select = dyn_cast<packed::Select64Op>(op))
        select.replaceAllUsesWith(lowerSelect64(builder, select));
      else if (auto prefetch = dyn_cast<packed::PrefetchOp>(op))
        // LLVM counts from the farthest cache.
        LLVM::Prefetch::create(builder, prefetch.getAddress(), /*rw=*/0,
                               /*hint=*/4 - prefetch.getLevel(), /*cache=*/1);
      op->erase();
    }
  }

private:
  void lowerBF16Tiles(const TargetDescription &target) {
    SmallVector<packed::TileDotBF16Op> tiles;
    getOperation().walk([&](packed::TileDotBF16Op op) { tiles.push_back(op); });
    llvm::DenseMap<Operation *, Value> panels;
    for (packed::TileDotBF16Op op : tiles) {
      KernelBuilder builder(op, target);
      lowerTileDotBF16(builder, op, panels[op->getParentOfType<func::FuncOp>()]);
      op.erase();
    }
  }

  static void lowerDots(ArrayRef<packed::Dot4Op> dots, const TargetDescription &target) {
    llvm::DenseSet<Operation *> followers;
    for (packed::Dot4Op op : dots)
      if (packed::Dot4Op next = nextInChain(op))
        followers.insert(next);
    for (packed::Dot4Op first : dots) {
      if (followers.contains(first))
        continue;
      SmallVector<packed::Dot4Op> chain{first};
      for (packed::Dot4Op op = nextInChain(first); op; op = nextInChain(op))
        chain.push_back(op);
      chain.back().replaceAllUsesWith(lowerDotChain(chain, target));
      for (packed::Dot4Op op : llvm::reverse(chain))
        op->erase();
    }
  }
};

} // namespace
} // namespace stc
