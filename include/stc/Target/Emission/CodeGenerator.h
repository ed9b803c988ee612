// LLVM dialect -> optimized LLVM IR -> object code or assembly, in process.
#ifndef STC_TARGET_EMISSION_CODEGENERATOR_H
#define STC_TARGET_EMISSION_CODEGENERATOR_H

#include "stc/Target/CPU/TargetDescription.h"

#include "absl/status/statusor.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace llvm {
class ThreadPoolInterface;
}

namespace stc {

/// What to make of a module in the llvm phase.
enum class CodeKind { Object, Assembly, LLVMIR };

/// Translates `module` (LLVM dialect), optimizes it at O3 for `target` and returns object bytes,
/// assembly text or optimized LLVM IR. Floating-point contraction is left as the IR says.
/// Errors: no code generator for the triple, or a translation failure (diagnosed on the context).
absl::StatusOr<std::string> generateCode(mlir::ModuleOp module,
                                         const cpu::TargetDescription &target, CodeKind kind);

/// One object of several: a module in the llvm phase, and its target.
struct ObjectJob {
  mlir::ModuleOp module;
  const cpu::TargetDescription *target;
};

/// As `generateCode` for objects, in the order of the jobs, many at a time on the pool (null: one
/// after the other).
absl::StatusOr<std::vector<std::string>> generateObjects(llvm::ArrayRef<ObjectJob> jobs,
                                                         llvm::ThreadPoolInterface *pool);

/// Registers the translations `generateCode` needs.
void registerTranslations(mlir::DialectRegistry &registry);

} // namespace stc

#endif // STC_TARGET_EMISSION_CODEGENERATOR_H
