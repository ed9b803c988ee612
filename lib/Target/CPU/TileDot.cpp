// packed.tile_dot: tile registers where there are any (AMX), else one dot product after another.
#include "MicroOps.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

/// Columns of one tile of activations: 64 bytes of 16 tokens. The weights of as many columns are a
/// tile of 16 steps.
static constexpr int64_t kTileColumns = 64;

/// LLVM chooses tile registers and configures them by the shapes it sees here.
static void lowerToTiles(KernelBuilder &builder, packed::TileDotOp op) {
  Type tile = LLVM::LLVMX86AMXType::get(builder.getContext());
  auto i16 = [&](int64_t value) { return builder.constant(builder.getI16Type(), value); };
  auto i64 = [&](int64_t value) { return builder.constant(builder.getI64Type(), value); };
  int64_t columns = op.getColumns();
  Value tokens = i16(op.getTokens()), rowBytes = i16(kStepBytes);
  Value sums = callIntrinsic(builder, "llvm.x86.tilezero.internal", tile, {tokens, rowBytes});
  for (int64_t first = 0; first < columns; first += kTileColumns) {
    int64_t count = std::min(kTileColumns, columns - first);
    Value inputs = callIntrinsic(
        builder, "llvm.x86.tileloadd64.internal", tile,
        {tokens, i16(count), builder.address(op.getInputs(), first), i64(op.getStride())});
    Value codes =
        callIntrinsic(builder, "llvm.x86.tileloadd64.internal", tile,
                      {i16(count / kDotColumns), rowBytes,
                       builder.address(op.getCodes(), first * kTileRows), i64(kStepBytes)});
    sums = callIntrinsic(builder, "llvm.x86.tdpbsud.internal", tile,
                         {tokens, rowBytes, i16(count), sums, inputs, codes});
  }
  LLVM::CallIntrinsicOp::create(builder, builder.getStringAttr("llvm.x86.tilestored64.internal"),
                                ValueRange{tokens, rowBytes, op.getSums(), i64(kStepBytes), sums});
}

void stc::cpu::lowerTileDot(KernelBuilder &builder, packed::TileDotOp op) {
  if (builder.getTarget().hasTileDot())
    return lowerToTiles(builder, op);
  VectorType bytes = builder.bytes(kStepBytes);
  for (int64_t t = 0; t < int64_t(op.getTokens()); ++t) {
    Value sum = builder.constant(builder.ints(), int64_t(0));
    for (int64_t column = 0; column < int64_t(op.getColumns()); column += kDotColumns) {
      Value codes = builder.load(bytes, builder.address(op.getCodes(), column * kTileRows));
      Value x = builder.load(builder.getI32Type(),
                             builder.address(op.getInputs(), t * op.getStride() + column));
      x = vector::BitCastOp::create(builder, bytes, builder.broadcast(x));
      sum = packed::Dot4Op::create(builder, sum.getType(), sum, codes, x);
    }
    LLVM::StoreOp::create(builder, sum, builder.address(op.getSums(), t * kStepBytes),
                          /*alignment=*/1);
  }
}
