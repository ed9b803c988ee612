// The operations of the packed dialect.
#ifndef STC_DIALECT_PACKED_IR_PACKEDOPS_TD
#define STC_DIALECT_PACKED_IR_PACKEDOPS_TD

include "stc/Dialect/Packed/IR/PackedBase.td"
include "stc/Dialect/STC/IR/STCBase.td"
include "mlir/Dialect/LLVMIR/LLVMTypes.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "mlir/IR/SymbolInterfaces.td"

class Packed_Op<string mnemonic, list<Trait> traits = []> : Op<Packed_Dialect, mnemonic, traits>;

def Packed_Pointer : Type<CPred<"::mlir::isa<::mlir::LLVM::LLVMPointerType>($_self)">, "pointer">,
    BuildableType<"::mlir::LLVM::LLVMPointerType::get($_builder.getContext())">;

class Packed_Shaped<int rank, list<Type> elements>
    : AnyTypeOf<[TensorRankOf<elements, [rank]>, MemRefRankOf<elements, [rank]>]>;
def Packed_F32Matrix : Packed_Shaped<2, [F32]>;
def Packed_I8Matrix : Packed_Shaped<2, [I8]>;
def Packed_I32Matrix : Packed_Shaped<2, [I32]>;
def Packed_HalfMatrix : Packed_Shaped<2, [BF16, F16]>;
def Packed_F32Vector : Packed_Shaped<1, [F32]>;
def Packed_I32Vector : Packed_Shaped<1, [I32]>;
def Packed_InputMemRef : AnyTypeOf<[MemRefRankOf<[F32], [2]>, MemRefRankOf<[I8], [2]>,
                                    MemRefRankOf<[I32], [2]>,
                                    MemRefRankOf<[BF16, F16], [2]>]>;

// The nonlinearities of stc, whose enumeration is defined there.
def Packed_ActivationKindAttr : Attr<CPred<"::mlir::isa<::stc::ActivationKindAttr>($_self)">,
                                     "an elementwise nonlinearity of stc"> {
  let storageType = "::stc::ActivationKindAttr";
  let returnType = "::stc::ActivationKind";
  let convertFromStorage = "$_self.getValue()";
}

// An op that writes its `outs` operands: results exist for tensors and not for memrefs.
class Packed_DestinationOp<string mnemonic, list<Trait> traits = []>
    : Packed_Op<mnemonic, traits # [DestinationStyleOpInterface,
                                    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>]> {
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

def Packed_WeightOp : Packed_Op<"weight", [Symbol]> {
  let summary = "A packed weight of the model.";
  let description = [{
    Declares one packed weight. Its bytes are `bytes` long and start at `offset` of the weights
    section. `density` is the fraction of weights stored as non-zero; `reason` says why the layout
    was chosen; `pattern` is the sparsity found.

    (C1) `offset` is a non-negative multiple of 64. (C2) `bytes` is positive and, unless the layout
    is a bitmap, equals Packing's size. (C3) `density` is in [0, 1].

    ```mlir
    packed.weight @layers.0.q : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>
        offset 0 bytes 1280 density 1.0
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeAttrOf<Packed_WeightType>:$type,
                       I64Attr:$offset, I64Attr:$bytes, F64Attr:$density,
                       OptionalAttr<StrAttr>:$pattern, OptionalAttr<StrAttr>:$reason);
  let assemblyFormat = [{
    $sym_name `:` $type `offset` $offset `bytes` $bytes `density` $density attr-dict
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    ::stc::packed::WeightType getWeightType() {
      return ::mlir::cast<::stc::packed::WeightType>(getType());
    }
  }];
}

def Packed_GetWeightOp : Packed_Op<"get_weight", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The value of a packed weight.";
  let description = [{
    (C1) The symbol names a `packed.weight`. (C2) The result has its type.

    ```mlir
    %w = packed.get_weight @layers.0.q : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>
    ```
  }];
  let arguments = (ins FlatSymbolRefAttr:$weight);
  let results = (outs Packed_WeightType:$result);
  let assemblyFormat = "$weight attr-dict `:` type($result)";
}

def Packed_VectorOp : Packed_Op<"vector", [Pure]> {
  let summary = "An f32 weight as a vector.";
  let description = [{
    Views a weight with the layout `rows, f32` as a tensor or memref of its elements, row after row
    (norm weights, biases, tables of attention biases). The result must not be written.

    (C1) The weight has the layout `rows, f32`. (C2) The result has as many elements as the weight.

    ```mlir
    %v = packed.vector %w : !packed.weight<1x64, #packed.layout<rows, f32>> -> tensor<64xf32>
    ```
  }];
  let arguments = (ins Packed_WeightType:$weight);
  let results = (outs Packed_F32Vector:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight) `->` type($result)";
  let hasVerifier = 1;
}

def Packed_PointerOp : Packed_Op<"pointer", [Pure]> {
  let summary = "The address of a weight's first byte.";
  let description = [{
    What kernels load from. Lowered by type conversion.

    ```mlir
    %p = packed.pointer %w : !packed.weight<32x32, #packed.layout<dense, i8, group = 32>>
    ```
  }];
  let arguments = (ins Packed_WeightType:$weight);
  let results = (outs Packed_Pointer:$result);
  let assemblyFormat = "$weight attr-dict `:` type($weight)";
}

def Packed_CachePointersOp : Packed_Op<"cache_pointers", [Pure]> {
  let summary = "The addresses of one layer's keys and values.";
  let description = [{
    `keys` and `values` point to the bytes of layer `layer`, as Packing's KVCacheLayout arranges
    them for the cache's element: blocks of 64 positions, 16 of a block's keys side by side, so that
    scores are multiply-adds with a broadcast query.

    ```mlir
    %k, %v = packed.cache_pointers %cache[%layer]
        : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>
    ```
  }];
  let arguments = (ins STC_KVCacheType:$cache, Index:$layer);
  let results = (outs Packed_Pointer:$keys, Packed_Pointer:$values);
  let assemblyFormat = "$cache `[` $layer `]` attr-dict `:` type($cache)";
}

def Packed_WeightRowOp : Packed_Op<"weight_row", [
    Pure, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "The weights of one row of a table.";
  let description = [{
    Result j is the value of the weight that `weights[index][j]` names: how one layer function gets
    the weights of every layer it stands for. Lowered to a constant table of offsets. An index
    outside the table is undefined behaviour.

    (C1) There is at least one row. (C2) Every row has one symbol per result. (C3) Every symbol
    names a `packed.weight` of the result's type.

    ```mlir
    %w:2 = packed.weight_row %i of [[@a.0, @b.0], [@a.1, @b.1]]
        : !packed.weight<1x64, #packed.layout<rows, f32>>, !packed.weight<64x64, #packed.layout<dense, bf16>>
    ```
  }];
  let arguments = (ins Index:$index, ArrayAttr:$weights);
  let results = (outs Variadic<Packed_WeightType>:$results);
  let assemblyFormat = "$index `of` $weights attr-dict `:` type($results)";
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Memory and threads
//===----------------------------------------------------------------------===//

def Packed_ScratchOp : Packed_Op<"scratch", [Pure]> {
  let summary = "A buffer in the scratch memory of a call.";
  let description = [{
    The `bytes` bytes at `offset` of the arena, one block of memory that all threads of a call
    share, as a memref; `sizes` are its dynamic dimensions. The module's `stc.arena_bytes` says how
    large the arena is. Which buffers share bytes is `packed-plan-arena`'s decision.

    (C1) `offset` is a non-negative multiple of 64. (C2) The result has the identity layout and
    numbers as elements. (C3) There is one size per dynamic dimension. (C4) `bytes` holds the result,
    its dynamic dimensions counted as 1.

    ```mlir
    %b = packed.scratch(%n) offset 128 bytes 16384 : memref<?x64xf32>
    ```
  }];
  let arguments = (ins Variadic<Index>:$sizes, I64Attr:$offset, I64Attr:$bytes);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "`(` $sizes `)` `offset` $offset `bytes` $bytes attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Packed_BufferOp : Packed_Op<"buffer", [Pure]> {
  let summary = "The memory at an address as a memref.";
  let description = [{
    Views the memory starting at `pointer` as a memref of the result's type; `sizes` are its
    dynamic dimensions.

    (C1) The result has the identity layout. (C2) There is one size per dynamic dimension.

    ```mlir
    %b = packed.buffer %p(%n) : memref<?x64xf32>
    ```
  }];
  let arguments = (ins Packed_Pointer:$pointer, Variadic<Index>:$sizes);
  let results = (outs AnyMemRef:$result);
  let assemblyFormat = "$pointer `(` $sizes `)` attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Packed_BarrierOp : Packed_Op<"barrier", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Waits until all threads of the call are here.";
  let description = [{
    What any thread wrote before the barrier is visible to all of them after it.

    ```mlir
    packed.barrier
    ```
  }];
  let assemblyFormat = "attr-dict";
}

def Packed_ThreadOp : Packed_Op<"thread", [Pure]> {
  let summary = "Which of how many threads runs this code.";
  let description = [{
    `number` is in [0, `count`) and differs between the threads of a call; `count` is equal.

    ```mlir
    %thread, %threads = packed.thread
    ```
  }];
  let results = (outs Index:$number, Index:$count);
  let assemblyFormat = "attr-dict";
}

//===----------------------------------------------------------------------===//
// Whole-tensor operations, destination style
//===----------------------------------------------------------------------===//

def Packed_QuantizeActivationsOp : Packed_DestinationOp<"quantize_activations"> {
  let summary = "Activations as int8 codes with one scale per group.";
  let description = [{
    For each token and group g of `group` consecutive columns: scale = max|x| / 127, code =
    round to nearest even (x / scale) as Packing's quantizeActivations defines it, sum =
    `sum_factor` times the sum of the group's codes. Columns past the input's end are zero.

    With the factor -z, z being the zero point of the weights that will be multiplied, a sum is what
    a dot product with unsigned weight codes starts from. With `offset` 128 codes are stored plus
    128, as unsigned bytes, for dot products with signed weights; sums are of the codes without it.

    With `order` the columns are those of the input that it names, in its order, as
    `stc.permute_features` takes them; the input may have more.

    A `group` that holds all columns gives every token one scale, for weights with scales of rows:
    sums of products then go on over all columns in 32 bits, which is what limits their number.

    (C1) `group` is 16, 32, 64 or 128, or all columns rounded up to a multiple of 128, of which there
    are at most 65536; `sum_factor` in [-255, 255], `offset` 0 or 128. (C2) codes have
    ceil(columns / group) * group columns, scales and sums ceil(columns / group). (C3) All have the
    input's tokens.

    ```mlir
    %c, %s, %t = packed.quantize_activations ins(%x : tensor<?x40xf32>)
        outs(%c0, %s0, %t0 : tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>) group 32
        sum_factor -8 -> tensor<?x64xi8>, tensor<?x2xf32>, tensor<?x2xi32>
    %d, %u, %v = packed.quantize_activations ins(%y : tensor<?x300xf32>)
        outs(%d0, %u0, %v0 : tensor<?x384xi8>, tensor<?x1xf32>, tensor<?x1xi32>) group 384
        -> tensor<?x384xi8>, tensor<?x1xf32>, tensor<?x1xi32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$input, Packed_I8Matrix:$codes, Packed_F32Matrix:$scales,
                       Packed_I32Matrix:$sums, Optional<Packed_F32Vector>:$order, I64Attr:$group,
                       DefaultValuedAttr<I64Attr, "1">:$sum_factor,
                       DefaultValuedAttr<I64Attr, "0">:$offset);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    `ins` `(` $input `:` type($input) `)` (`order` `(` $order^ `:` type($order) `)`)?
    `outs` `(` $codes `,` $scales `,` $sums `:` type($codes) `,` type($scales) `,` type($sums) `)`
    `group` $group (`sum_factor` $sum_factor^)? (`offset` $offset^)? attr-dict
    (`->` type($results)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return {getOperation(), 1, 3};
    }
    /// How many columns are quantized.
    int64_t getColumns() {
      ::mlir::Value from = getOrder() ? getOrder() : getInput();
      return ::mlir::cast<::mlir::ShapedType>(from.getType()).getShape().back();
    }
    /// Whether every token has one scale, whose group is larger than those of layouts are.
    bool isWhole() { return int64_t(getGroup()) > ::stc::kRowScaleGroup; }
  }];
}

def Packed_PermuteFeaturesOp : Packed_DestinationOp<"permute_features"> {
  let summary = "The columns of activations in another order, in destination style.";
  let description = [{
    As `stc.permute_features`, written to `out`. Quantization reads columns in any order itself.

    (C1) `order` has one number per column of out. (C2) out has the input's tokens.

    ```mlir
    %y = packed.permute_features ins(%x, %order : tensor<?x8xf32>, tensor<8xf32>)
        outs(%y0 : tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$input, Packed_F32Vector:$order, Packed_F32Matrix:$out);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $input `,` $order `:` type($input) `,` type($order) `)`
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_SplitActivationsOp : Packed_DestinationOp<"split_activations"> {
  let summary = "Activations as sums of two bf16 numbers, or as one number of 16 bits.";
  let description = [{
    out[t, k] is the high part of input[t, k], out[t, columns of out / 2 + k] its low part, as
    Packing's splitActivation defines them: high = x rounded to bf16, low = x - high rounded to
    bf16. What lies behind the input's columns in either half is zero. An out of half as many
    columns has the high parts alone, in bf16 or f16 (Packing's roundActivation).

    Products of bf16 numbers are exact in f32, so a matrix of bf16 times both halves is a product
    with activations that are off by at most 2^-17 of themselves: 256 times less than rounding them
    to bf16 once (2^-9 to 2^-8) would cost, which would be more than weights that are not quantized
    promise.

    (C1) out has the input's columns rounded up to an odd multiple of 32, or, if it is bf16, twice
    as many. (C2) out has the input's tokens.

    ```mlir
    %h = packed.split_activations ins(%x : tensor<?x40xf32>) outs(%h0 : tensor<?x192xbf16>)
        -> tensor<?x192xbf16>
    %r = packed.split_activations ins(%x : tensor<?x40xf32>) outs(%r0 : tensor<?x96xf16>)
        -> tensor<?x96xf16>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$input, Packed_HalfMatrix:$out);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $input `:` type($input) `)` `outs` `(` $out `:` type($out) `)` attr-dict
    (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_MatmulOp : Packed_DestinationOp<"matmul", [AttrSizedOperandSegments]> {
  let summary = "Multiplies tokens by a packed weight matrix.";
  let description = [{
    out[t, n] = sum over k of input[t, k] * weight[n, k] (+ bias[n]), then, each where it is given,
    times `activation` of gate[t, n] (a gated activation, as `stc.gated_activation`), rotated by the
    token's angles (as `stc.rotary_embedding` with halves; cos has half a head's columns), and plus
    residual[t, n]. With a float layout `inputs` is one f32 matrix; with a quantized layout it is the three results
    of `packed.quantize_activations` with the weight's group and, as `sum_factor`, minus its zero
    point, or -1 where every row has its own or minimums, with `offset` 128 for the kinds pairs and
    block, and sum = sum over groups of activation_scale * (weight_scale * (sum of code products) -
    minimum * (sum of activation codes)). With scales of rows the scales and sums of activations may
    also be those of all columns together.

    With weights of 16-bit floats, dense or with masks, a second input may be the result of
    `packed.split_activations` of the first, in the weights' type: sums of two numbers of bf16 (which
    weights of f16 with masks take too), or activations that were rounded to bf16 or f16 once. On processors blocks of 8 and more tokens then
    go through tile registers (`packed.tile_dot_bf16`, which take sums of two), on GPUs any number
    of tokens through tensor cores. With a dense quantized layout the one input may be activations
    that were rounded to f16, for GPUs whose tensor cores multiply weights made f16 by them.

    (C1) Float layouts take one input, those of 16 bits two as well, quantized ones three, or, if
    they are dense, one of f16.
    (C2) The input's columns equal the weight's columns (padded to the group for codes; rounded up to
    an odd multiple of 32 for rounded activations, and twice that for split ones), and scales and sums
    one for each of the layout's groups, or with scales of rows one for each token. (C3) out is tokens x weight rows. (C4) The
    bias has one value per weight row. (C5) The residual has out's shape. (C6) The layout is not
    `rows`. (C7) The gate has out's shape, and comes with an activation. (C8) cos and sin come
    together and have equal types and out's tokens; their columns are a multiple of 16, the rows of
    a tile, and out's columns a multiple of twice as many.

    ```mlir
    %y = packed.matmul ins(%x : tensor<?x32xf32>)
        weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
        outs(%y0 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %u = packed.matmul ins(%x : tensor<?x32xf32>)
        weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
        gate <silu>(%y : tensor<?x32xf32>)
        outs(%u0 : tensor<?x32xf32>) -> tensor<?x32xf32>
    %q = packed.matmul ins(%x : tensor<?x32xf32>)
        weight(%w : !packed.weight<32x32, #packed.layout<dense, bf16>>)
        rotary(%cos, %sin : tensor<?x16xf32>, tensor<?x16xf32>)
        outs(%q0 : tensor<?x32xf32>) -> tensor<?x32xf32>
    ```
  }];
  let arguments = (ins Variadic<AnyTypeOf<[Packed_F32Matrix, Packed_I8Matrix, Packed_I32Matrix,
                                           Packed_HalfMatrix]>>:$inputs,
                       Packed_WeightType:$weight, Optional<Packed_F32Vector>:$bias,
                       Optional<Packed_F32Matrix>:$gate, Optional<Packed_F32Matrix>:$cos,
                       Optional<Packed_F32Matrix>:$sin, Optional<Packed_F32Matrix>:$residual,
                       Packed_F32Matrix:$out, OptionalAttr<Packed_ActivationKindAttr>:$activation,
                       OptionalAttr<Packed_LoweringConfigAttr>:$config);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $inputs `:` type($inputs) `)` `weight` `(` $weight `:` type($weight) `)`
    (`bias` `(` $bias^ `:` type($bias) `)`)?
    (`gate` $activation `(` $gate^ `:` type($gate) `)`)?
    (`rotary` `(` $cos^ `,` $sin `:` type($cos) `,` type($sin) `)`)?
    (`residual` `(` $residual^ `:` type($residual) `)`)?
    `outs` `(` $out `:` type($out) `)` (`config` $config^)? attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_GatherOp : Packed_DestinationOp<"gather"> {
  let summary = "Rows of a packed table, one per token.";
  let description = [{
    out[t, :] = row tokens[t] of `table`, converted to f32.

    (C1) The table's layout is `rows` or `dense` with a float element. (C2) out is tokens x table
    columns.

    ```mlir
    %h = packed.gather ins(%tokens : tensor<?xi32>)
        table(%w : !packed.weight<512x64, #packed.layout<rows, f32>>)
        outs(%h0 : tensor<?x64xf32>) -> tensor<?x64xf32>
    ```
  }];
  let arguments = (ins Packed_I32Vector:$tokens, Packed_WeightType:$table, Packed_F32Matrix:$out);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $tokens `:` type($tokens) `)` `table` `(` $table `:` type($table) `)`
    `outs` `(` $out `:` type($out) `)` attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

def Packed_RotaryOp : Packed_DestinationOp<"rotary"> {
  let summary = "Rotary embedding in destination style.";
  let description = [{
    As `stc.rotary_embedding`, written to `out`. Input and out may be the same buffer.

    (C1) The columns are a multiple of head_dim: of `head_dim`, or where that is 0 of twice the
    columns of cos. (C2) cos and sin have equal types. (C3) out has the input's shape. (C4)
    `head_dim` is 0 or at least twice the columns of cos.

    ```mlir
    %y = packed.rotary ins(%x, %cos, %sin : tensor<?x8xf32>, tensor<?x2xf32>, tensor<?x2xf32>)
        outs(%x : tensor<?x8xf32>) -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$input, Packed_F32Matrix:$cos, Packed_F32Matrix:$sin,
                       Packed_F32Matrix:$out, UnitAttr:$interleaved,
                       DefaultValuedAttr<I64Attr, "0">:$head_dim);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    (`interleaved` $interleaved^)?
    `ins` `(` $input `,` $cos `,` $sin `:` type($input) `,` type($cos) `,` type($sin) `)`
    `outs` `(` $out `:` type($out) `)` (`head_dim` $head_dim^)? attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// The columns of a head, of which the first ones are rotated.
    int64_t getHeadColumns() {
      int64_t rotated = 2 * ::mlir::cast<::mlir::ShapedType>(getCos().getType()).getShape().back();
      return getHeadDim() ? int64_t(getHeadDim()) : rotated;
    }
  }];
}

def Packed_RMSNormOp : Packed_DestinationOp<"rms_norm"> {
  let summary = "Root-mean-square normalization of parts of rows in destination style.";
  let description = [{
    As `stc.rms_norm` with `groups`, written to `out`; the weight of every group follows that of the
    one before, where they have their own. With `centred` the mean of a group is subtracted first,
    which makes it `stc.layer_norm`. Input and out may be the same buffer.

    (C1) `groups` is positive and the weight has one value per column of a group, or one per column.
    (C2) `epsilon` is finite and not negative. (C3) out has the input's shape.

    ```mlir
    %y = packed.rms_norm ins(%x, %w : tensor<?x8xf32>, tensor<4xf32>)
        outs(%y0 : tensor<?x8xf32>) groups 2 epsilon 1.0e-05 -> tensor<?x8xf32>
    %z = packed.rms_norm centred ins(%x, %v : tensor<?x8xf32>, tensor<8xf32>)
        outs(%z0 : tensor<?x8xf32>) groups 2 epsilon 1.0e-05 -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$input, Packed_F32Vector:$weight, Packed_F32Matrix:$out,
                       I64Attr:$groups, F64Attr:$epsilon, UnitAttr:$centred);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    (`centred` $centred^)? `ins` `(` $input `,` $weight `:` type($input) `,` type($weight) `)`
    `outs` `(` $out `:` type($out) `)` `groups` $groups `epsilon` $epsilon attr-dict
    (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
    /// The columns of a group.
    int64_t getGroupColumns() {
      return ::mlir::cast<::mlir::ShapedType>(getInput().getType()).getShape().back() /
             int64_t(getGroups());
    }
    /// Whether every group has a weight of its own.
    bool hasOwnWeights() {
      return getGroups() > 1 && ::mlir::cast<::mlir::ShapedType>(getWeight().getType())
                                        .getDimSize(0) != getGroupColumns();
    }
  }];
}

def Packed_AttentionOp : Packed_DestinationOp<"attention", [AttrSizedOperandSegments]> {
  let summary = "Attention over the cache in destination style.";
  let description = [{
    As `stc.attention`, written to `out`; `bias` has bucket b of head h at b * heads + h.

    (C1) `heads` is a positive multiple of the cache's kv_heads. (C2) Queries and out have
    heads * head_dim columns. (C3) `scale` is finite and positive. (C4) `window` is not negative.
    (C5) `sinks` is not negative, and 0 without a window. (C6) `soft_cap` is finite and not
    negative. (C7) `bias` has a multiple of `heads` numbers, for at least 4 buckets (an even number
    with `to`); `bias_distance` is present with it alone, and more than the buckets of a direction.
    (C8) `slopes` has `heads` finite numbers, none negative. (C9) `sink_logits` has `heads` numbers.
    (C10) `pattern` is an attention pattern other than `none` and `window`, as AttentionPattern
    prints it, and there is no window then.

    ```mlir
    %y = packed.attention ins(%q : tensor<?x16xf32>)
        cache(%cache[%layer, %position] : !stc.kv_cache<layers = 1, kv_heads = 2, head_dim = 4, capacity = 16>)
        outs(%y0 : tensor<?x16xf32>) heads 4 scale 5.0e-01 window 0 -> tensor<?x16xf32>
    ```
  }];
  let arguments = (ins Packed_F32Matrix:$queries, STC_KVCacheType:$cache, Index:$layer,
                       Index:$position, Optional<Index>:$end, Optional<Packed_F32Vector>:$bias,
                       Optional<Packed_F32Vector>:$sink_logits, Packed_F32Matrix:$out,
                       I64Attr:$heads, F64Attr:$scale,
                       I64Attr:$window, DefaultValuedAttr<I64Attr, "0">:$sinks,
                       DefaultValuedAttr<F64Attr, "::llvm::APFloat(0.0)">:$soft_cap,
                       DefaultValuedAttr<I64Attr, "0">:$bias_distance,
                       OptionalAttr<DenseF64ArrayAttr>:$slopes, OptionalAttr<StrAttr>:$pattern);
  let results = (outs Optional<AnyRankedTensor>:$result);
  let assemblyFormat = [{
    `ins` `(` $queries `:` type($queries) `)`
    `cache` `(` $cache `[` $layer `,` $position `]` `:` type($cache) `)` (`to` $end^)?
    (`bias` `(` $bias^ `:` type($bias) `)` `within` $bias_distance)?
    (`sink_logits` `(` $sink_logits^ `:` type($sink_logits) `)`)?
    `outs` `(` $out `:` type($out) `)` `heads` $heads `scale` $scale `window` $window
    (`sinks` $sinks^)? (`soft_cap` $soft_cap^)? (`slopes` custom<Doubles>($slopes)^)?
    (`pattern` $pattern^)? attr-dict (`->` type($result)^)?
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() { return getOutMutable(); }
  }];
}

include "stc/Dialect/Packed/IR/PackedExpertOps.td"

include "stc/Dialect/Packed/IR/PackedTileOps.td"
include "stc/Dialect/Packed/IR/PackedMicroOps.td"

#endif // STC_DIALECT_PACKED_IR_PACKEDOPS_TD
