// stc-lower-to-llvm: everything left becomes the LLVM dialect.
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/Kernels/ConvertToLLVM.h"

#include "mlir/Conversion/LLVMCommon/ConversionTarget.h"
#include "mlir/Transforms/DialectConversion.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_LOWERTOLLVMPASS
#include "stc/Target/CPU/Passes.h.inc"

namespace {

class LowerToLLVM final : public impl::LowerToLLVMPassBase<LowerToLLVM> {
public:
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    LLVMTypeConverter converter(context);
    RewritePatternSet patterns(context);
    populateKernelConversions(converter, patterns);

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
