// Compiles small functions of packed operations on memrefs and runs them in this process.
#include "stc/Target/Autotune/JitKernel.h"
#include "stc/Target/Autotune/StandaloneFunctions.h"

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Dialect/Packed/Transforms/Passes.h"
#include "stc/Support/Error.h"
#include "stc/Target/CPU/Passes.h"
#include "stc/Target/Emission/CodeGenerator.h"

#include "mlir/Conversion/AffineToStandard/AffineToStandard.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Passes.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"

#include <mutex>

using namespace mlir;
using namespace stc;

std::string stc::layoutText(const Layout &layout) {
  MLIRContext context;
  context.loadDialect<packed::PackedDialect>();
  std::string text;
  llvm::raw_string_ostream(text) << packed::LayoutAttr::get(&context, layout);
  return text;
}

bool stc::runsHere(const std::string &target) {
  auto wanted = cpu::TargetDescription::parse(target);
  auto native = cpu::TargetDescription::parse("native");
  return wanted.ok() && native.ok() && wanted->triple == native->triple &&
         llvm::all_of(wanted->features, [&](const std::string &f) { return native->has(f); });
}

struct JitKernel::State {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  void *function = nullptr;
};

JitKernel::JitKernel() : state(std::make_unique<State>()) {}
JitKernel::~JitKernel() = default;

/// As the phases tiled, vector and llvm order the passes, without threads.
static LogicalResult lower(ModuleOp module, const std::string &target, const std::string &passes) {
  PassManager tiling(module.getContext());
  if (failed(parsePassPipeline(passes, tiling)))
    return failure();
  tiling.addPass(createSelectLoweringConfigPass({target})); // where there is none yet
  tiling.addPass(createTileOpsPass());
  tiling.addPass(createLowerTilesPass({target}));
  tiling.addPass(createForallToForLoopPass());
  tiling.addPass(createCanonicalizerPass());
  tiling.addPass(createCSEPass());
  tiling.addPass(createLoopInvariantCodeMotionPass());
  tiling.addPass(createLowerMicroOpsPass({target}));
  if (failed(tiling.run(module)))
    return failure();
  makeStandalone(module);

  PassManager llvm(module.getContext());
  llvm.addPass(createSCFToControlFlowPass());
  llvm.addPass(memref::createExpandStridedMetadataPass());
  llvm.addPass(createLowerAffinePass());
  llvm.addPass(createCanonicalizerPass());
  llvm.addPass(createCSEPass());
  llvm.addPass(createLowerToLLVMPass());
  llvm.addPass(createReconcileUnrealizedCastsPass());
  return llvm.run(module);
}

absl::StatusOr<std::string> stc::generateKernel(const std::string &parameters,
                                                const std::string &body, const std::string &target,
                                                const std::string &passes, CodeKind kind) {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
  });
  DialectRegistry registry;
  registry
      .insert<packed::PackedDialect, STCDialect, arith::ArithDialect, func::FuncDialect,
              memref::MemRefDialect, scf::SCFDialect, vector::VectorDialect, LLVM::LLVMDialect>();
  registerTranslations(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.loadAllAvailableDialects();
  std::string text = "func.func @kernel(" + parameters +
                     ") attributes {llvm.emit_c_interface} {\n" + body + "\nreturn\n}\n";
  auto module = parseSourceString<ModuleOp>(text, &context);
  STC_ASSIGN_OR_RETURN(auto description, cpu::TargetDescription::parse(target));
  if (!module || failed(lower(*module, target, passes)))
    return absl::InvalidArgumentError("cannot lower for " + target + ":\n" + text);
  return generateCode(*module, description, kind);
}

absl::StatusOr<std::unique_ptr<JitKernel>> JitKernel::load(const std::string &object) {
  auto toStatus = [](llvm::Error error) {
    return absl::InternalError(llvm::toString(std::move(error)));
  };
  std::unique_ptr<JitKernel> kernel(new JitKernel());
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    return toStatus(jit.takeError());
  kernel->state->jit = std::move(*jit);
  if (llvm::Error error =
          kernel->state->jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(object, "kernel")))
    return toStatus(std::move(error));
  auto symbol = kernel->state->jit->lookup("_mlir_ciface_kernel");
  if (!symbol)
    return toStatus(symbol.takeError());
  kernel->state->function = symbol->toPtr<void *>();
  return kernel;
}

void JitKernel::run(absl::Span<Argument> arguments) const {
  if (arguments.size() > kMaxArguments)
    llvm::report_fatal_error("too many arguments");
  void *p[kMaxArguments] = {};
  for (size_t i = 0; i < arguments.size(); ++i)
    p[i] = arguments[i].get();
  // Arguments a C function does not have are ignored.
  using Function = void (*)(void *, void *, void *, void *, void *, void *, void *, void *, void *,
                            void *, void *, void *);
  reinterpret_cast<Function>(state->function)(p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8],
                                              p[9], p[10], p[11]);
}
