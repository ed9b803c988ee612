// AMD's instructions for what kernels are written with. A warp is 32 lanes here too: half a wave of
// 64 lanes (CDNA), or a whole one (RDNA). Sources: "AMD Instinct MI200" and "CDNA3 Instruction Set
// Architecture", "RDNA3 Instruction Set Architecture", and LLVM's AMDGPUUsage (memory model).
#include "DeviceInstructions.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

class AmdInstructions final : public DeviceInstructions {
public:
  explicit AmdInstructions(bool hasMixedDot4) : hasMixedDot4(hasMixedDot4) {}

  Value shuffleXor(BlockBuilder &builder, Value value, int64_t mask) const override;
  void syncWarp(BlockBuilder &builder) const override;
  Value dot4(BlockBuilder &builder, Value a, Bytes aKind, Value b, Bytes bKind,
             Value acc) const override;
  Value permuteBytes(BlockBuilder &builder, Value a, Value b, Value selector) const override;
  Value exp2(BlockBuilder &builder, Value x) const override {
    return call(builder, builder.getF32Type(), "llvm.amdgcn.exp2.f32", {x});
  }
  Value keepHere(BlockBuilder &builder, Value value) const override {
    return LLVM::InlineAsmOp::create(builder, builder.getI32Type(), value, "", "=v,0",
                                     /*has_side_effects=*/true, /*is_align_stack=*/false,
                                     LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(),
                                     ArrayAttr())
        .getResult(0);
  }
  // The blocks' barriers order accesses for one multiprocessor only, whose caches others do not
  // see.
  void publish(BlockBuilder &builder) const override {
    LLVM::FenceOp::create(builder, LLVM::AtomicOrdering::release, "agent");
  }
  void observe(BlockBuilder &builder) const override {
    LLVM::FenceOp::create(builder, LLVM::AtomicOrdering::acquire, "agent");
  }

private:
  static Value call(BlockBuilder &builder, Type type, StringRef intrinsic, ValueRange operands) {
    return LLVM::CallIntrinsicOp::create(builder, type, builder.getStringAttr(intrinsic), operands)
        .getResult(0);
  }
  static Value flag(BlockBuilder &builder, bool value) {
    return arith::ConstantOp::create(builder, builder.getBoolAttr(value));
  }
  Value signedDot4(BlockBuilder &builder, Value a, Value b, Value acc) const {
    return call(builder, builder.getI32Type(), "llvm.amdgcn.sdot4",
                {a, b, acc, flag(builder, false)});
  }
  /// The nibbles of a selector as bytes, of their lowest three bits.
  static Value spreadNibbles(BlockBuilder &builder, Value selector);

  bool hasMixedDot4; // one operand signed, the other not
};

} // namespace

Value AmdInstructions::shuffleXor(BlockBuilder &builder, Value value, int64_t mask) const {
  Type type = value.getType(), i32 = builder.getI32Type();
  Value word = type == i32 ? value : LLVM::BitcastOp::create(builder, i32, value).getResult();
  if (mask < 4) {
    // Within four neighbours an operand of the next instruction is enough: quad_perm, whose two
    // bits for each lane name the lane that it reads.
    int64_t control = 0;
    for (int64_t lane = 0; lane < 4; ++lane)
      control |= (lane ^ mask) << (2 * lane);
    word = call(builder, i32, "llvm.amdgcn.update.dpp.i32",
                {word, word, builder.int32(control), builder.int32(15), builder.int32(15),
                 flag(builder, true)});
  } else {
    // ds_swizzle among 32 lanes: and, or and xor of the lane's number, five bits each.
    word = call(builder, i32, "llvm.amdgcn.ds.swizzle", {word, builder.int32(mask << 10 | 31)});
  }
  return type == i32 ? word : LLVM::BitcastOp::create(builder, type, word).getResult();
}

/// Lanes run in lockstep, and a wave's accesses are in order: only the compiler must keep that.
void AmdInstructions::syncWarp(BlockBuilder &builder) const {
  LLVM::FenceOp::create(builder, LLVM::AtomicOrdering::release, "wavefront");
  LLVM::CallIntrinsicOp::create(builder, builder.getStringAttr("llvm.amdgcn.wave.barrier"),
                                ValueRange());
  LLVM::FenceOp::create(builder, LLVM::AtomicOrdering::acquire, "wavefront");
}

Value AmdInstructions::dot4(BlockBuilder &builder, Value a, Bytes aKind, Value b, Bytes bKind,
                            Value acc) const {
  if (hasMixedDot4) // v_dot4_i32_iu8
    return call(builder, builder.getI32Type(), "llvm.amdgcn.sudot4",
                {flag(builder, aKind == Bytes::Signed), a, flag(builder, bKind == Bytes::Signed), b,
                 acc, flag(builder, false)});
  // v_dot4_i32_i8: what is above 127 is brought below, and what that takes away is added.
  for (auto [kind, word, other] : {std::tuple(aKind, &a, b), std::tuple(bKind, &b, a)}) {
    if (kind != Bytes::Unsigned)
      continue;
    assert((aKind != Bytes::Unsigned || bKind != Bytes::Unsigned) && "one of them may be large");
    Value high = builder.int32(int32_t(0x80808080)); // -128, and the bits that change
    *word = arith::XOrIOp::create(builder, *word, high);
    acc = arith::SubIOp::create(builder, acc, signedDot4(builder, high, other, builder.int32(0)));
    break;
  }
  return signedDot4(builder, a, b, acc);
}

Value AmdInstructions::spreadNibbles(BlockBuilder &builder, Value selector) {
  auto step = [&](Value value, int64_t shift, int64_t mask) -> Value {
    Value up = arith::ShLIOp::create(builder, value, builder.int32(shift));
    value = arith::OrIOp::create(builder, value, up);
    return builder.createOrFold<arith::AndIOp>(value, builder.int32(mask));
  };
  Value low = builder.createOrFold<arith::AndIOp>(selector, builder.int32(0xFFFF));
  return step(step(low, 8, 0x00FF00FF), 4, 0x07070707);
}

/// v_perm_b32: bytes of the selector are numbers in src0:src1, those of src1 first.
Value AmdInstructions::permuteBytes(BlockBuilder &builder, Value a, Value b, Value selector) const {
  return call(builder, builder.getI32Type(), "llvm.amdgcn.perm",
              {b, a, spreadNibbles(builder, selector)});
}

const DeviceInstructions &stc::gpu::amdInstructions(const TargetDescription &target) {
  static const AmdInstructions cdna(/*hasMixedDot4=*/false), rdna(/*hasMixedDot4=*/true);
  return target.hasMixedDot4 ? rdna : cdna;
}
