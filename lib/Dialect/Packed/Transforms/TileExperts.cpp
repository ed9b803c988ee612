// The operations of a mixture of experts as loops over tokens. Their work is small beside the
// matrices between them: columns go in vectors where there are enough of them.
#include "TileBuilders.h"

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
  auto op = scf::ForOp::create(builder, constant(builder, int64_t(0)), end,
                               constant(builder, step), state);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(op.getBody());
  SmallVector<Value> next = body(op.getInductionVar(), op.getRegionIterArgs());
  if (!state.empty()) {
    scf::YieldOp::create(builder, next);
  }
  return op.getResults();
}

/// Vectors up to the last multiple of their width, then single columns: `body` gets a column and the
/// type of what begins there.
void forColumns(ImplicitLocOpBuilder &builder, int64_t columns,
                function_ref<void(Value, Type)> body) {
  Type f32 = builder.getF32Type();
  int64_t vectorEnd = columns / kVectorColumns * kVectorColumns;
  auto part = [&](int64_t begin, int64_t end, int64_t step, Type type) {
    if (begin == end)
      return;
    auto op = scf::ForOp::create(builder, constant(builder, begin), constant(builder, end),
                                 constant(builder, step));
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(op.getBody());
    body(op.getInductionVar(), type);
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
  return arith::IndexCastOp::create(builder, builder.getIndexType(),
                                    load(builder, tokens, index));
}

Value isNotZero(ImplicitLocOpBuilder &builder, Value value) {
  return arith::CmpFOp::create(builder, arith::CmpFPredicate::UNE, value, constant(builder, 0.0f));
}

/// The column of the largest logit of those whose gate is 0 still, the lower one where equal.
Value findNext(ImplicitLocOpBuilder &builder, packed::TopKGateOp op, Value token, Value experts) {
  float lowest = -std::numeric_limits<float>::infinity();
  ValueRange found = loop(
      builder, experts, {constant(builder, lowest), constant(builder, int64_t(0))},
      [&](Value expert, ValueRange state) -> SmallVector<Value> {
        Value logit = load(builder, op.getLogits(), {token, expert});
        Value gate = load(builder, op.getOut(), {token, expert});
        Value isFree = arith::CmpFOp::create(builder, arith::CmpFPredicate::OEQ, gate,
                                             constant(builder, 0.0f));
        Value isLarger =
            arith::CmpFOp::create(builder, arith::CmpFPredicate::OGT, logit, state[0]);
        Value isNext = arith::AndIOp::create(builder, isFree, isLarger);
        return {arith::SelectOp::create(builder, isNext, logit, state[0]),
                arith::SelectOp::create(builder, isNext, expert, state[1])};
      });
  return found[1];
}

} // namespace

void tileTopKGate(ImplicitLocOpBuilder &builder, packed::TopKGateOp op) {
  parallel(builder, tokensOf(builder, op.getLogits()), [&](ValueRange indices) {
    Value token = indices[0], experts = constant(builder, columnsOf(op.getLogits()));
    Value first = constant(builder, int64_t(0));
    ValueRange largest = loop(
        builder, experts, load(builder, op.getLogits(), {token, first}),
        [&](Value expert, ValueRange state) -> SmallVector<Value> {
          Value zero = constant(builder, 0.0f);
          memref::StoreOp::create(builder, zero, op.getOut(), ValueRange{token, expert});
          return {arith::MaximumFOp::create(builder, state[0],
                                            load(builder, op.getLogits(), {token, expert}))};
        });
    Value most = largest[0];
    auto exponential = [&](Value expert) -> Value {
      Value logit = load(builder, op.getLogits(), {token, expert});
      return math::ExpOp::create(builder, arith::SubFOp::create(builder, logit, most));
    };
    Value sum = constant(builder, 0.0f);
    if (!op.getNormalized())
      sum = loop(builder, experts, sum, [&](Value expert, ValueRange state) -> SmallVector<Value> {
        return {arith::AddFOp::create(builder, state[0], exponential(expert))};
      })[0];
    Value chosen = loop(builder, constant(builder, int64_t(op.getK())), sum,
                        [&](Value, ValueRange state) -> SmallVector<Value> {
                          Value expert = findNext(builder, op, token, experts);
                          Value gate = exponential(expert);
                          memref::StoreOp::create(builder, gate, op.getOut(),
                                                  ValueRange{token, expert});
                          if (!op.getNormalized())
                            return {state[0]};
                          return {arith::AddFOp::create(builder, state[0], gate)};
                        })[0];
    loop(builder, experts, {}, [&](Value expert, ValueRange) -> SmallVector<Value> {
      Value gate = load(builder, op.getOut(), {token, expert});
      memref::StoreOp::create(builder, arith::DivFOp::create(builder, gate, chosen), op.getOut(),
                              ValueRange{token, expert});
      return {};
    });
  });
}

/// One thread writes the list, which is short.
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
