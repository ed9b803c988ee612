// The passes of lib/Reference and their options.
#ifndef STC_REFERENCE_PASSES_TD
#define STC_REFERENCE_PASSES_TD

include "mlir/Pass/PassBase.td"

def Interpret : Pass<"stc-interpret", "::mlir::ModuleOp"> {
  let summary = "Run the module in float64 and print what it computes";
  let description = [{
    Interprets the module with the reference interpreter and prints to standard output; the module
    stays as it is.

    With `tokens`, runs the model over these tokens and prints, for the last position, the token
    with the largest logit and the first `max` logits:

    ```
    argmax 432
    logits -10.1365784 -5.32946498 -10.1380864
    ```

    With `all` it prints a line `logits ...` for every position.

    Works from import to packed: @forward and @head where the module has them, else @prefill and
    @score, or @decode token by token with `one-by-one`.

    With `function`, calls that function and prints each result: its shape, then its rows. The
    function may have caches as arguments, which start empty, indices, which are 0, and no others.

    A model with @encode (an encoder-decoder) also needs `encoder-tokens`, which it reads first, and one
    that reads images `rows`: the numbers of a row for each token, one row after another.

    Packed weights are read from the file `weights` (the raw weights section), or from memory where
    `stc-pack-weights` ran before in the same pipeline.
  }];
  let options = [
    ListOption<"encoderTokens", "encoder-tokens", "int32_t",
               "The tokens that the encoder of an encoder-decoder reads">,
    Option<"all", "all", "bool", /*default=*/"false",
           "Print the logits of every position, not only of the last">,
    Option<"function", "function", "std::string", /*default=*/"",
           "The function to call instead of the model's entry points">,
    Option<"max", "max", "int64_t", /*default=*/"8", "How many logits to print">,
    Option<"oneByOne", "one-by-one", "bool", /*default=*/"false",
           "Feed the tokens one at a time through the cache">,
    ListOption<"rows", "rows", "double", "The rows that the model reads beside the tokens">,
    ListOption<"tokens", "tokens", "int32_t", "The tokens to run the model on">,
    Option<"weights", "weights", "std::string", /*default=*/"",
           "The file that holds the weights section of a packed module">,
  ];
}

#endif // STC_REFERENCE_PASSES_TD
