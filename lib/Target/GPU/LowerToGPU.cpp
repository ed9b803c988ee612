// stc-lower-to-gpu: everything left becomes the LLVM dialect of a GPU.
#include "AmdConversions.h"
#include "OpenCL.h"
#include "Simulation.h"

#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/TargetDescription.h"
#include "stc/Target/Kernels/ConvertToLLVM.h"

#include "mlir/Conversion/GPUCommon/GPUCommonPass.h"
#include "mlir/Conversion/GPUToNVVM/GPUToNVVMPass.h"
#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/LLVMIR/ROCDLDialect.h"
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
    if (description->isSimulated()) {
      if (failed(gpu::callRuntime(module, *description)))
        return signalPassFailure();
    } else if (description->isAmd()) {
      gpu::populateAmdConversions(converter, patterns, *description);
    } else if (description->isOpenCL()) {
      if (failed(gpu::callOpenCL(module, *description)))
        return signalPassFailure();
    } else {
      // Behind LLVM's own instructions: these also call a library for what is one.
      populateGpuToNVVMConversionPatterns(converter, patterns, /*benefit=*/0);
    }

    LLVMConversionTarget legal(*context);
    legal.addLegalOp<ModuleOp>();
    legal.addLegalDialect<NVVM::NVVMDialect, ROCDL::ROCDLDialect>();
    legal.markUnknownOpDynamicallyLegal([](Operation *) { return false; });
    legal.addLegalOp<UnrealizedConversionCastOp>();
    if (failed(applyFullConversion(module, legal, std::move(patterns))))
      return signalPassFailure();
    if (description->isSimulated())
      return gpu::mergeAddressSpaces(module);
    if (description->isOpenCL())
      return gpu::finishOpenCL(module, *description);
    for (auto function : module.getOps<LLVM::LLVMFuncOp>())
      if (!function.isExternal())
        finish(function, *description);
  }

private:
  /// What the launch and the code generator have to know of a function.
  static void finish(LLVM::LLVMFuncOp function, const gpu::TargetDescription &target) {
    // The frame stays in the launch's parameters only where no call needs its address.
    if (!function->hasAttr(gpu::kKernelAttr))
      return function.setAlwaysInline(true);
    function->removeAttr(gpu::kKernelAttr);
    if (target.isAmd())
      return gpu::markAmdKernel(function, target);
    Builder builder(function.getContext());
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), builder.getUnitAttr());
    function->setAttr(NVVM::NVVMDialect::getMaxntidAttrName(),
                      builder.getDenseI32ArrayAttr({static_cast<int32_t>(target.blockThreads)}));
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), builder.getI32IntegerAttr(1));
  }
};

} // namespace
} // namespace stc
