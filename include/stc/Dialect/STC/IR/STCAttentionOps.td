// The operations of stc that rotate, cache and attend. STCOps.td includes this file.
#ifndef STC_DIALECT_STC_IR_STCATTENTIONOPS_TD
#define STC_DIALECT_STC_IR_STCATTENTIONOPS_TD

def STC_RotaryTableOp : STC_PureOp<"rotary_table"> {
  let summary = "Cosines and sines of every token's rotary angles.";
  let description = [{
    For token t at position `position` + t and frequency i: `scale` * cos/sin(float64(position + t) *
    inverse_frequencies[i]), rounded to f32. Scalings of the frequencies (linear, dynamic, llama3,
    yarn, longrope) are already folded into the attribute; `scale` is the attention factor that yarn
    (Peng et al. 2023) and longrope have beside them. (Su et al. 2021.)

    (C1) Both results are tokens x frequencies. (C2) All frequencies are finite and not negative.
    (C3) `scale` is finite and positive.

    ```mlir
    %cos, %sin = stc.rotary_table %tokens, %position frequencies [1.0, 0.01]
        : (tensor<?xi32>, index) -> (tensor<?x2xf32>, tensor<?x2xf32>)
    ```
  }];
  let arguments = (ins STC_Tokens:$tokens, Index:$position,
                       DenseF64ArrayAttr:$inverse_frequencies,
                       DefaultValuedAttr<F64Attr, "::llvm::APFloat(1.0)">:$scale);
  let results = (outs STC_Activations:$cos, STC_Activations:$sin);
  let assemblyFormat = [{
    $tokens `,` $position `frequencies` custom<Doubles>($inverse_frequencies)
    (`scale` $scale^)? attr-dict `:` functional-type(operands, results)
  }];
}

def STC_RotaryEmbeddingOp : STC_PureOp<"rotary_embedding"> {
  let summary = "Rotates pairs of every head by the token's angles.";
  let description = [{
    The input is [tokens, heads * head_dim]. The first r = 2 * (columns of cos) numbers of each head
    are rotated, the others stay; head_dim is r unless `head_dim` says that it is more. Pair i of a
    head is (x[i], x[i + r / 2]), or (x[2 i], x[2 i + 1]) when `interleaved`; it becomes
    (a cos - b sin, a sin + b cos).

    (C1) The input's columns are a multiple of head_dim. (C2) cos and sin have equal types, with
    as many tokens as the input. (C3) `head_dim` is 0 (not given) or at least r.

    ```mlir
    %y = stc.rotary_embedding %x, %cos, %sin
        : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
    %z = stc.rotary_embedding %x, %cos, %sin head_dim 8
        : (tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$input, STC_Activations:$cos, STC_Activations:$sin,
                       UnitAttr:$interleaved, DefaultValuedAttr<I64Attr, "0">:$head_dim);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    (`interleaved` $interleaved^)? $input `,` $cos `,` $sin (`head_dim` $head_dim^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let extraClassDeclaration = [{
    /// The columns of a head, of which the first ones are rotated.
    int64_t getHeadColumns() {
      int64_t rotated = 2 * ::mlir::cast<::mlir::ShapedType>(getCos().getType()).getShape().back();
      return getHeadDim() ? int64_t(getHeadDim()) : rotated;
    }
  }];
}

def STC_CacheUpdateOp : STC_Op<"cache_update"> {
  let summary = "Stores the keys and values of tokens in the cache.";
  let description = [{
    Writes row t of `keys` and `values` ([tokens, kv_heads * head_dim]) to layer `layer`, position
    `position` + t of `cache`, in place. Positions at or above the capacity are undefined
    behaviour; the runtime checks before a call.

    (C1) Keys and values have the same shape, with kv_heads * head_dim columns of the cache.

    ```mlir
    stc.cache_update %k, %v, %cache[%layer, %position] : tensor<?x8xf32>, tensor<?x8xf32>,
        !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
    ```
  }];
  let arguments = (ins Arg<AnyTypeOf<[STC_Activations, MemRefRankOf<[F32], [2]>]>, "", [MemRead]>:$keys,
                       Arg<AnyTypeOf<[STC_Activations, MemRefRankOf<[F32], [2]>]>, "", [MemRead]>:$values,
                       Arg<STC_KVCacheType, "", [MemWrite]>:$cache, Index:$layer,
                       Index:$position);
  let assemblyFormat = [{
    $keys `,` $values `,` $cache `[` $layer `,` $position `]` attr-dict
    `:` type($keys) `,` type($values) `,` type($cache)
  }];
  let hasVerifier = 1;
}

def STC_AttentionOp : STC_Op<"attention", [AttrSizedOperandSegments, InferTypeOpAdaptor]> {
  let summary = "Softmax attention over the cache (Vaswani et al. 2017).";
  let description = [{
    For token t (at position p = `position` + t) and query head h, with key/value head
    h / (heads / kv_heads):
    result = sum over visible positions s of softmax(score[s]) * value[s], where
    score[s] = scale * q . key[s], then `soft_cap` * tanh(score / soft_cap) unless soft_cap is 0,
    then + bias. The tokens' own keys are already in the cache. Where the cache holds i8, each head's
    query is rounded as a key of the cache would be.

    Visible are s <= p; with `to %end`, all s < end instead, before or after p (an encoder, or a
    decoder that reads what an encoder left). A `window` w (0: none) leaves those with |p - s| < w
    and the first `sinks` positions (Xiao et al. 2023). A `pattern` leaves those that it names, as
    AttentionPattern says.

    The bias is the sum of what is there: `bias` [buckets, heads] gives bias[bucket(s - p), h], with
    T5's buckets up to `bias_distance` (Raffel et al. 2020; for both directions with `to`, else for
    the past); `slopes` give -slopes[h] * |p - s| (ALiBi: Press et al. 2022). `sink_logits` gives
    each head one more score in the softmax, of no value (gpt-oss, 2025).

    (C1) `heads` is a positive multiple of the cache's kv_heads. (C2) The queries have
    heads * head_dim columns. (C3) `scale` is finite and positive. (C4) `window` is not negative.
    (C5) `sinks` is not negative, and 0 without a window. (C6) `soft_cap` is finite and not
    negative; 0 is none. (C7) `bias` has `heads` columns, and at least 4 rows (an even number with
    `to`); `bias_distance` is present with it alone, and more than the buckets of a direction.
    (C8) `slopes` has `heads` finite numbers, none negative. (C9) `sink_logits` has `heads` numbers.
    (C10) `pattern` is an attention pattern other than `none` and `window` (the attribute says
    that), in the form that AttentionPattern prints, and there is no window then.

    ```mlir
    %y = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0
        : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
           index, index) -> tensor<?x16xf32>
    %z = stc.attention %q, %cache[%layer, %position] to %position bias %b within 16
        heads 4 scale 5.0e-01 window 0
        : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
           index, index, index, tensor<8x4xf32>) -> tensor<?x16xf32>
    %u = stc.attention %q, %cache[%layer, %position] heads 4 scale 5.0e-01 window 0
        pattern "bigbird:16x3+1+2@7"
        : (tensor<?x16xf32>, !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>,
           index, index) -> tensor<?x16xf32>
    ```
  }];
  let arguments = (ins STC_Activations:$queries, Arg<STC_KVCacheType, "", [MemRead]>:$cache,
                       Index:$layer, Index:$position, Optional<Index>:$end,
                       Optional<STC_Matrix>:$bias, Optional<STC_Vector>:$sink_logits,
                       I64Attr:$heads, F64Attr:$scale,
                       I64Attr:$window, DefaultValuedAttr<I64Attr, "0">:$sinks,
                       DefaultValuedAttr<F64Attr, "::llvm::APFloat(0.0)">:$soft_cap,
                       DefaultValuedAttr<I64Attr, "0">:$bias_distance,
                       OptionalAttr<DenseF64ArrayAttr>:$slopes, OptionalAttr<StrAttr>:$pattern);
  let results = (outs STC_Activations:$result);
  let assemblyFormat = [{
    $queries `,` $cache `[` $layer `,` $position `]` (`to` $end^)?
    (`bias` $bias^ `within` $bias_distance)? (`sink_logits` $sink_logits^)?
    `heads` $heads `scale` $scale `window` $window (`sinks` $sinks^)? (`soft_cap` $soft_cap^)?
    (`slopes` custom<Doubles>($slopes)^)? (`pattern` $pattern^)? attr-dict
    `:` functional-type(operands, results)
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$queries, "::mlir::Value":$cache,
                                 "::mlir::Value":$layer, "::mlir::Value":$position,
                                 "int64_t":$heads, "double":$scale)>];
  let hasVerifier = 1;
}

#endif // STC_DIALECT_STC_IR_STCATTENTIONOPS_TD
