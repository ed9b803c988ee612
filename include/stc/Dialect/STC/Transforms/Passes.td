// The passes over stc graphs and their options.
#ifndef STC_DIALECT_STC_TRANSFORMS_PASSES_TD
#define STC_DIALECT_STC_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def PruneWeightsPass : Pass<"stc-prune", "::mlir::ModuleOp"> {
  let summary = "Removes weights of the layers' linear operations";
  let description = [{
    Prunes every weight that a `stc.linear` inside a `stc.layer` multiplies with, and that nothing
    else uses, as `spec` says. Masks go to the weight store; the weight's `prune` attribute
    records the specification and the density reached. Embeddings, the head, norms and biases are
    left alone, and so is a weight that was pruned before: of several passes with different
    patterns in `exclude`, the first that takes a weight decides.

    Specifications: `none`, `0.5` (half of each row), `2:4` (two of every four columns stay),
    `block16x4:0.75` (three quarters of the 16 x 4 blocks), each also behind a method
    (`magnitude:2:4`, the default). Methods that need calibration (`wanda`, `sparsegpt`, `alps`) are
    an error here.
  }];
  let options = [
    ListOption<"exclude", "exclude", "std::string",
               "Glob patterns of weight names to leave alone">,
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"spec", "spec", "std::string", "\"none\"", "What to prune, e.g. 2:4">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each weight">,
  ];
  let statistics = [
    Statistic<"kept", "weights-kept", "Number of single weights kept">,
    Statistic<"pruned", "weights-pruned", "Number of single weights removed">,
    Statistic<"tensors", "tensors", "Number of tensors pruned">,
  ];
}

def QuantizeWeightsPass : Pass<"stc-quantize", "::mlir::ModuleOp"> {
  let summary = "Rounds weights of the layers' linear operations to few bits";
  let description = [{
    Quantizes the same weights `stc-prune` prunes, after it, as `spec` says. Codes and scales go
    to the weight store; the weight's `quant` attribute records the specification and the relative
    error. A weight that was quantized before is left alone.

    Specifications: `none`, `int8`, `int4`, `int3`, `int2`, then perhaps `-g32` (the default), `-g64`
    or `-g128`, then perhaps `-asym` (each group has a zero of its own); each also behind a
    method (`rtn:int4`, the default). Methods that need calibration (`gptq`, `awq`) are an error here.
  }];
  let options = [
    ListOption<"exclude", "exclude", "std::string",
               "Glob patterns of weight names to leave alone">,
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"spec", "spec", "std::string", "\"none\"", "How to quantize, e.g. int4-g32">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each weight">,
  ];
  let statistics = [
    Statistic<"tensors", "tensors", "Number of tensors quantized">,
    Statistic<"quantized", "weights-quantized", "Number of single weights quantized">,
  ];
}

def QuantizeHeadPass : Pass<"stc-quantize-head", "::mlir::ModuleOp"> {
  let summary = "Rounds the weights of linear operations outside layers to few bits";
  let description = [{
    Quantizes the output head: every weight that a `stc.linear` outside all layers multiplies with.
    The projection to the vocabulary is as large as many layers and read for every token. A weight
    that something else reads too (an embedding table that is tied to the head) keeps its precision
    for that reader; the head gets a copy named `NAME.head`. A weight that was quantized before is
    left alone.

    Specifications are those of `stc-quantize`.
  }];
  let options = [
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"spec", "spec", "std::string", "\"none\"", "How to quantize, e.g. int8-g32">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each weight">,
  ];
  let statistics = [
    Statistic<"tensors", "tensors", "Number of tensors quantized">,
  ];
}

def ShareLayersPass : Pass<"stc-share-layers", "::mlir::ModuleOp"> {
  let summary = "Turns layers of equal signature into one function";
  let description = [{
    Outlines the body of every `stc.layer` into a private function and replaces runs of consecutive
    layers with equal functions by one `stc.repeat`. Two layers are equal when they compute the
    same but for the names of their weights and their layer index; types (so also packed layouts),
    attributes and constants count. Equal layers share a function even when they are not
    consecutive, or belong to different functions.

    Parameters of the function are the hidden state, the layer index, the values used from outside,
    and the weights, both in the order of their first use.
  }];
  let statistics = [
    Statistic<"layerFunctions", "layer-functions", "Number of distinct layer functions">,
    Statistic<"layers", "layers", "Number of layers outlined">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::stc::STCDialect"];
}

def SpecializeEntryPointsPass : Pass<"stc-specialize-entry-points", "::mlir::ModuleOp"> {
  let summary = "Makes @prefill, @decode and @score from @forward and @head";
  let description = [{
    @prefill is @forward for any number of tokens, @decode is @forward and @head for one token
    with all shapes inferred again, @score is @head. The originals are erased.

    ```
    @prefill(tensor<?xi32>, index, !stc.kv_cache) -> tensor<?xHxf32>
    @decode(tensor<1xi32>, index, !stc.kv_cache) -> tensor<1xVxf32>
    @score(tensor<?xHxf32>) -> tensor<?xVxf32>
    ```
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::stc::STCDialect"];
}

#endif // STC_DIALECT_STC_TRANSFORMS_PASSES_TD
