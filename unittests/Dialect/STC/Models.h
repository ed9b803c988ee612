// Small modules and checkpoints for the tests of this folder.
#ifndef UNITTESTS_DIALECT_STC_MODELS_H
#define UNITTESTS_DIALECT_STC_MODELS_H

#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "gtest/gtest.h"

namespace stc {

/// A context with the stc dialect and a module parsed from text.
struct ParsedModule {
  explicit ParsedModule(llvm::StringRef text) {
    context.loadDialect<STCDialect>();
    module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
    EXPECT_TRUE(module);
  }
  WeightOp weight(llvm::StringRef name) { return module->lookupSymbol<WeightOp>(name); }

  mlir::MLIRContext context;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace stc

#endif // UNITTESTS_DIALECT_STC_MODELS_H
