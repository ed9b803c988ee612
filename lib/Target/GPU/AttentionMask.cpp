// packed.attention_tile where there is a pattern: the blocks that are passed over.
#include "AttentionEmitter.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

using Predicate = arith::CmpIPredicate;

AttentionEmitter::State AttentionEmitter::attendSeen(const State &start, Value first,
                                                     ArrayRef<RowPlace> places) {
  int64_t stepsOfBlock = kKVBlock / warpThreads();
  auto both = [&](Value a, Value b) -> Value { return arith::AndIOp::create(builder, a, b); };
  auto compare = [&](Predicate predicate, Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, predicate, a, b);
  };
  Value pieceBegin, pieceEnd;
  if (Value piece = op.getPiece()) {
    int64_t perPiece = op.getPieceKeys() / warpThreads();
    pieceBegin = builder.times(piece, perPiece);
    pieceEnd = builder.plus(pieceBegin, perPiece);
  }
  Values initial = start.all();
  initial.push_back(builder.index(0)); // steps of seen blocks so far
  Value count = builder.times(blocks.count, stepsOfBlock);
  Values results =
      builder.loop(builder.index(0), count, 1, initial, [&](Value candidate, ValueRange carried) {
        Value number = carried.back();
        ValueRange before = carried.drop_back();
        Value block = blocks.block(builder, builder.quotient(candidate, stepsOfBlock));
        // All lanes of a warp agree on this.
        Value seen = pattern.sees(builder, firstPosition, lastPosition, block, patternTable);
        Value wanted = seen;
        if (pieceBegin)
          wanted = both(wanted, both(compare(Predicate::sge, number, pieceBegin),
                                     compare(Predicate::slt, number, pieceEnd)));
        if (sharesKeys)
          wanted = both(wanted, compare(Predicate::eq, builder.remainder(number, workers), warp));
        auto branch =
            scf::IfOp::create(builder, before.getTypes(), wanted, /*withElseRegion=*/true);
        {
          OpBuilder::InsertionGuard guard(builder);
          builder.setInsertionPointToStart(branch.thenBlock());
          enterStep(block, builder.remainder(candidate, stepsOfBlock));
          scf::YieldOp::create(builder, addKeys(first, places, split(before)).all());
          builder.setInsertionPointToStart(branch.elseBlock());
          scf::YieldOp::create(builder, before);
        }
        Values after(branch.getResults());
        after.push_back(builder.choose(seen, builder.plus(number, 1), number));
        return after;
      });
  results.pop_back();
  return split(results);
}
