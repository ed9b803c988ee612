// LLVM dialect -> optimized LLVM IR -> object code or assembly, in process.
#include "stc/Target/Emission/CodeGenerator.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace stc;

void stc::registerTranslations(mlir::DialectRegistry &registry) {
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
}

static void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeAllTargetInfos();
    llvm::InitializeAllTargets();
    llvm::InitializeAllTargetMCs();
    llvm::InitializeAllAsmPrinters();
    llvm::InitializeAllAsmParsers();
  });
}

static absl::StatusOr<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const cpu::TargetDescription &target) {
  initializeTargets();
  std::string message;
  llvm::Triple triple(target.triple);
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!found)
    return absl::InvalidArgumentError("target " + target.name + ": " + message);
  llvm::TargetOptions options;
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.cpu, target.featureString(), options, llvm::Reloc::PIC_, std::nullopt,
      llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return absl::InvalidArgumentError("target " + target.name + ": no code generator for " +
                                      target.triple);
  return machine;
}

/// The optimizer and the code generator read CPU and features from every function.
static void setTargetAttributes(llvm::Module &module, const cpu::TargetDescription &target) {
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.cpu);
    function.addFnAttr("target-features", target.featureString());
    // LLVM prefers 256-bit vectors on some CPUs; kernels are written for the full width.
    if (target.vectorBits >= 512)
      function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.LoopUnrolling = true;
  // SLP vectorization merges the kernels' scalar address loads and spoils them (measured: 1.5x).
  tuning.SLPVectorization = false;
  llvm::PassBuilder builder(&machine, tuning);
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3).run(module, modules);
}

absl::StatusOr<std::string> stc::generateCode(mlir::ModuleOp module,
                                              const cpu::TargetDescription &target, CodeKind kind) {
  auto machine = createTargetMachine(target);
  if (!machine.ok())
    return machine.status();
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> llvmModule = mlir::translateModuleToLLVMIR(module, context, "stc");
  if (!llvmModule)
    return absl::InternalError("the module could not be translated to LLVM IR");
  llvmModule->setTargetTriple((*machine)->getTargetTriple());
  llvmModule->setDataLayout((*machine)->createDataLayout());
  setTargetAttributes(*llvmModule, target);

  std::string problems;
  llvm::raw_string_ostream problemStream(problems);
  if (llvm::verifyModule(*llvmModule, &problemStream))
    return absl::InternalError("generated LLVM IR is invalid: " + problems);
  optimize(*llvmModule, **machine);

  llvm::SmallString<0> output;
  llvm::raw_svector_ostream stream(output);
  if (kind == CodeKind::LLVMIR) {
    llvmModule->print(stream, nullptr);
    return output.str().str();
  }
  llvm::legacy::PassManager emission;
  auto fileType = kind == CodeKind::Object ? llvm::CodeGenFileType::ObjectFile
                                           : llvm::CodeGenFileType::AssemblyFile;
  if ((*machine)->addPassesToEmitFile(emission, stream, nullptr, fileType))
    return absl::InternalError("target " + target.name + " cannot emit this kind of file");
  emission.run(*llvmModule);
  return output.str().str();
}
