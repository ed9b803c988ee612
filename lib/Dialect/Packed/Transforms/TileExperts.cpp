// The operations of a mixture of experts as loops over tokens. Their work is small beside the
// matrices between them: columns go in vectors where there are enough of them.
#include "TileBuilders.h"

#include "stc/Dialect/Packed/Transforms/ColumnLoops.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

#include <limits>

using namespace mlir;

namespace stc {

namespace {

constexpr int64_t kVectorColumns = 16;

Value constant(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIndexOp::create(builder, value);
}

Value constant(ImplicitLocOpBuilder &builder, float value) {
  return arith::ConstantOp::create(builder, builder.getF32FloatAttr(value));
}

Value load(ImplicitLocOpBuilder &builder, Value memory, ValueRange indices) {
  return memref::LoadOp::create(builder, memory, indices);
}

/// A loop from 0 to `end` that carries `state`; `body` returns the next.
ValueRange loop(ImplicitLocOpBuilder &builder, Value end, ValueRange state,
                function_ref<SmallVector<Value>(Value, ValueRange)> body, int64_t step = 1) {
  auto op = scf::ForOp::create(builder, constant(builder, int64_t(0)), end, constant(builder, step),
                               state);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!state.empty()) {
    scf::YieldOp::create(builder, next);
  }
  return op.getResults();
}

/// A loop over columns whose iterations may run at once, `step` columns each.
void columnLoop(ImplicitLocOpBuilder &builder, Value begin, Value end, int64_t step,
                function_ref<void(Value)> body) {
  auto op = scf::ForOp::create(builder, begin, end, constant(builder, step));
  op->setAttr(kColumnsAttr, builder.getUnitAttr());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  body(op.getInductionVar());
}

/// Vectors up to the last multiple of their width, then single columns: `body` gets a column and
/// the type of what begins there.
void forColumns(ImplicitLocOpBuilder &builder, int64_t columns,
                function_ref<void(Value, Type)> body) {
  Type f32 = builder.getF32Type();
  int64_t vectorEnd = columns / kVectorColumns * kVectorColumns;
  auto part = [&](int64_t begin, int64_t end, int64_t step, Type type) {
    if (begin < end)
      columnLoop(builder, constant(builder, begin), constant(builder, end), step,
                 [&](Value column) { body(column, type); });
  };
  part(0, vectorEnd, kVectorColumns, VectorType::get({kVectorColumns}, f32));
  part(vectorEnd, columns, 1, f32);
}

Value loadAs(ImplicitLocOpBuilder &builder, Type type, Value memory, ValueRange indices) {
  if (auto vector = dyn_cast<VectorType>(type))
    return vector::LoadOp::create(builder, vector, memory, indices);
  return load(builder, memory, indices);
}

void store(ImplicitLocOpBuilder &builder, Value value, Value memory, ValueRange indices) {
  if (isa<VectorType>(value.getType()))
    vector::StoreOp::create(builder, value, memory, indices);
  else
    memref::StoreOp::create(builder, value, memory, indices);
}

Value tokenAt(ImplicitLocOpBuilder &builder, Value tokens, Value index) {
  return arith::IndexCastOp::create(builder, builder.getIndexType(), load(builder, tokens, index));
}

Value isNotZero(ImplicitLocOpBuilder &builder, Value value) {
  return arith::CmpFOp::create(builder, arith::CmpFPredicate::UNE, value, constant(builder, 0.0f));
}

/// An expert as a place in the order of choice: larger logits first, of equal ones the lower
/// column.
struct Choice {
  Value logit, expert;
};

/// Whether an expert comes in the order before `last`, or is it.
Value isChosen(ImplicitLocOpBuilder &builder, Choice own, Choice last) {
  Value larger = arith::CmpFOp::create(builder, arith::CmpFPredicate::OGT, own.logit, last.logit);
  Value equal = arith::CmpFOp::create(builder, arith::CmpFPredicate::OEQ, own.logit, last.logit);
  Value lower = arith::CmpIOp::create(builder, arith::CmpIPredicate::sle, own.expert, last.expert);
  return arith::OrIOp::create(builder, larger, arith::AndIOp::create(builder, equal, lower));
}

/// The first expert in the order behind `last`; expert 0 with a logit of minus infinity if none is.
Choice findNext(ImplicitLocOpBuilder &builder, packed::TopKGateOp op, Value token, Value experts,
                Choice last) {
  float lowest = -std::numeric_limits<float>::infinity();
  ValueRange found =
      loop(builder, experts, {constant(builder, lowest), constant(builder, int64_t(0))},
           [&](Value expert, ValueRange state) -> SmallVector<Value> {
             Value logit = load(builder, op.getLogits(), {token, expert});
             Value taken = isChosen(builder, {logit, expert}, last);
             Value isLarger =
                 arith::CmpFOp::create(builder, arith::CmpFPredicate::OGT, logit, state[0]);
             Value best = arith::SelectOp::create(builder, isLarger, logit, state[0]);
             Value number = arith::SelectOp::create(builder, isLarger, expert, state[1]);
             return {arith::SelectOp::create(builder, taken, state[0], best),
                     arith::SelectOp::create(builder, taken, state[1], number)};
           });
  return {found[0], found[1]};
}

} // namespace

/// Gates are written once and never read: several threads may do the same without waiting for each
/// other.
void tileTopKGate(ImplicitLocOpBuilder &builder, packed::TopKGateOp op) {
  parallel(builder, tokensOf(builder, op.getLogits()), [&](ValueRange indices) {
    Value token = indices[0], experts = constant(builder, columnsOf(op.getLogits()));
    Value first = constant(builder, int64_t(0)), zero = constant(builder, 0.0f);
    ValueRange largest =
        loop(builder, experts, load(builder, op.getLogits(), {token, first}),
             [&](Value expert, ValueRange state) -> SmallVector<Value> {
               return {arith::MaximumFOp::create(builder, state[0],
                                                 load(builder, op.getLogits(), {token, expert}))};
             });
    Value most = largest[0];
    auto exponential = [&](Value logit) -> Value {
      return math::ExpOp::create(builder, arith::SubFOp::create(builder, logit, most));
    };
    auto logitOf = [&](Value expert) { return load(builder, op.getLogits(), {token, expert}); };
    Value sum = zero;
    if (!op.getNormalized())
      sum = loop(builder, experts, sum, [&](Value expert, ValueRange state) -> SmallVector<Value> {
        return {arith::AddFOp::create(builder, state[0], exponential(logitOf(expert)))};
      })[0];
    // Before the first choice nothing is taken.
    Value highest = constant(builder, std::numeric_limits<float>::infinity());
    ValueRange chosen =
        loop(builder, constant(builder, int64_t(op.getK())),
             {sum, highest, constant(builder, int64_t(-1))},
             [&](Value, ValueRange state) -> SmallVector<Value> {
               Choice next = findNext(builder, op, token, experts, {state[1], state[2]});
               Value total = state[0];
               if (op.getNormalized())
                 total = arith::AddFOp::create(builder, total, exponential(next.logit));
               return {total, next.logit, next.expert};
             });
    Value total = chosen[0];
    Choice last{chosen[1], chosen[2]};
    columnLoop(builder, first, experts, 1, [&](Value expert) {
      Value logit = logitOf(expert);
      Value gate = arith::DivFOp::create(builder, exponential(logit), total);
      Value isOne = isChosen(builder, {logit, expert}, last);
      store(builder, arith::SelectOp::create(builder, isOne, gate, zero), op.getOut(),
            {token, expert});
    });
  });
}

/// One thread writes the list, which is short. (All threads of a block on a GPU: the last number
/// that each writes to a place is the same.)
void tileSelectTokens(ImplicitLocOpBuilder &builder, packed::SelectTokensOp op) {
  Value tokens = memref::DimOp::create(builder, op.getGates(), 0);
  parallel(builder, {OpFoldResult(builder.getIndexAttr(1))}, [&](ValueRange) {
    Value one = constant(builder, int64_t(1)), zero = constant(builder, int64_t(0));
    loop(builder, tokens, zero, [&](Value token, ValueRange state) -> SmallVector<Value> {
      Value gate = load(builder, op.getGates(), {token, op.getIndex()});
      // The next one overwrites a token that does not count.
      Value number = arith::IndexCastOp::create(builder, builder.getI32Type(), token);
      memref::StoreOp::create(builder, number, op.getOut(), state[0]);
      Value step = arith::SelectOp::create(builder, isNotZero(builder, gate), one, zero);
      return {arith::AddIOp::create(builder, state[0], step)};
    });
  });
}

void tileGatherTokens(ImplicitLocOpBuilder &builder, packed::GatherTokensOp op) {
  parallel(builder, tokensOf(builder, op.getOut()), [&](ValueRange indices) {
    Value row = indices[0], token = tokenAt(builder, op.getTokens(), row);
    forColumns(builder, columnsOf(op.getOut()), [&](Value column, Type type) {
      store(builder, loadAs(builder, type, op.getInput(), {token, column}), op.getOut(),
            {row, column});
    });
  });
}

void tileScatterAdd(ImplicitLocOpBuilder &builder, packed::ScatterAddOp op) {
  parallel(builder, tokensOf(builder, op.getInput()), [&](ValueRange indices) {
    Value row = indices[0], token = row;
    if (op.getTokens())
      token = tokenAt(builder, op.getTokens(), row);
    Value gate = load(builder, op.getGates(), {token, op.getIndex()});
    forColumns(builder, columnsOf(op.getOut()), [&](Value column, Type type) {
      Value factor = gate;
      if (isa<VectorType>(type))
        factor = vector::BroadcastOp::create(builder, type, gate);
      Value own = loadAs(builder, type, op.getInput(), {row, column});
      Value sum = loadAs(builder, type, op.getOut(), {token, column});
      sum = arith::AddFOp::create(builder, sum, arith::MulFOp::create(builder, factor, own));
      store(builder, sum, op.getOut(), {token, column});
    });
  });
}

} // namespace stc
