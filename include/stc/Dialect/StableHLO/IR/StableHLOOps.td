// Operations of StableHLO on whole tensors.
#ifndef STC_DIALECT_STABLEHLO_IR_STABLEHLOOPS_TD
#define STC_DIALECT_STABLEHLO_IR_STABLEHLOOPS_TD

include "stc/Dialect/StableHLO/IR/StableHLOElementwiseOps.td"

include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

//===----------------------------------------------------------------------===//
// Tensors from numbers
//===----------------------------------------------------------------------===//

def StableHLO_ConstantOp : StableHLO_Op<"constant", [Pure, ConstantLike]> {
  let summary = "Numbers that are known.";
  let description = [{
    (C1) The value has the result's type.

    ```mlir
    %c = stablehlo.constant dense<[1.0, 2.0]> : tensor<2xf32>
    ```
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs AnyRankedTensor:$result);
  let hasCustomAssemblyFormat = 1;
  let hasFolder = 1;
  let hasVerifier = 1;
}

def StableHLO_IotaOp : StableHLO_Op<"iota", [Pure]> {
  let summary = "Indices.";
  let description = [{
    The index of each element in one dimension.

    (C1) The dimension is one of the result's.

    ```mlir
    %i = stablehlo.iota dim = 1 : tensor<2x4xi32>
    ```
  }];
  let arguments = (ins I64Attr:$iota_dimension);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = "`dim` `=` $iota_dimension attr-dict `:` type($result)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Tensors of the same elements
//===----------------------------------------------------------------------===//

def StableHLO_BroadcastInDimOp : StableHLO_Op<"broadcast_in_dim", [Pure]> {
  let summary = "Repetition along dimensions.";
  let description = [{
    Dimension i of the operand becomes dimension dims[i] of the result; one of size 1 is repeated, as
    the operand is along all other dimensions.

    (C1) There is one number for each dimension of the operand. (C2) They are different dimensions
    of the result. (C3) Their sizes are those of the operand, or the operand's are 1. (C4) Both have
    one element type.

    ```mlir
    %y = stablehlo.broadcast_in_dim %x, dims = [1] : (tensor<4xf32>) -> tensor<2x4xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand, DenseI64ArrayAttr:$broadcast_dimensions);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    $operand `,` `dims` `=` $broadcast_dimensions attr-dict `:` functional-type($operand, $result)
  }];
  let hasVerifier = 1;
}

def StableHLO_ReshapeOp : StableHLO_Op<"reshape", [Pure]> {
  let summary = "Another shape.";
  let description = [{
    The same elements, row by row.

    (C1) Operand and result have as many elements. (C2) They have one element type.

    ```mlir
    %y = stablehlo.reshape %x : (tensor<2x4xf32>) -> tensor<8xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = "$operand attr-dict `:` functional-type($operand, $result)";
  let hasVerifier = 1;
}

def StableHLO_TransposeOp : StableHLO_Op<"transpose", [Pure]> {
  let summary = "Another order of dimensions.";
  let description = [{
    Dimension i of the result is dimension dims[i] of the operand.

    (C1) The numbers are a permutation of the operand's dimensions. (C2) The result has the sizes
    that this gives, and the operand's element type.

    ```mlir
    %y = stablehlo.transpose %x, dims = [1, 0] : (tensor<2x4xf32>) -> tensor<4x2xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand, DenseI64ArrayAttr:$permutation);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    $operand `,` `dims` `=` $permutation attr-dict `:` functional-type($operand, $result)
  }];
  let hasVerifier = 1;
}

def StableHLO_SliceOp : StableHLO_Op<"slice", [Pure]> {
  let summary = "A part of a tensor.";
  let description = [{
    Of each dimension the elements from a start to below a limit, in steps.

    (C1) There are as many starts, limits and steps as dimensions. (C2) 0 <= start <= limit <= size,
    and steps are positive. (C3) The result has the sizes that this gives, and the operand's element
    type.

    ```mlir
    %y = stablehlo.slice %x [0:1, 0:4:2] : (tensor<2x4xf32>) -> tensor<1x2xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand, DenseI64ArrayAttr:$start_indices,
                       DenseI64ArrayAttr:$limit_indices, DenseI64ArrayAttr:$strides);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    $operand custom<SliceRanges>($start_indices, $limit_indices, $strides) attr-dict `:`
    functional-type($operand, $result)
  }];
  let hasVerifier = 1;
}

def StableHLO_DynamicSliceOp : StableHLO_Op<"dynamic_slice", [Pure]> {
  let summary = "A part of a tensor that begins where numbers say.";
  let description = [{
    Starts are moved so far that the part lies in the tensor.

    (C1) There is one start and one size for each dimension. (C2) 0 <= size <= the operand's. (C3)
    The result has these sizes, and the operand's element type. (C4) Starts are single integers.

    ```mlir
    %y = stablehlo.dynamic_slice %x, %i, %j, sizes = [1, 4]
        : (tensor<2x4xf32>, tensor<i32>, tensor<i32>) -> tensor<1x4xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand, Variadic<StableHLO_Integers>:$start_indices,
                       DenseI64ArrayAttr:$slice_sizes);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    $operand `,` custom<OperandsAndComma>($start_indices) `sizes` `=` $slice_sizes attr-dict `:`
    functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

def StableHLO_DynamicUpdateSliceOp
    : StableHLO_Op<"dynamic_update_slice", [Pure, AllTypesMatch<["operand", "result"]>]> {
  let summary = "A tensor of which a part is replaced.";
  let description = [{
    Starts are moved so far that the part lies in the tensor.

    (C1) There is one start for each dimension, a single integer. (C2) The update has the operand's
    rank and element type, and no size above the operand's.

    ```mlir
    %y = stablehlo.dynamic_update_slice %x, %u, %i, %j
        : (tensor<2x4xf32>, tensor<1x4xf32>, tensor<i32>, tensor<i32>) -> tensor<2x4xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand, StableHLO_Numbers:$update,
                       Variadic<StableHLO_Integers>:$start_indices);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = "operands attr-dict `:` functional-type(operands, $result)";
  let hasVerifier = 1;
}

def StableHLO_ConcatenateOp : StableHLO_Op<"concatenate", [Pure]> {
  let summary = "Tensors behind one another.";
  let description = [{
    (C1) There is at least one operand. (C2) The dimension is one of theirs. (C3) Shapes differ in
    that dimension alone, where the result's size is the sum. (C4) All have one element type.

    ```mlir
    %z = stablehlo.concatenate %x, %y, dim = 1
        : (tensor<2x4xf32>, tensor<2x1xf32>) -> tensor<2x5xf32>
    ```
  }];
  let arguments = (ins Variadic<StableHLO_Numbers>:$inputs, I64Attr:$dimension);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    custom<OperandsAndComma>($inputs) `dim` `=` $dimension attr-dict `:`
    functional-type($inputs, $result)
  }];
  let hasVerifier = 1;
}

def StableHLO_PadOp : StableHLO_Op<"pad", [Pure]> {
  let summary = "A tensor with something around it.";
  let description = [{
    Puts `low` elements before, `high` behind and `interior` between those of each dimension;
    a negative `low` or `high` drops elements.

    (C1) There is a number of each kind for each dimension, `interior` not negative. (C2) The result
    has the sizes that this gives. (C3) All have one element type, and the padding value is one
    element.

    ```mlir
    %y = stablehlo.pad %x, %zero, low = [0, 1], high = [0, 1], interior = [0, 0]
        : (tensor<2x4xf32>, tensor<f32>) -> tensor<2x6xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand, StableHLO_Numbers:$padding_value,
                       DenseI64ArrayAttr:$edge_padding_low, DenseI64ArrayAttr:$edge_padding_high,
                       DenseI64ArrayAttr:$interior_padding);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    $operand `,` $padding_value `,` `low` `=` $edge_padding_low `,` `high` `=` $edge_padding_high
    `,` `interior` `=` $interior_padding attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

def StableHLO_GatherOp : StableHLO_Op<"gather", [Pure]> {
  let summary = "Parts of a tensor that begin where a tensor of numbers says.";
  let description = [{
    Each vector of `start_indices` along `index_vector_dim` is where a part of `slice_sizes` begins,
    in the dimensions of `start_index_map`, moved so far that the part lies in the operand. Of a
    part, the `collapsed_slice_dims` and `operand_batching_dims` are dropped, and what is left are
    the `offset_dims` of the result; its other dimensions are those of `start_indices`.

    (C1) Every dimension that is named exists, and none is named twice. (C2) `slice_sizes` has a
    size for each dimension of the operand and at most its size; it is 1 in dimensions that are
    dropped. (C3) `start_index_map` names as many dimensions as a vector has numbers. (C4) The
    result has the shape that this gives, and the operand's element type.

    ```mlir
    %rows = "stablehlo.gather"(%table, %tokens) <{
      dimension_numbers = #stablehlo.gather<offset_dims = [1], collapsed_slice_dims = [0],
                                            start_index_map = [0], index_vector_dim = 1>,
      indices_are_sorted = false, slice_sizes = array<i64: 1, 8>
    }> : (tensor<16x8xf32>, tensor<4x1xi32>) -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$operand, StableHLO_Integers:$start_indices,
                       StableHLO_GatherAttr:$dimension_numbers, DenseI64ArrayAttr:$slice_sizes,
                       DefaultValuedOptionalAttr<BoolAttr, "false">:$indices_are_sorted);
  let results = (outs StableHLO_Numbers:$result);
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Sums
//===----------------------------------------------------------------------===//

def StableHLO_DotGeneralOp : StableHLO_Op<"dot_general", [Pure]> {
  let summary = "Sums of products.";
  let description = [{
    The result has the dimensions that are batching in both operands, then the other dimensions of
    the left and of the right one, without those that are contracting, which are summed over.

    (C1) Batching and contracting dimensions exist, and none is named twice. (C2) As many are named
    of each operand. (C3) Those that are paired have one size. (C4) The result has the shape that
    this gives.

    ```mlir
    %z = stablehlo.dot_general %x, %y, batching_dims = [0] x [0], contracting_dims = [2] x [1],
        precision = [DEFAULT, DEFAULT]
        : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
    ```
  }];
  let arguments = (ins StableHLO_Numbers:$lhs, StableHLO_Numbers:$rhs,
                       StableHLO_DotAttr:$dot_dimension_numbers,
                       OptionalAttr<TypedArrayAttrBase<StableHLO_PrecisionAttr,
                                                       "an array of precisions">>:$precision_config);
  let results = (outs StableHLO_Numbers:$result);
  let assemblyFormat = [{
    $lhs `,` $rhs `,` custom<DotDimensions>($dot_dimension_numbers, $precision_config) attr-dict `:` functional-type(operands, $result)
  }];
  let hasVerifier = 1;
}

def StableHLO_ReduceOp : StableHLO_Op<"reduce", [Pure, SameVariadicOperandSize, SingleBlockImplicitTerminator<"::stc::stablehlo::ReturnOp">]> {
  let summary = "Elements put together along dimensions.";
  let description = [{
    The region says what two elements become; the dimensions are gone in the result. Where it is one
    operation on its two arguments, that operation may be named in its place.

    (C1) There are as many initial values as inputs and results, at least one. (C2) Inputs have one
    shape; initial values are single elements of the inputs' element types. (C3) Dimensions exist,
    and none is named twice. (C4) Results have the inputs' shape without these dimensions, and their
    element types. (C5) The region has two arguments for each input, first all of one kind, and
    returns as many values as there are inputs.

    ```mlir
    %z = stablehlo.reduce(%x init: %zero) applies stablehlo.add across dimensions = [1]
        : (tensor<2x4xf32>, tensor<f32>) -> tensor<2xf32>
    ```
  }];
  let arguments = (ins Variadic<StableHLO_Numbers>:$inputs, Variadic<StableHLO_Numbers>:$init_values,
                       DenseI64ArrayAttr:$dimensions);
  let results = (outs Variadic<StableHLO_Numbers>:$results);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

def StableHLO_ReturnOp : StableHLO_Op<"return", [Pure, Terminator, ReturnLike]> {
  let summary = "What a region gives.";
  let description = [{
    ```mlir
    stablehlo.return %x : tensor<f32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$operands);
  let assemblyFormat = "($operands^ `:` type($operands))? attr-dict";
}

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

def StableHLO_OptimizationBarrierOp : StableHLO_Op<"optimization_barrier", [Pure]> {
  let summary = "What compilers should not look through.";
  let description = [{
    Gives its operands.

    (C1) Results have the operands' types.

    ```mlir
    %y = stablehlo.optimization_barrier %x : tensor<4xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyRankedTensor>:$operands);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    ($operands^ `:` custom<SameTypes>(type($operands), type($results))):(`(` `)`)? attr-dict
  }];
  let hasVerifier = 1;
}

def StableHLO_CustomCallOp : StableHLO_Op<"custom_call"> {
  let summary = "A call of something outside of the module.";
  let description = [{
    What is called is known by its name; attributes other than `call_target_name` are kept.

    ```mlir
    %y = stablehlo.custom_call @mhlo.erf(%x) {backend_config = ""} : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, StrAttr:$call_target_name);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = [{
    custom<CallTarget>($call_target_name) `(` $inputs `)` attr-dict `:`
    functional-type($inputs, $results)
  }];
}

def StableHLO_CompositeOp
    : StableHLO_Op<"composite", [DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "A function with a name that others may know.";
  let description = [{
    Computes what the function `decomposition` does.

    (C1) `decomposition` is a function of the module that takes the operands and gives the results.

    ```mlir
    %y = stablehlo.composite "mine.double" %x {decomposition = @double}
        : (tensor<4xf32>) -> tensor<4xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, StrAttr:$name,
                       OptionalAttr<DictionaryAttr>:$composite_attributes,
                       FlatSymbolRefAttr:$decomposition, OptionalAttr<I32Attr>:$version);
  let results = (outs Variadic<AnyType>:$results);
  let assemblyFormat = "$name $inputs attr-dict `:` functional-type($inputs, $results)";
}

#endif // STC_DIALECT_STABLEHLO_IR_STABLEHLOOPS_TD
