// The parts of the textual form that TableGen does not write.
#ifndef STC_LIB_DIALECT_STABLEHLO_IR_STABLEHLOASSEMBLY_H
#define STC_LIB_DIALECT_STABLEHLO_IR_STABLEHLOASSEMBLY_H

#include "stc/Dialect/StableHLO/IR/StableHLO.h"

namespace stc::stablehlo {

/// `type` where all have one, otherwise a type of a function from all but the last to the last.
template <typename... Types>
mlir::ParseResult parseOneType(mlir::OpAsmParser &parser, Types &...types) {
  llvm::SmallVector<mlir::Type *> all{&types...};
  llvm::SMLoc loc = parser.getCurrentLocation();
  mlir::Type type;
  if (parser.parseType(type))
    return mlir::failure();
  auto function = mlir::dyn_cast<mlir::FunctionType>(type);
  if (function && (function.getNumInputs() + 1 != all.size() || function.getNumResults() != 1))
    return parser.emitError(loc) << "expected a type of " << all.size() - 1
                                 << " operands and one result, got " << function;
  for (auto [i, slot] : llvm::enumerate(all))
    *slot = !function ? type : i + 1 == all.size() ? function.getResult(0) : function.getInput(i);
  return mlir::success();
}

template <typename... Types>
void printOneType(mlir::OpAsmPrinter &printer, mlir::Operation *op, Types... types) {
  llvm::SmallVector<mlir::Type> all{types...};
  if (llvm::all_equal(all))
    printer << all[0];
  else
    printer.printFunctionalType(op);
}

mlir::ParseResult parseFunctionalType(mlir::OpAsmParser &parser, mlir::Type &operand,
                                      mlir::Type &result);
void printFunctionalType(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::Type operand,
                         mlir::Type result);

mlir::ParseResult parseSelectTypes(mlir::OpAsmParser &parser, mlir::Type &pred, mlir::Type &onTrue,
                                   mlir::Type &onFalse, mlir::Type &result);
void printSelectTypes(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::Type pred,
                      mlir::Type onTrue, mlir::Type onFalse, mlir::Type result);

mlir::ParseResult parseSameTypes(mlir::OpAsmParser &parser,
                                 llvm::SmallVectorImpl<mlir::Type> &operands,
                                 llvm::SmallVectorImpl<mlir::Type> &results);
void printSameTypes(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::TypeRange operands,
                    mlir::TypeRange results);

/// %a, %b, with a comma behind each.
mlir::ParseResult
parseOperandsAndComma(mlir::OpAsmParser &parser,
                      llvm::SmallVectorImpl<mlir::OpAsmParser::UnresolvedOperand> &operands);
void printOperandsAndComma(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                           mlir::OperandRange operands);

/// [0:4, 0:8:2]
mlir::ParseResult parseSliceRanges(mlir::OpAsmParser &parser, mlir::DenseI64ArrayAttr &starts,
                                   mlir::DenseI64ArrayAttr &limits,
                                   mlir::DenseI64ArrayAttr &strides);
void printSliceRanges(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                      mlir::DenseI64ArrayAttr starts, mlir::DenseI64ArrayAttr limits,
                      mlir::DenseI64ArrayAttr strides);

/// batching_dims = [0] x [0], contracting_dims = [2] x [1], precision = [DEFAULT, DEFAULT]
mlir::ParseResult parseDotDimensions(mlir::OpAsmParser &parser, DotDimensionNumbersAttr &numbers,
                                     mlir::ArrayAttr &precisions);
void printDotDimensions(mlir::OpAsmPrinter &printer, mlir::Operation *op,
                        DotDimensionNumbersAttr numbers, mlir::ArrayAttr precisions);

/// @name or @"other name"
mlir::ParseResult parseCallTarget(mlir::OpAsmParser &parser, mlir::StringAttr &target);
void printCallTarget(mlir::OpAsmPrinter &printer, mlir::Operation *op, mlir::StringAttr target);

/// [0, 1]
mlir::ParseResult parseDims(mlir::AsmParser &parser, llvm::SmallVectorImpl<int64_t> &dims);
void printDims(mlir::AsmPrinter &printer, llvm::ArrayRef<int64_t> dims);

} // namespace stc::stablehlo

#endif // STC_LIB_DIALECT_STABLEHLO_IR_STABLEHLOASSEMBLY_H
