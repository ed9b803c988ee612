// Glob patterns of the names of weights and layers, as options and recipes have them.
#ifndef LIB_DIALECT_STC_TRANSFORMS_NAMEPATTERNS_H
#define LIB_DIALECT_STC_TRANSFORMS_NAMEPATTERNS_H

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/GlobPattern.h"

namespace stc {

struct NamePattern {
  llvm::StringRef text;
  llvm::GlobPattern glob;
  bool matched = false; // any name; callers keep it
};

/// `option` is what errors call the patterns. `texts` must outlive the result.
mlir::FailureOr<llvm::SmallVector<NamePattern>>
parseNamePatterns(mlir::ModuleOp module, llvm::StringRef option, llvm::ArrayRef<std::string> texts);

/// Patterns that match nothing are mostly misspelt: a warning for each, with the nearest of
/// `names`. `kind` is what these name: a weight, a layer.
void warnOfUnmatched(mlir::ModuleOp module, llvm::StringRef option, llvm::StringRef kind,
                     llvm::ArrayRef<NamePattern> patterns, llvm::ArrayRef<llvm::StringRef> names);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_NAMEPATTERNS_H
