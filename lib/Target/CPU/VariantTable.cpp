// The table by which the runtime finds the functions generated for each target.
#include "stc/Target/CPU/VariantTable.h"

#include "stc/Runtime/ModelABI.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace stc;

std::string cpu::entryPointName(StringRef function, int64_t variant) {
  std::string name = ("stc_model_" + function).str();
  return variant < 0 ? name : absl::StrCat(name, "_", variant);
}

static void emitInteger(OpBuilder &builder, Location loc, StringRef name, IntegerAttr value) {
  LLVM::GlobalOp::create(builder, loc, value.getType(), /*isConstant=*/true,
                         LLVM::Linkage::External, name, value);
}

void cpu::emitModelConstants(OpBuilder &builder, Location loc, int64_t fingerprint) {
  emitInteger(builder, loc, "stc_model_abi_version",
              builder.getI32IntegerAttr(STC_MODEL_ABI_VERSION));
  emitInteger(builder, loc, "stc_model_fingerprint", builder.getI64IntegerAttr(fingerprint));
}

/// A C string of its own symbol.
static LLVM::GlobalOp emitString(OpBuilder &builder, Location loc, const std::string &name,
                                 StringRef text) {
  StringAttr value = builder.getStringAttr(text + Twine('\0'));
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), value.size());
  return LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal,
                                name, value);
}

OwningOpRef<ModuleOp> cpu::buildVariantTable(MLIRContext &context,
                                             ArrayRef<TargetDescription> targets,
                                             int64_t fingerprint) {
  context.loadDialect<LLVM::LLVMDialect>();
  OpBuilder builder(&context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, loc);
  builder.setInsertionPointToStart(module->getBody());
  emitModelConstants(builder, loc, fingerprint);
  emitInteger(builder, loc, "stc_model_variant_count", builder.getI64IntegerAttr(targets.size()));

  Type pointer = LLVM::LLVMPointerType::get(&context), i64 = builder.getI64Type();
  auto entryType =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&context), {pointer, i64, i64});
  SmallVector<SmallVector<Operation *>> rows; // the fields of StcVariant
  for (auto [index, target] : llvm::enumerate(targets)) {
    SmallVector<Operation *> &row = rows.emplace_back();
    row.push_back(emitString(builder, loc, absl::StrCat("target_", index), target.name));
    row.push_back(emitString(builder, loc, absl::StrCat("features_", index),
                             absl::StrJoin(target.features, ",")));
    for (StringRef function : {"prefill", "decode", "score"})
      row.push_back(
          LLVM::LLVMFuncOp::create(builder, loc, entryPointName(function, index), entryType));
  }

  auto rowType = LLVM::LLVMStructType::getLiteral(&context, SmallVector<Type>(5, pointer));
  static_assert(sizeof(StcVariant) == 5 * sizeof(void *));
  auto tableType = LLVM::LLVMArrayType::get(rowType, targets.size());
  auto table = LLVM::GlobalOp::create(builder, loc, tableType, /*isConstant=*/true,
                                      LLVM::Linkage::External, "stc_model_variants", Attribute());
  builder.setInsertionPointToStart(builder.createBlock(&table.getInitializerRegion()));
  Value value = LLVM::PoisonOp::create(builder, loc, tableType);
  for (auto [rowIndex, row] : llvm::enumerate(rows))
    for (auto [field, symbol] : llvm::enumerate(row)) {
      Value address =
          LLVM::AddressOfOp::create(builder, loc, pointer, SymbolTable::getSymbolName(symbol));
      value = LLVM::InsertValueOp::create(
          builder, loc, value, address,
          ArrayRef<int64_t>{static_cast<int64_t>(rowIndex), static_cast<int64_t>(field)});
    }
  LLVM::ReturnOp::create(builder, loc, value);
  return module;
}
