// The parts of the textual form that TableGen does not write.
#include "StableHLOAssembly.h"

using namespace mlir;

namespace stc::stablehlo {

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

ParseResult parseFunctionalType(OpAsmParser &parser, Type &operand, Type &result) {
  return parseOneType(parser, operand, result);
}

void printFunctionalType(OpAsmPrinter &printer, Operation *op, Type, Type) {
  printer.printFunctionalType(op);
}

ParseResult parseSelectTypes(OpAsmParser &parser, Type &pred, Type &onTrue, Type &onFalse,
                             Type &result) {
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseType(pred))
    return failure();
  if (auto function = dyn_cast<FunctionType>(pred)) {
    if (function.getNumInputs() != 3 || function.getNumResults() != 1)
      return parser.emitError(loc, "expected a type of 3 operands and one result, got ")
             << function;
    pred = function.getInput(0);
    onTrue = function.getInput(1);
    onFalse = function.getInput(2);
    result = function.getResult(0);
    return success();
  }
  if (parser.parseComma() || parser.parseType(result))
    return failure();
  onTrue = onFalse = result;
  return success();
}

void printSelectTypes(OpAsmPrinter &printer, Operation *, Type pred, Type, Type, Type result) {
  printer << pred << ", " << result;
}

ParseResult parseSameTypes(OpAsmParser &parser, SmallVectorImpl<Type> &operands,
                           SmallVectorImpl<Type> &results) {
  if (parser.parseTypeList(operands))
    return failure();
  results.assign(operands.begin(), operands.end());
  return success();
}

void printSameTypes(OpAsmPrinter &printer, Operation *, TypeRange operands, TypeRange) {
  printer << operands;
}

ParseResult parseOperandsAndComma(OpAsmParser &parser,
                                  SmallVectorImpl<OpAsmParser::UnresolvedOperand> &operands) {
  while (true) {
    OpAsmParser::UnresolvedOperand operand;
    OptionalParseResult found = parser.parseOptionalOperand(operand);
    if (!found.has_value())
      return success();
    if (failed(*found) || parser.parseComma())
      return failure();
    operands.push_back(operand);
  }
}

void printOperandsAndComma(OpAsmPrinter &printer, Operation *, OperandRange operands) {
  for (Value operand : operands)
    printer << operand << ", ";
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

ParseResult parseSliceRanges(OpAsmParser &parser, DenseI64ArrayAttr &starts,
                             DenseI64ArrayAttr &limits, DenseI64ArrayAttr &strides) {
  SmallVector<int64_t> start, limit, stride;
  auto range = [&]() -> ParseResult {
    if (parser.parseInteger(start.emplace_back()) || parser.parseColon() ||
        parser.parseInteger(limit.emplace_back()))
      return failure();
    stride.push_back(1);
    return success(parser.parseOptionalColon().failed() ||
                   parser.parseInteger(stride.back()).succeeded());
  };
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, range))
    return failure();
  Builder &builder = parser.getBuilder();
  starts = builder.getDenseI64ArrayAttr(start);
  limits = builder.getDenseI64ArrayAttr(limit);
  strides = builder.getDenseI64ArrayAttr(stride);
  return success();
}

void printSliceRanges(OpAsmPrinter &printer, Operation *, DenseI64ArrayAttr starts,
                      DenseI64ArrayAttr limits, DenseI64ArrayAttr strides) {
  printer << '[';
  llvm::interleaveComma(
      llvm::zip_equal(starts.asArrayRef(), limits.asArrayRef(), strides.asArrayRef()), printer,
      [&](auto range) {
        printer << std::get<0>(range) << ':' << std::get<1>(range);
        if (std::get<2>(range) != 1)
          printer << ':' << std::get<2>(range);
      });
  printer << ']';
}

static ParseResult parsePrecisions(OpAsmParser &parser, ArrayAttr &precisions);

ParseResult parseDotDimensions(OpAsmParser &parser, DotDimensionNumbersAttr &numbers,
                               ArrayAttr &precisions) {
  SmallVector<int64_t> dims[4];
  auto pair = [&](SmallVector<int64_t> &left, SmallVector<int64_t> &right) -> ParseResult {
    return failure(parser.parseEqual() || parseDims(parser, left) || parser.parseKeyword("x") ||
                   parseDims(parser, right));
  };
  if (succeeded(parser.parseOptionalKeyword("batching_dims")) &&
      (pair(dims[0], dims[1]) || parser.parseComma()))
    return failure();
  if (parser.parseKeyword("contracting_dims") || pair(dims[2], dims[3]))
    return failure();
  numbers = DotDimensionNumbersAttr::get(parser.getContext(), dims[0], dims[1], dims[2], dims[3]);
  return parsePrecisions(parser, precisions);
}

static void printPrecisions(OpAsmPrinter &printer, ArrayAttr precisions);

void printDotDimensions(OpAsmPrinter &printer, Operation *, DotDimensionNumbersAttr numbers,
                        ArrayAttr precisions) {
  auto pair = [&](StringRef name, ArrayRef<int64_t> left, ArrayRef<int64_t> right) {
    printer << name << " = ";
    printDims(printer, left);
    printer << " x ";
    printDims(printer, right);
  };
  if (!numbers.getLhsBatching().empty() || !numbers.getRhsBatching().empty()) {
    pair("batching_dims", numbers.getLhsBatching(), numbers.getRhsBatching());
    printer << ", ";
  }
  pair("contracting_dims", numbers.getLhsContracting(), numbers.getRhsContracting());
  printPrecisions(printer, precisions);
}

/// , precision = [DEFAULT, DEFAULT]
static ParseResult parsePrecisions(OpAsmParser &parser, ArrayAttr &precisions) {
  if (parser.parseOptionalComma())
    return success();
  SmallVector<Attribute> found;
  auto one = [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    StringRef name;
    if (parser.parseKeyword(&name))
      return failure();
    std::optional<Precision> precision = symbolizePrecision(name);
    if (!precision)
      return parser.emitError(loc, "expected DEFAULT, HIGH or HIGHEST, got ") << name;
    found.push_back(PrecisionAttr::get(parser.getContext(), *precision));
    return success();
  };
  if (parser.parseKeyword("precision") || parser.parseEqual() ||
      parser.parseCommaSeparatedList(AsmParser::Delimiter::Square, one))
    return failure();
  precisions = parser.getBuilder().getArrayAttr(found);
  return success();
}

static void printPrecisions(OpAsmPrinter &printer, ArrayAttr precisions) {
  if (!precisions)
    return;
  printer << ", precision = [";
  llvm::interleaveComma(
      precisions.getAsRange<PrecisionAttr>(), printer,
      [&](PrecisionAttr precision) { printer << stringifyPrecision(precision.getValue()); });
  printer << ']';
}

ParseResult parseCallTarget(OpAsmParser &parser, StringAttr &target) {
  return parser.parseSymbolName(target);
}

void printCallTarget(OpAsmPrinter &printer, Operation *, StringAttr target) {
  printer.printSymbolName(target.getValue());
}

//===----------------------------------------------------------------------===//
// Operations
//===----------------------------------------------------------------------===//

ParseResult ConstantOp::parse(OpAsmParser &parser, OperationState &result) {
  // Some write the generic form's dictionary behind the pretty name.
  if (succeeded(parser.parseOptionalLParen())) {
    Type type;
    NamedAttrList attributes;
    bool inherent = false;
    if (parser.parseRParen() || failed([&]() -> ParseResult {
          inherent = succeeded(parser.parseOptionalLess());
          if (parser.parseOptionalAttrDict(attributes))
            return failure();
          return inherent ? parser.parseGreater() : success();
        }()) ||
        (inherent && parser.parseOptionalAttrDict(attributes)) || parser.parseColon() ||
        parser.parseType(type))
      return failure();
    auto function = dyn_cast<FunctionType>(type);
    if (!function || function.getNumResults() != 1)
      return parser.emitError(parser.getNameLoc(), "expected a function type of one result");
    result.addAttributes(attributes.getAttrs());
    result.addTypes(function.getResults());
    return success();
  }
  ElementsAttr value;
  if (parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseAttribute(value, "value", result.attributes))
    return failure();
  result.addTypes(value.getType());
  return success();
}

void ConstantOp::print(OpAsmPrinter &printer) {
  printer.printOptionalAttrDict((*this)->getAttrs(), /*elidedAttrs=*/{"value"});
  printer << ' ' << getValue();
}

/// The operation that a region is, if it is one of two arguments in their order.
static Operation *onlyOperation(ReduceOp op) {
  Block &block = op.getBody().front();
  if (op.getInputs().size() != 1 || block.getOperations().size() != 2 ||
      block.getNumArguments() != 2)
    return nullptr;
  Operation &inner = block.front();
  bool fits = inner.getNumOperands() == 2 && inner.getNumResults() == 1 &&
              inner.getDiscardableAttrs().empty() && inner.hasTrait<OpTrait::IsCommutative>() &&
              isa<StableHLODialect>(inner.getDialect()) &&
              inner.getOperand(0) == block.getArgument(0) &&
              inner.getOperand(1) == block.getArgument(1) &&
              block.back().getOperands() == inner.getResults();
  return fits ? &inner : nullptr;
}

ParseResult ReduceOp::parse(OpAsmParser &parser, OperationState &result) {
  SMLoc loc = parser.getCurrentLocation();
  SmallVector<OpAsmParser::UnresolvedOperand> inputs, inits;
  do {
    if (parser.parseLParen() || parser.parseOperand(inputs.emplace_back()) ||
        parser.parseKeyword("init") || parser.parseColon() ||
        parser.parseOperand(inits.emplace_back()) || parser.parseRParen())
      return failure();
  } while (succeeded(parser.parseOptionalComma()));
  inputs.append(inits);

  std::optional<OperationName> applied;
  if (succeeded(parser.parseOptionalKeyword("applies"))) {
    FailureOr<OperationName> name = parser.parseCustomOperationName();
    if (failed(name))
      return failure();
    if (!name->isRegistered() || !name->hasTrait<OpTrait::IsCommutative>() ||
        name->getDialectNamespace() != result.name.getDialectNamespace())
      return parser.emitError(loc, "expected a commutative operation of stablehlo, got ") << *name;
    applied = *name;
  }
  SmallVector<int64_t> dims;
  Type type;
  SMLoc typeLoc;
  if (parser.parseKeyword("across") || parser.parseKeyword("dimensions") || parser.parseEqual() ||
      parseDims(parser, dims) || parser.parseOptionalAttrDict(result.attributes) ||
      parser.parseColon() || parser.getCurrentLocation(&typeLoc) || parser.parseType(type))
    return failure();
  auto function = dyn_cast<FunctionType>(type);
  if (!function || function.getNumInputs() != inputs.size() ||
      (applied && (inputs.size() != 2 || function.getNumResults() != 1)))
    return parser.emitError(typeLoc, "expected a function type of ")
           << inputs.size() << " operands, got " << type;
  result.addAttribute("dimensions", parser.getBuilder().getDenseI64ArrayAttr(dims));
  result.addTypes(function.getResults());
  if (parser.resolveOperands(inputs, function.getInputs(), loc, result.operands))
    return failure();
  Region &region = *result.addRegion();
  if (applied) {
    auto tensor = dyn_cast<RankedTensorType>(function.getInput(0));
    if (!tensor)
      return parser.emitError(typeLoc, "expected tensors, got ") << function;
    Type element = RankedTensorType::get({}, tensor.getElementType());
    Block &block = region.emplaceBlock();
    block.addArguments({element, element}, {result.location, result.location});
    OpBuilder builder(parser.getContext());
    builder.setInsertionPointToEnd(&block);
    OperationState state(result.location, *applied);
    state.addOperands(block.getArguments());
    state.addTypes(element);
    ReturnOp::create(builder, result.location, builder.create(state)->getResults());
    return success();
  }
  // (%a: type, %b: type) (%c: type, %d: type): elements so far and new ones, input by input.
  SmallVector<OpAsmParser::Argument> first, second;
  if (parser.parseKeyword("reducer"))
    return failure();
  while (succeeded(parser.parseOptionalLParen()))
    if (parser.parseArgument(first.emplace_back(), /*allowType=*/true) || parser.parseComma() ||
        parser.parseArgument(second.emplace_back(), /*allowType=*/true) || parser.parseRParen())
      return failure();
  first.append(second);
  return parser.parseRegion(region, first);
}

void ReduceOp::print(OpAsmPrinter &printer) {
  printer << '(';
  llvm::interleave(
      llvm::zip_equal(getInputs(), getInitValues()), printer,
      [&](auto pair) { printer << std::get<0>(pair) << " init: " << std::get<1>(pair); }, "), (");
  printer << ')';
  Operation *inner = onlyOperation(*this);
  if (inner)
    printer << " applies " << inner->getName();
  printer << " across dimensions = ";
  printDims(printer, getDimensions());
  printer.printOptionalAttrDict((*this)->getAttrs(), /*elidedAttrs=*/{"dimensions"});
  printer << " : ";
  printer.printFunctionalType(*this);
  if (inner)
    return;
  printer.printNewline();
  printer << " reducer";
  Block &block = getBody().front();
  for (size_t i = 0, count = getInputs().size(); i < count; ++i) {
    printer << '(';
    printer.printRegionArgument(block.getArgument(i));
    printer << ", ";
    printer.printRegionArgument(block.getArgument(count + i));
    printer << ')';
  }
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

} // namespace stc::stablehlo
