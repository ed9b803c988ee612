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

Value stc::cpu::callScalable(KernelBuilder &builder, const Twine &name, Type result,
                             ValueRange operands) {
  constexpr int64_t unitBits = 128; // what vscale counts
  auto scalableOf = [&](Type fixed) {
    Type element = cast<VectorType>(fixed).getElementType();
    return VectorType::get({unitBits / element.getIntOrFloatBitWidth()}, element, {true});
  };
  Values scalable;
  for (Value operand : operands) {
    if (isa<VectorType>(operand.getType())) {
      Type type = scalableOf(operand.getType());
      operand = LLVM::vector_insert::create(builder, type, LLVM::PoisonOp::create(builder, type),
                                            operand, /*pos=*/0);
    }
    scalable.push_back(operand);
  }
  VectorType type = scalableOf(result);
  std::string suffix = "nxv" + std::to_string(type.getDimSize(0)) + "i" +
                       std::to_string(type.getElementTypeBitWidth());
  Value called = callIntrinsic(builder, (name + "." + suffix).str(), type, scalable);
  return LLVM::vector_extract::create(builder, result, called, /*pos=*/0);
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

bool haveSameBits(packed::Dot4Op a, packed::Dot4Op b) {
  return a.getBits() == b.getBits() && a.getSignedBits() == b.getSignedBits();
}
bool haveSameBits(packed::Dot8x2Op a, packed::Dot8x2Op b) { return a.getBits() == b.getBits(); }

/// The product that takes this one's result as its accumulator, and nothing else of it.
template <typename OpTy> OpTy nextInChain(OpTy op) {
  if (!op->hasOneUse())
    return {};
  auto next = dyn_cast<OpTy>(*op->user_begin());
  bool same = next && next->getBlock() == op->getBlock() && haveSameBits(next, op);
  return same ? next : OpTy();
}

/// Replaces products, chain by chain, with what `lower` makes of them.
template <typename OpTy>
void lowerChains(ArrayRef<OpTy> products, function_ref<Value(ArrayRef<OpTy>)> lower) {
  llvm::DenseSet<Operation *> followers;
  for (OpTy op : products)
    if (OpTy next = nextInChain(op))
      followers.insert(next);
  for (OpTy first : products) {
    if (followers.contains(first))
      continue;
    SmallVector<OpTy> chain{first};
    for (OpTy op = nextInChain(first); op; op = nextInChain(op))
      chain.push_back(op);
    chain.back().replaceAllUsesWith(lower(chain));
    for (OpTy op : llvm::reverse(chain))
      op->erase();
  }
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
    SmallVector<packed::Dot8x2Op> matrices;
    getOperation().walk([&](packed::Dot8x2Op op) { matrices.push_back(op); });
    lowerChains<packed::Dot8x2Op>(matrices, [&](ArrayRef<packed::Dot8x2Op> chain) {
      return lowerDot8x2Chain(chain, *description);
    });
    SmallVector<packed::Dot4Op> dots;
    SmallVector<Operation *> others;
    getOperation().walk([&](Operation *op) {
      if (auto dot = dyn_cast<packed::Dot4Op>(op))
        dots.push_back(dot);
      else if (isa<packed::ExpandOp, packed::Select16Op, packed::Select64Op, packed::PrefetchOp>(
                   op))
        others.push_back(op);
    });
    lowerChains<packed::Dot4Op>(
        dots, [&](ArrayRef<packed::Dot4Op> chain) { return lowerDotChain(chain, *description); });
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
};

} // namespace
} // namespace stc
