// The operations of the packed dialect for mixtures of experts. PackedOps.td includes this file.
#ifndef STC_DIALECT_PACKED_IR_PACKEDEXPERTOPS_TD
#define STC_DIALECT_PACKED_IR_PACKEDEXPERTOPS_TD

def Packed_TopKGateOp : Packed_DestinationOp<"top_k_gate"> {
  let summary = "The weights of chosen experts in destination style.";
  let description = [{
    As `stc.top_k_gate`, written to `out`.

    (C1) `k` is from 1 to the number of columns. (C2) out has the logits' shape.

    ```mlir
    %g = packed.top_k_gate normalized ins(%l : tensor<?x8xf32>) outs(%g0 : tensor<?x8xf32>) k 2
        -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$logits, Packed_F32Matrix:$out, I64Attr:$k,
                       UnitAttr:$normalized);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    (`normalized` $normalized^)? `ins` `(` $logits `:` type($logits) `)`
    `outs` `(` $out `:` type($out) `)` `k` $k attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_GroupedGateOp : Packed_DestinationOp<"grouped_gate"> {
  let summary = "The weights of experts chosen in groups, in destination style.";
  let description = [{
    As `stc.grouped_gate`, written to `out`.

    (C1) to (C3), (C5) as there. (C4) `correction` has one number per column. (C6) out has the
    scores' shape.

    ```mlir
    %g = packed.grouped_gate normalized ins(%s : tensor<?x8xf32>) correction(%b : tensor<8xf32>)
        outs(%g0 : tensor<?x8xf32>) k 2 groups 4 kept 2 best 2 scale 2.5 -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$scores, Optional<Packed_F32Vector>:$correction,
                       Packed_F32Matrix:$out, I64Attr:$k, I64Attr:$groups, I64Attr:$kept,
                       I64Attr:$best, F64Attr:$scale, UnitAttr:$normalized);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    (`normalized` $normalized^)? `ins` `(` $scores `:` type($scores) `)`
    (`correction` `(` $correction^ `:` type($correction) `)`)?
    `outs` `(` $out `:` type($out) `)` `k` $k `groups` $groups `kept` $kept `best` $best
    `scale` $scale attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_SelectTokensOp : Packed_DestinationOp<"select_tokens"> {
  let summary = "The tokens that chose an expert.";
  let description = [{
    Writes the numbers of the tokens whose gates[t, `index`] is not 0 to the first elements of out,
    in rising order. What lies behind them is left as it is.

    (C1) out has as many elements as there are tokens.

    ```mlir
    %t = packed.select_tokens ins(%g[%e] : tensor<?x8xf32>) outs(%t0 : tensor<?xi32>)
        -> tensor<?xi32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$gates, Index:$index, Packed_I32Vector:$out);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $gates `[` $index `]` `:` type($gates) `)` `outs` `(` $out `:` type($out) `)`
    attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_GatherTokensOp : Packed_DestinationOp<"gather_tokens"> {
  let summary = "The rows of some tokens.";
  let description = [{
    out[i, :] = input[tokens[i], :] for all rows i of out, of which there are no more than `tokens`
    holds.

    (C1) out has the input's columns.

    ```mlir
    %r = packed.gather_tokens ins(%x, %t : tensor<?x64xf32>, tensor<?xi32>)
        outs(%r0 : tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$input, Packed_I32Vector:$tokens, Packed_F32Matrix:$out);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $input `,` $tokens `:` type($input) `,` type($tokens) `)`
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_ScatterAddOp : Packed_DestinationOp<"scatter_add"> {
  let summary = "Adds an expert's results to the tokens that chose it.";
  let description = [{
    out[t, :] += gates[t, `index`] * input[i, :] for all rows i of input, with t = tokens[i], or
    t = i without `tokens`. No token appears twice.

    (C1) out has the input's columns. (C2) out has the gates' tokens.

    ```mlir
    %s = packed.scatter_add ins(%y : tensor<?x64xf32>) gates(%g[%e] : tensor<?x8xf32>)
        tokens(%t : tensor<?xi32>) outs(%h : tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$input, Packed_F32Matrix:$gates, Index:$index,
                       Optional<Packed_I32Vector>:$tokens, Packed_F32Matrix:$out);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $input `:` type($input) `)` `gates` `(` $gates `[` $index `]` `:` type($gates) `)`
    (`tokens` `(` $tokens^ `:` type($tokens) `)`)? `outs` `(` $out `:` type($out) `)` attr-dict
    (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

#endif // STC_DIALECT_PACKED_IR_PACKEDEXPERTOPS_TD
