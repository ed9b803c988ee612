// stc-lower-to-gpu: everything left becomes the LLVM dialect of a GPU.
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"
#include "stc/Target/Kernels/ConvertToLLVM.h"

#include "mlir/Conversion/GPUCommon/GPUCommonPass.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_LOWERTOGPUPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

class LowerToGPU final : public impl::LowerToGPUPassBase<LowerToGPU> {
public:
  using LowerToGPUPassBase::LowerToGPUPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto description = gpu::TargetDescription::parse(target);
    if (!description.ok()) {
      module.emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    MLIRContext *context = &getContext();
    LLVMTypeConverter converter(context);
    RewritePatternSet patterns(context);
    populateKernelConversions(converter, patterns);
    populateGpuToNVVMConversionPatterns(converter, patterns);

    LLVMConversionTarget legal(*context);
    legal.addLegalOp<ModuleOp>();
    legal.addLegalDialect<NVVM::NVVMDialect>();
    legal.markUnknownOpDynamicallyLegal([](Operation *) { return false; });
    legal.addLegalOp<UnrealizedConversionCastOp>();
    if (failed(applyFullConversion(module, legal, std::move(patterns))))
      return signalPassFailure();
    // The frame stays in the launch's parameters only where no call needs its address.
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (!function.isExternal() &&
          !function->hasAttr(NVVM::NVVMDialect::getKernelFuncAttrName()))
        function.setAlwaysInline(true);
  }
};

} // namespace
} // namespace stc
