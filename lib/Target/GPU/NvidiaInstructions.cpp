// NVIDIA's instructions for what kernels are written with.
#include "DeviceInstructions.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

class NvidiaInstructions final : public DeviceInstructions {
public:
  Value reduceWarp(BlockBuilder &builder, Reduction kind, Value value) const override {
    NVVM::ReduxKind redux = kind == Reduction::Sum       ? NVVM::ReduxKind::ADD
                            : kind == Reduction::Maximum ? NVVM::ReduxKind::MAX
                                                         : NVVM::ReduxKind::UMAX;
    return NVVM::ReduxOp::create(builder, builder.getI32Type(), value, redux, builder.int32(-1));
  }

  void prefetchBulk(BlockBuilder &builder, Value address, Value bytes) const override {
    NVVM::CpAsyncBulkPrefetchOp::create(builder, address, bytes, /*l2CacheHint=*/Value());
  }

  Value dot4(BlockBuilder &builder, Value a, Bytes aKind, Value b, Bytes bKind,
             Value acc) const override {
    auto bytes = VectorType::get(4, builder.getI8Type());
    auto kind = [](Bytes kind) {
      return kind == Bytes::Signed ? NVVM::DotAccumulateType::SIGNED
                                   : NVVM::DotAccumulateType::UNSIGNED;
    };
    Value left = LLVM::BitcastOp::create(builder, bytes, a);
    Value right = LLVM::BitcastOp::create(builder, bytes, b);
    return NVVM::DotAccumulate4WayOp::create(builder, builder.getI32Type(), left, kind(aKind),
                                             right, kind(bKind), acc);
  }

  Value permuteBytes(BlockBuilder &builder, Value a, Value b, Value selector) const override {
    return NVVM::PermuteOp::create(builder, builder.getI32Type(), a, b, selector,
                                   NVVM::PermuteMode::DEFAULT);
  }

  Value exp2(BlockBuilder &builder, Value x) const override {
    return LLVM::CallIntrinsicOp::create(builder, builder.getF32Type(),
                                         builder.getStringAttr("llvm.nvvm.ex2.approx.ftz.f"),
                                         ValueRange{x})
        .getResult(0);
  }

  Value keepHere(BlockBuilder &builder, Value value) const override {
    return LLVM::InlineAsmOp::create(builder, builder.getI32Type(), value, "mov.b32 $0, $1;",
                                     "=r,r", /*has_side_effects=*/true, /*is_align_stack=*/false,
                                     LLVM::tailcallkind::TailCallKind::None, LLVM::AsmDialectAttr(),
                                     ArrayAttr())
        .getResult(0);
  }
};

} // namespace

const DeviceInstructions &stc::gpu::nvidiaInstructions() {
  static const NvidiaInstructions instructions;
  return instructions;
}
