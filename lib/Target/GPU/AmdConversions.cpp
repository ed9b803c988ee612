// What is AMD's own in the lowering to the LLVM dialect.
#include "AmdConversions.h"

#include "BlockBuilder.h"

#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Where a dispatch packet has the number of threads of the grid along x, u32 (HSA Runtime
/// Programmer's Reference Manual, hsa_kernel_dispatch_packet_t).
constexpr int32_t kGridSizeX = 12;

/// A number of threads or blocks (i32) -> index.
Value widen(ConversionPatternRewriter &rewriter, Location loc, Value value, Type index) {
  return LLVM::ZExtOp::create(rewriter, loc, index, value);
}

/// A number that a register has.
template <typename From> struct ConvertNumber final : ConvertOpToLLVMPattern<From> {
  ConvertNumber(const LLVMTypeConverter &converter, StringRef intrinsic)
      : ConvertOpToLLVMPattern<From>(converter), intrinsic(intrinsic) {}

  LogicalResult matchAndRewrite(From op, typename From::Adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    if (op.getDimension() != mlir::gpu::Dimension::x)
      return rewriter.notifyMatchFailure(op, "blocks and grids have one dimension");
    Value number = LLVM::CallIntrinsicOp::create(rewriter, op.getLoc(), rewriter.getI32Type(),
                                                 rewriter.getStringAttr(intrinsic), ValueRange())
                       .getResult(0);
    rewriter.replaceOp(
        op, widen(rewriter, op.getLoc(), number, this->getTypeConverter()->getIndexType()));
    return success();
  }
  StringRef intrinsic;
};

struct ConvertGridDim final : ConvertOpToLLVMPattern<mlir::gpu::GridDimOp> {
  ConvertGridDim(const LLVMTypeConverter &converter, int64_t blockThreads)
      : ConvertOpToLLVMPattern(converter), blockThreads(blockThreads) {}

  LogicalResult matchAndRewrite(mlir::gpu::GridDimOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Type i32 = rewriter.getI32Type();
    auto pointer = LLVM::LLVMPointerType::get(getContext(), kConstant);
    Value packet = LLVM::CallIntrinsicOp::create(rewriter, loc, pointer,
                                                 rewriter.getStringAttr("llvm.amdgcn.dispatch.ptr"),
                                                 ValueRange())
                       .getResult(0);
    Value place = LLVM::GEPOp::create(rewriter, loc, pointer, rewriter.getI8Type(), packet,
                                      ArrayRef<LLVM::GEPArg>{kGridSizeX});
    Value threads = LLVM::LoadOp::create(rewriter, loc, i32, place, /*alignment=*/4,
                                         /*isVolatile=*/false, /*isNonTemporal=*/false,
                                         /*isInvariant=*/true);
    Value ofBlock = LLVM::ConstantOp::create(rewriter, loc, i32,
                                             rewriter.getI32IntegerAttr(int32_t(blockThreads)));
    Value blocks = LLVM::UDivOp::create(rewriter, loc, threads, ofBlock);
    rewriter.replaceOp(op, widen(rewriter, loc, blocks, getTypeConverter()->getIndexType()));
    return success();
  }
  int64_t blockThreads;
};

struct ConvertBarrier final : ConvertOpToLLVMPattern<mlir::gpu::BarrierOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;

  LogicalResult matchAndRewrite(mlir::gpu::BarrierOp op, OpAdaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    LLVM::FenceOp::create(rewriter, loc, LLVM::AtomicOrdering::release, "workgroup");
    ROCDL::SBarrierOp::create(rewriter, loc);
    LLVM::FenceOp::create(rewriter, loc, LLVM::AtomicOrdering::acquire, "workgroup");
    rewriter.eraseOp(op);
    return success();
  }
};

} // namespace

void stc::gpu::populateAmdConversions(const LLVMTypeConverter &converter,
                                      RewritePatternSet &patterns,
                                      const TargetDescription &target) {
  patterns.add<ConvertNumber<mlir::gpu::ThreadIdOp>>(converter, "llvm.amdgcn.workitem.id.x");
  patterns.add<ConvertNumber<mlir::gpu::BlockIdOp>>(converter, "llvm.amdgcn.workgroup.id.x");
  patterns.add<ConvertGridDim>(converter, target.blockThreads);
  patterns.add<ConvertBarrier>(converter);
}

void stc::gpu::markAmdKernel(LLVM::LLVMFuncOp function, const TargetDescription &target) {
  Builder builder(function.getContext());
  auto threads = static_cast<int32_t>(target.blockThreads);
  function->setAttr(ROCDL::ROCDLDialect::getKernelFuncAttrName(), builder.getUnitAttr());
  function->setAttr(ROCDL::ROCDLDialect::ReqdWorkGroupSizeAttrHelper::getNameStr(),
                    builder.getDenseI32ArrayAttr({threads, 1, 1}));
  std::string size = llvm::utostr(unsigned(threads));
  function->setAttr(ROCDL::ROCDLDialect::FlatWorkGroupSizeAttrHelper::getNameStr(),
                    builder.getStringAttr(size + "," + size));
}
