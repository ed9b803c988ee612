// The passes over stc graphs and their options.
#ifndef STC_DIALECT_STC_TRANSFORMS_PASSES_TD
#define STC_DIALECT_STC_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def CompressLayersPass : Pass<"stc-compress-layers", "::mlir::ModuleOp"> {
  let summary = "Prunes, quantizes and repairs layer after layer on calibration text";
  let description = [{
    Runs token sequences of the text in `calibrate` through @forward, one operation at a time for
    all sequences together. Where a `stc.linear` inside a `stc.layer` is reached whose weight may
    change (as `stc-prune` and `stc-quantize` choose them), the second moments of its inputs - those
    that the layers and matrices before it give, which are compressed already - are summed, and the
    weight is pruned as `prune` and quantized as `quantize` say; then the run goes on with the
    compressed weight. Matrices with the same input share their moments. The weights of experts see the tokens that
    the uncompressed model sends to them; where none came, `magnitude` and `rtn` stand in, and a
    warning says so.

    With `repair` what is left of a weight is fitted by least squares to the outputs that the
    uncompressed model, which runs beside it, gives at this place: a matrix whose result is added to
    the hidden state is fitted to the hidden state after that sum, so that it makes up for what was
    lost before (block-wise distillation in closed form). A bias is fitted together with its matrix,
    unless it is excluded: then a matrix is fitted to inputs and outputs without their means, and
    the bias to what the means of both leave.

    Specifications are those of `stc-prune` and `stc-quantize`, with the methods that need
    calibration: `wanda:0.5`, `sparsegpt:2:4`, `alps:4:16`, `gptq:int4-g128`. A specification
    without a method gets the best: `alps` (with quantization `sparsegpt`, in one pass with it), and
    `gptq`. A weight that was compressed before is left alone.

    Where a norm feeds nothing but matrices that are quantized, channels can be scaled: the matrices'
    columns are multiplied, and the norm's weights divided, by the same numbers, so that nothing
    changes but what rounding does. `awq:int4-g128` searches the scales that make rounding to nearest
    cost least (AWQ), `smooth=0.5` takes those that move large activations into the weights, for the
    sake of int8 activations (SmoothQuant).

    `ratios=owl` (OWL, Yin et al. 2024) prunes layers less the more outliers they have: the share of
    their weights whose Wanda score in the uncompressed model, which runs over the text once before,
    exceeds `owl-threshold` times the layer's mean. Shares lie within `owl-range` of the one in
    `prune`, which stays their mean weighted by size. It goes with ratios, blocks and N:M with M of at
    least 8; there N varies.

    `recipe` names a YAML file that says all of this weight by weight: the text, what is repaired, and
    stages of which the first whose pattern matches a weight's name decides. It takes the place of the
    options for these. Without a text in it, `magnitude` and `rtn` are the methods, and the model is
    not run.
  }];
  let options = [
    Option<"calibrate", "calibrate", "std::string", "\"\"",
           "Text, or token ids in a file named *.ids">,
    Option<"damping", "damping", "double", "0.01",
           "Added to the diagonal of the second moments, relative to its mean (more where there are "
           "fewer than 16 tokens for each channel)">,
    ListOption<"exclude", "exclude", "std::string",
               "Glob patterns of weight names to leave alone">,
    Option<"joint", "joint", "bool", "true",
           "Let sparsegpt prune and gptq round in one pass, so that each makes up for the other">,
    Option<"length", "length", "int64_t", "256", "Tokens of a sequence">,
    Option<"owlRange", "owl-range", "double", "0.08",
           "How far a layer's share of zeros may be from the one asked for">,
    Option<"owlThreshold", "owl-threshold", "double", "5",
           "An outlier's score is above so many times its layer's mean">,
    Option<"prune", "prune", "std::string", "\"none\"", "What to prune, e.g. sparsegpt:2:4">,
    Option<"quantize", "quantize", "std::string", "\"none\"",
           "How to quantize, e.g. gptq:int4-g32">,
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"ratios", "ratios", "std::string", "\"uniform\"",
           "How zeros are spread over layers: uniform, or owl">,
    Option<"recipeFile", "recipe", "std::string", "\"\"",
           "A YAML file in place of calibrate, prune, quantize, ratios and their numbers">,
    Option<"repair", "repair", "bool", "true", "Fit what is left to the uncompressed model">,
    Option<"repairDamping", "repair-damping", "double", "0.05",
           "How much staying near the original weights counts in that, in the same unit">,
    Option<"sequences", "sequences", "int64_t", "128", "Sequences at most">,
    Option<"smooth", "smooth", "double", "0",
           "How much of large activations moves into the weights, from 0 to 1">,
    Option<"sweeps", "sweeps", "int64_t", "2", "Rounds of fitting scales and codes">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each weight">,
  ];
  let statistics = [
    Statistic<"tensors", "tensors", "Number of tensors compressed">,
  ];
}

def FoldRotationsPass : Pass<"stc-fold-rotations", "::mlir::ModuleOp"> {
  let summary = "Rotates the hidden state and values by Hadamard matrices inside the weights";
  let description = [{
    Spreads outlier channels over all channels, so that rounding, of weights and of int8
    activations, loses less (QuaRot, Ashkboos et al. 2024). The model computes the same as before, up
    to the rounding of weights to their types, and nothing is added to it. Run it after
    `stc-prune-structure` and before `stc-prune`, `stc-quantize` and `stc-compress-layers`: to them
    the rotated model is the uncompressed one.

    - The hidden state `x` becomes `Q x` with an orthonormal `Q`. The gains of every norm move into
      the matrices that read its result, and become ones; a norm of ones commutes with `Q`. Matrices
      that read the hidden state take `Q^T` behind, tables and matrices whose result is added to it
      (with their biases) take `Q` in front. A head that is tied to a table gets a weight of its own.
    - The values of each head in attention become `R v`: in the rows of the value projection (with
      its bias) and the columns of the output projection. A layer where something else lies between
      is left as it is, and the statistic `values-left` counts it.

    The hidden state may be written by `stc.embedding` and `stc.linear`, summed by `arith.addf`, and
    read by `stc.rms_norm` and `stc.linear`; anything else does not commute with `Q` in general and
    is an error.
  }];
  let options = [
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"seed", "seed", "int64_t", "0", "Of the random signs">,
    Option<"verbose", "verbose", "bool", "false",
           "Emit remarks on blocks, heads that were tied, and values left">,
    Option<"wide", "wide", "bool", "false",
           "Keep rotated weights of the checkpoint in f32, so that bf16 and f16 round nothing">,
  ];
  let statistics = [
    Statistic<"tensors", "tensors", "Number of tensors changed">,
    Statistic<"untied", "untied", "Number of heads that were tied to a table">,
    Statistic<"valuesLeft", "values-left", "Number of layers whose values are not rotated">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def MeasureDivergencePass : Pass<"stc-measure-divergence", "::mlir::ModuleOp"> {
  let summary = "Says how far the compressed model is from its source";
  let description = [{
    Runs @forward and @head in f32 over windows of the texts, once with the weights of the source
    and once with the compressed ones, and emits a remark: tokens, perplexities, KL(source ||
    compressed) in nats per token with its standard error, and how often both expect the same next
    token. Windows are those of a model's command `eval`: a shorter rest of a text is left out unless
    it is all there is.

    After structured pruning the graph is not the source's any more: `reference` names the graph of
    the uncompressed model, a file of IR, to compare with.
  }];
  let options = [
    Option<"length", "length", "int64_t", "256", "Tokens of a window">,
    Option<"reference", "reference", "std::string", "\"\"",
           "The graph to compare with; none: the module's own with its source's weights">,
    ListOption<"text", "text", "std::string", "Texts, or token ids in files named *.ids">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::stc::STCDialect"];
}

def ImposeAttentionPatternPass : Pass<"stc-impose-attention-pattern", "::mlir::ModuleOp"> {
  let summary = "Lets the tokens of layers see less than they did";
  let description = [{
    Gives the attention of each `stc.layer` the pattern of the first rule that matches its name
    (`layers.0` and so on; a glob pattern). `rules` is one attention pattern for all layers, or
    several of MATCH=PATTERN with semicolons between them: `layers.0=none;*=strided:64`. See
    AttentionPattern for the forms. To the passes behind it, the model with its patterns is the
    uncompressed one.

    A `window` becomes the operation's window and sinks, and so does `local` where attention is
    causal, which is the same there. Where a layer has a window already, the narrower of two windows
    with sinks stays, if what both show is a window with sinks again; any other pattern there is an
    error that names the layer. A pattern that is there already may be imposed again, another one may
    not. Attention to what another function left in the cache (an encoder's output) keeps seeing all of
    it: its positions are not the token's.
  }];
  let options = [
    Option<"rules", "rules", "std::string", "\"none\"",
           "A pattern for all layers, or MATCH=PATTERN;MATCH=PATTERN;..., the first match deciding">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each layer">,
  ];
  let statistics = [
    Statistic<"imposed", "imposed", "Number of attention operations that see less than before">,
  ];
}

def PruneStructurePass : Pass<"stc-prune-structure", "::mlir::ModuleOp"> {
  let summary = "Removes feed-forward channels, heads, experts and layers, and repairs what is left";
  let description = [{
    Makes a model physically smaller. What goes leaves no zeros: weights get smaller types and a
    `slice` of their source, and activations, attention and the cache follow. Run it before
    `stc-prune`, `stc-quantize` and `stc-compress-layers`, which compress what it leaves; to them the
    model that is left, repaired, is the uncompressed one.

    - `channels`: the share of feed-forward channels that goes: rows of gate and up, columns of down.
      What stays is a multiple of `multiple`. Layers lose between half and one and a half times the
      share, most where it matters least; with `uniform` all lose the same.
    - `groups`: the share of key/value heads that goes, with their query heads: rows of q, k and v,
      columns of o. As the cache has one shape, every layer loses the same number.
    - `heads`: the share of query heads that goes from each group.
    - `experts`: the share of the experts of every mixture that goes, with their rows of the router,
      which then chooses among those that are left.
    - `layers`: how many layers go: those whose hidden state leaves most like it came, by the mean
      cosine of both (ShortGPT, Men et al. 2024). They take calibration.

    The parts that matter most stay. With a text to `calibrate` on that is the squared norm of the
    columns of down or o times the mean square of their inputs, or the mean square of what an expert
    adds, relative to the hidden state's; without, the product of the squared norms of all rows and columns that belong together.

    With `repair` (and calibration) the matrices down and o are then fitted, layer after layer, by
    least squares: so that the hidden state behind them is the uncompressed model's, which runs
    beside. The matrix before a layer that was removed is fitted to the hidden state behind it. The down
    matrices of experts that are left are fitted one after the other, each to what the others leave
    to the tokens that chose it (Gauss and Seidel's order).

    A feed-forward network or attention counts if its matrices are `stc.linear` operations whose
    weights nothing else reads and no pattern of `exclude` names.
  }];
  let options = [
    Option<"calibrate", "calibrate", "std::string", "\"\"",
           "Text, or token ids in a file named *.ids; none: scores of weights alone, no repair">,
    Option<"channels", "channels", "double", "0", "Share of feed-forward channels to remove">,
    ListOption<"exclude", "exclude", "std::string",
               "Glob patterns of weight names whose parts are left alone">,
    Option<"experts", "experts", "double", "0", "Share of the experts of a mixture to remove">,
    Option<"groups", "groups", "double", "0",
           "Share of key/value heads to remove, with their query heads">,
    Option<"heads", "heads", "double", "0", "Share of the query heads of each group to remove">,
    Option<"layers", "layers", "int64_t", "0", "Number of layers to remove">,
    Option<"length", "length", "int64_t", "256", "Tokens of a sequence">,
    Option<"multiple", "multiple", "int64_t", "16", "What the channels that stay are a multiple of">,
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"repair", "repair", "bool", "true", "Fit what follows to the uncompressed model">,
    Option<"repairDamping", "repair-damping", "double", "0.01",
           "How much staying near the original weights counts in that">,
    Option<"sequences", "sequences", "int64_t", "128", "Sequences at most">,
    Option<"uniform", "uniform", "bool", "false", "Remove the same share of channels everywhere">,
    Option<"verbose", "verbose", "bool", "false", "Emit remarks on each layer">,
  ];
  let statistics = [
    Statistic<"channelsRemoved", "channels-removed", "Number of feed-forward channels removed">,
    Statistic<"expertsRemoved", "experts-removed", "Number of experts removed">,
    Statistic<"headsRemoved", "heads-removed", "Number of query heads removed">,
    Statistic<"layersRemoved", "layers-removed", "Number of layers removed">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect"];
}

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

    Specifications: `none`, `int8`, `int4`, `int3`, `int2`, then perhaps `-g16` (not of int3), `-g32`
    (the default), `-g64`, `-g128` or `-row` (one scale for a row), then perhaps `-asym` (each scale has a zero beside it); each also behind a
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

def SortColumnsPass : Pass<"stc-sort-columns", "::mlir::ModuleOp"> {
  let summary = "Sorts the columns of stored codes by their group";
  let description = [{
    GPTQ's activation order (`desc_act`, `actorder`: Frantar et al. 2023) gives columns that matter
    equally much a scale, wherever they stand; layouts have groups of columns beside each other. Each
    weight that a checkpoint stores so, that only linear operations multiply with and that no pass has
    changed gets a `column_order`, which sorts its columns by group. What it is multiplied with
    follows:

    - Where its only input is an elementwise function of other linear operations that nothing else
      reads, their rows (and biases) get the order as `row_order`, and nothing is computed: gate and
      up of a feed-forward layer. Where it is an attention whose every query head keeps its columns,
      in one order for all heads that share a value head, the rows of the values get it.
    - Else `stc.permute_features` takes the input in that order, which a weight named `NAME_order`
      holds; weights with equal inputs and orders share it.

    Columns that make up whole groups of 32 and more beside each other stay as they are, and so do
    those whose groups are of unequal sizes.

    ```
    stc-opt import.mlir --stc-sort-columns --stc-adopt-codes
    ```
  }];
  let statistics = [
    Statistic<"sorted", "sorted", "Number of matrices whose columns were sorted">,
    Statistic<"moved", "moved", "Number of those whose order went into rows of other matrices">,
    Statistic<"gathers", "gathers", "Number of permutations of activations">,
  ];
}

def AdoptCodesPass : Pass<"stc-adopt-codes", "::mlir::ModuleOp"> {
  let summary = "Keeps the codes that a checkpoint stores its matrices with";
  let description = [{
    A checkpoint that was quantized before (GPTQ, AWQ, compressed-tensors, blocks of GGUF) holds
    codes and scales. Each weight that only linear operations multiply with, that is stored so, and
    whose values no pass before has changed or quantized keeps them, whatever mask it has: its `quant`
    attribute becomes `stored:` with a layout's name, and nothing is rounded. Where a scale or a
    minimum is not of f16 it is rounded, which the error in the attribute tells. An embedding table that is tied to the
    head keeps its values, and the head gets a copy named `NAME.head`.

    Codes that no layout holds (groups of other sizes, columns of a group that are not beside each
    other, scales beyond f16, minimums of pruned weights) are rounded to int8 in groups of 32; a warning
    tells once for each reason how many matrices that are and the relative error of all of them. F8_E4M3 stays floats, which loses
    nothing.

    ```
    stc-opt import.mlir --stc-adopt-codes
    ```
  }];
  let options = [
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each weight">,
  ];
  let statistics = [
    Statistic<"tensors", "tensors", "Number of tensors whose codes were kept">,
    Statistic<"rounded", "rounded", "Number of tensors whose codes were rounded to others">,
  ];
}

def SearchRecipePass : Pass<"stc-search-recipe", "::mlir::ModuleOp"> {
  let summary = "Finds an encoding for each weight within a budget, and compresses with it";
  let description = [{
    Measures what each encoding costs each weight, chooses, and compresses as `stc-compress-layers`
    does. The recipe is left on the module as `stc.recipe`; it gives the same weights again.

    *Measured*: the uncompressed model runs over the calibration text; each weight, in its turn alone,
    is compressed in every encoding on the moments of its inputs, which gives the relative error of its
    outputs, and bytes. For one dense and one sparse encoding of each weight the rest of the model runs
    over `windows` sequences that calibration does not use, which gives their KL(source || compressed).
    *Modelled*: the KL of the other encodings is in proportion to the squared error; KL adds up over
    weights; a token takes the sum of what its matrices take (bytes over `bandwidth` here; stc compile
    knows how fast each layout is). A knapsack then chooses one encoding for each weight.

    *Measured again*: the whole model is compressed as chosen and its KL taken on the sequences held
    out. For limits of loss (`kl<=`, `ppl<=`) the limit of the estimate is corrected by the ratio of
    both, at most three times. For limits of `bytes` and `tokens/s` the uniform encoding that seems best
    is tried too, and taken where it measures better.
  }];
  let options = [
    Option<"bandwidth", "bandwidth", "double", "0",
           "Bytes per second that decoding reads; needed for tokens/s">,
    Option<"budget", "budget", "std::string", "\"\"",
           "kl<=X, cosine<=X of an encoder, ppl<=R (below 2: relative to the source), bytes<=B or tokens/s>=T">,
    Option<"cache", "cache", "std::string", "\"\"",
           "Folder that keeps what was measured, by the content of all it depends on">,
    Option<"cacheIdentity", "cache-identity", "std::string", "\"\"",
           "What else it depends on: the code that measures">,
    Option<"calibrate", "calibrate", "std::string", "\"\"",
           "Text, or token ids in a file named *.ids">,
    ListOption<"encodings", "encodings", "std::string",
               "What to choose from, e.g. int4-g32,2:4+int4-g128 (default: all that have kernels)">,
    ListOption<"exclude", "exclude", "std::string",
               "Glob patterns of weight names to leave alone">,
    Option<"head", "head", "std::string", "\"none\"",
           "How the head was quantized, for the recipe; it is not searched for">,
    Option<"length", "length", "int64_t", "256", "Tokens of a sequence">,
    Option<"objective", "objective", "std::string", "\"\"",
           "What to make of the budget: speed (default) or size beside kl and ppl, quality beside "
           "the others">,
    Option<"quiet", "quiet", "bool", "true", "Show no progress on stderr">,
    Option<"repair", "repair", "bool", "true", "Fit what is left to the uncompressed model">,
    Option<"sequences", "sequences", "int64_t", "128", "Sequences to calibrate on at most">,
    Option<"sweeps", "sweeps", "int64_t", "2", "Rounds of fitting scales and codes">,
    Option<"verbose", "verbose", "bool", "false", "Emit a remark for each weight: why">,
    Option<"windows", "windows", "int64_t", "16",
           "Other sequences of the text, to measure KL on">,
  ];
}

def ShareExpertsPass : Pass<"stc-share-experts", "::mlir::ModuleOp"> {
  let summary = "Turns experts of equal signature into one function";
  let description = [{
    Outlines every `stc.expert` into a private function, as `stc-share-layers` does with layers, and
    replaces runs of experts with consecutive indices, equal functions, and equal input and gates by
    one `stc.repeat`. Parameters of the function are what the expert's results are added to, the
    expert's index, the values used from outside, and the weights. Experts of all layers that are
    equal share one function.
  }];
  let statistics = [
    Statistic<"expertFunctions", "expert-functions", "Number of distinct expert functions">,
    Statistic<"experts", "experts", "Number of experts outlined">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect", "::stc::STCDialect"];
}

def ShareLayersPass : Pass<"stc-share-layers", "::mlir::ModuleOp"> {
  let summary = "Turns layers of equal signature into one function";
  let description = [{
    Outlines the body of every `stc.layer` into a private function and replaces runs of consecutive
    layers with equal functions by one `stc.repeat`. Two layers are equal when they compute the
    same but for the names of their weights and their layer index; types (so also packed layouts),
    attributes and constants count. Equal layers share a function even when they are not
    consecutive, or belong to different functions. Of a `stc.repeat` inside a layer (its experts) the
    weights are not part of what is compared: the one in the function gets the rows of all the layers
    that call it.

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

    An encoder-decoder also has @encode(tensor<?xi32>, !stc.kv_cache), which stays as it is; its
    @forward then has a second index, the number of tokens that were encoded.
  }];
  let dependentDialects = ["::mlir::func::FuncDialect", "::stc::STCDialect"];
}

#endif // STC_DIALECT_STC_TRANSFORMS_PASSES_TD
