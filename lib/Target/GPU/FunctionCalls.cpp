// Calls of functions that another part of the program, or the driver, has.
#include "FunctionCalls.h"

#include "mlir/IR/BuiltinOps.h"

using namespace mlir;
using namespace stc;

Value stc::gpu::callFunction(ImplicitLocOpBuilder &builder, StringRef name, Type result,
                             ValueRange operands, Effects effects) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto function = module.lookupSymbol<LLVM::LLVMFuncOp>(name);
  if (!function) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    auto type =
        LLVM::LLVMFunctionType::get(result ? result : LLVM::LLVMVoidType::get(builder.getContext()),
                                    llvm::to_vector(operands.getTypes()));
    function = LLVM::LLVMFuncOp::create(builder, name, type);
    function.setNoUnwind(true);
    function.setConvergent(effects == Effects::Convergent);
    if (effects == Effects::None) {
      auto none = LLVM::ModRefInfo::NoModRef;
      function.setMemoryEffectsAttr(
          LLVM::MemoryEffectsAttr::get(builder.getContext(), none, none, none, none, none, none));
      function.setWillReturn(true);
    }
  }
  auto call = LLVM::CallOp::create(builder, function, operands);
  call.setConvergent(effects == Effects::Convergent);
  return result ? call.getResult() : Value();
}
