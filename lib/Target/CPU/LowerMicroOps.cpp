// packed-lower-micro-ops: turns micro-operations into the target's instructions.
#include "KernelBuilder.h"

#include "stc/Target/CPU/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;
using namespace stc::cpu;

namespace {

Value callIntrinsic(KernelBuilder &builder, StringRef name, Type result, ValueRange operands) {
  auto call = LLVM::CallIntrinsicOp::create(builder, result, builder.getStringAttr(name), operands,
                                            LLVM::FastmathFlagsAttr());
  return call.getResults();
}

//===----------------------------------------------------------------------===//
// packed.dot4
//===----------------------------------------------------------------------===//

/// Writes a dot product of a fixed number of lanes: (accumulator, weights, activations).
using DotEmitter = function_ref<Value(Value, Value, Value)>;

/// Lanes [first, first + count) of two vectors behind one another.
Value selectLanes(KernelBuilder &builder, Value a, Value b, int64_t first, int64_t count) {
  SmallVector<int64_t> lanes(count);
  std::iota(lanes.begin(), lanes.end(), first);
  return vector::ShuffleOp::create(builder, a, b, lanes);
}

/// Applies `emit`, which takes `lanes` lanes, to the halves of longer vectors, again and again.
Value dotInPieces(KernelBuilder &builder, Value accumulator, Value weights, Value activations,
                  int64_t lanes, DotEmitter emit) {
  int64_t all = cast<VectorType>(accumulator.getType()).getNumElements();
  if (all == lanes)
    return emit(accumulator, weights, activations);
  auto emitHalf = [&](int64_t first) {
    auto part = [&](Value vector, int64_t factor) {
      return selectLanes(builder, vector, vector, first * factor, all / 2 * factor);
    };
    return dotInPieces(builder, part(accumulator, 1), part(weights, 4), part(activations, 4), lanes,
                       emit);
  };
  Value low = emitHalf(0), high = emitHalf(all / 2);
  return selectLanes(builder, low, high, 0, all);
}

struct MaddNames {
  StringLiteral words; // pmaddwd
  StringLiteral bytes; // pmaddubsw
};

/// Products of signed 16-bit numbers, added in pairs. Weights below 2^7 times signed bytes add up
/// within 16 bits, so pmaddubsw does not saturate; wider ones are split into even and odd bytes.
Value dotWithMadd(KernelBuilder &builder, const MaddNames &names, int64_t bits, Value accumulator,
                  Value weights, Value activations) {
  int64_t lanes = cast<VectorType>(accumulator.getType()).getNumElements();
  auto words = VectorType::get(2 * lanes, builder.getI16Type());
  auto add = [&](Value a, Value b) {
    Value products = callIntrinsic(builder, names.words, accumulator.getType(), {a, b});
    accumulator = arith::AddIOp::create(builder, accumulator, products);
  };
  if (bits < 8) {
    Value pairs = callIntrinsic(builder, names.bytes, words, {weights, activations});
    add(pairs, builder.constant(words, int64_t(1)));
    return accumulator;
  }
  Value eight = builder.constant(words, int64_t(8));
  Value w = vector::BitCastOp::create(builder, words, weights);
  Value x = vector::BitCastOp::create(builder, words, activations);
  Value high = arith::ShLIOp::create(builder, x, eight);
  add(arith::AndIOp::create(builder, w, builder.constant(words, int64_t(255))),
      arith::ShRSIOp::create(builder, high, eight));
  add(arith::ShRUIOp::create(builder, w, eight), arith::ShRSIOp::create(builder, x, eight));
  return accumulator;
}

/// Four multiplications per 32-bit lane: right everywhere.
Value dotGeneric(KernelBuilder &builder, stc::packed::Dot4Op op) {
  Type lanes = op.getResult().getType();
  Value w = vector::BitCastOp::create(builder, lanes, op.getWeights());
  Value x = vector::BitCastOp::create(builder, lanes, op.getActivations());
  auto shift = [&](int64_t count) { return builder.constant(lanes, count); };
  Value sum = op.getAccumulator();
  for (int64_t byte = 0; byte < 4; ++byte) {
    Value weight = arith::ShRUIOp::create(builder, w, shift(8 * byte));
    weight = arith::AndIOp::create(builder, weight, shift(255));
    Value activation = arith::ShLIOp::create(builder, x, shift(24 - 8 * byte));
    activation = arith::ShRSIOp::create(builder, activation, shift(24));
    Value product = arith::MulIOp::create(builder, weight, activation);
    sum = arith::AddIOp::create(builder, sum, product);
  }
  return sum;
}

Value lowerDot4(KernelBuilder &builder, stc::packed::Dot4Op op) {
  using Dot4 = TargetDescription::Dot4;
  Dot4 kind = builder.getTarget().dot4();
  int64_t width = 0;
  StringRef dot;
  MaddNames madd{"", ""};
  switch (kind) {
  case Dot4::Generic:
    return dotGeneric(builder, op);
  case Dot4::Vnni512:
    width = 16;
    dot = "llvm.x86.avx512.vpdpbusd.512";
    break;
  case Dot4::AvxVnni256:
    width = 8;
    dot = "llvm.x86.avx512.vpdpbusd.256";
    break;
  case Dot4::Madd512:
    width = 16;
    madd = {"llvm.x86.avx512.pmaddw.d.512", "llvm.x86.avx512.pmaddubs.w.512"};
    break;
  case Dot4::Madd256:
    width = 8;
    madd = {"llvm.x86.avx2.pmadd.wd", "llvm.x86.avx2.pmadd.ub.sw"};
    break;
  case Dot4::Madd128:
    width = 4;
    madd = {"llvm.x86.sse2.pmadd.wd", "llvm.x86.ssse3.pmadd.ub.sw.128"};
    break;
  }
  int64_t bits = op.getBits();
  if (kind == Dot4::Madd128 && !builder.getTarget().has("ssse3"))
    bits = 8;
  int64_t lanes = cast<VectorType>(op.getResult().getType()).getNumElements();
  if (lanes % width != 0 || !llvm::isPowerOf2_64(lanes / width))
    return dotGeneric(builder, op);
  auto emit = [&](Value accumulator, Value w, Value x) {
    if (!dot.empty())
      return callIntrinsic(builder, dot, accumulator.getType(), {accumulator, w, x});
    return dotWithMadd(builder, madd, bits, accumulator, w, x);
  };
  return dotInPieces(builder, op.getAccumulator(), op.getWeights(), op.getActivations(), width,
                     emit);
}

//===----------------------------------------------------------------------===//
// packed.expand
//===----------------------------------------------------------------------===//

constexpr int64_t kExpandBytes = 64;

/// Memory of the function that contains `op`: at its entry, as in a loop it would grow the stack.
Value createScratch(KernelBuilder &builder, Operation *op, int64_t bytes) {
  OpBuilder::InsertionGuard guard(builder);
  auto function = op->getParentOfType<FunctionOpInterface>();
  builder.setInsertionPointToStart(&function.getFunctionBody().front());
  Value size = builder.constant(builder.getI64Type(), bytes);
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
  return LLVM::AllocaOp::create(builder, pointer, builder.getI8Type(), size, /*alignment=*/64);
}

void storeTo(KernelBuilder &builder, Value value, Value address) {
  LLVM::StoreOp::create(builder, value, address, /*alignment=*/1);
}

/// pdep moves the next bytes to the set bits of eight mask bits at a time.
Value expandWithDeposit(KernelBuilder &builder, stc::packed::ExpandOp op) {
  Type i64 = builder.getI64Type();
  auto deposit = [&](Value source, Value mask) {
    return callIntrinsic(builder, "llvm.x86.bmi.pdep.64", i64, {source, mask});
  };
  auto number = [&](int64_t value) { return builder.constant(i64, value); };
  // The last eight bytes may start at byte 63.
  Value scratch = createScratch(builder, op, kExpandBytes + 8);
  storeTo(builder, op.getValues(), scratch);
  Value position = number(0);
  Values spread, present;
  for (int64_t byte = 0; byte < 8; ++byte) {
    Value bits = arith::ShRUIOp::create(builder, op.getMask(), number(8 * byte));
    bits = arith::AndIOp::create(builder, bits, number(255));
    Value bytes = deposit(bits, number(0x0101010101010101));
    bytes = arith::MulIOp::create(builder, bytes, number(255));
    Value next = builder.load(i64, builder.address(scratch, position));
    spread.push_back(deposit(next, bytes));
    present.push_back(bytes);
    position = arith::AddIOp::create(builder, position, math::CtPopOp::create(builder, bits));
  }
  auto words = VectorType::get(8, i64);
  Type result = op.getResult().getType();
  auto asBytes = [&](ValueRange elements) -> Value {
    return vector::BitCastOp::create(builder, result,
                                     vector::FromElementsOp::create(builder, words, elements));
  };
  Value inverse =
      arith::XOrIOp::create(builder, asBytes(present), builder.constant(result, int64_t(-1)));
  Value kept = arith::AndIOp::create(builder, op.getPassthrough(), inverse);
  return arith::OrIOp::create(builder, asBytes(spread), kept);
}

/// Byte by byte in memory: right everywhere.
Value expandGeneric(KernelBuilder &builder, stc::packed::ExpandOp op) {
  Type i64 = builder.getI64Type();
  Value values = createScratch(builder, op, kExpandBytes);
  Value result = createScratch(builder, op, kExpandBytes);
  storeTo(builder, op.getValues(), values);
  storeTo(builder, op.getPassthrough(), result);
  Value zero = builder.constant(i64, int64_t(0)), one = builder.constant(i64, int64_t(1));
  builder.loop(builder.index(0), builder.index(kExpandBytes), 1, zero,
               [&](Value index, ValueRange carried) -> Values {
                 Value source = carried[0];
                 Value bit = arith::ShRUIOp::create(builder, op.getMask(), builder.toI64(index));
                 bit = arith::AndIOp::create(builder, bit, one);
                 Value target = builder.address(result, index);
                 Value value = builder.load(builder.getI8Type(), builder.address(values, source));
                 Value kept = builder.load(builder.getI8Type(), target);
                 Value isSet = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, bit, zero);
                 storeTo(builder, arith::SelectOp::create(builder, isSet, value, kept), target);
                 return {arith::AddIOp::create(builder, source, bit)};
               });
  return builder.load(op.getResult().getType(), result);
}

Value lowerExpand(KernelBuilder &builder, stc::packed::ExpandOp op) {
  if (builder.getTarget().hasByteExpand()) {
    auto bits = VectorType::get(kExpandBytes, builder.getI1Type());
    Value mask = LLVM::BitcastOp::create(builder, bits, op.getMask());
    return callIntrinsic(builder, "llvm.x86.avx512.mask.expand.v64i8", op.getResult().getType(),
                         {op.getValues(), op.getPassthrough(), mask});
  }
  if (builder.getTarget().hasBitDeposit())
    return expandWithDeposit(builder, op);
  return expandGeneric(builder, op);
}

} // namespace

namespace stc {

#define GEN_PASS_DEF_LOWERMICROOPSPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

class LowerMicroOps final : public impl::LowerMicroOpsPassBase<LowerMicroOps> {
public:
  using LowerMicroOpsPassBase::LowerMicroOpsPassBase;

  void runOnOperation() override {
    auto description = TargetDescription::parse(target);
    if (!description.ok()) {
      getOperation().emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    SmallVector<Operation *> operations;
    getOperation().walk([&](Operation *op) {
      if (isa<packed::Dot4Op, packed::ExpandOp, packed::PrefetchOp>(op))
        operations.push_back(op);
    });
    for (Operation *op : operations) {
      KernelBuilder builder(op, *description);
      if (auto dot = dyn_cast<packed::Dot4Op>(op))
        dot.replaceAllUsesWith(lowerDot4(builder, dot));
      else if (auto expand = dyn_cast<packed::ExpandOp>(op))
        expand.replaceAllUsesWith(lowerExpand(builder, expand));
      else
        LLVM::Prefetch::create(builder, cast<packed::PrefetchOp>(op).getAddress(), /*rw=*/0,
                               /*hint=*/3, /*cache=*/1);
      op->erase();
    }
  }
};

} // namespace
} // namespace stc
