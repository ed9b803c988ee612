// Registers the packed dialect and defines its attributes and types.
#include "stc/Dialect/Packed/IR/PackedRouting.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc::packed;

#include "stc/Dialect/Packed/IR/PackedDialect.cpp.inc"
#include "stc/Dialect/Packed/IR/PackedEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "stc/Dialect/Packed/IR/PackedAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "stc/Dialect/Packed/IR/PackedTypes.cpp.inc"

void PackedDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "stc/Dialect/Packed/IR/PackedOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "stc/Dialect/Packed/IR/PackedRoutingOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "stc/Dialect/Packed/IR/PackedAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "stc/Dialect/Packed/IR/PackedTypes.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// LayoutAttr
//===----------------------------------------------------------------------===//

/// Packing's element for an MLIR element type, or nothing for a type no layout stores.
static std::optional<stc::ElementKind> elementKind(Type type) {
  if (type.isF32())
    return stc::ElementKind::F32;
  if (type.isBF16())
    return stc::ElementKind::BF16;
  if (type.isF16())
    return stc::ElementKind::F16;
  if (type.isSignlessInteger(8))
    return stc::ElementKind::I8;
  if (type.isSignlessInteger(4))
    return stc::ElementKind::I4;
  if (type.isSignlessInteger(3))
    return stc::ElementKind::I3;
  if (type.isSignlessInteger(2))
    return stc::ElementKind::I2;
  return std::nullopt;
}

static stc::Layout makeLayout(LayoutKindEnum kind, stc::ElementKind element, int64_t group,
                              int64_t n, int64_t m, bool asymmetric, bool perRow, bool minimums) {
  stc::Layout layout;
  layout.kind = static_cast<stc::LayoutKind>(kind);
  layout.element = element;
  layout.group = group;
  layout.n = n;
  layout.m = m;
  layout.asymmetric = asymmetric;
  layout.perRow = perRow;
  layout.minimums = minimums;
  return layout;
}

LogicalResult LayoutAttr::verify(function_ref<InFlightDiagnostic()> emitError, LayoutKindEnum kind,
                                 Type element, int64_t group, int64_t n, int64_t m, bool asymmetric,
                                 bool perRow, bool minimums) {
  auto stored = elementKind(element);
  if (!stored)
    return emitError() << "expects the element f32, bf16, f16, i8, i4, i3 or i2 (C1), but got "
                       << element;
  absl::Status status =
      stc::verifyLayout(makeLayout(kind, *stored, group, n, m, asymmetric, perRow, minimums));
  if (!status.ok())
    return emitError() << std::string(status.message()) << " (C1)";
  return success();
}

stc::Layout LayoutAttr::getLayout() const {
  return makeLayout(getKind(), *elementKind(getElement()), getGroup(), getN(), getM(),
                    getAsymmetric(), getPerRow(), getMinimums());
}

LayoutAttr LayoutAttr::get(MLIRContext *context, const stc::Layout &layout) {
  Builder builder(context);
  Type element;
  switch (layout.element) {
  case stc::ElementKind::F32:
    element = builder.getF32Type();
    break;
  case stc::ElementKind::BF16:
    element = builder.getBF16Type();
    break;
  case stc::ElementKind::I8:
    element = builder.getIntegerType(8);
    break;
  case stc::ElementKind::I4:
    element = builder.getIntegerType(4);
    break;
  case stc::ElementKind::F16:
    element = builder.getF16Type();
    break;
  case stc::ElementKind::I3:
    element = builder.getIntegerType(3);
    break;
  case stc::ElementKind::I2:
    element = builder.getIntegerType(2);
    break;
  }
  return get(context, static_cast<LayoutKindEnum>(layout.kind), element, layout.group, layout.n,
             layout.m, layout.asymmetric, layout.perRow, layout.minimums);
}

//===----------------------------------------------------------------------===//
// LoweringConfigAttr
//===----------------------------------------------------------------------===//

LogicalResult LoweringConfigAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                                         int64_t tokens, int64_t accumulators, int64_t prefetch,
                                         int64_t level, int64_t rowTiles, int64_t streams,
                                         int64_t unroll, ThreadSplit, int64_t pieceTokens) {
  if (tokens < 1 || tokens > 32)
    return emitError() << "expects tokens in [1, 32] (C1), but got " << tokens;
  if (accumulators != 1 && accumulators != 2 && accumulators != 4)
    return emitError() << "expects 1, 2 or 4 accumulators (C2), but got " << accumulators;
  if (prefetch < 0)
    return emitError() << "expects a non-negative prefetch distance (C3), but got " << prefetch;
  if (level < 1 || level > 3)
    return emitError() << "expects cache level 1, 2 or 3 (C4), but got " << level;
  if (rowTiles < 1 || rowTiles > 64)
    return emitError() << "expects row_tiles in [1, 64] (C5), but got " << rowTiles;
  if (unroll < 1 || unroll > 1024)
    return emitError() << "expects unroll in [1, 1024] (C6), but got " << unroll;
  if (streams < 1 || streams > 8 || rowTiles % streams != 0)
    return emitError() << "expects streams in [1, 8] that divide row_tiles (C7), but got "
                       << streams;
  if (pieceTokens < 0)
    return emitError() << "expects a non-negative number of piece_tokens (C8), but got "
                       << pieceTokens;
  return success();
}

//===----------------------------------------------------------------------===//
// WeightType
//===----------------------------------------------------------------------===//

// !packed.weight<2048x5632, #packed.layout<...>>
Type WeightType::parse(AsmParser &parser) {
  SmallVector<int64_t> shape;
  LayoutAttr layout;
  SMLoc location = parser.getCurrentLocation();
  if (parser.parseLess() ||
      parser.parseDimensionList(shape, /*allowDynamic=*/false, /*withTrailingX=*/false) ||
      parser.parseComma() || parser.parseAttribute(layout) || parser.parseGreater())
    return {};
  if (shape.size() != 2) {
    parser.emitError(location, "expects rows x columns, but got ") << shape.size() << " dimensions";
    return {};
  }
  return getChecked([&] { return parser.emitError(location); }, parser.getContext(), shape[0],
                    shape[1], layout);
}

void WeightType::print(AsmPrinter &printer) const {
  printer << '<' << getRows() << 'x' << getColumns() << ", " << getLayout() << '>';
}

LogicalResult WeightType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t rows,
                                 int64_t columns, LayoutAttr layout) {
  constexpr int64_t limit = int64_t(1) << 31;
  if (rows < 1 || columns < 1 || rows >= limit || columns >= limit)
    return emitError() << "expects rows and columns in [1, 2^31) (C1), but got " << rows << " and "
                       << columns;
  return success();
}
