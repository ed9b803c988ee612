// packed.matmul_tile: row tiles times many tokens. What all ways of multiplying share.
#include "BlockLowerings.h"
#include "MatmulEmitter.h"
#include "StagedMatmul.h"

#include "stc/Dialect/STC/Utils/ActivationMath.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

MatmulEmitter::MatmulEmitter(packed::MatmulTileOp op, const TargetDescription &target)
    : op(op), builder(op, target), type(cast<packed::WeightType>(op.getWeight().getType())),
      layout(type.getLayout().getLayout()),
      geometry(tileGeometry(layout, type.getRows(), type.getColumns())),
      rowTiles(op.getConfig().getRowTiles()), partCount(op.getCos() ? 2 : 1) {}

//===----------------------------------------------------------------------===//
// Tokens
//===----------------------------------------------------------------------===//

void MatmulEmitter::emit() {
  weights = builder.global(builder.weightAddress(op.getWeight()));
  int64_t count = cast<MemRefType>(op.getOut().getType()).getDimSize(0);
  Value begin = builder.index(0);
  Value end = builder.createOrFold<memref::DimOp>(op.getOut(), begin);
  if (Value token = op.getToken()) {
    int64_t piece = op.getConfig().getPieceTokens();
    bool areEqual = !ShapedType::isDynamic(count) && count % piece == 0;
    count = areEqual ? piece : ShapedType::kDynamic;
    begin = token;
    Value pieceEnd = builder.add(token, piece);
    end = areEqual ? pieceEnd : arith::MinUIOp::create(builder, pieceEnd, end).getResult();
  }
  int64_t largest = blockSizes().front();
  auto emitWhole = [&](Value wholeEnd) {
    builder.loop(begin, wholeEnd, largest, [&](Value first) {
      emitBlock({first, largest, Value()});
    });
  };
  if (!ShapedType::isDynamic(count)) {
    int64_t whole = count / largest * largest;
    Value wholeEnd = builder.add(begin, whole);
    emitWhole(wholeEnd);
    if (count == whole)
      return;
    // The smallest block that takes the rest, or else several.
    int64_t size = largest, left = count - whole;
    for (int64_t candidate : llvm::reverse(blockSizes()))
      if (candidate >= left) {
        size = candidate;
        break;
      }
    if (size == largest)
      return emitBlocks(wholeEnd, end);
    Value present = left == size ? Value() : builder.int32(left);
    return emitBlock({wholeEnd, size, present});
  }
  Value all = arith::SubIOp::create(builder, end, begin);
  if (op.getToken() && op.getConfig().getPieceTokens() == largest) { // one block, or less
    Value isWhole =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, all, builder.index(largest));
    auto branch = scf::IfOp::create(builder, isWhole, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.thenBlock());
    emitBlock({begin, largest, Value()});
    builder.setInsertionPointToStart(branch.elseBlock());
    return emitBlocks(begin, end);
  }
  Value rest = arith::RemUIOp::create(builder, all, builder.index(largest));
  Value whole = arith::SubIOp::create(builder, end, rest);
  emitWhole(whole);
  emitBlocks(whole, end);
}

/// Tokens [begin, end), too few for the largest block: the next one, and where they fit into a
/// smaller one that.
void MatmulEmitter::emitBlocks(Value begin, Value end) {
  SmallVector<int64_t> sizes = blockSizes();
  int64_t next = sizes.size() > 1 ? sizes[1] : sizes[0];
  builder.loop(begin, end, next, [&](Value first) {
    Value left = builder.toI32(arith::SubIOp::create(builder, end, first));
    Value present = arith::MinUIOp::create(builder, left, builder.int32(next));
    OpBuilder::InsertionGuard guard(builder);
    for (; sizes.back() < next; sizes.pop_back()) {
      Value isSmall = arith::CmpIOp::create(builder, arith::CmpIPredicate::ule, left,
                                            builder.int32(sizes.back()));
      auto branch = scf::IfOp::create(builder, isSmall, /*withElseRegion=*/true);
      builder.setInsertionPointToStart(branch.thenBlock());
      emitBlock({first, sizes.back(), present});
      builder.setInsertionPointToStart(branch.elseBlock());
    }
    emitBlock({first, next, present});
  });
}

Value MatmulEmitter::presentToken(const TokenBlock &block, Value token) {
  if (!block.present)
    return token;
  Value last = arith::SubIOp::create(builder, block.present, builder.int32(1));
  return arith::MinUIOp::create(builder, token, last);
}

Value MatmulEmitter::inputRow(unsigned number, const TokenBlock &block, Value token) {
  Value matrix = op.getInputs()[number];
  int64_t rowBytes = BlockBuilder::rowBytes(cast<MemRefType>(matrix.getType()));
  Value offset = builder.mul(builder.toIndex(presentToken(block, token)), rowBytes);
  return builder.address(builder.rowAddress(matrix, block.first), offset);
}

//===----------------------------------------------------------------------===//
// Row tiles
//===----------------------------------------------------------------------===//

int64_t MatmulEmitter::pieces() const { return geometry.rowTiles / parts(); }

int64_t MatmulEmitter::apart() const {
  packed::MatmulTileOp tile = op;
  return cast<MemRefType>(tile.getCos().getType()).getDimSize(1) / kTileRows;
}

Value MatmulEmitter::pieceOf(Value slot) {
  Value number = slot;
  if (parts() == 2)
    number = arith::DivUIOp::create(builder, slot, builder.index(2));
  return builder.add(op.getTile(), number);
}

Value MatmulEmitter::tileOf(Value slot) {
  Value piece = pieceOf(slot);
  // Numbers of slots that are no power of two are rounded up.
  if (pieces() % rowTiles != 0 || !llvm::isPowerOf2_64(slots()))
    piece = arith::MinUIOp::create(builder, piece, builder.index(pieces() - 1));
  if (parts() == 1)
    return piece;
  Value head = arith::DivUIOp::create(builder, piece, builder.index(apart()));
  Value place = arith::RemUIOp::create(builder, piece, builder.index(apart()));
  Value part = arith::RemUIOp::create(builder, slot, builder.index(2));
  return builder.add(builder.add(builder.mul(head, 2 * apart()), place),
                     builder.mul(part, apart()));
}

Value MatmulEmitter::existsSlot(Value slot, bool isWithin) {
  Value exists;
  auto require = [&](Value value, int64_t limit) {
    Value isBelow =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, value, builder.index(limit));
    exists = exists ? arith::AndIOp::create(builder, exists, isBelow).getResult() : isBelow;
  };
  if (!isWithin)
    require(slot, slots());
  if (pieces() % rowTiles != 0)
    require(pieceOf(slot), pieces());
  return exists;
}

Value MatmulEmitter::tileAddress(Value tile) {
  if (!layout.hasTable())
    return builder.address(weights, builder.mul(tile, geometry.tileBytes));
  // The table says where tiles begin, in units of 64 bytes.
  Value entry = builder.address(weights, builder.mul(tile, sizeof(uint32_t)));
  Value start = builder.loadAligned(builder.getI32Type(), entry, 4, /*invariant=*/true);
  start = arith::ExtUIOp::create(builder, builder.getI64Type(), start);
  return builder.address(
      weights, arith::MulIOp::create(builder, start,
                                     builder.constant(builder.getI64Type(), kSectionAlignment))
                   .getResult());
}

//===----------------------------------------------------------------------===//
// What follows the products
//===----------------------------------------------------------------------===//

struct MatmulEmitter::Finishing {
  Values rows, biases, gates, residuals;
  Value cos, sin;
};

MatmulEmitter::Finishing MatmulEmitter::startFinishing(const Result &result) {
  Finishing finishing;
  auto load = [&](Value matrix, Value row) -> Value {
    return builder.loadElement(matrix, {result.token, row});
  };
  for (int64_t part = 0; part < parts(); ++part) {
    Value tile = tileOf(builder.add(result.slot, part));
    Value row = builder.add(builder.mul(tile, kTileRows), result.row);
    finishing.rows.push_back(row);
    if (op.getBias())
      finishing.biases.push_back(builder.loadElement(op.getBias(), row));
    if (op.getGate())
      finishing.gates.push_back(load(op.getGate(), row));
    if (op.getResidual())
      finishing.residuals.push_back(load(op.getResidual(), row));
  }
  if (op.getCos()) {
    Value place = arith::RemUIOp::create(builder, pieceOf(result.slot), builder.index(apart()));
    Value pair = builder.add(builder.mul(place, kTileRows), result.row);
    finishing.cos = load(op.getCos(), pair);
    finishing.sin = load(op.getSin(), pair);
  }
  return finishing;
}

void MatmulEmitter::finish(const Result &result, const Finishing &finishing) {
  Values results(result.sums);
  auto add = [&](Value a, Value b) -> Value { return arith::AddFOp::create(builder, a, b); };
  auto multiply = [&](Value a, Value b) -> Value { return arith::MulFOp::create(builder, a, b); };
  for (auto [i, sum] : llvm::enumerate(results)) {
    if (op.getBias())
      sum = add(sum, finishing.biases[i]);
    if (op.getGate())
      sum = multiply(
          createActivation(builder, builder.getLoc(), *op.getActivation(), finishing.gates[i]),
          sum);
  }
  if (op.getCos()) {
    Value a = results[0], b = results[1];
    results[0] =
        arith::SubFOp::create(builder, multiply(a, finishing.cos), multiply(b, finishing.sin));
    results[1] = add(multiply(a, finishing.sin), multiply(b, finishing.cos));
  }
  for (auto [i, sum] : llvm::enumerate(results)) {
    if (op.getResidual())
      sum = add(sum, finishing.residuals[i]);
    memref::StoreOp::create(builder, sum, op.getOut(), ValueRange{result.token, finishing.rows[i]});
  }
}

void MatmulEmitter::finish(ArrayRef<Result> results) {
  // Pairs of row tiles are whole.
  if (type.getRows() % kTileRows == 0) {
    std::vector<Finishing> started;
    for (const Result &result : results)
      started.push_back(startFinishing(result));
    for (size_t i = 0; i < results.size(); ++i) {
      auto write = [&] { finish(results[i], started[i]); };
      if (results[i].exists)
        builder.ifThen(results[i].exists, write);
      else
        write();
    }
    return;
  }
  for (const Result &result : results) {
    Value row = builder.add(builder.mul(tileOf(result.slot), kTileRows), result.row);
    Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, row,
                                         builder.index(type.getRows()));
    if (result.exists)
      exists = arith::AndIOp::create(builder, exists, result.exists);
    builder.ifThen(exists, [&] { finish(result, startFinishing(result)); });
  }
}

LogicalResult stc::gpu::emitMatmulTile(packed::MatmulTileOp op, const TargetDescription &target) {
  auto type = cast<packed::WeightType>(op.getWeight().getType());
  Layout layout = type.getLayout().getLayout();
  if (layout.isQuantized() && op.getInputs().size() == 1) {
    std::unique_ptr<MatmulEmitter> wide = createStagedWide(op, target);
    if (!wide)
      return op.emitOpError("expects int8 activations for these weights on ") << target.name;
    wide->emit();
    return success();
  }
  bool isHalf = layout.element == ElementKind::BF16 || layout.element == ElementKind::F16;
  std::unique_ptr<MatmulEmitter> staged = target.hasMma    ? createStagedMatmul(op, target)
                                          : target.isAmd() ? createMatrixMatmul(op, target)
                                                           : nullptr;
  if (!staged && target.hasMma)
    staged = layout.isSparseFloat() ? createStagedPrunedHalves(op, target)
                                    : createStagedHalves(op, target);
  if (!staged && target.hasMma)
    staged = createStagedMasked(op, target);
  int64_t groups = tileGeometry(layout, type.getRows(), type.getColumns()).groups;
  bool isWhole = layout.isQuantized() && groups > 1 &&
                 cast<MemRefType>(op.getInputs()[1].getType()).getDimSize(1) == 1;
  if (isWhole && (!staged || !takesWholeRows(type, target)))
    return op.emitOpError("expects a scale for each group of activations for these weights on ")
           << target.name;
  if (staged)
    staged->emit();
  else if (target.hasMma && layout.isQuantized() && layout.group % kSpanColumns == 0)
    createCodeMatmul(op, target)->emit();
  else if (target.hasMma && isHalf && !layout.isSparse())
    createSplitMatmul(op, target)->emit();
  else
    createGenericMatmul(op, target)->emit();
  return success();
}
