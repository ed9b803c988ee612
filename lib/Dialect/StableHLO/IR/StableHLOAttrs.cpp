// The attributes of stablehlo, and how they are written.
#include "StableHLOAssembly.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace stc::stablehlo;

#include "stc/Dialect/StableHLO/IR/StableHLOEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "stc/Dialect/StableHLO/IR/StableHLOAttrs.cpp.inc"

void StableHLODialect::registerAttributes() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "stc/Dialect/StableHLO/IR/StableHLOAttrs.cpp.inc"
      >();
}

ParseResult stc::stablehlo::parseDims(AsmParser &parser, SmallVectorImpl<int64_t> &dims) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                        [&] { return parser.parseInteger(dims.emplace_back()); });
}

void stc::stablehlo::printDims(AsmPrinter &printer, ArrayRef<int64_t> dims) {
  printer << '[';
  llvm::interleaveComma(dims, printer);
  printer << ']';
}

namespace {

using Fields = ArrayRef<std::pair<StringRef, SmallVectorImpl<int64_t> *>>;

/// <name = [dims], number = 1>, in any order; each once at most.
ParseResult parseFields(AsmParser &parser, Fields fields, StringRef number = {},
                        int64_t *value = nullptr) {
  llvm::StringSet<> seen;
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::LessGreater, [&]() -> ParseResult {
    SMLoc loc = parser.getCurrentLocation();
    StringRef name;
    if (parser.parseKeyword(&name) || parser.parseEqual())
      return failure();
    if (!seen.insert(name).second)
      return parser.emitError(loc) << "expected each field once, got another " << name;
    if (value && name == number)
      return parser.parseInteger(*value);
    for (auto [field, dims] : fields)
      if (field == name)
        return parseDims(parser, *dims);
    InFlightDiagnostic error = parser.emitError(loc) << "expected one of the fields ";
    for (auto [field, dims] : fields)
      error << field << ", ";
    return error << (value ? number : "and no others") << "; got " << name;
  });
}

/// The same, without what is empty.
void printFields(AsmPrinter &printer, ArrayRef<std::pair<StringRef, ArrayRef<int64_t>>> fields,
                 StringRef number = {}, int64_t value = 0) {
  StringRef between = "<";
  for (auto [name, dims] : fields)
    if (!dims.empty()) {
      printer << between << name << " = ";
      printDims(printer, dims);
      between = ", ";
    }
  if (value != 0) {
    printer << between << number << " = " << value;
    between = ", ";
  }
  printer << (between == "<" ? "<>" : ">");
}

} // namespace

Attribute DotDimensionNumbersAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> lhsBatching, rhsBatching, lhsContracting, rhsContracting;
  if (parseFields(parser, {{"lhs_batching_dimensions", &lhsBatching},
                           {"rhs_batching_dimensions", &rhsBatching},
                           {"lhs_contracting_dimensions", &lhsContracting},
                           {"rhs_contracting_dimensions", &rhsContracting}}))
    return {};
  return get(parser.getContext(), lhsBatching, rhsBatching, lhsContracting, rhsContracting);
}

void DotDimensionNumbersAttr::print(AsmPrinter &printer) const {
  printFields(printer, {{"lhs_batching_dimensions", getLhsBatching()},
                        {"rhs_batching_dimensions", getRhsBatching()},
                        {"lhs_contracting_dimensions", getLhsContracting()},
                        {"rhs_contracting_dimensions", getRhsContracting()}});
}

Attribute GatherDimensionNumbersAttr::parse(AsmParser &parser, Type) {
  SmallVector<int64_t> offset, collapsed, operandBatching, startBatching, startMap;
  int64_t vectorDim = 0;
  if (parseFields(parser,
                  {{"offset_dims", &offset},
                   {"collapsed_slice_dims", &collapsed},
                   {"operand_batching_dims", &operandBatching},
                   {"start_indices_batching_dims", &startBatching},
                   {"start_index_map", &startMap}},
                  "index_vector_dim", &vectorDim))
    return {};
  return get(parser.getContext(), offset, collapsed, operandBatching, startBatching, startMap,
             vectorDim);
}

void GatherDimensionNumbersAttr::print(AsmPrinter &printer) const {
  printFields(printer,
              {{"offset_dims", getOffsetDims()},
               {"collapsed_slice_dims", getCollapsedSliceDims()},
               {"operand_batching_dims", getOperandBatchingDims()},
               {"start_indices_batching_dims", getStartIndicesBatchingDims()},
               {"start_index_map", getStartIndexMap()}},
              "index_vector_dim", getIndexVectorDim());
}
