// Glob patterns of the names of weights and layers, as options and recipes have them.
#include "NamePatterns.h"

#include "stc/Dialect/STC/Utils/Recipe.h"

#include "mlir/IR/Diagnostics.h"

using namespace mlir;

namespace stc {

FailureOr<SmallVector<NamePattern>> parseNamePatterns(ModuleOp module, StringRef option,
                                                      ArrayRef<std::string> texts) {
  SmallVector<NamePattern> patterns;
  for (const std::string &text : texts) {
    // A cap keeps nested braces from expanding without end.
    auto glob = llvm::GlobPattern::create(text, /*MaxSubPatterns=*/1024);
    if (!glob)
      return emitError(module.getLoc(), option + ": expected a glob pattern, got '")
             << text << "' (" << llvm::toString(glob.takeError()) << ")";
    patterns.push_back({text, std::move(*glob)});
  }
  return patterns;
}

void warnOfUnmatched(ModuleOp module, StringRef option, StringRef kind,
                     ArrayRef<NamePattern> patterns, ArrayRef<StringRef> names) {
  for (const NamePattern &pattern : patterns) {
    if (pattern.matched)
      continue;
    InFlightDiagnostic warning = emitWarning(module.getLoc(), option + ": '")
                                 << pattern.text << "' matches no " << kind;
    if (!names.empty())
      warning << "; the nearest is " << nearestName(pattern.text, names);
  }
}

} // namespace stc
