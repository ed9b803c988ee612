// Verifiers, parser and printer of the operations of a mixture of experts.
#include "stc/Dialect/STC/IR/STC.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/OpImplementation.h"

using namespace mlir;
using namespace stc;

static RankedTensorType typeOf(Value value) { return cast<RankedTensorType>(value.getType()); }

LogicalResult TopKGateOp::verify() {
  auto k = static_cast<int64_t>(getK());
  if (k < 1 || k > typeOf(getLogits()).getDimSize(1))
    return emitOpError("expects k from 1 to ")
           << typeOf(getLogits()).getDimSize(1) << " (C1), but got " << k;
  return success();
}

void ExpertOp::build(OpBuilder &, OperationState &state, Value accumulator, Value input,
                     Value gates, Value index) {
  state.addOperands({accumulator, input, gates, index});
  state.addTypes(accumulator.getType());
  Region *body = state.addRegion();
  body->emplaceBlock().addArgument(input.getType(), input.getLoc());
}

// stc.expert %e of %gates (%t = %x : tensor<?x4xf32>) add %h : tensor<?x8xf32>, tensor<?x4xf32> {...}
ParseResult ExpertOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand index, gates, input, accumulator;
  OpAsmParser::Argument argument;
  Type inputType, gatesType, accumulatorType;
  if (parser.parseOperand(index) || parser.parseKeyword("of") || parser.parseOperand(gates) ||
      parser.parseLParen() || parser.parseArgument(argument) || parser.parseEqual() ||
      parser.parseOperand(input) || parser.parseColonType(inputType) || parser.parseRParen() ||
      parser.parseKeyword("add") || parser.parseOperand(accumulator) ||
      parser.parseColonType(gatesType) || parser.parseComma() ||
      parser.parseType(accumulatorType) ||
      parser.resolveOperand(accumulator, accumulatorType, result.operands) ||
      parser.resolveOperand(input, inputType, result.operands) ||
      parser.resolveOperand(gates, gatesType, result.operands) ||
      parser.resolveOperand(index, parser.getBuilder().getIndexType(), result.operands))
    return failure();
  argument.type = inputType;
  result.addTypes(accumulatorType);
  if (parser.parseOptionalAttrDictWithKeyword(result.attributes) ||
      parser.parseRegion(*result.addRegion(), argument))
    return failure();
  ensureTerminator(*result.regions.front(), parser.getBuilder(), result.location);
  return success();
}

void ExpertOp::print(OpAsmPrinter &printer) {
  printer << ' ' << getIndex() << " of " << getGates() << " (";
  printer.printRegionArgument(getBody().getArgument(0), {}, /*omitType=*/true);
  printer << " = " << getInput() << " : " << getInput().getType() << ") add " << getAccumulator()
          << " : " << getGates().getType() << ", " << getAccumulator().getType();
  printer.printOptionalAttrDictWithKeyword((*this)->getAttrs());
  printer << ' ';
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
}

LogicalResult ExpertOp::verify() {
  Block &block = getBody().front();
  int64_t tokens = typeOf(getInput()).getDimSize(0);
  if (block.getNumArguments() != 1 || block.getArgument(0).getType() != getInput().getType() ||
      (tokens != 1 && !ShapedType::isDynamic(tokens)))
    return emitOpError("expects one block argument of type ")
           << getInput().getType() << ", of 1 token or a number that is not known (C1)";
  auto yield = cast<YieldOp>(block.getTerminator());
  if (!yield.getValue() || yield.getValue().getType() != getAccumulator().getType())
    return emitOpError("expects to yield a value of type ")
           << getAccumulator().getType() << " (C2)";
  for (Value operand : {getAccumulator(), getGates()})
    if (typeOf(operand).getDimSize(0) != tokens)
      return emitOpError("expects operands of equally many tokens (C3), but got ")
             << getInput().getType() << " and " << operand.getType();
  if (std::optional<int64_t> index = getConstantIntValue(getIndex()))
    if (*index < 0 || *index >= typeOf(getGates()).getDimSize(1))
      return emitOpError("expects an index below ")
             << typeOf(getGates()).getDimSize(1) << " (C4), but got " << *index;
  return success();
}
