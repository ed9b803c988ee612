// Modules on their way to SPIR-V.
#include "stc/Target/Emission/GpuCodeGenerator.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"

#include <gtest/gtest.h>

using namespace stc;

namespace {

/// Code for spirv64 of a kernel that multiplies integers of so many bits.
absl::StatusOr<std::string> generateWithInteger(const std::string &type) {
  mlir::DialectRegistry registry;
  registry.insert<mlir::LLVM::LLVMDialect>();
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  mlir::MLIRContext context(registry);
  std::string text = R"(llvm.func spir_kernelcc @kernel(%frame: !llvm.ptr<1>) {
    %value = llvm.load %frame : !llvm.ptr<1> -> TYPE
    %square = llvm.mul %value, %value : TYPE
    llvm.store %square, %frame : TYPE, !llvm.ptr<1>
    llvm.return
  })";
  for (size_t at; (at = text.find("TYPE")) != std::string::npos;)
    text.replace(at, 4, type);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  return generateGpuCode(*module, *gpu::TargetDescription::parse("spirv64"));
}

TEST(SpirvTest, IntegersOfSpirv) {
  for (const char *type : {"i8", "i16", "i32", "i64"})
    EXPECT_TRUE(generateWithInteger(type).ok()) << type;
}

TEST(SpirvTest, OtherIntegersAreRefused) {
  for (int bits : {3, 60, 128})
    EXPECT_EQ(
        generateWithInteger("i" + std::to_string(bits)).status().message(),
        "code for spirv64: kernel: expected integers of 1, 8, 16, 32 or 64 bits, got one of " +
            std::to_string(bits));
}

} // namespace
