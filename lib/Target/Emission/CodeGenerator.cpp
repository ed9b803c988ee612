// LLVM dialect -> optimized LLVM IR -> object code or assembly, in process.
#include "stc/Target/Emission/CodeGenerator.h"

#include "Optimize.h"

#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"

#include <mutex>

using namespace stc;

void stc::registerTranslations(mlir::DialectRegistry &registry) {
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
}

void stc::initializeTargets() {
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
    // Vectors of fixed length go to registers whose length is known.
    if (target.hasLongVectors()) {
      unsigned units = target.vectorBits / 128;
      function.addFnAttr(
          llvm::Attribute::getWithVScaleRangeArgs(module.getContext(), units, units));
    }
    // LLVM prefers 256-bit vectors on some CPUs; kernels are written for the full width.
    if (target.isX86() && target.vectorBits >= 512)
      function.addFnAttr("prefer-vector-width", "512");
    function.addFnAttr(llvm::Attribute::NoUnwind);
  }
}

void stc::optimize(llvm::Module &module, llvm::TargetMachine &machine) {
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

namespace {

/// A translated module on its way to code. Independent of MLIR's context and of other translations.
class Translation {
public:
  static absl::StatusOr<std::unique_ptr<Translation>> create(mlir::ModuleOp module,
                                                             const cpu::TargetDescription &target);
  absl::StatusOr<std::string> emit(CodeKind kind);

private:
  std::string target;
  std::unique_ptr<llvm::TargetMachine> machine;
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> module;
};

} // namespace

absl::StatusOr<std::unique_ptr<Translation>>
Translation::create(mlir::ModuleOp module, const cpu::TargetDescription &target) {
  auto translation = std::make_unique<Translation>();
  translation->target = target.name;
  auto machine = createTargetMachine(target);
  if (!machine.ok())
    return machine.status();
  translation->machine = std::move(*machine);
  translation->module = mlir::translateModuleToLLVMIR(module, translation->context, "stc");
  llvm::Module *llvmModule = translation->module.get();
  if (!llvmModule)
    return absl::InternalError("the module could not be translated to LLVM IR");
  llvmModule->setTargetTriple(translation->machine->getTargetTriple());
  llvmModule->setDataLayout(translation->machine->createDataLayout());
  setTargetAttributes(*llvmModule, target);

  std::string problems;
  llvm::raw_string_ostream problemStream(problems);
  if (llvm::verifyModule(*llvmModule, &problemStream))
    return absl::InternalError("generated LLVM IR is invalid: " + problems);
  return translation;
}

absl::StatusOr<std::string> Translation::emit(CodeKind kind) {
  optimize(*module, *machine);
  llvm::SmallString<0> output;
  llvm::raw_svector_ostream stream(output);
  if (kind == CodeKind::LLVMIR) {
    module->print(stream, nullptr);
    return output.str().str();
  }
  llvm::legacy::PassManager emission;
  auto fileType = kind == CodeKind::Object ? llvm::CodeGenFileType::ObjectFile
                                           : llvm::CodeGenFileType::AssemblyFile;
  if (machine->addPassesToEmitFile(emission, stream, nullptr, fileType))
    return absl::InternalError("target " + target + " cannot emit this kind of file");
  emission.run(*module);
  return output.str().str();
}

absl::StatusOr<std::string> stc::generateCode(mlir::ModuleOp module,
                                              const cpu::TargetDescription &target, CodeKind kind) {
  auto translation = Translation::create(module, target);
  return translation.ok() ? (*translation)->emit(kind) : translation.status();
}

absl::StatusOr<std::vector<std::string>> stc::generateObjects(llvm::ArrayRef<ObjectJob> jobs,
                                                              llvm::ThreadPoolInterface *pool) {
  // MLIR's context is shared, so only what follows the translation is done at the same time.
  std::vector<std::unique_ptr<Translation>> translations;
  for (const ObjectJob &job : jobs) {
    auto translation = Translation::create(job.module, *job.target);
    if (!translation.ok())
      return translation.status();
    translations.push_back(std::move(*translation));
  }
  std::vector<absl::StatusOr<std::string>> results(jobs.size(), absl::UnknownError("not done"));
  std::optional<llvm::ThreadPoolTaskGroup> group;
  if (pool)
    group.emplace(*pool);
  for (size_t i = 0; i < jobs.size(); ++i) {
    auto emit = [&, i] {
      results[i] = translations[i]->emit(CodeKind::Object);
      translations[i].reset();
    };
    if (group)
      group->async(emit);
    else
      emit();
  }
  if (group)
    group->wait();
  std::vector<std::string> objects;
  for (absl::StatusOr<std::string> &result : results) {
    if (!result.ok())
      return result.status();
    objects.push_back(*std::move(result));
  }
  return objects;
}
