// The operations of a mixture of experts as loops over tokens. Their work is small beside the
// matrices between them: columns go in vectors where there are enough of them.
#include "TileBuilders.h"

#include "stc/Dialect/Packed/IR/PackedRouting.h"

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

/// `found`, or `own` if it comes in the order behind `last` and before `found`.
SmallVector<Value> betterChoice(ImplicitLocOpBuilder &builder, Choice own, Choice last,
                                Choice found) {
  Value taken = isChosen(builder, own, last);
  Value isLarger =
      arith::CmpFOp::create(builder, arith::CmpFPredicate::OGT, own.logit, found.logit);
  Value best = arith::SelectOp::create(builder, isLarger, own.logit, found.logit);
  Value number = arith::SelectOp::create(builder, isLarger, own.expert, found.expert);
  return {arith::SelectOp::create(builder, taken, found.logit, best),
          arith::SelectOp::create(builder, taken, found.expert, number)};
}

/// Of `count` values the first in the order behind `last`; `found` if none is.
Choice findNext(ImplicitLocOpBuilder &builder, Value count, function_ref<Value(Value)> valueOf,
                Choice last, Choice found) {
  ValueRange next =
      loop(builder, count, {found.logit, found.expert},
           [&](Value expert, ValueRange state) -> SmallVector<Value> {
             return betterChoice(builder, {valueOf(expert), expert}, last, {state[0], state[1]});
           });
  return {next[0], next[1]};
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
               float lowest = -std::numeric_limits<float>::infinity();
               Choice none{constant(builder, lowest), constant(builder, int64_t(0))};
               Choice next = findNext(builder, experts, logitOf, {state[1], state[2]}, none);
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

namespace {

/// How packed.grouped_gate chooses for one token. What it compares is computed anew wherever it is
/// needed: threads that do the same then need not wait for each other.
class GroupedChooser {
public:
  GroupedChooser(ImplicitLocOpBuilder &builder, packed::GroupedGateOp op, Value token)
      : builder(builder), op(op), token(token),
        choice(groupedChoiceOf(op, columnsOf(op.getScores()))),
        size(constant(builder, choice.groupSize())) {}

  void write() {
    Value count = constant(builder, int64_t(choice.groups));
    if (choice.kept < choice.groups)
      lastGroup = repeatNext(choice.kept, [&](Choice last) {
        return findNext(
            builder, count, [&](Value group) { return worthOf(group); }, last, nothing());
      });
    Value sum;
    Choice last = repeatNext(
        choice.k, [&](Choice last) { return nextExpert(count, last); }, &sum);
    Value factor = constant(builder, float(choice.scale));
    if (choice.normalized)
      factor = arith::DivFOp::create(builder, factor, sum);
    columnLoop(builder, constant(builder, int64_t(0)), constant(builder, choice.experts), 1,
               [&](Value expert) {
                 Value isOne = isChosen(builder, {choiceOf(expert), expert}, last);
                 if (lastGroup.expert)
                   isOne = arith::AndIOp::create(
                       builder, isOne, isKept(arith::DivUIOp::create(builder, expert, size)));
                 Value gate = arith::MulFOp::create(builder, scoreOf(expert), factor);
                 gate = arith::SelectOp::create(builder, isOne, gate, constant(builder, 0.0f));
                 store(builder, gate, op.getOut(), {token, expert});
               });
  }

private:
  Choice nothing() {
    return {constant(builder, -std::numeric_limits<float>::infinity()),
            constant(builder, int64_t(0))};
  }
  Choice everything() {
    return {constant(builder, std::numeric_limits<float>::infinity()),
            constant(builder, int64_t(-1))};
  }

  Value scoreOf(Value expert) { return load(builder, op.getScores(), {token, expert}); }
  Value choiceOf(Value expert) {
    if (!op.getCorrection())
      return scoreOf(expert);
    return arith::AddFOp::create(builder, scoreOf(expert),
                                 load(builder, op.getCorrection(), expert));
  }

  /// The last of `count` steps, each from the choice before it; and the sum of their scores.
  Choice repeatNext(int64_t count, function_ref<Choice(Choice)> next, Value *sum = nullptr) {
    Choice first = everything();
    ValueRange steps = loop(
        builder, constant(builder, count), {first.logit, first.expert, constant(builder, 0.0f)},
        [&](Value, ValueRange state) -> SmallVector<Value> {
          Choice found = next({state[0], state[1]});
          Value total = state[2];
          if (sum)
            total = arith::AddFOp::create(builder, total, scoreOf(found.expert));
          return {found.logit, found.expert, total};
        });
    if (sum)
      *sum = steps[2];
    return {steps[0], steps[1]};
  }

  Value expertOf(Value group, Value index) {
    return arith::AddIOp::create(builder, arith::MulIOp::create(builder, group, size), index);
  }

  /// The sum of what the group's best experts are chosen by.
  Value worthOf(Value group) {
    Choice first = everything();
    return loop(
        builder, constant(builder, choice.best),
        {first.logit, first.expert, constant(builder, 0.0f)},
        [&](Value, ValueRange state) -> SmallVector<Value> {
          Choice found = findNext(
              builder, size, [&](Value index) { return choiceOf(expertOf(group, index)); },
              {state[0], state[1]}, nothing());
          return {found.logit, found.expert, arith::AddFOp::create(builder, state[2], found.logit)};
        })[2];
  }

  Value isKept(Value group) { return isChosen(builder, {worthOf(group), group}, lastGroup); }

  /// The expert that comes next behind `last`, of the groups that are kept.
  Choice nextExpert(Value groups, Choice last) {
    if (!lastGroup.expert)
      return findNext(
          builder, constant(builder, choice.experts),
          [&](Value expert) { return choiceOf(expert); }, last, nothing());
    Choice none = nothing();
    ValueRange found =
        loop(builder, groups, {none.logit, none.expert},
             [&](Value group, ValueRange state) -> SmallVector<Value> {
               Value kept = isKept(group);
               ValueRange best =
                   loop(builder, size, {state[0], state[1]},
                        [&](Value index, ValueRange inner) -> SmallVector<Value> {
                          Value expert = expertOf(group, index), value = choiceOf(expert);
                          return betterChoice(builder, {value, expert}, last, {inner[0], inner[1]});
                        });
               return {arith::SelectOp::create(builder, kept, best[0], state[0]),
                       arith::SelectOp::create(builder, kept, best[1], state[1])};
             });
    return {found[0], found[1]};
  }

  ImplicitLocOpBuilder &builder;
  packed::GroupedGateOp op;
  Value token;
  GroupedChoice choice;
  Value size;       // of a group
  Choice lastGroup; // of those that are kept; none where all are
};

} // namespace

void tileGroupedGate(ImplicitLocOpBuilder &builder, packed::GroupedGateOp op) {
  parallel(builder, tokensOf(builder, op.getScores()),
           [&](ValueRange indices) { GroupedChooser(builder, op, indices[0]).write(); });
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
