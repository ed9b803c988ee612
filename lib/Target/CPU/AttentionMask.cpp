// packed.attention_tile: which keys of a block a row sees where there is a pattern, and the blocks
// that are passed over.
#include "AttentionEmitter.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

using Predicate = arith::CmpIPredicate;

/// Adds the blocks that a row of the tile sees something of: all of them, or those of the piece.
void AttentionEmitter::addSeenBlocks() {
  Value zero = builder.index(0), begin, end;
  if (Value piece = op.getPiece()) {
    int64_t perPiece = op.getPieceKeys() / kKVBlock;
    begin = builder.mul(piece, perPiece);
    end = builder.add(begin, perPiece);
  }
  auto compare = [&](Predicate predicate, Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, predicate, a, b);
  };
  builder.loop(zero, blocks.count, 1, Values{zero}, [&](Value candidate, ValueRange carried) {
    Value number = carried[0]; // of seen blocks
    Value block = blocks.block(builder, candidate);
    Value seen = pattern.sees(builder, firstPosition, lastPosition, block, patternTable);
    Value wanted = seen;
    if (begin) {
      Value inside = arith::AndIOp::create(builder, compare(Predicate::sge, number, begin),
                                           compare(Predicate::slt, number, end));
      wanted = arith::AndIOp::create(builder, seen, inside);
    }
    auto branch = scf::IfOp::create(builder, wanted, /*withElseRegion=*/false);
    {
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(branch.thenBlock());
      addBlock(candidate);
    }
    Value next = builder.add(number, 1);
    return Values{arith::SelectOp::create(builder, seen, next, number)};
  });
}

/// The lanes of vector `v` of the block that the pattern lets a row at `position` (i32) see.
Value AttentionEmitter::patternLanes(Value position, int64_t v) {
  const AttentionPattern &rule = pattern.get();
  if (rule.hasTable()) {
    // Positions of a vector are in one block of the pattern.
    bool isOneBlock = rule.size % kKVBlock == 0;
    Value start = isOneBlock ? blockStart : builder.add(blockStart, v * kLanes);
    Value keyBlock = arith::DivUIOp::create(builder, start, builder.index(rule.size));
    Value query = arith::IndexCastOp::create(builder, builder.getIndexType(), position);
    Value queryBlock = arith::DivUIOp::create(builder, query, builder.index(rule.size));
    Value seen = pattern.seesByTable(builder, queryBlock, keyBlock, patternTable);
    return vector::BroadcastOp::create(builder, VectorType::get(kLanes, builder.getI1Type()), seen);
  }
  Value start = arith::IndexCastOp::create(builder, builder.getI32Type(),
                                           builder.add(blockStart, v * kLanes));
  Value keys = arith::AddIOp::create(builder, builder.broadcast(start), builder.laneNumbers());
  return pattern.seesKeys(builder, builder.broadcast(position), keys);
}
