// Kernels -> the LLVM dialect: what CPU and GPU targets have in common.
#include "stc/Target/Kernels/ConvertToLLVM.h"

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVM.h"
#include "mlir/Conversion/LLVMCommon/Pattern.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/MemRefToLLVM/MemRefToLLVM.h"
#include "mlir/Conversion/UBToLLVM/UBToLLVM.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVM.h"

using namespace mlir;
using namespace stc;

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

} // namespace

void stc::populateKernelConversions(LLVMTypeConverter &converter, RewritePatternSet &patterns) {
  auto pointer = LLVM::LLVMPointerType::get(&converter.getContext());
  converter.addConversion([pointer](packed::WeightType) -> Type { return pointer; });
  converter.addConversion([pointer](KVCacheType) -> Type { return pointer; });
  patterns.add<ConvertBuffer, ConvertPointer>(converter);
  arith::populateArithToLLVMConversionPatterns(converter, patterns);
  // Before a target's own, which call a library.
  populateMathToLLVMConversionPatterns(converter, patterns, /*approximateLog1p=*/true,
                                       /*benefit=*/2);
  populateFinalizeMemRefToLLVMConversionPatterns(converter, patterns);
  populateVectorToLLVMConversionPatterns(converter, patterns);
  cf::populateControlFlowToLLVMConversionPatterns(converter, patterns);
  populateFuncToLLVMConversionPatterns(converter, patterns);
  ub::populateUBToLLVMConversionPatterns(converter, patterns);
}
