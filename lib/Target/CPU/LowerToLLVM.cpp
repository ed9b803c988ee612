// stc-lower-to-llvm: everything left becomes the LLVM dialect.
#include "stc/Target/CPU/Passes.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_LOWERTOLLVMPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

/// A weight is its address once types are converted.
struct ConvertPointer : ConvertOpToLLVMPattern<packed::PointerOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(packed::PointerOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getWeight());
    return success();
  }
};

/// A memref descriptor in the identity layout.
struct ConvertBuffer : ConvertOpToLLVMPattern<packed::BufferOp> {
  using ConvertOpToLLVMPattern::ConvertOpToLLVMPattern;
  LogicalResult matchAndRewrite(packed::BufferOp op, OpAdaptor adaptor,
                                ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    auto type = cast<MemRefType>(op.getType());
    auto descriptor = MemRefDescriptor::poison(rewriter, loc, typeConverter->convertType(type));
    descriptor.setAllocatedPtr(rewriter, loc, adaptor.getPointer());
    descriptor.setAlignedPtr(rewriter, loc, adaptor.getPointer());
    descriptor.setConstantOffset(rewriter, loc, 0);
    SmallVector<Value> sizes, strides;
    Value elements;
    getMemRefDescriptorSizes(loc, type, adaptor.getSizes(), rewriter, sizes, strides, elements,
                             /*sizeInBytes=*/false);
    for (auto [i, size] : llvm::enumerate(sizes)) {
      descriptor.setSize(rewriter, loc, i, size);
      descriptor.setStride(rewriter, loc, i, strides[i]);
    }
    rewriter.replaceOp(op, {descriptor});
    return success();
  }
};

class LowerToLLVM final : public impl::LowerToLLVMPassBase<LowerToLLVM> {
public:
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    LLVMTypeConverter converter(context);
    auto pointer = LLVM::LLVMPointerType::get(context);
    converter.addConversion([pointer](packed::WeightType) -> Type { return pointer; });
    converter.addConversion([pointer](KVCacheType) -> Type { return pointer; });

    RewritePatternSet patterns(context);
    patterns.add<ConvertBuffer, ConvertPointer>(converter);
    arith::populateArithToLLVMConversionPatterns(converter, patterns);
    populateMathToLLVMConversionPatterns(converter, patterns);
    populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
    populateVectorToLLVMConversionPatterns(converter, patterns);
    cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
    populateFuncToLLVMConversionPatterns(converter, patterns);
    ub::populateUBToLLVMConversionPatterns(converter, patterns);

    LLVMConversionTarget target(*context);
    target.addLegalOp<ModuleOp>();
    target.markUnknownOpDynamicallyLegal([](Operation *) { return false; });
    // Casts between pointers and the types that stand for them cancel out afterwards.
    target.addLegalOp<UnrealizedConversionCastOp>();
    if (failed(applyFullConversion(getOperation(), target, std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
} // namespace stc
