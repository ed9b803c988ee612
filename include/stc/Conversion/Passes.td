// The conversions between dialects and their options.
#ifndef STC_CONVERSION_PASSES_TD
#define STC_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertSTCToLinalgPass : Pass<"convert-stc-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Converts elementwise and normalization operations to linalg";
  let description = [{
    `stc.rms_norm`, `stc.activation`, `stc.gated_activation` and `stc.rotary_table` become
    `linalg.generic` operations on tensors. Operations with a packed form (`linear`, `embedding`,
    attention) stay. Sums may be reassociated; angles are computed in double precision. With
    `keep-norms` a `stc.rms_norm` of f32 becomes `packed.rms_norm`, for targets with a kernel of it.
  }];
  let options = [Option<"keepNorms", "keep-norms", "bool", "false", "Keep norms one operation">];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
                           "::stc::packed::PackedDialect"];
}

def ConvertSTCToPackedPass : Pass<"convert-stc-to-packed", "::mlir::ModuleOp"> {
  let summary = "Packs weights and makes operations read them";
  let description = [{
    Every `stc.weight` becomes a `packed.weight` of the layout `stc-select-layouts` chose; its bytes
    go to the weights section (the bundle being written, or memory in stc-opt). Weights without a
    layout are unused and disappear.

    `stc.embedding` becomes `packed.gather`; `stc.linear` becomes `packed.matmul`, preceded by
    `packed.quantize_activations` when the layout is quantized, with its bias and an `arith.addf`
    that is the only use of its result as the residual; `stc.rotary_embedding` and `stc.attention`
    become their destination-style counterparts. Other operations stay.
  }];
  let options = [
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each weight">,
  ];
  let statistics = [
    Statistic<"bytesPacked", "bytes-packed", "Number of bytes of packed weights">,
    Statistic<"gatesFused", "gates-fused", "Number of gated activations fused into matmuls">,
    Statistic<"rotariesFused", "rotaries-fused", "Number of rotary embeddings fused into matmuls">,
    Statistic<"residualsFused", "residuals-fused", "Number of additions fused into matmuls">,
  ];
  let dependentDialects = ["::mlir::tensor::TensorDialect", "::stc::packed::PackedDialect",
                           "::stc::STCDialect"];
}

def RaiseLinalgPass : Pass<"stc-raise-linalg", "::mlir::ModuleOp"> {
  let summary = "Raises linalg operations to the transformer graph";
  let description = [{
    Operations of linalg on tensors of [tokens, columns] become the `stc` operations that they
    spell out, whatever operations they are split into:

    - a matmul with a weight of [outputs, inputs] (its indexing maps say so, or a `linalg.transpose`
      does; a constant in another order is written anew, a `stc.weight` transposed), perhaps with a bias that is broadcast over the tokens: `stc.linear`;
    - x / sqrt(mean(x^2) + epsilon) * weight: `stc.rms_norm`, and with what x differs from its mean
      by, perhaps with a bias: `stc.layer_norm`;
    - rows of a table, by the tokens' numbers or by their places (`linalg.index`, or the first rows of
      a table of places): `stc.embedding`, with `stc.positions`; bounds of the numbers are ignored,
      as tokens are rows of the table;
    - x * cos + (-x2, x1) * sin in each head, in halves, where the angles are places times
      frequencies or tables of [tokens, pairs]: `stc.rotary_embedding`, with `stc.rotary_table`;
    - softmax(scale * queries . keys) * values head by head, written as `linalg.softmax` or in single
      steps, where the heads are columns of [tokens, columns] that reshapes and transposes separate
      (one head of keys may serve several of queries), with or without a causal mask:
      `stc.cache_update` and `stc.attention`, `to` the last token where there is no mask;
    - SiLU, ReLU, GELU and its tanh form, sigmoid: `stc.activation`, and times another tensor
      `stc.gated_activation`;
    - multiples by a number: `stc.scale`;
    - sums, differences and products of two tensors: `arith` on tensors.

    Sums of the result may be in another order. What is left of linalg gets a remark that says what
    was expected.

    Attention reads a cache, which tensors do not have. A function without one gets two more
    arguments, the position of its first token (an `index`, unless it has one) and a
    `!stc.kv_cache` of `capacity` positions, and a remark; each attention has a layer of it, in their
    order or by the `stc.layer` that they are in. What counts tokens from 0 counts from that position
    on, so that a text may come in pieces, if its attention is causal; where it is not, the first
    piece must be the whole text.

    Example: `stc-opt --stc-raise-linalg` turns

    ```mlir
    %zeros = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x8xf32>) -> tensor<?x8xf32>
    %y = linalg.matmul
        indexing_maps = [affine_map<(t, n, k) -> (t, k)>, affine_map<(t, n, k) -> (n, k)>,
                         affine_map<(t, n, k) -> (t, n)>]
        ins(%x, %w : tensor<?x4xf32>, tensor<8x4xf32>) outs(%zeros : tensor<?x8xf32>)
        -> tensor<?x8xf32>
    ```

    into `%y = stc.linear %x, %w : (tensor<?x4xf32>, tensor<8x4xf32>) -> tensor<?x8xf32>`.
  }];
  let options = [Option<"capacity", "capacity", "int64_t", "2048",
                        "Positions of a cache that a function is given, rounded up to 16s">];
  let statistics = [
    Statistic<"operationsRaised", "operations-raised", "Number of stc and arith operations made">,
    Statistic<"operationsLeft", "operations-left", "Number of linalg operations left">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::stc::STCDialect"];
}

def SelectLayoutsPass : Pass<"stc-select-layouts", "::mlir::ModuleOp"> {
  let summary = "Chooses a storage layout for each weight";
  let description = [{
    Writes the attributes `packed.layout`, `packed.reason` and, for sparse weights,
    `packed.pattern` onto each `stc.weight` that is used:

    - tables of `stc.embedding`: rows of floats; a table that `stc.linear` reads as well (tied
      embeddings): dense floats, which serve both;
    - norm weights and biases: one row of f32;
    - weights of `stc.linear`, not quantized: dense floats, or where they were pruned or have zeros
      of their own and a multiple of 32 columns, N:M or a bitmap if that takes fewer bytes;
    - quantized: N:M if the weights fit that pattern, else a bitmap, each only if it takes fewer
      bytes than dense codes, which are the remaining choice.
  }];
  let dependentDialects = ["::stc::packed::PackedDialect", "::stc::STCDialect"];
}

def BindStableHLOWeightsPass : Pass<"stablehlo-bind-weights", "::mlir::ModuleOp"> {
  let summary = "Turns arguments of a graph of StableHLO into weights";
  let description = [{
    In a module that names a checkpoint (`stc.checkpoint`), each tensor of floats that `@main` takes
    becomes a `stc.weight`: the tensor of the checkpoint that the argument's attribute `stc.source`
    names, or its location. Weights have 1 or 2 dimensions.

    Example: in a module with `stc.checkpoint = "params.safetensors"`,

    ```mlir
    func.func public @main(%w: tensor<8x4xf32> {stc.source = "head"}, %tokens: tensor<6xi32>)
    ```

    becomes `stc.weight @params.head : tensor<8x4xf32> {source = "head"}` and
    `func.func public @main(%tokens: tensor<6xi32>)`, which reads it.
  }];
  let dependentDialects = ["::stc::STCDialect"];
}

def StableHLOToLinalgPass : Pass<"stablehlo-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Lowers StableHLO to linalg on tensors";
  let description = [{
    Functions of `stablehlo` and `chlo` become `linalg`, `tensor`, `arith` and `math`; modules that
    have none of these stay as they are. On the way

    - calls and composites are replaced by what they call, and private functions are gone;
    - dimensions of size 1 are dropped, also of arguments and results, so that a batch of one text is
      a text;
    - f16 and bf16 are computed in f32, and arguments of 64-bit integers, which are tokens, become
      32-bit ones;
    - constants are folded, and what changes nothing is left out: the sum with 0, the product with 1,
      the maximum with minus infinity;
    - a weight is the right factor of a product, on whichever side it was written.

    Shapes are known and have no size of 0. Reductions are sums, products, maxima and minima, of one
    tensor. What else cannot be lowered is an error that names the operation.

    Example: `stc-opt --stablehlo-to-linalg` turns

    ```mlir
    func.func @f(%x: tensor<1x4xf32>) -> tensor<1x4xf32> {
      %0 = stablehlo.tanh %x : tensor<1x4xf32>
      return %0 : tensor<1x4xf32>
    }
    ```

    into a `linalg.generic` of `math.tanh` on `tensor<4xf32>`.
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect",
                           "::stc::STCDialect"];
}

def SplitMainPass : Pass<"stc-split-main", "::mlir::ModuleOp"> {
  let summary = "Makes the functions of a model from one function of tokens";
  let description = [{
    Where a module has a function `@main` from tokens to the logits of all of them, and neither
    `@forward` nor `@head`:

    - the number of tokens that it was written for becomes any number, and the cache gets `capacity`
      positions, or as many as its tables of places have rows, in 16s;
    - constants that operations of the graph read become weights;
    - `@head` is the last linear layer and what follows it, `@forward` what comes before.

    What is not raised to the graph is an error.
  }];
  let options = [Option<"capacity", "capacity", "int64_t", "2048", "Positions of the cache">];
  let dependentDialects = ["::stc::STCDialect"];
}

#endif // STC_CONVERSION_PASSES_TD
