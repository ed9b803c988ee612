// The micro-operations of the packed dialect, which kernels are made of. Part of PackedOps.td, which
// defines what they use.
#ifndef STC_DIALECT_PACKED_IR_PACKEDMICROOPS_TD
#define STC_DIALECT_PACKED_IR_PACKEDMICROOPS_TD

def Packed_PrefetchOp : Packed_Op<"prefetch"> {
  let summary = "Asks for the cache line of an address that will be read soon.";
  let description = [{
    A hint: the address need not be valid memory. The line is brought into cache `level` and those
    behind it, 1 being the nearest.

    (C1) `level` is 1, 2 or 3.

    ```mlir
    packed.prefetch %p
    packed.prefetch %p level 2
    ```
  }];
  // Said to write so that it is not removed as unused.
  let arguments = (ins Arg<Packed_Pointer, "", [MemRead, MemWrite]>:$address,
                       DefaultValuedAttr<I64Attr, "1">:$level);
  let assemblyFormat = "$address (`level` $level^)? attr-dict";
  let hasVerifier = 1;
}

def Packed_Dot4Op : Packed_Op<"dot4", [Pure, AllTypesMatch<["accumulator", "result"]>,
                                AllTypesMatch<["unsigned_bytes", "signed_bytes"]>]> {
  let summary = "Dot products of four unsigned by four signed bytes, per lane.";
  let description = [{
    result[i] = accumulator[i] + sum over j < 4 of zext(unsigned_bytes[4 i + j]) *
    sext(signed_bytes[4 i + j]) (vpdpbusd, usdot). No saturation; sums wrap at 32 bits. Weights may
    be on either side. `bits`: all unsigned bytes are below 2^bits. `signed_bits`: all signed bytes
    are in [-2^(signed_bits - 1), 2^(signed_bits - 1)). Both let targets without such an instruction
    add products in 16 bits; the result is undefined where they are not kept.

    (C1) The operands have four bytes per accumulator lane. (C2) `bits` is in [1, 8]. (C3)
    `signed_bits` is in [1, 8].

    ```mlir
    %r = packed.dot4 %acc, %w, %x bits 4 : vector<16xi32>, vector<64xi8>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$accumulator,
                       VectorOfRankAndType<[1], [I8]>:$unsigned_bytes,
                       VectorOfRankAndType<[1], [I8]>:$signed_bytes,
                       DefaultValuedAttr<I64Attr, "8">:$bits,
                       DefaultValuedAttr<I64Attr, "8">:$signed_bits);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = [{
    $accumulator `,` $unsigned_bytes `,` $signed_bytes (`bits` $bits^)? (`signed_bits` $signed_bits^)?
    attr-dict `:` type($accumulator) `,` type($unsigned_bytes)
  }];
  let hasVerifier = 1;
}

def Packed_TwoTokens : TypeConstraint<VectorOfLengthAndType<[16], [I8]>.predicate,
                                      "vector of 16 8-bit integers">,
                       BuildableType<"::mlir::VectorType::get({16}, $_builder.getI8Type())">;

def Packed_Dot8x2Op : Packed_Op<"dot8x2", [Pure, AllTypesMatch<["accumulator", "result"]>]> {
  let summary = "Dot products of eight unsigned bytes of each row with eight signed bytes of two tokens.";
  let description = [{
    result[2 r + t] = accumulator[2 r + t] + sum over k < 8 of zext(unsigned_bytes[8 r + k]) *
    sext(signed_bytes[8 t + k]) for two tokens t and any even number of rows r: products of matrices
    of 2 by 8 and 8 by 2 (usmmla). No saturation; sums wrap at 32 bits. `bits`: all unsigned bytes
    are below 2^bits, as in `packed.dot4`; the result is undefined where they are not.

    (C1) There are four unsigned bytes per accumulator lane: eight for each row's two sums. (C2) The
    accumulator has a multiple of four lanes: an even number of rows. (C3) `bits` is in [1, 8].

    ```mlir
    %r = packed.dot8x2 %acc, %w, %x bits 4 : vector<32xi32>, vector<128xi8>
    ```
  }];
  let arguments = (ins VectorOfRankAndType<[1], [I32]>:$accumulator,
                       VectorOfRankAndType<[1], [I8]>:$unsigned_bytes,
                       Packed_TwoTokens:$signed_bytes,
                       DefaultValuedAttr<I64Attr, "8">:$bits);
  let results = (outs VectorOfRankAndType<[1], [I32]>:$result);
  let assemblyFormat = [{
    $accumulator `,` $unsigned_bytes `,` $signed_bytes (`bits` $bits^)? attr-dict `:`
    type($accumulator) `,` type($unsigned_bytes)
  }];
  let hasVerifier = 1;
}

def Packed_TileDotOp : Packed_Op<"tile_dot"> {
  let summary = "Dot products of a few tokens with the 16 rows of a weight tile, in memory.";
  let description = [{
    sums[16 t + r] = sum over k < columns of sext(inputs[t * stride + k]) *
    zext(codes[64 (k / 4) + 4 r + k mod 4]) for t < tokens and r < 16: i32 sums, activation codes in
    rows that are `stride` bytes apart, and unsigned weight codes in the order of a dense int8 tile
    (tdpbsud of Intel's AMX).

    (C1) `tokens` is in [1, 16]. (C2) `columns` is a positive multiple of 4 and at most 128, so that
    sums fit 32 bits. (C3) `stride` is not less than `columns`.

    ```mlir
    packed.tile_dot %sums, %inputs stride 2048, %codes tokens 16 columns 64
    ```
  }];
  let arguments = (ins Arg<Packed_Pointer, "", [MemWrite]>:$sums,
                       Arg<Packed_Pointer, "", [MemRead]>:$inputs, I64Attr:$stride,
                       Arg<Packed_Pointer, "", [MemRead]>:$codes, I64Attr:$tokens,
                       I64Attr:$columns);
  let assemblyFormat = [{
    $sums `,` $inputs `stride` $stride `,` $codes `tokens` $tokens `columns` $columns attr-dict
  }];
  let hasVerifier = 1;
}

def Packed_TileDotBF16Op : Packed_Op<"tile_dot_bf16"> {
  let summary = "Adds products of bf16 inputs with the 16 rows of a weight tile, in memory.";
  let description = [{
    sums[16 t + r] += sum over k < columns of input k of row t * weights[16 k + r] for t < `rows`
    and r < 16: f32 sums, bf16 inputs in rows that are `stride` bytes apart, and bf16 weights in the
    order of a dense tile. Additions are in f32 and in any order; subnormal numbers may count as
    zero (tdpbf16ps of Intel's AMX). Inputs that lie between `columns` and its next multiple of 32
    are read and must be zero.

    Both halves of split activations are rows of one operation: `rows` is twice the tokens then,
    `stride` half of a token's bytes, and a token's result is the sum of two rows. That keeps four
    sums of 16 rows independent for 32 tokens, which is what hides the latency of the products.

    (C1) `rows` is in [1, 64]. (C2) `columns` is in [1, 256]. (C3) `stride` is not less than the
    bytes of `columns` rounded up to 32.

    ```mlir
    packed.tile_dot_bf16 %sums, %inputs stride 4096, %weights rows 64 columns 256
    ```
  }];
  let arguments = (ins Arg<Packed_Pointer, "", [MemRead, MemWrite]>:$sums,
                       Arg<Packed_Pointer, "", [MemRead]>:$inputs, I64Attr:$stride,
                       Arg<Packed_Pointer, "", [MemRead]>:$weights, I64Attr:$rows,
                       I64Attr:$columns);
  let assemblyFormat = [{
    $sums `,` $inputs `stride` $stride `,` $weights `rows` $rows `columns` $columns attr-dict
  }];
  let extraClassDeclaration = [{
    static constexpr int64_t kMostRows = 64, kMostColumns = 256;
  }];
  let hasVerifier = 1;
}

def Packed_ExpandOp : Packed_Op<"expand", [Pure, AllTypesMatch<["values", "passthrough", "result"]>]> {
  let summary = "Spreads consecutive bytes to the set bits of a mask.";
  let description = [{
    result[i] = mask bit i ? values[number of set bits below i] : passthrough[i] (vpexpandb).

    (C1) The vectors have 64 bytes.

    ```mlir
    %r = packed.expand %values, %passthrough, %mask : vector<64xi8>
    ```
  }];
  let arguments = (ins VectorOfLengthAndType<[64], [I8]>:$values,
                       VectorOfLengthAndType<[64], [I8]>:$passthrough, I64:$mask);
  let results = (outs VectorOfLengthAndType<[64], [I8]>:$result);
  let assemblyFormat = "$values `,` $passthrough `,` $mask attr-dict `:` type($values)";
}

def Packed_Select64Op : Packed_Op<"select64", [Pure, AllTypesMatch<["table", "positions", "result"]>]> {
  let summary = "Looks bytes up in a table of 64, by 6-bit positions.";
  let description = [{
    result[i] = table[positions[i] & 63] (vpermb).

    (C1) The vectors have 64 bytes.

    ```mlir
    %r = packed.select64 %table, %positions : vector<64xi8>
    ```
  }];
  let arguments = (ins VectorOfLengthAndType<[64], [I8]>:$table,
                       VectorOfLengthAndType<[64], [I8]>:$positions);
  let results = (outs VectorOfLengthAndType<[64], [I8]>:$result);
  let assemblyFormat = "$table `,` $positions attr-dict `:` type($table)";
}

def Packed_Select16Op : Packed_Op<"select16", [Pure, AllTypesMatch<["table", "positions", "result"]>]> {
  let summary = "Looks bytes up in tables of 16, by 4-bit positions.";
  let description = [{
    result[i] = table[16 (i / 16) + (positions[i] & 15)]: each 16 bytes of the result choose among
    the 16 bytes of the table at the same place (pshufb, tbl1). The high four bits of a position
    are ignored, so that two positions can share a byte.

    (C1) The vectors have 64 bytes.

    ```mlir
    %r = packed.select16 %table, %positions : vector<64xi8>
    ```
  }];
  let arguments = (ins VectorOfLengthAndType<[64], [I8]>:$table,
                       VectorOfLengthAndType<[64], [I8]>:$positions);
  let results = (outs VectorOfLengthAndType<[64], [I8]>:$result);
  let assemblyFormat = "$table `,` $positions attr-dict `:` type($table)";
}

#endif // STC_DIALECT_PACKED_IR_PACKEDMICROOPS_TD
