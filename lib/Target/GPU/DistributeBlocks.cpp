// packed-distribute-blocks: gives every block of threads its share of each scf.forall.
#include "BlockLowerings.h"
#include "SharedMemory.h"

#include "stc/Dialect/Packed/Transforms/ForallUtils.h"
#include "stc/Target/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/Dominance.h"

using namespace mlir;
using namespace stc::gpu;

namespace stc {

#define GEN_PASS_DEF_DISTRIBUTEBLOCKSPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// The multiplications of one token, with row tile equal to the iteration, that are all a loop does
/// (a gate before its user); none if it does something else.
SmallVector<packed::MatmulTileOp> streamedTiles(scf::ForallOp loop) {
  SmallVector<packed::MatmulTileOp> tiles;
  if (loop.getRank() != 1 || ShapedType::isDynamic(tripCount(loop)))
    return {};
  for (Operation &op : loop.getBody()->without_terminator()) {
    auto tile = dyn_cast<packed::MatmulTileOp>(op);
    if (!tile || tile.getTile() != loop.getInductionVar(0) ||
        cast<MemRefType>(tile.getOut().getType()).getDimSize(0) != 1 ||
        tile.getConfig().getRowTiles() != 1)
      return {};
    tiles.push_back(tile);
  }
  // Of two, the first must be the second one's gate: both sums are then added up side by side.
  if (tiles.size() > 2 || (tiles.size() == 2 && tiles[1].getGate() != tiles[0].getOut()))
    return {};
  return tiles;
}

/// Whether copies to shared memory may be under way while a block does this for itself: it takes
/// little scratch memory, and copies nothing in the background.
bool leavesCopiesAlone(scf::ForallOp loop) {
  return !loop.getBody()
              ->walk([&](Operation *op) {
                bool isKernel = isa<packed::RMSNormOp, packed::QuantizeActivationsOp>(op) ||
                                (isa<packed::AttentionCombineOp>(op) && !hasOneIteration(loop));
                bool isPlain = isa<memref::LoadOp, memref::StoreOp, vector::LoadOp, vector::StoreOp,
                                   vector::MaskedLoadOp, vector::MaskedStoreOp, scf::ForOp>(op);
                return isKernel || isPlain || isMemoryEffectFree(op) ? WalkResult::advance()
                                                                     : WalkResult::interrupt();
              })
              .wasInterrupted();
}

class DistributeBlocks final : public impl::DistributeBlocksPassBase<DistributeBlocks> {
public:
  using DistributeBlocksPassBase::DistributeBlocksPassBase;

  void runOnOperation() override {
    auto parsed = TargetDescription::parse(target);
    if (!parsed.ok()) {
      getOperation().emitError() << std::string(parsed.status().message());
      return signalPassFailure();
    }
    description = *std::move(parsed);
    declareSharedMemory(getOperation(), description);
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
      Type index = builder.getIndexType();
      thread = packed::ThreadOp::create(builder, function.getLoc(), index, index);
      SmallVector<Block *> blocks;
      function.walk<WalkOrder::PreOrder>([&](Operation *op) {
        if (isa<scf::ForallOp>(op))
          return WalkResult::skip();
        for (Region &region : op->getRegions())
          for (Block &block : region)
            blocks.push_back(&block);
        return WalkResult::advance();
      });
      for (Block *block : blocks)
        if (failed(distribute(*block)))
          return signalPassFailure();
    }
  }

private:
  LogicalResult distribute(Block &block);
  void distribute(scf::ForallOp op);
  /// Multiplications by one token that come next: as many as can be one sequence.
  void join(scf::ForallOp loop, SmallVector<packed::MatmulTileOp> tiles);
  void emitJoined();
  /// Before what every block does for itself in the beginning: weights may be asked for here.
  void openCopies(scf::ForallOp loop);
  void closeCopies();
  /// The pieces of attention that every block puts together are quantized from registers, if that
  /// is what `next` does; then true. Else they are written.
  bool emitCombined(scf::ForallOp next);
  void inlineBody(scf::ForallOp op, Operation *before, ValueRange indices);
  /// The first iteration of the next loop that this block takes.
  Value firstOf(BlockBuilder &builder);
  /// Counts the iterations of a loop: they are known, or a value.
  void pass(BlockBuilder &builder, Value iterations);

  TargetDescription description;
  packed::ThreadOp thread;
  /// Loops whose multiplications are to be one sequence, and what those are.
  SmallVector<scf::ForallOp> joined;
  SmallVector<MatvecLoop> matrices;
  /// A loop over heads whose pieces every block puts together; null: there is none.
  scf::ForallOp combined;
  /// A place for copies; null: there is none.
  scf::ExecuteRegionOp copies;
  /// Iterations since the last barrier: those of loops that say how many, and of others.
  int64_t passed = 0;
  Value passedMore;
};

Value DistributeBlocks::firstOf(BlockBuilder &builder) {
  Value blocks = thread.getCount(), number = thread.getNumber();
  Value sum = passedMore;
  if (passed) {
    Value known = builder.index(passed);
    sum = sum ? arith::AddIOp::create(builder, sum, known).getResult() : known;
  }
  if (!sum)
    return number;
  // (number - passed) modulo blocks.
  Value rest = arith::RemUIOp::create(builder, sum, blocks);
  Value shifted = arith::AddIOp::create(builder, number, blocks);
  shifted = arith::SubIOp::create(builder, shifted, rest);
  return arith::RemUIOp::create(builder, shifted, blocks);
}

void DistributeBlocks::pass(BlockBuilder &builder, Value iterations) {
  if (auto known = getConstantIntValue(iterations)) {
    passed += *known;
    return;
  }
  passedMore =
      passedMore ? arith::AddIOp::create(builder, passedMore, iterations).getResult() : iterations;
}

void DistributeBlocks::inlineBody(scf::ForallOp op, Operation *before, ValueRange indices) {
  for (auto [variable, index] : llvm::zip_equal(op.getInductionVars(), indices))
    variable.replaceAllUsesWith(index);
  Block *body = op.getBody();
  before->getBlock()->getOperations().splice(before->getIterator(), body->getOperations(),
                                             body->begin(), std::prev(body->end()));
}

void DistributeBlocks::distribute(scf::ForallOp op) {
  orderScalars(op, description);
  BlockBuilder builder(op, description);
  if (isReplicated(op)) {
    if (hasOneIteration(op))
      return inlineBody(op, op, Values(op.getRank(), builder.index(0)));
    // What has several iterations for every block is one head each.
    for (auto combine : op.getBody()->getOps<packed::AttentionCombineOp>())
      emitAttentionCombineAll(builder, combine);
    return;
  }
  Values sizes = op.getUpperBound(builder);
  Value count = sizes[0];
  for (Value size : ArrayRef(sizes).drop_front())
    count = builder.createOrFold<arith::MulIOp>(count, size);
  auto loop = scf::ForOp::create(builder, firstOf(builder), count, thread.getCount());
  pass(builder, count);
  builder.setInsertionPointToStart(loop.getBody());
  // What the iteration before wrote, and scalars it read.
  builder.barrier();
  Values indices(sizes.size());
  Value rest = loop.getInductionVar();
  for (size_t i = sizes.size() - 1; i > 0; --i) {
    indices[i] = arith::RemUIOp::create(builder, rest, sizes[i]);
    rest = arith::DivUIOp::create(builder, rest, sizes[i]);
  }
  indices[0] = rest;
  inlineBody(op, loop.getBody()->getTerminator(), indices);
}

void DistributeBlocks::join(scf::ForallOp loop, SmallVector<packed::MatmulTileOp> tiles) {
  MatvecLoop matrix{std::move(tiles), tripCount(loop)};
  if (!joined.empty()) {
    SmallVector<MatvecLoop> all = matrices;
    all.push_back(matrix);
    BlockBuilder builder(loop, description);
    if (!canJoinMatvecs(builder, all))
      emitJoined();
  }
  joined.push_back(loop);
  matrices.push_back(std::move(matrix));
}

void DistributeBlocks::emitJoined() {
  if (joined.empty())
    return;
  // Nothing with effects is between the loops.
  BlockBuilder builder(joined.back(), description);
  bool isStarted = false;
  if (copies) {
    DominanceInfo dominance;
    bool areKnown = llvm::all_of(matrices, [&](MatvecLoop &matrix) {
      return llvm::all_of(matrix.tiles, [&](packed::MatmulTileOp tile) {
        return dominance.properlyDominates(tile.getWeight(), copies);
      });
    });
    if (areKnown) {
      BlockBuilder start(copies.getRegion().front().getTerminator(), description);
      isStarted = startMatvec(start, matrices, thread.getNumber(), thread.getCount());
    }
    if (isStarted)
      copies = {};
    closeCopies();
  }
  emitMatvec(builder, matrices, firstOf(builder), thread.getCount(), isStarted);
  pass(builder, builder.index(iterationsOf(matrices)));
  for (scf::ForallOp loop : joined)
    loop.erase();
  joined.clear();
  matrices.clear();
}

void DistributeBlocks::openCopies(scf::ForallOp loop) {
  // Of the first multiplication after a barrier every block knows its part.
  if (copies || passed || passedMore)
    return;
  OpBuilder builder(loop);
  copies = scf::ExecuteRegionOp::create(builder, loop.getLoc(), TypeRange());
  builder.createBlock(&copies.getRegion());
  scf::YieldOp::create(builder, loop.getLoc());
}

/// Whether something else than pieces of attention, their combination, and the quantization of that
/// has to do with a buffer.
static bool hasOtherUsers(Value buffer, Operation *combine, Operation *quantization) {
  return llvm::any_of(buffer.getUsers(), [&](Operation *user) {
    if (auto tile = dyn_cast<packed::AttentionTileOp>(user))
      return !tile.getPartials();
    if (auto view = dyn_cast<memref::SubViewOp>(user))
      return hasOtherUsers(view.getResult(), combine, quantization);
    return user != combine && user != quantization;
  });
}

bool DistributeBlocks::emitCombined(scf::ForallOp next) {
  if (!combined)
    return false;
  auto combine = onlyOperation<packed::AttentionCombineOp>(combined);
  packed::QuantizeActivationsOp quantization;
  if (combine && next && isReplicated(next) && hasOneIteration(next))
    quantization = onlyOperation<packed::QuantizeActivationsOp>(next);
  bool isFused = false;
  if (quantization) {
    Value input = quantization.getInput();
    if (auto view = input.getDefiningOp<memref::SubViewOp>();
        view && isConstantIntValue(view.getMixedSizes()[0], 1) &&
        isConstantIntValue(view.getMixedOffsets()[1], 0))
      input = view.getSource();
    isFused = input == combine.getOut() && canQuantizeCombined(combine, quantization, description);
  }
  if (isFused) {
    BlockBuilder builder(next, description);
    inlineBody(next, next, builder.index(0));
    bool isStored = hasOtherUsers(combine.getOut(), combine, quantization);
    emitAttentionCombineQuantized(combine, quantization, copies, isStored, description);
    quantization.erase();
    next.erase();
  } else {
    distribute(combined);
  }
  combined.erase();
  combined = {};
  return isFused;
}

void DistributeBlocks::closeCopies() {
  if (copies)
    copies.erase();
  copies = {};
}

LogicalResult DistributeBlocks::distribute(Block &block) {
  auto startAnew = [&] {
    passed = 0;
    passedMore = Value();
  };
  startAnew();
  for (Operation &op : llvm::make_early_inc_range(block)) {
    auto loop = dyn_cast<scf::ForallOp>(op);
    if (!loop) {
      if (isMemoryEffectFree(&op) && !op.hasTrait<OpTrait::IsTerminator>())
        continue;
      emitCombined({});
      emitJoined();
      closeCopies();
      // Whatever may contain a barrier begins anew.
      bool mayContain = isa<func::CallOp>(op) || op.getNumRegions() != 0;
      if (mayContain || isa<packed::BarrierOp>(op))
        startAnew();
      continue;
    }
    if (!loop.isNormalized() || loop.getNumResults() != 0)
      return loop.emitOpError("expects bounds from 0 in steps of 1, and no results");
    if (emitCombined(loop))
      continue;
    if (!isReplicated(loop))
      if (SmallVector<packed::MatmulTileOp> tiles = streamedTiles(loop); !tiles.empty()) {
        join(loop, std::move(tiles));
        continue;
      }
    emitJoined();
    if (isReplicated(loop) && leavesCopiesAlone(loop))
      openCopies(loop);
    else
      closeCopies();
    if (isReplicated(loop) && !hasOneIteration(loop)) {
      combined = loop;
      continue;
    }
    distribute(loop);
    loop.erase();
  }
  return success();
}

} // namespace
} // namespace stc
