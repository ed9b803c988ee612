// The operations of the stc dialect.
#ifndef STC_DIALECT_STC_IR_STCOPS_TD
#define STC_DIALECT_STC_IR_STCOPS_TD

include "stc/Dialect/STC/IR/STCBase.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

//===----------------------------------------------------------------------===//
// Enums
//===----------------------------------------------------------------------===//

def STC_ActivationKind : I32EnumAttr<"ActivationKind", "an elementwise nonlinearity", [
    I32EnumAttrCase<"Silu", 0, "silu">, I32EnumAttrCase<"Gelu", 1, "gelu">,
    I32EnumAttrCase<"GeluTanh", 2, "gelu_tanh">, I32EnumAttrCase<"Relu", 3, "relu">,
    I32EnumAttrCase<"Sigmoid", 4, "sigmoid">, I32EnumAttrCase<"QuickGelu", 5, "quick_gelu">,
    I32EnumAttrCase<"Relu2", 6, "relu2">]> {
  let cppNamespace = "::stc";
  let genSpecializedAttr = 0;
}
def STC_ActivationKindAttr : EnumAttr<STC_Dialect, STC_ActivationKind, "activation_kind"> {
  let assemblyFormat = "`<` $value `>`";
}

class STC_Op<string mnemonic, list<Trait> traits = []> : Op<STC_Dialect, mnemonic, traits>;

// A pure op whose result types follow from its operands.
class STC_PureOp<string mnemonic, list<Trait> traits = []>
    : STC_Op<mnemonic, traits # [Pure, InferTypeOpAdaptor]> {
  let hasVerifier = 1;
}

def STC_Tokens : 1DTensorOf<[I32]>;
def STC_Activations : 2DTensorOf<[F32]>;
def STC_Matrix : 2DTensorOf<[AnyFloat]>;
def STC_Vector : 1DTensorOf<[AnyFloat]>;
// What a norm multiplies by: a vector for all groups of columns, or a row for each.
def STC_Gains : AnyTypeOf<[STC_Vector, STC_Matrix], "a vector, or a matrix of a row per group">;

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def STC_WeightOp : STC_Op<"weight", [Symbol]> {
  let summary = "A named weight tensor of the model.";
  let description = [{
    Declares one tensor. Its bytes come from the checkpoint tensor `source` through the weight
    store, or from the inline `value` (tests and small models). `prune` and `quant` say how
    compression changed it; later passes read the changed values from the store. With `slice` the
    weight is a part of the rows and columns of its source or value. A `transposed` source is stored
    [inputs, outputs]; it is transposed before it is sliced. `offset` is added to every stored value
    (norms that a checkpoint keeps as gain - 1). Last, rows and columns are put into the orders of
    `row_order` and `column_order`: row i of the weight is row `row_order`[i] of what has no order.

    (C1) The type is a ranked, static tensor of floats with 1 or 2 dimensions, each positive.
    (C2) Exactly one of `source` and `value` is present. (C3) `value` has the weight's type, or with
    `slice` the shape that is a slice of. (C4) `slice` leaves the weight's shape. (C5) `transposed`
    and `offset` come with a `source`; what is transposed has 2 dimensions. (C6) `offset` is finite.
    (C7) Orders name each row or column once; `column_order` comes with 2 dimensions.

    ```mlir
    stc.weight @norm : tensor<4xf32> {value = dense<1.0> : tensor<4xf32>}
    stc.weight @layers.0.q : tensor<4x4xbf16> {source = "model.layers.0.self_attn.q_proj.weight"}
    stc.weight @layers.0.down : tensor<4x6xbf16> {
      source = "model.layers.0.mlp.down_proj.weight",
      slice = #stc.slice<of = [4, 8], columns = [0, 2, 4, 8]>}
    stc.weight @layers.1.k : tensor<4x4xf32> {
      source = "h.1.attn.c_attn.weight", transposed,
      slice = #stc.slice<of = [12, 4], rows = [4, 8]>}
    stc.weight @layers.1.attn_norm : tensor<4xf32> {
      source = "model.layers.1.input_layernorm.weight", offset = 1.0 : f64}
    stc.weight @layers.1.o : tensor<4x4xf32> {
      source = "model.layers.1.self_attn.o_proj.weight",
      column_order = dense<[0, 2, 1, 3]> : tensor<4xi32>}
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<AnyRankedTensor>:$type,
                       OptionalAttr<StrAttr>:$source, OptionalAttr<ElementsAttr>:$value,
                       OptionalAttr<STC_SliceAttr>:$slice,
                       UnitAttr:$transposed, OptionalAttr<F64Attr>:$offset,
                       OptionalAttr<I32ElementsAttr>:$row_order,
                       OptionalAttr<I32ElementsAttr>:$column_order,
                       OptionalAttr<STC_PruneAttr>:$prune, OptionalAttr<STC_QuantAttr>:$quant);
  let assemblyFormat = "$sym_name `:` $type attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::mlir::RankedTensorType getTensorType() {
      return ::mlir::cast<::mlir::RankedTensorType>(getType());
    }
    /// The type of what is sliced: what `value` holds or `source` names, transposed if it is to be.
    ::mlir::RankedTensorType getOriginType() {
      return getSlice() ? getTensorType().clone(getSlice()->getOf().asArrayRef()) : getTensorType();
    }
    /// The shape of the tensor that `source` names.
    ::llvm::SmallVector<int64_t> getSourceShape() {
      ::llvm::SmallVector<int64_t> shape(getOriginType().getShape());
      if (getTransposed())
        std::swap(shape.front(), shape.back());
      return shape;
    }
    /// Whether rows or columns stand in an order of their own.
    bool isOrdered() { return getRowOrder() || getColumnOrder(); }
    /// Whether the weight is a tensor of the checkpoint as it is stored there.
    bool isWholeSource() {
      return getSource() && !getSlice() && !getTransposed() && !getOffset() && !isOrdered();
    }
  }];
}

def STC_GetWeightOp : STC_Op<"get_weight", [Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a weight.";
  let description = [{
    Reads the module-level weight `weight`.

    (C1) The symbol names a `stc.weight`. (C2) The result has the weight's type.

    ```mlir
    %w = stc.get_weight @norm : tensor<4xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs AnyRankedTensor:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

def STC_LayerOp : STC_Op<"layer", [SingleBlockImplicitTerminator<"::stc::YieldOp">,
                                   AllTypesMatch<["input", "result"]>, RecursiveMemoryEffects]> {
  let summary = "One transformer layer of the graph.";
  let description = [{
    Marks the ops of one layer. The block argument is the hidden state entering the layer; the
    terminator yields the hidden state leaving it. Values from outside may be used freely. Layers
    of equal content but different weights share code later on.

    (C1) The block has one argument of the input's type. (C2) The yielded value has that type.
    (C3) `index` is not negative.

    ```mlir
    %y = stc.layer 0 (%h = %x : tensor<?x4xf32>) {
      %s = arith.addf %h, %h : tensor<?x4xf32>
      stc.yield %s : tensor<?x4xf32>
    }
    ```
  }];
  let arguments = (ins STC_Activations:$input, I64Attr:$index);
  let results = (outs STC_Activations:$result);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasFolder = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "int64_t":$index)>];
}

def STC_YieldOp : STC_Op<"yield", [Pure, Terminator, ReturnLike,
                                   ParentOneOf<["LayerOp", "ExpertOp"]>]> {
  let summary = "What leaves a layer or an expert.";
  let description = [{
    Ends a `stc.layer` or `stc.expert` and names what it gives.

    ```mlir
    stc.yield %h : tensor<?x4xf32>
    ```
  }];
  let arguments = (ins Optional<AnyType>:$value);
  let builders = [OpBuilder<(ins), [{}]>];
  let assemblyFormat = "($value^ `:` type($value))? attr-dict";
}

def STC_RepeatOp : STC_Op<"repeat", [AllTypesMatch<["input", "result"]>,
                                     AttrSizedOperandSegments,
                                     DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "Calls one layer function once per row of weights.";
  let description = [{
    Threads the hidden state through `callee`, once for each row of `weights`, in order. Call i
    receives (hidden state, layer index `first` + i as an `index`, `captures`..., the values of row
    i's weight symbols...). This is how layers, and experts, of equal signature share one function.
    With `rows` only `count` rows from that one on are used: how the experts of one layer are called
    from a function that several layers share.

    (C1) `callee` is a function whose inputs are the hidden state, an index, the captures, and one
    value per weight; its single result is the hidden state. (C2) All rows have equal length, and
    there is at least one. (C3) Every symbol names a `stc.weight` or `packed.weight` whose value
    type is the callee's parameter type. (C4) `rows` and `count` are present together; the number of
    rows is a multiple of `count`, which is positive.

    ```mlir
    %y = stc.repeat @layer_0(%x) captures(%cos : tensor<?x2xf32>) first 0
        weights [[@a.0, @b.0], [@a.1, @b.1]] : tensor<?x4xf32>
    %z = stc.repeat @expert_0(%x) captures(%y, %g : tensor<?x4xf32>, tensor<?x2xf32>) first 0
        rows %row count 2 weights [[@e.0], [@e.1], [@f.0], [@f.1]] : tensor<?x4xf32>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, STC_Activations:$input,
                       Variadic<AnyType>:$captures, Optional<Index>:$row, I64Attr:$first,
                       OptionalAttr<I64Attr>:$count, ArrayAttr:$weights);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    $callee `(` $input `)` (`captures` `(` $captures^ `:` type($captures) `)`)? `first` $first
    (`rows` $row^ `count` $count)? `weights` $weights attr-dict `:` type($input)
  }];
  let extraClassDeclaration = [{
    /// How many calls there are.
    int64_t getCalls() {
      return getCount() ? int64_t(*getCount()) : int64_t(getWeights().size());
    }
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Computation
//===----------------------------------------------------------------------===//

def STC_EmbeddingOp : STC_PureOp<"embedding"> {
  let summary = "Rows of a table, one per token.";
  let description = [{
    result[t, :] = table[tokens[t], :], converted to f32. A token outside the table is undefined
    behaviour; the runtime checks tokens before a call.

    (C1) The result is tokens x table columns.

    ```mlir
    %h = stc.embedding %tokens, %table : (tensor<?xi32>, tensor<8x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins STC_Tokens:$tokens, STC_Matrix:$table);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = "$tokens `,` $table attr-dict `:` functional-type(operands, results)";
}

def STC_PositionsOp : STC_PureOp<"positions"> {
  let summary = "The positions of tokens.";
  let description = [{
    result[t] = `position` + t, one number per token: what learned position embeddings are looked up
    with.

    (C1) The result has the type of `tokens`.

    ```mlir
    %p = stc.positions %tokens, %position : (tensor<?xi32>, index) -> tensor<?xi32>
    ```
  }];
  let arguments = (ins STC_Tokens:$tokens, Index:$position);
  let results = (outs STC_Tokens:$result);
  let assemblyFormat = "$tokens `,` $position attr-dict `:` functional-type(operands, results)";
}

def STC_LinearOp : STC_PureOp<"linear"> {
  let summary = "Multiplies tokens by a weight matrix.";
  let description = [{
    result = input * weight^T (+ bias): result[t, n] = sum over k of input[t, k] * weight[n, k]
    (+ bias[n]). The weight is [outputs, inputs], as PyTorch stores it.

    (C1) The input's columns equal the weight's columns. (C2) The bias has one value per weight
    row. (C3) The result is tokens x weight rows.

    ```mlir
    %y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xbf16>) -> tensor<?x8xf32>
    %z = stc.linear %x, %w bias %b
        : (tensor<?x4xf32>, tensor<8x4xbf16>, tensor<8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, STC_Matrix:$weight, Optional<STC_Vector>:$bias);
  let results = (outs STC_Activations:$result);
  let hasCanonicalizer = 1;
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? attr-dict `:` functional-type(operands, results)
  }];
}

def STC_PermuteFeaturesOp : STC_PureOp<"permute_features"> {
  let summary = "Columns of activations in another order.";
  let description = [{
    result[t, c] = input[t, order[c]]. `order` holds whole numbers, each below the number of columns:
    what a matrix is multiplied with whose own columns stand in that order (the activation order of
    GPTQ, Frantar et al. 2023, sorts them by group). It is a weight, since layers that share code
    have orders of their own; floats are exact below 2^24.

    An order of more or fewer numbers than there are columns may repeat or leave out some, and has -1
    where the result is 0: parts of heads are spread over all heads with it (latent attention,
    DeepSeek-AI 2024).

    (C1) The result has one column per number of `order`. (C2) The columns are at most 2^24.

    ```mlir
    %y = stc.permute_features %x, %order : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, STC_Vector:$order);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = "$input `,` $order attr-dict `:` functional-type(operands, results)";
}

def STC_RMSNormOp : STC_PureOp<"rms_norm"> {
  let summary = "Root-mean-square normalization (Zhang and Sennrich 2019).";
  let description = [{
    result[t, c] = input[t, c] / sqrt(mean over c of input[t, c]^2 + epsilon) * weight[c]. With
    `groups` each of that many equal parts of a row is normalized on its own: the norm of every head
    of queries or keys. A weight that is a vector is for all groups, one that is a matrix has a row
    for each.

    (C1) `groups` is positive and the weight has one value per column of a group, or as many rows of
    these as there are groups. (C2) `epsilon` is finite and not negative.

    ```mlir
    %y = stc.rms_norm %x, %w epsilon 1.0e-05
        : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %z = stc.rms_norm %q, %w groups 2 epsilon 1.0e-05
        : (tensor<?x8xf32>, tensor<4xf32>) -> tensor<?x8xf32>
    %u = stc.rms_norm %q, %m groups 2 epsilon 1.0e-05
        : (tensor<?x8xf32>, tensor<2x4xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, STC_Gains:$weight, F64Attr:$epsilon,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    $input `,` $weight (`groups` $groups^)? `epsilon` $epsilon attr-dict
    `:` functional-type(operands, results)
  }];
}

def STC_LayerNormOp : STC_PureOp<"layer_norm"> {
  let summary = "Layer normalization (Ba et al. 2016).";
  let description = [{
    With the mean m and the variance v (of the population) of a token's row:
    result[t, c] = (input[t, c] - m) / sqrt(v + epsilon) * weight[c] (+ bias[c]). With `groups` each
    of that many equal parts of a row is normalized on its own, by a weight as `stc.rms_norm` has it:
    the norms of heads of Command R+ and StableLM 2, of which every head has gains of its own.

    (C1) `groups` is positive and the weight has one value per column of a group, or as many rows of
    these as there are groups. (C2) The bias has one value per column, and there is none with more
    than one group. (C3) `epsilon` is finite and not negative.

    ```mlir
    %y = stc.layer_norm %x, %w epsilon 1.0e-05
        : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %z = stc.layer_norm %x, %w bias %b epsilon 1.0e-05
        : (tensor<?x4xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
    %u = stc.layer_norm %q, %m groups 2 epsilon 1.0e-05
        : (tensor<?x8xf32>, tensor<2x4xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, STC_Gains:$weight, Optional<STC_Vector>:$bias,
                       F64Attr:$epsilon, DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    $input `,` $weight (`bias` $bias^)? (`groups` $groups^)? `epsilon` $epsilon attr-dict
    `:` functional-type(operands, results)
  }];
}

def STC_ScaleOp : STC_PureOp<"scale", [Elementwise]> {
  let summary = "Multiplies by a constant.";
  let description = [{
    result = `factor` * input, elementwise: multipliers of embeddings, residuals and logits.

    (C1) `factor` is finite.

    ```mlir
    %y = stc.scale %x by 2.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, F64Attr:$factor);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = "$input `by` $factor attr-dict `:` functional-type(operands, results)";
}

def STC_ClampOp : STC_PureOp<"clamp", [Elementwise]> {
  let summary = "Bounds values on both sides.";
  let description = [{
    result = max(-`limit`, min(input, `limit`)), elementwise; NaN stays NaN. MPT and OLMo (2024)
    clip queries, keys and values so.

    (C1) `limit` is finite and positive.

    ```mlir
    %y = stc.clamp %x limit 8.0 : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, F64Attr:$limit);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = "$input `limit` $limit attr-dict `:` functional-type(operands, results)";
}

def STC_SoftCapOp : STC_PureOp<"soft_cap", [Elementwise]> {
  let summary = "Bounds values smoothly (Gemma 2, 2024).";
  let description = [{
    result = `cap` * tanh(input / `cap`), elementwise.

    (C1) `cap` is finite and positive.

    ```mlir
    %y = stc.soft_cap %x cap 3.0e+01 : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, F64Attr:$cap);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = "$input `cap` $cap attr-dict `:` functional-type(operands, results)";
}

def STC_ActivationOp : STC_PureOp<"activation", [Elementwise]> {
  let summary = "An elementwise nonlinearity.";
  let description = [{
    silu(x) = x / (1 + exp(-x)); gelu(x) = x * Phi(x); gelu_tanh is gelu's tanh approximation;
    relu(x) = max(x, 0); relu2(x) = relu(x)^2; sigmoid(x) = 1 / (1 + exp(-x));
    quick_gelu(x) = x * sigmoid(1.702 x). (Hendrycks and Gimpel 2016; Elfwing et al. 2017; So et al.
    2021.)

    (C1) The result has the input's type.

    ```mlir
    %y = stc.activation <silu> %x : (tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, STC_ActivationKindAttr:$kind);
  let results = (outs STC_Activations:$result);
  let hasCanonicalizer = 1;
  let hasFolder = 1;
  let assemblyFormat = "$kind $input attr-dict `:` functional-type(operands, results)";
}

def STC_GatedActivationOp : STC_PureOp<"gated_activation", [Elementwise]> {
  let summary = "A gated linear unit's product (Shazeer 2020).";
  let description = [{
    result = activation(gate) * up, elementwise. With a `limit` (0: none) values are bounded first:
    result = activation(min(gate, limit)) * max(-limit, min(up, limit)). An `offset` is added to
    what the activation is multiplied by. gpt-oss (2025) has `quick_gelu`, a limit and the offset 1.

    (C1) `gate` and `up` have the same shape. (C2) `limit` is finite and not negative. (C3) `offset`
    is finite.

    ```mlir
    %y = stc.gated_activation <silu> %gate, %up
        : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    %z = stc.gated_activation <quick_gelu> %gate, %up limit 7.0 offset 1.0
        : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$gate, STC_Activations:$up, STC_ActivationKindAttr:$kind,
                       DefaultValuedAttr<F64Attr, "::llvm::APFloat(0.0)">:$limit,
                       DefaultValuedAttr<F64Attr, "::llvm::APFloat(0.0)">:$offset);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    $kind $gate `,` $up (`limit` $limit^)? (`offset` $offset^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$gate, "::mlir::Value":$up,
                                 "::stc::ActivationKind":$kind)>];
  let extraClassDeclaration = [{
    /// Whether the product is of the activated gate and `up` as they are.
    bool isPlain() { return getLimit().isZero() && getOffset().isZero(); }
  }];
}

//===----------------------------------------------------------------------===//
// Mixture of experts
//===----------------------------------------------------------------------===//

def STC_TopKGateOp : STC_PureOp<"top_k_gate"> {
  let summary = "The weights of each token's chosen experts (Shazeer et al. 2017).";
  let description = [{
    For each token the softmax over `logits`, kept for the `k` experts with the largest logits (the
    lower index where logits are equal) and 0 for the others. With `normalized` those that are kept
    are divided by their sum: the softmax over the chosen alone (Jiang et al. 2024).

    (C1) `k` is from 1 to the number of columns. (C2) The result has the logits' type.

    ```mlir
    %g = stc.top_k_gate normalized %logits k 2 : (tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$logits, I64Attr:$k, UnitAttr:$normalized);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    (`normalized` $normalized^)? $logits `k` $k attr-dict `:` functional-type(operands, results)
  }];
}

def STC_ExpertOp : STC_Op<"expert", [SingleBlockImplicitTerminator<"::stc::YieldOp">,
                                     AllTypesMatch<["accumulator", "result"]>,
                                     RecursiveMemoryEffects]> {
  let summary = "One expert of a mixture, for the tokens that chose it.";
  let description = [{
    With g = gates[t, `index`]: result[t, :] = accumulator[t, :] + g * body(input)[t, :] for tokens
    whose g is not 0, and accumulator[t, :] for the others. The body sees only the tokens that chose
    the expert, in their order, as its argument; it is skipped where there are none, so its weights
    are read only for tokens that need them. Its ops must treat tokens separately.

    (C1) The block has one argument of the input's type, whose tokens are not known or 1. (C2) The
    yielded value has the accumulator's type. (C3) All operands have equally many tokens. (C4) An
    `index` that is known is below the gates' columns.

    ```mlir
    %s = stc.expert %e of %gates (%t = %x : tensor<?x4xf32>) add %h
        : tensor<?x8xf32>, tensor<?x4xf32> {
      %d = arith.addf %t, %t : tensor<?x4xf32>
      stc.yield %d : tensor<?x4xf32>
    }
    ```
  }];
  let arguments = (ins STC_Activations:$accumulator, STC_Activations:$input,
                       STC_Activations:$gates, Index:$index);
  let results = (outs STC_Activations:$result);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::mlir::Value":$accumulator, "::mlir::Value":$input,
                                 "::mlir::Value":$gates, "::mlir::Value":$index)>];
}

include "stc/Dialect/STC/IR/STCAttentionOps.td"
include "stc/Dialect/STC/IR/STCRoutingOps.td"

#endif // STC_DIALECT_STC_IR_STCOPS_TD
