// The stablehlo dialect itself, its enumerations and attributes.
#ifndef STC_DIALECT_STABLEHLO_IR_STABLEHLOBASE_TD
#define STC_DIALECT_STABLEHLO_IR_STABLEHLOBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def StableHLO_Dialect : Dialect {
  let name = "stablehlo";
  let cppNamespace = "::stc::stablehlo";
  let summary = "What inference graphs of transformers have of StableHLO.";
  let description = [{
    Reads the published textual form of StableHLO, pretty and generic, as front ends export it.
    Operations, attributes and their meaning are those of the StableHLO specification, as far as
    inference graphs of transformers use them; `stablehlo-to-linalg` lowers them. Other operations
    of the specification are not known here.

    Tensors have at most 16 dimensions.
  }];
  let useDefaultAttributePrinterParser = 1;
  let extraClassDeclaration = "void registerAttributes();";
}

class StableHLO_Enum<string name, string mnemonic, list<string> cases>
    : I32EnumAttr<name, "a " # mnemonic, !foreach(i, !range(!size(cases)),
                                                   I32EnumAttrCase<cases[i], i>)> {
  let cppNamespace = "::stc::stablehlo";
  let genSpecializedAttr = 0;
}

def StableHLO_PrecisionEnum : StableHLO_Enum<"Precision", "precision",
                                             ["DEFAULT", "HIGH", "HIGHEST"]>;
def StableHLO_PrecisionAttr
    : EnumAttr<StableHLO_Dialect, StableHLO_PrecisionEnum, "precision">;

def StableHLO_DirectionEnum : StableHLO_Enum<"ComparisonDirection", "comparison direction",
                                             ["EQ", "NE", "GE", "GT", "LE", "LT"]>;
def StableHLO_DirectionAttr
    : EnumAttr<StableHLO_Dialect, StableHLO_DirectionEnum, "comparison_direction">;

def StableHLO_ComparisonTypeEnum
    : StableHLO_Enum<"ComparisonType", "comparison type",
                     ["NOTYPE", "FLOAT", "TOTALORDER", "SIGNED", "UNSIGNED"]>;
def StableHLO_ComparisonTypeAttr
    : EnumAttr<StableHLO_Dialect, StableHLO_ComparisonTypeEnum, "comparison_type">;

def StableHLO_DotAttr : AttrDef<StableHLO_Dialect, "DotDimensionNumbers"> {
  let mnemonic = "dot";
  let summary = "Which dimensions of a dot_general are paired, and which are summed over.";
  let description = [{
    Fields that are left out are empty.

    Example: `#stablehlo.dot<lhs_contracting_dimensions = [1], rhs_contracting_dimensions = [0]>`
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$lhsBatching,
                        ArrayRefParameter<"int64_t">:$rhsBatching,
                        ArrayRefParameter<"int64_t">:$lhsContracting,
                        ArrayRefParameter<"int64_t">:$rhsContracting);
  let hasCustomAssemblyFormat = 1;
}

def StableHLO_GatherAttr : AttrDef<StableHLO_Dialect, "GatherDimensionNumbers"> {
  let mnemonic = "gather";
  let summary = "How a gather reads its indices and lays out what it finds.";
  let description = [{
    Fields that are left out are empty, or 0.

    Example: `#stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0],
    start_index_map = [0], index_vector_dim = 1>`
  }];
  let parameters = (ins ArrayRefParameter<"int64_t">:$offsetDims,
                        ArrayRefParameter<"int64_t">:$collapsedSliceDims,
                        ArrayRefParameter<"int64_t">:$operandBatchingDims,
                        ArrayRefParameter<"int64_t">:$startIndicesBatchingDims,
                        ArrayRefParameter<"int64_t">:$startIndexMap,
                        "int64_t":$indexVectorDim);
  let hasCustomAssemblyFormat = 1;
}

#endif // STC_DIALECT_STABLEHLO_IR_STABLEHLOBASE_TD
