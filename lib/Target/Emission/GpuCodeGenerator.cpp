// LLVM dialect -> PTX, in process, and machine code by ptxas where it is installed.
#include "stc/Target/Emission/GpuCodeGenerator.h"

#include "Optimize.h"
#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

using namespace stc;

void stc::registerGpuTranslations(mlir::DialectRegistry &registry) {
  mlir::registerNVVMDialectTranslation(registry);
}

static absl::StatusOr<std::unique_ptr<llvm::TargetMachine>>
createMachine(const gpu::TargetDescription &target) {
  initializeTargets();
  std::string message;
  llvm::Triple triple(target.triple);
  const llvm::Target *found = llvm::TargetRegistry::lookupTarget(triple, message);
  if (!found)
    return absl::InvalidArgumentError(absl::StrCat("target ", target.name, ": ", message));
  llvm::TargetOptions options;
  // Products and sums are contracted only where the IR says so, as on CPUs.
  options.AllowFPOpFusion = llvm::FPOpFusion::Strict;
  std::unique_ptr<llvm::TargetMachine> machine(
      found->createTargetMachine(triple, target.chip, target.features, options, std::nullopt,
                                 std::nullopt, llvm::CodeGenOptLevel::Aggressive));
  if (!machine)
    return absl::InvalidArgumentError(
        absl::StrCat("target ", target.name, ": no code generator for ", target.triple));
  return machine;
}

absl::StatusOr<std::string>
stc::generateGpuCode(mlir::ModuleOp module, const gpu::TargetDescription &target, bool asLLVM) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<llvm::TargetMachine> machine, createMachine(target));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated = mlir::translateModuleToLLVMIR(module, context, "stc");
  if (!translated)
    return absl::InternalError("the module could not be translated to LLVM IR");
  translated->setTargetTriple(machine->getTargetTriple());
  translated->setDataLayout(machine->createDataLayout());
  std::string problems;
  llvm::raw_string_ostream problemStream(problems);
  if (llvm::verifyModule(*translated, &problemStream))
    return absl::InternalError("generated LLVM IR is invalid: " + problems);
  optimize(*translated, *machine);
  llvm::SmallString<0> output;
  llvm::raw_svector_ostream stream(output);
  if (asLLVM) {
    translated->print(stream, nullptr);
    return output.str().str();
  }
  llvm::legacy::PassManager emission;
  if (machine->addPassesToEmitFile(emission, stream, nullptr, llvm::CodeGenFileType::AssemblyFile))
    return absl::InternalError(absl::StrCat("target ", target.name, " cannot emit assembly"));
  emission.run(*translated);
  return output.str().str();
}

std::string stc::findPtxas() {
  if (const char *named = std::getenv("STC_PTXAS"))
    return named;
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  auto usual = llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"});
  return usual ? *usual : std::string();
}

/// Assembles PTX. Errors: what ptxas says first.
static absl::StatusOr<std::string> assemble(const std::string &ptxas, const std::string &text,
                                            const gpu::TargetDescription &target) {
  llvm::SmallString<128> input, output, log;
  llvm::scope_exit remove([&] {
    for (llvm::StringRef file : {input, output, log})
      if (!file.empty())
        llvm::sys::fs::remove(file);
  });
  int descriptor = -1;
  if (llvm::sys::fs::createTemporaryFile("stc", "ptx", descriptor, input) ||
      llvm::sys::fs::createTemporaryFile("stc", "cubin", output) ||
      llvm::sys::fs::createTemporaryFile("stc", "log", log))
    return absl::InternalError("no temporary file could be made for ptxas");
  {
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << text;
    stream.flush();
    if (stream.has_error()) {
      std::string problem = stream.error().message();
      stream.clear_error();
      return absl::InternalError("writing " + input.str().str() + ": " + problem);
    }
  }
  std::string architecture = "-arch=" + target.chip;
  llvm::StringRef arguments[] = {ptxas, architecture, "-O3", input, "-o", output};
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, llvm::StringRef(log),
                                                llvm::StringRef(log)};
  std::string problem;
  int code = llvm::sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects, 0, 0, &problem);
  auto read = [](llvm::StringRef path) {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  };
  if (code != 0) {
    std::string said = read(log);
    return formatError({ptxas, target.name, {}}, "PTX that it assembles",
                       problem.empty() ? said.substr(0, said.find('\n')) : problem);
  }
  return read(output);
}

absl::StatusOr<std::vector<cpu::GpuImage>>
stc::generateGpuImages(mlir::ModuleOp module, const gpu::TargetDescription &target) {
  STC_ASSIGN_OR_RETURN(std::string text, generateGpuCode(module, target));
  auto shared = module->getAttrOfType<mlir::IntegerAttr>("stc.block_shared_bytes");
  cpu::GpuImage image;
  image.target = target.name;
  image.blockThreads = static_cast<uint64_t>(target.blockThreads);
  image.sharedBytes = shared ? static_cast<uint64_t>(shared.getInt()) : 0;
  std::vector<cpu::GpuImage> images;
  if (std::string ptxas = findPtxas(); !ptxas.empty()) {
    STC_ASSIGN_OR_RETURN(image.bytes, assemble(ptxas, text, target));
    image.format = "cubin";
    images.push_back(image);
  }
  image.bytes = std::move(text);
  image.format = "ptx";
  images.push_back(std::move(image));
  return images;
}
