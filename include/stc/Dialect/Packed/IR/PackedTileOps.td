// One thread's piece of work, on memrefs. PackedOps.td includes this file.
#ifndef STC_DIALECT_PACKED_IR_PACKEDTILEOPS_TD
#define STC_DIALECT_PACKED_IR_PACKEDTILEOPS_TD

def Packed_MatmulTileOp : Packed_Op<"matmul_tile", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "A few row tiles of a matmul, for all tokens or some.";
  let description = [{
    Computes row tiles [tile, tile + row_tiles of `config`) of a `packed.matmul`, as far as they
    exist: columns [16 * tile, 16 * tile + 16 * row_tiles) of out. Operands are those of the matmul
    on memrefs. With `tokens from` it does so for tokens [token, token + piece_tokens of `config`),
    as far as they exist.

    With rotary embeddings it computes pairs of row tiles whose rows are turned together: with c
    columns of cos, pair p is the row tiles t = p / (c / 16) * (c / 8) + p % (c / 16) and
    t + c / 16, and there are half as many pairs as row tiles.

    (C1) As packed.matmul's constraints, on memrefs. (C2) The inputs have the identity layout:
    kernels compute addresses of tokens themselves. (C3) `token` is present exactly where the
    config's `piece_tokens` is not 0.

    ```mlir
    packed.matmul_tile %tile ins(%x : memref<?x32xf32>)
        weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
        outs(%y : memref<?x32xf32>)
        config <tokens = 1, accumulators = 4, prefetch = 0>
    ```
  }];
  let arguments = (ins Index:$tile, Optional<Index>:$token, Variadic<Packed_InputMemRef>:$inputs, Packed_WeightType:$weight,
                       Optional<MemRefRankOf<[F32], [1]>>:$bias,
                       Optional<MemRefRankOf<[F32], [2]>>:$gate,
                       Optional<MemRefRankOf<[F32], [2]>>:$cos,
                       Optional<MemRefRankOf<[F32], [2]>>:$sin,
                       Optional<MemRefRankOf<[F32], [2]>>:$residual,
                       MemRefRankOf<[F32], [2]>:$out,
                       OptionalAttr<Packed_ActivationKindAttr>:$activation,
                       Packed_LoweringConfigAttr:$config);
  let assemblyFormat = [{
    $tile (`tokens` `from` $token^)? `ins` `(` $inputs `:` type($inputs) `)` `weight` `(` $weight `:` type($weight) `)`
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`gate` $activation `(` $gate^ `:` type($gate) `)`)?
    (`rotary` `(` $cos^ `,` $sin `:` type($cos) `,` type($sin) `)`)?
    (`residual` `(` $residual^ `:` type($residual) `)`)?
    `outs` `(` $out `:` type($out) `)` `config` $config attr-dict
  }];
  let hasVerifier = 1;
}

def Packed_AttentionTileOp : Packed_Op<"attention_tile", [
    AttrSizedOperandSegments, DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "Attention of a few tokens for the query heads of one key/value head.";
  let description = [{
    Computes, of a `packed.attention`, the query heads that read key/value head `kv_head`, for
    tokens [token, token + tokens) (fewer at the end). All these rows share each key and value that
    is loaded.

    With `piece` it reads only part of the visible keys: their blocks of 64 positions, sinks first
    and those without a key that `pattern` lets the token see left out, are numbered from 0, and the piece has numbers [piece * piece_keys / 64, (piece + 1) *
    piece_keys / 64). Row piece * heads + h of `partials` then gets query head h's result:
    [head_dim padded to 16] sums of probability * value, the maximum of the scores, and the sum of
    the probabilities, both relative to that maximum. `packed.attention_combine` puts pieces
    together.

    (C1) As packed.attention's constraints, on memrefs. (C2) `tokens` is positive. (C3) `piece`,
    `piece_keys` and `partials` are present together. (C4) `piece_keys` is a positive multiple of 64;
    `tokens` is 1 then. (C5) `partials` has a multiple of `heads` rows, and head_dim padded to 16,
    plus 16, columns.

    ```mlir
    packed.attention_tile %kv_head, %token tokens 2 ins(%q : memref<?x16xf32>)
        cache(%cache[%layer, %position] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
        outs(%y : memref<?x16xf32>) heads 4 scale 5.0e-01 window 0
    ```
  }];
  let arguments = (ins Index:$kv_head, Index:$token, I64Attr:$tokens,
                       MemRefRankOf<[F32], [2]>:$queries, STC_KVCacheType:$cache, Index:$layer,
                       Index:$position, Optional<Index>:$end,
                       Optional<MemRefRankOf<[F32], [1]>>:$bias,
                       Optional<MemRefRankOf<[F32], [1]>>:$sink_logits,
                       MemRefRankOf<[F32], [2]>:$out, Optional<Index>:$piece,
                       Optional<MemRefRankOf<[F32], [2]>>:$partials, I64Attr:$heads,
                       F64Attr:$scale, I64Attr:$window, DefaultValuedAttr<I64Attr, "0">:$sinks,
                       DefaultValuedAttr<F64Attr, "::llvm::APFloat(0.0)">:$soft_cap,
                       DefaultValuedAttr<I64Attr, "0">:$bias_distance,
                       OptionalAttr<DenseF64ArrayAttr>:$slopes, OptionalAttr<StrAttr>:$pattern,
                       DefaultValuedAttr<I64Attr, "0">:$piece_keys);
  let assemblyFormat = [{
    $kv_head `,` $token `tokens` $tokens `ins` `(` $queries `:` type($queries) `)`
    `cache` `(` $cache `[` $layer `,` $position `]` `:` type($cache) `)` (`to` $end^)?
    (`bias` `(` $bias^ `:` type($bias) `)` `within` $bias_distance)?
    (`sink_logits` `(` $sink_logits^ `:` type($sink_logits) `)`)?
    `outs` `(` $out `:` type($out) `)`
    (`piece` $piece^ `of` $piece_keys `partials` `(` $partials `:` type($partials) `)`)?
    `heads` $heads `scale` $scale `window` $window (`sinks` $sinks^)? (`soft_cap` $soft_cap^)?
    (`slopes` custom<Doubles>($slopes)^)? (`pattern` $pattern^)? attr-dict
  }];
  let hasVerifier = 1;
}

def Packed_AttentionCombineOp : Packed_Op<"attention_combine", [
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let summary = "One query head's attention from its pieces.";
  let description = [{
    Adds up rows piece * heads + head, piece < `pieces`, of `partials`, as `packed.attention_tile`
    leaves them, always in the order of the pieces, and writes the head's columns of row 0 of `out`.

    (C1) out has heads * head_dim columns, `heads` being a positive multiple of the cache's kv_heads.
    (C2) `partials` has a multiple of `heads` rows, and head_dim padded to 16, plus 16, columns.

    ```mlir
    packed.attention_combine %head, %pieces ins(%p : memref<8x32xf32>)
        cache(%cache : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
        outs(%y : memref<1x16xf32>) heads 4
    ```
  }];
  let arguments = (ins Index:$head, Index:$pieces, MemRefRankOf<[F32], [2]>:$partials,
                       STC_KVCacheType:$cache, MemRefRankOf<[F32], [2]>:$out, I64Attr:$heads);
  let assemblyFormat = [{
    $head `,` $pieces `ins` `(` $partials `:` type($partials) `)` `cache` `(` $cache `:` type($cache) `)`
    `outs` `(` $out `:` type($out) `)` `heads` $heads attr-dict
  }];
  let hasVerifier = 1;
}

#endif // STC_DIALECT_PACKED_IR_PACKEDTILEOPS_TD
