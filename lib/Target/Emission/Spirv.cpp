// What LLVM IR needs on its way to SPIR-V.
#include "Spirv.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Metadata.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Transforms/InstCombine/InstCombine.h"
#include "llvm/Transforms/Scalar/ADCE.h"
#include "llvm/Transforms/Scalar/Scalarizer.h"

/// Whether a kernel has a vector that OpenCL has no type for.
static bool hasOtherVectors(const llvm::Module &module) {
  auto isOther = [](const llvm::Value *value) {
    auto *type = llvm::dyn_cast<llvm::FixedVectorType>(value->getType());
    return type && !llvm::is_contained({2u, 3u, 4u, 8u, 16u}, type->getNumElements());
  };
  for (const llvm::Function &function : module)
    for (const llvm::Instruction &instruction : llvm::instructions(function))
      if (isOther(&instruction) || llvm::any_of(instruction.operand_values(), isOther))
        return true;
  return false;
}

/// Splits vectors into parts of `bits` bits, 0 for single elements.
static void splitVectors(llvm::Module &module, llvm::TargetMachine &machine, unsigned bits) {
  llvm::PassBuilder builder(&machine);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  llvm::ScalarizerPassOptions options;
  options.ScalarizeMinBits = bits;
  options.ScalarizeLoadStore = true;
  options.ScalarizeVariableInsertExtract = true;
  llvm::FunctionPassManager passes;
  passes.addPass(llvm::ScalarizerPass(options));
  passes.addPass(llvm::InstCombinePass()); // parts of what was put together from parts
  passes.addPass(llvm::ADCEPass());
  for (llvm::Function &function : module)
    if (!function.isDeclaration())
      passes.run(function, functions);
}

/// SPIR-V has integers of a few numbers of bits, and LLVM would make wider ones of others without a
/// word.
static absl::Status checkIntegers(const llvm::Module &module) {
  for (const llvm::Function &function : module)
    for (const llvm::Instruction &instruction : llvm::instructions(function)) {
      llvm::Type *type = instruction.getType()->getScalarType();
      if (type->isIntegerTy() &&
          !llvm::is_contained({1u, 8u, 16u, 32u, 64u}, type->getIntegerBitWidth()))
        return absl::InternalError(
            absl::StrCat("code for spirv64: ", function.getName().str(),
                         ": expected integers of 1, 8, 16, 32 or 64 bits, got one of ",
                         type->getIntegerBitWidth()));
    }
  return absl::OkStatus();
}

absl::Status stc::prepareForSpirv(llvm::Module &module, llvm::TargetMachine &machine) {
  constexpr unsigned wide = 128; // what a thread loads at once
  for (unsigned bits : {wide, 0u})
    if (hasOtherVectors(module))
      splitVectors(module, machine, bits);
  llvm::Type *i32 = llvm::Type::getInt32Ty(module.getContext());
  auto number = [&](uint64_t value) {
    return llvm::ConstantAsMetadata::get(llvm::ConstantInt::get(i32, value));
  };
  module.getOrInsertNamedMetadata("opencl.ocl.version")
      ->addOperand(llvm::MDNode::get(module.getContext(), {number(2), number(0)}));
  return checkIntegers(module);
}
