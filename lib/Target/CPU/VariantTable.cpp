// The table by which the runtime finds the functions generated for each target.
#include "stc/Target/CPU/VariantTable.h"

#include "stc/Runtime/ModelABI.h"
#include "stc/Target/Kernels/FrameLowering.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"

#include <variant>

using namespace mlir;
using namespace stc;

static void emitInteger(OpBuilder &builder, Location loc, StringRef name, IntegerAttr value) {
  LLVM::GlobalOp::create(builder, loc, value.getType(), /*isConstant=*/true,
                         LLVM::Linkage::External, name, value);
}

void cpu::emitModelConstants(OpBuilder &builder, Location loc, int64_t fingerprint) {
  emitInteger(builder, loc, "stc_model_abi_version",
              builder.getI32IntegerAttr(STC_MODEL_ABI_VERSION));
  emitInteger(builder, loc, "stc_model_fingerprint", builder.getI64IntegerAttr(fingerprint));
}

/// Bytes under a symbol of their own, aligned for whatever reads them.
static LLVM::GlobalOp emitBytes(OpBuilder &builder, Location loc, const std::string &name,
                                const Twine &bytes) {
  StringAttr value = builder.getStringAttr(bytes);
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), value.size());
  constexpr uint64_t alignment = 16;
  return LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal,
                                name, value, alignment);
}

/// A C string of its own symbol.
static LLVM::GlobalOp emitString(OpBuilder &builder, Location loc, const std::string &name,
                                 StringRef text) {
  return emitBytes(builder, loc, name, text + Twine('\0'));
}

namespace {
/// A field of a table's row: the address of a symbol (null for the null pointer), or a number.
using Field = std::variant<Operation *, uint64_t>;
} // namespace

/// Emits the constant array `name` of structs and its length `countName`. `types` are those of the
/// fields; it says what a row is where there is none.
static void emitTable(OpBuilder &builder, Location loc, StringRef name, StringRef countName,
                      ArrayRef<Type> types, ArrayRef<SmallVector<Field>> rows) {
  OpBuilder::InsertionGuard guard(builder);
  emitInteger(builder, loc, countName,
              builder.getI64IntegerAttr(static_cast<int64_t>(rows.size())));
  auto rowType = LLVM::LLVMStructType::getLiteral(builder.getContext(), types);
  auto tableType = LLVM::LLVMArrayType::get(rowType, rows.size());
  auto table = LLVM::GlobalOp::create(builder, loc, tableType, /*isConstant=*/true,
                                      LLVM::Linkage::External, name, Attribute());
  builder.setInsertionPointToStart(builder.createBlock(&table.getInitializerRegion()));
  Value value = LLVM::PoisonOp::create(builder, loc, tableType);
  for (auto [rowIndex, row] : llvm::enumerate(rows))
    for (auto [index, field] : llvm::enumerate(row)) {
      Value element;
      if (auto *symbol = std::get_if<Operation *>(&field); symbol && !*symbol)
        element = LLVM::ZeroOp::create(builder, loc, types[index]);
      else if (symbol)
        element = LLVM::AddressOfOp::create(builder, loc, types[index],
                                            SymbolTable::getSymbolName(*symbol));
      else
        element = LLVM::ConstantOp::create(
            builder, loc,
            builder.getI64IntegerAttr(static_cast<int64_t>(std::get<uint64_t>(field))));
      value = LLVM::InsertValueOp::create(
          builder, loc, value, element,
          ArrayRef<int64_t>{static_cast<int64_t>(rowIndex), static_cast<int64_t>(index)});
    }
  LLVM::ReturnOp::create(builder, loc, value);
}

void cpu::emitGpuImages(OpBuilder &builder, Location loc, ArrayRef<GpuImage> images) {
  Type pointer = LLVM::LLVMPointerType::get(builder.getContext()), i64 = builder.getI64Type();
  SmallVector<SmallVector<Field>> rows; // the fields of StcGpuImage
  for (auto [index, image] : llvm::enumerate(images)) {
    // Text ends with a zero, as the driver wants it, which counts as a byte of the image.
    std::string bytes = image.bytes;
    if (image.format == "ptx")
      bytes.push_back('\0');
    SmallVector<Field> &row = rows.emplace_back();
    row.push_back(emitString(builder, loc, absl::StrCat("gpu_target_", index), image.target));
    row.push_back(emitString(builder, loc, absl::StrCat("gpu_format_", index), image.format));
    row.push_back(emitBytes(builder, loc, absl::StrCat("gpu_image_", index), bytes));
    row.push_back(uint64_t(bytes.size()));
    row.push_back(image.blockThreads);
    row.push_back(image.sharedBytes);
    assert(image.fewTokens.size() <= STC_FEW_TOKEN_KERNELS);
    for (size_t i = 0; i < STC_FEW_TOKEN_KERNELS; ++i)
      row.push_back(i < image.fewTokens.size() ? image.fewTokens[i] : 0);
  }
  constexpr size_t numbers = 3 + STC_FEW_TOKEN_KERNELS;
  static_assert(sizeof(StcGpuImage) == 3 * sizeof(void *) + numbers * sizeof(uint64_t));
  SmallVector<Type> types(3, pointer);
  types.append(numbers, i64);
  emitTable(builder, loc, "stc_model_gpu_images", "stc_model_gpu_image_count", types, rows);
}

OwningOpRef<ModuleOp> cpu::buildVariantTable(MLIRContext &context,
                                             ArrayRef<TargetDescription> targets,
                                             ArrayRef<GpuImage> images, int64_t fingerprint,
                                             ArrayRef<StringRef> functions) {
  context.loadDialect<LLVM::LLVMDialect>();
  OpBuilder builder(&context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder, loc);
  builder.setInsertionPointToStart(module->getBody());
  emitModelConstants(builder, loc, fingerprint);
  emitGpuImages(builder, loc, images);

  Type pointer = LLVM::LLVMPointerType::get(&context), i64 = builder.getI64Type();
  auto entryType =
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&context), {pointer, i64, i64});
  SmallVector<SmallVector<Field>> rows; // the fields of StcVariant
  for (auto [index, target] : llvm::enumerate(targets)) {
    SmallVector<Field> &row = rows.emplace_back();
    row.push_back(emitString(builder, loc, absl::StrCat("target_", index), target.name));
    row.push_back(emitString(builder, loc, absl::StrCat("features_", index),
                             absl::StrJoin(target.features, ",")));
    for (StringRef function : {"prefill", "decode", "score", "encode", "stem"}) {
      bool isThere = llvm::is_contained(functions, function);
      row.push_back(isThere ? LLVM::LLVMFuncOp::create(builder, loc,
                                                       entryPointName(function, index), entryType)
                                  .getOperation()
                            : nullptr);
    }
  }
  static_assert(sizeof(StcVariant) == 7 * sizeof(void *));
  emitTable(builder, loc, "stc_model_variants", "stc_model_variant_count",
            SmallVector<Type>(7, pointer), rows);
  return module;
}
