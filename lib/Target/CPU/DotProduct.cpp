// packed.dot4 as instructions of each target.
#include "MicroOps.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

using Dot4 = TargetDescription::Dot4;

struct MaddNames {
  StringLiteral words; // pmaddwd
  StringLiteral bytes; // pmaddubsw
};

MaddNames maddNames(Dot4 kind) {
  if (kind == Dot4::Madd512)
    return {"llvm.x86.avx512.pmaddw.d.512", "llvm.x86.avx512.pmaddubs.w.512"};
  if (kind == Dot4::Madd256)
    return {"llvm.x86.avx2.pmadd.wd", "llvm.x86.avx2.pmadd.ub.sw"};
  return {"llvm.x86.sse2.pmadd.wd", "llvm.x86.ssse3.pmadd.ub.sw.128"};
}

/// 32-bit lanes that one instruction, or one short sequence, works on.
int64_t lanesPerPiece(const TargetDescription &target) {
  if (target.hasLongVectors())
    return target.vectorBits / 32;
  switch (target.dot4()) {
  case Dot4::Vnni512:
  case Dot4::Madd512:
    return 16;
  case Dot4::AvxVnni256:
  case Dot4::Madd256:
  case Dot4::WideningScalable:
    return 8;
  case Dot4::Madd128:
  case Dot4::Usdot:
  case Dot4::Sdot:
  case Dot4::Smull:
    return 4;
  case Dot4::Generic:
    break;
  }
  return 0;
}

/// One chain of dot products. Vectors are worked on in pieces of the target's width; sums kept
/// between the operations of the chain are one vector per piece.
class ChainLowering {
public:
  ChainLowering(ArrayRef<packed::Dot4Op> chain, const TargetDescription &target)
      : chain(chain), target(target), builder(chain.front(), target), kind(target.dot4()) {}
  Value run();

private:
  void chooseForm(int64_t lanes);
  Value addOne(Value sum, packed::Dot4Op op);
  void addPiece(size_t piece, Value left, Value right);
  void addMadd(size_t piece, Value left, Value right);
  void addSmull(size_t piece, Value left, Value right);
  void addWidening(size_t piece, Value left, Value right);
  /// Moves what was added up in 16 bits to 32 bits.
  void flush(size_t piece);
  /// Adds to the lanes what is still kept elsewhere.
  void finish(size_t piece);

  Value plus(Value sum, Value value) {
    return sum ? arith::AddIOp::create(builder, sum, value).getResult() : value;
  }
  Value call(StringRef name, Type type, ValueRange operands) {
    return callIntrinsic(builder, name, type, operands);
  }
  Value callArmDot(const Twine &name, ValueRange operands) {
    Type type = operands.front().getType();
    if (target.hasLongVectors())
      return callScalable(builder, "llvm.aarch64.sve." + name, type, operands);
    return call(("llvm.aarch64.neon." + name + ".v4i32.v16i8").str(), type, operands);
  }
  VectorType vectorOf(int64_t lanes, unsigned bits) {
    return VectorType::get(lanes, builder.getIntegerType(bits));
  }
  Value constant(Type type, int64_t value) { return builder.constant(type, value); }
  Value half(Value vector, int64_t number) { return splitVector(builder, vector, 2)[number]; }
  /// Numbers of half the width: the even or odd ones of `vector`.
  Value narrow(Value vector, bool odd);

  ArrayRef<packed::Dot4Op> chain;
  const TargetDescription &target;
  KernelBuilder builder;
  Dot4 kind;
  bool flip = false; // the instruction multiplies signed bytes: 128 is taken off the unsigned ones
  int64_t capacity = 0; // operations whose products add up in 16 bits; 0: not even one's
  Values sums;          // of 32 bits, one per lane
  Values words[2];      // of 16 bits
  Values pairs[2];      // of 32 bits, of which several make a lane
  Values taken;         // sums of the signed bytes, for what `flip` took off
};

} // namespace

void ChainLowering::chooseForm(int64_t lanes) {
  packed::Dot4Op op = chain.front();
  int64_t bits = op.getBits(), signedBits = op.getSignedBits();
  int64_t width = lanesPerPiece(target);
  if (width == 0 || lanes % width != 0 || !llvm::isPowerOf2_64(lanes / width)) {
    kind = Dot4::Generic;
    return;
  }
  flip = bits == 8 && (kind == Dot4::Sdot || kind == Dot4::Smull);
  constexpr int64_t most = 32767;
  int64_t product = (flip ? 128 : (1 << bits) - 1) << (signedBits - 1);
  // pmaddubsw adds two products at once.
  bool isMadd = kind == Dot4::Madd128 || kind == Dot4::Madd256 || kind == Dot4::Madd512;
  capacity = most / (isMadd ? 2 * product : product);
  // It came with SSSE3.
  if (isMadd && !target.has("ssse3"))
    capacity = 0;
}

Value ChainLowering::run() {
  packed::Dot4Op first = chain.front();
  Value sum = first.getAccumulator();
  int64_t lanes = cast<VectorType>(sum.getType()).getNumElements();
  chooseForm(lanes);
  if (kind == Dot4::Generic) {
    for (packed::Dot4Op op : chain) {
      builder.setInsertionPoint(op);
      sum = addOne(sum, op);
    }
    return sum;
  }
  int64_t pieces = lanes / lanesPerPiece(target);
  sums = splitVector(builder, sum, pieces);
  for (Values *state : {&words[0], &words[1], &pairs[0], &pairs[1], &taken})
    state->resize(pieces);
  int64_t held = 0;
  for (packed::Dot4Op op : chain) {
    builder.setInsertionPoint(op);
    Values left = splitVector(builder, op.getUnsignedBytes(), pieces);
    Values right = splitVector(builder, op.getSignedBytes(), pieces);
    bool full = ++held >= capacity;
    for (int64_t piece = 0; piece < pieces; ++piece) {
      addPiece(piece, left[piece], right[piece]);
      if (full || op == chain.back())
        flush(piece);
    }
    if (full)
      held = 0;
  }
  for (int64_t piece = 0; piece < pieces; ++piece)
    finish(piece);
  return joinVectors(builder, sums);
}

/// Four multiplications per 32-bit lane: right everywhere.
Value ChainLowering::addOne(Value sum, packed::Dot4Op op) {
  Type lanes = sum.getType();
  Value w = vector::BitCastOp::create(builder, lanes, op.getUnsignedBytes());
  Value x = vector::BitCastOp::create(builder, lanes, op.getSignedBytes());
  for (int64_t byte = 0; byte < 4; ++byte) {
    Value left = arith::ShRUIOp::create(builder, w, constant(lanes, 8 * byte));
    left = arith::AndIOp::create(builder, left, constant(lanes, 255));
    Value right = arith::ShLIOp::create(builder, x, constant(lanes, 24 - 8 * byte));
    right = arith::ShRSIOp::create(builder, right, constant(lanes, 24));
    sum = plus(sum, arith::MulIOp::create(builder, left, right));
  }
  return sum;
}

void ChainLowering::addPiece(size_t piece, Value left, Value right) {
  Value &sum = sums[piece];
  if (flip)
    left = arith::XOrIOp::create(builder, left, constant(left.getType(), -128));
  switch (kind) {
  case Dot4::Vnni512:
    sum = call("llvm.x86.avx512.vpdpbusd.512", sum.getType(), {sum, left, right});
    return;
  case Dot4::AvxVnni256:
    sum = call("llvm.x86.avx512.vpdpbusd.256", sum.getType(), {sum, left, right});
    return;
  case Dot4::Usdot:
    sum = callArmDot("usdot", {sum, left, right});
    return;
  case Dot4::Sdot:
    sum = callArmDot("sdot", {sum, left, right});
    if (flip) {
      Value start = taken[piece] ? taken[piece] : constant(sum.getType(), 0);
      taken[piece] = callArmDot("sdot", {start, right, constant(right.getType(), 1)});
    }
    return;
  case Dot4::Smull:
    return addSmull(piece, left, right);
  case Dot4::WideningScalable:
    return addWidening(piece, left, right);
  default:
    return addMadd(piece, left, right);
  }
}

/// pmaddubsw where its sums of two products cannot saturate; else bytes are split into even and
/// odd ones, as 16-bit numbers, for pmaddwd.
void ChainLowering::addMadd(size_t piece, Value left, Value right) {
  Type lanes = sums[piece].getType();
  VectorType type = vectorOf(2 * cast<VectorType>(lanes).getNumElements(), 16);
  MaddNames names = maddNames(kind);
  if (capacity > 0) {
    words[0][piece] = plus(words[0][piece], call(names.bytes, type, {left, right}));
    return;
  }
  Value eight = constant(type, 8);
  Value w = vector::BitCastOp::create(builder, type, left);
  Value x = vector::BitCastOp::create(builder, type, right);
  Value evenW = arith::AndIOp::create(builder, w, constant(type, 255));
  Value oddW = arith::ShRUIOp::create(builder, w, eight);
  Value evenX = arith::ShRSIOp::create(builder, arith::ShLIOp::create(builder, x, eight), eight);
  Value oddX = arith::ShRSIOp::create(builder, x, eight);
  sums[piece] = plus(sums[piece], call(names.words, lanes, {evenW, evenX}));
  sums[piece] = plus(sums[piece], call(names.words, lanes, {oddW, oddX}));
}

void ChainLowering::addSmull(size_t piece, Value left, Value right) {
  VectorType type = vectorOf(8, 16);
  for (int64_t i : {0, 1}) {
    Value a = arith::ExtSIOp::create(builder, type, half(left, i));
    Value b = arith::ExtSIOp::create(builder, type, half(right, i));
    words[i][piece] = plus(words[i][piece], arith::MulIOp::create(builder, a, b));
  }
  if (flip) {
    Value bytes = call("llvm.aarch64.neon.saddlp.v8i16.v16i8", type, right);
    taken[piece] =
        plus(taken[piece], call("llvm.aarch64.neon.saddlp.v4i32.v8i16", vectorOf(4, 32), bytes));
  }
}

/// Products as numbers of twice the width, in as many registers as they need.
void ChainLowering::addWidening(size_t piece, Value left, Value right) {
  VectorType type = vectorOf(cast<VectorType>(left.getType()).getNumElements(), 16);
  Value a = arith::ExtUIOp::create(builder, type, left);
  Value b = arith::ExtSIOp::create(builder, type, right);
  words[0][piece] = plus(words[0][piece], arith::MulIOp::create(builder, a, b));
}

Value ChainLowering::narrow(Value vector, bool odd) {
  auto type = cast<VectorType>(vector.getType());
  unsigned bits = type.getElementTypeBitWidth();
  VectorType wide = vectorOf(type.getNumElements() / 2, 2 * bits);
  Value numbers = vector::BitCastOp::create(builder, wide, vector);
  if (odd)
    numbers = arith::ShRUIOp::create(builder, numbers, constant(wide, bits));
  return arith::TruncIOp::create(builder, vectorOf(type.getNumElements() / 2, bits), numbers);
}

void ChainLowering::flush(size_t piece) {
  Value held = words[0][piece];
  if (!held)
    return;
  if (kind == Dot4::Smull) {
    for (int64_t i : {0, 1}) {
      Value sum = call("llvm.aarch64.neon.saddlp.v4i32.v8i16", vectorOf(4, 32), words[i][piece]);
      pairs[i][piece] = plus(pairs[i][piece], sum);
      words[i][piece] = Value();
    }
    return;
  }
  words[0][piece] = Value();
  if (kind == Dot4::WideningScalable) {
    VectorType type = vectorOf(cast<VectorType>(held.getType()).getNumElements() / 2, 32);
    for (bool odd : {false, true})
      pairs[0][piece] =
          plus(pairs[0][piece], arith::ExtSIOp::create(builder, type, narrow(held, odd)));
    return;
  }
  Value ones = constant(held.getType(), 1);
  sums[piece] = plus(sums[piece], call(maddNames(kind).words, sums[piece].getType(), {held, ones}));
}

void ChainLowering::finish(size_t piece) {
  Value &sum = sums[piece];
  if (kind == Dot4::Smull)
    sum = plus(sum, call("llvm.aarch64.neon.addp.v4i32", sum.getType(),
                         {pairs[0][piece], pairs[1][piece]}));
  if (kind == Dot4::WideningScalable)
    for (bool odd : {false, true})
      sum = plus(sum, narrow(pairs[0][piece], odd));
  if (!flip)
    return;
  Value restored = arith::ShLIOp::create(builder, taken[piece], constant(sum.getType(), 7));
  sum = plus(sum, restored);
}

Value stc::cpu::lowerDotChain(ArrayRef<packed::Dot4Op> chain, const TargetDescription &target) {
  return ChainLowering(chain, target).run();
}
