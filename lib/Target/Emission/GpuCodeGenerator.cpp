// LLVM dialect -> code for GPUs, in process: PTX, and machine code by ptxas where it is installed;
// code objects for AMD's; SPIR-V.
#include "stc/Target/Emission/GpuCodeGenerator.h"

#include "Optimize.h"
#include "RunLinker.h"
#include "Spirv.h"
#include "stc/Support/Error.h"
#include "stc/Target/GPU/Pipeline.h"

#include "absl/strings/str_cat.h"
#include "mlir/Target/LLVMIR/Dialect/NVVM/NVVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/ROCDL/ROCDLToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"

using namespace stc;

void stc::registerGpuTranslations(mlir::DialectRegistry &registry) {
  mlir::registerNVVMDialectTranslation(registry);
  mlir::registerROCDLDialectTranslation(registry);
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
  // A driver optimizes SPIR-V, and LLVM's reduction of strength in loops makes integers of odd
  // bits, which its code generator for SPIR-V takes for wider ones.
  auto level = target.isOpenCL() ? llvm::CodeGenOptLevel::None : llvm::CodeGenOptLevel::Aggressive;
  std::unique_ptr<llvm::TargetMachine> machine(found->createTargetMachine(
      triple, target.chip, target.features, options, std::nullopt, std::nullopt, level));
  if (!machine)
    return absl::InvalidArgumentError(
        absl::StrCat("target ", target.name, ": no code generator for ", target.triple));
  return machine;
}

namespace {

/// What a code generator writes.
enum class Output { Text, Object, LLVM };

} // namespace

/// What a loader of code objects has to know of a module, and the code generator of its functions.
static void markForAmd(llvm::Module &module, const gpu::TargetDescription &target) {
  // Version 5: what ROCm reads since 5.3. Later ones would rule older runtimes out.
  module.addModuleFlag(llvm::Module::Error, "amdhsa_code_object_version", 500);
  for (llvm::Function &function : module) {
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", target.chip);
    // One block occupies a multiprocessor, whose four vector units share its waves: registers
    // beyond what those need would stay unused.
    int64_t waves = target.blockThreads / target.waveThreads / 4;
    function.addFnAttr("amdgpu-waves-per-eu", absl::StrCat(waves, ",", waves));
  }
}

static absl::StatusOr<std::string> generate(mlir::ModuleOp module,
                                            const gpu::TargetDescription &target, Output kind) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<llvm::TargetMachine> machine, createMachine(target));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> translated = mlir::translateModuleToLLVMIR(module, context, "stc");
  if (!translated)
    return absl::InternalError("the module could not be translated to LLVM IR");
  translated->setTargetTriple(machine->getTargetTriple());
  translated->setDataLayout(machine->createDataLayout());
  if (target.isAmd())
    markForAmd(*translated, target);
  std::string problems;
  llvm::raw_string_ostream problemStream(problems);
  if (llvm::verifyModule(*translated, &problemStream))
    return absl::InternalError("generated LLVM IR is invalid: " + problems);
  optimize(*translated, *machine);
  if (target.isOpenCL())
    STC_RETURN_IF_ERROR(prepareForSpirv(*translated, *machine));
  llvm::SmallString<0> output;
  llvm::raw_svector_ostream stream(output);
  if (kind == Output::LLVM) {
    translated->print(stream, nullptr);
    return output.str().str();
  }
  llvm::legacy::PassManager emission;
  // SPIR-V has no text that the code generator writes.
  auto fileType = kind == Output::Text && !target.isOpenCL() ? llvm::CodeGenFileType::AssemblyFile
                                                             : llvm::CodeGenFileType::ObjectFile;
  if (machine->addPassesToEmitFile(emission, stream, nullptr, fileType))
    return absl::InternalError(absl::StrCat("target ", target.name, " cannot emit code"));
  emission.run(*translated);
  return output.str().str();
}

absl::StatusOr<std::string>
stc::generateGpuCode(mlir::ModuleOp module, const gpu::TargetDescription &target, bool asLLVM) {
  return generate(module, target, asLLVM ? Output::LLVM : Output::Text);
}

std::string stc::findPtxas() {
  if (const char *named = std::getenv("STC_PTXAS"))
    return named;
  if (auto found = llvm::sys::findProgramByName("ptxas"))
    return *found;
  auto usual = llvm::sys::findProgramByName("ptxas", {"/usr/local/cuda/bin"});
  return usual ? *usual : std::string();
}

namespace {

/// Files for the time that another program or the linker works on them.
class TemporaryFiles {
public:
  ~TemporaryFiles() {
    for (const std::string &path : paths)
      llvm::sys::fs::remove(path);
  }
  /// A new file with these bytes; its path.
  absl::StatusOr<std::string> create(llvm::StringRef suffix, llvm::StringRef bytes = "") {
    llvm::SmallString<128> path;
    int descriptor = -1;
    if (llvm::sys::fs::createTemporaryFile("stc", suffix, descriptor, path))
      return absl::InternalError("no temporary file could be made");
    paths.push_back(path.str().str());
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << bytes;
    stream.flush();
    if (stream.has_error()) {
      std::string problem = stream.error().message();
      stream.clear_error();
      return absl::InternalError("writing " + paths.back() + ": " + problem);
    }
    return paths.back();
  }
  static std::string read(llvm::StringRef path) {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  }

private:
  std::vector<std::string> paths;
};

} // namespace

/// Links an object to a code object that a loader takes.
static absl::StatusOr<std::string> linkCodeObject(const std::string &object) {
  TemporaryFiles files;
  STC_ASSIGN_OR_RETURN(std::string input, files.create("o", object));
  STC_ASSIGN_OR_RETURN(std::string output, files.create("hsaco"));
  STC_RETURN_IF_ERROR(
      runLinker({"-shared", "--no-undefined", "--build-id=none", input, "-o", output}));
  return TemporaryFiles::read(output);
}

/// Assembles PTX. Errors: what ptxas says first.
static absl::StatusOr<std::string> assemble(const std::string &ptxas, const std::string &text,
                                            const gpu::TargetDescription &target) {
  TemporaryFiles files;
  STC_ASSIGN_OR_RETURN(std::string input, files.create("ptx", text));
  STC_ASSIGN_OR_RETURN(std::string output, files.create("cubin"));
  STC_ASSIGN_OR_RETURN(std::string log, files.create("log"));
  std::string architecture = "-arch=" + target.chip;
  llvm::StringRef arguments[] = {ptxas, architecture, "-O3", input, "-o", output};
  std::optional<llvm::StringRef> redirects[] = {std::nullopt, llvm::StringRef(log),
                                                llvm::StringRef(log)};
  std::string problem;
  int code = llvm::sys::ExecuteAndWait(ptxas, arguments, std::nullopt, redirects, 0, 0, &problem);
  if (code != 0) {
    std::string said = TemporaryFiles::read(log);
    return formatError({ptxas, target.name, {}}, "PTX that it assembles",
                       problem.empty() ? said.substr(0, said.find('\n')) : problem);
  }
  return TemporaryFiles::read(output);
}

absl::StatusOr<std::string> stc::generateCodeObject(mlir::ModuleOp module,
                                                    const gpu::TargetDescription &target) {
  STC_ASSIGN_OR_RETURN(std::string object, generate(module, target, Output::Object));
  return linkCodeObject(object);
}

absl::StatusOr<std::vector<cpu::GpuImage>>
stc::generateGpuImages(mlir::ModuleOp module, const gpu::TargetDescription &target) {
  auto shared = module->getAttrOfType<mlir::IntegerAttr>("stc.block_shared_bytes");
  cpu::GpuImage image;
  image.target = target.name;
  image.blockThreads = static_cast<uint64_t>(target.blockThreads);
  image.sharedBytes = shared ? static_cast<uint64_t>(shared.getInt()) : 0;
  if (auto few = module->getAttrOfType<mlir::DenseI64ArrayAttr>(gpu::kFewTokensAttr))
    image.fewTokens.assign(few.asArrayRef().begin(), few.asArrayRef().end());
  if (target.isOpenCL()) {
    STC_ASSIGN_OR_RETURN(image.bytes, generateGpuCode(module, target));
    image.format = "spirv";
    return std::vector<cpu::GpuImage>{std::move(image)};
  }
  std::vector<cpu::GpuImage> images;
  if (target.isAmd()) {
    STC_ASSIGN_OR_RETURN(image.bytes, generateCodeObject(module, target));
    image.format = "hsaco";
    images.push_back(std::move(image));
    return images;
  }
  STC_ASSIGN_OR_RETURN(std::string text, generateGpuCode(module, target));
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
