// Registers the stc dialect and defines its attributes and types.
#include "stc/Compress/Prune.h"
#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/IR/STCRouting.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

#include <cmath>

using namespace mlir;
using namespace stc;

#include "stc/Dialect/STC/IR/STCDialect.cpp.inc"
#include "stc/Dialect/STC/IR/STCEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "stc/Dialect/STC/IR/STCAttrs.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "stc/Dialect/STC/IR/STCTypes.cpp.inc"

void STCDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "stc/Dialect/STC/IR/STCOps.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "stc/Dialect/STC/IR/STCRoutingOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "stc/Dialect/STC/IR/STCAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "stc/Dialect/STC/IR/STCTypes.cpp.inc"
      >();
}

LogicalResult PruneAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef spec,
                                FloatAttr densityAttr) {
  double density = densityAttr.getValueAsDouble();
  auto parsed = parsePruneSpec({spec.data(), spec.size()});
  if (!parsed.ok())
    return emitError() << "expects a pruning specification (C1), but got '" << spec << "'";
  if (parsed->pattern.kind == PrunePattern::Kind::None)
    return emitError() << "expects a pruning specification other than none (C1)";
  if (!(density >= 0 && density <= 1))
    return emitError() << "expects a density in [0, 1] (C2), but got " << density;
  return success();
}

LogicalResult QuantAttr::verify(function_ref<InFlightDiagnostic()> emitError, StringRef spec,
                                FloatAttr errorAttr) {
  double error = errorAttr.getValueAsDouble();
  auto parsed = parseWeightSpec({spec.data(), spec.size()});
  if (!parsed.ok())
    return emitError() << "expects a quantization specification (C1), but got '" << spec << "'";
  if (!parsed->enabled)
    return emitError() << "expects a quantization specification other than none (C1)";
  if (!(error >= 0) || std::isinf(error))
    return emitError() << "expects a finite, non-negative error (C2), but got " << error;
  return success();
}

LogicalResult SliceAttr::verify(function_ref<InFlightDiagnostic()> emitError, DenseI64ArrayAttr of,
                                DenseI64ArrayAttr rows, DenseI64ArrayAttr columns,
                                int64_t rowStep) {
  if (of.size() < 1 || of.size() > 2 ||
      llvm::any_of(of.asArrayRef(), [](int64_t size) { return size <= 0; }) ||
      (of.size() == 1 && columns))
    return emitError() << "expects 1 or 2 positive sizes, and columns of 2 only (C1), but got "
                       << of.size() << " sizes";
  for (int64_t dim = 0; dim < of.size(); ++dim) {
    DenseI64ArrayAttr ranges = dim == 0 ? rows : columns;
    if (!ranges)
      continue;
    int64_t size = of[dim], end = -1;
    bool isValid = !ranges.empty() && ranges.size() % 2 == 0;
    for (int64_t i = 0; isValid && i < ranges.size(); i += 2) {
      isValid = ranges[i] > end && ranges[i + 1] > ranges[i] && ranges[i + 1] <= size;
      end = ranges[i + 1];
    }
    if (!isValid)
      return emitError() << "expects rising begins and ends of ranges inside " << size
                         << " with gaps between them (C2), but got " << ranges;
  }
  if (!rows && !columns)
    return emitError() << "expects rows or columns (C3), but got neither";
  if (rowStep < 1 || (rowStep != 1 && !rows))
    return emitError() << "expects a positive step of rows that are given (C4), but got "
                       << rowStep;
  return success();
}

ArrayRef<int64_t> SliceAttr::getRanges(unsigned dim) const {
  DenseI64ArrayAttr ranges = dim == 0 ? getRows() : getColumns();
  return ranges ? ranges.asArrayRef() : ArrayRef<int64_t>();
}

SmallVector<int64_t> SliceAttr::getKept(unsigned dim) const {
  int64_t whole[] = {0, getOf()[dim]};
  ArrayRef<int64_t> ranges = getRanges(dim).empty() ? ArrayRef<int64_t>(whole) : getRanges(dim);
  SmallVector<int64_t> kept;
  for (; !ranges.empty(); ranges = ranges.drop_front(2))
    for (int64_t index = ranges[0]; index < ranges[1]; index += getStep(dim))
      kept.push_back(index);
  return kept;
}

SmallVector<int64_t> SliceAttr::getShape() const {
  SmallVector<int64_t> shape(getOf().asArrayRef());
  for (auto [dim, size] : llvm::enumerate(shape)) {
    ArrayRef<int64_t> ranges = getRanges(unsigned(dim));
    if (!ranges.empty())
      size = 0;
    for (; !ranges.empty(); ranges = ranges.drop_front(2))
      size += llvm::divideCeil(ranges[1] - ranges[0], getStep(unsigned(dim)));
  }
  return shape;
}

DenseI64ArrayAttr SliceAttr::rangesOf(MLIRContext *context, ArrayRef<int64_t> kept) {
  SmallVector<int64_t> ranges;
  for (int64_t index : kept) {
    if (!ranges.empty() && ranges.back() == index)
      ++ranges.back();
    else
      ranges.append({index, index + 1});
  }
  return DenseI64ArrayAttr::get(context, ranges);
}

LogicalResult KVCacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t layers,
                                  int64_t kvHeads, int64_t headDim, int64_t capacity,
                                  Type element) {
  if (layers <= 0 || kvHeads <= 0 || headDim <= 0 || capacity <= 0)
    return emitError() << "expects positive layers, kv_heads, head_dim and capacity (C1), but got "
                       << layers << ", " << kvHeads << ", " << headDim << ", " << capacity;
  if (capacity % 16 != 0)
    return emitError() << "expects a capacity that is a multiple of 16 (C2), but got " << capacity;
  if (!element.isF32() && !element.isF16() && !element.isSignlessInteger(8) &&
      !isa<Float8E4M3FNType>(element))
    return emitError() << "expects elements of f32, f16, i8 or f8E4M3FN (C3), but got " << element;
  return success();
}

KVCacheLayout KVCacheType::getLayout() const {
  Type type = getElement();
  KVElement element = type.isF32()                  ? KVElement::F32
                      : type.isF16()                ? KVElement::F16
                      : isa<Float8E4M3FNType>(type) ? KVElement::Float8
                                                    : KVElement::Int8;
  return {element, getKvHeads(), getHeadDim(), getCapacity()};
}

Type KVCacheType::elementType(MLIRContext *context, KVElement element) {
  switch (element) {
  case KVElement::F32:
    return Float32Type::get(context);
  case KVElement::F16:
    return Float16Type::get(context);
  case KVElement::Int8:
    return IntegerType::get(context, 8);
  case KVElement::Float8:
    return Float8E4M3FNType::get(context);
  }
  llvm_unreachable("all elements are listed");
}
