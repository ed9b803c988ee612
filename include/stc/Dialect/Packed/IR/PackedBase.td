// The packed dialect itself, its layouts, lowering configurations and types.
#ifndef STC_DIALECT_PACKED_IR_PACKEDBASE_TD
#define STC_DIALECT_PACKED_IR_PACKEDBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def Packed_Dialect : Dialect {
  let name = "packed";
  let cppNamespace = "::stc::packed";
  let summary = "Weights as stored bytes, and the operations that read them.";
  let description = [{
    `packed` says how weights are stored (`#packed.layout`) and computes on them in destination
    style, on tensors before bufferization and on memrefs after it. The bytes of a layout are
    defined once, in the Packing library; this dialect's layouts are names for those definitions.

    The dialect also holds the micro-operations kernels are generated from (`packed.dot4`,
    `packed.expand`, `packed.select16`, `packed.select64`): target-independent, pure, lowered last.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::LLVM::LLVMDialect", "::stc::STCDialect"];
}

def Packed_LayoutKind : I32EnumAttr<"LayoutKindEnum", "the arrangement of stored weights", [
    I32EnumAttrCase<"Rows", 0, "rows">, I32EnumAttrCase<"Dense", 1, "dense">,
    I32EnumAttrCase<"Bitmap", 2, "bitmap">, I32EnumAttrCase<"NM", 3, "nm">,
    I32EnumAttrCase<"Pairs", 4, "pairs">, I32EnumAttrCase<"Block", 5, "block">]> {
  let cppNamespace = "::stc::packed";
  let genSpecializedAttr = 0;
}

def Packed_LayoutAttr : AttrDef<Packed_Dialect, "Layout"> {
  let mnemonic = "layout";
  let summary = "A storage format of a weight matrix.";
  let description = [{
    Names one of Packing's layouts: the kind, the stored element (f32, bf16, f16, i8, i4, i3 or
    i2), the columns per scale (`group`, quantized elements only), for `nm` and `pairs` how many of
    how many columns stay, whether every scale has a zero point (`asymmetric`) or a minimum
    (`minimums`) beside it, and whether a row has one scale for all its columns (`per_row`; the
    group of 128 is then that of activations alone).

    (C1) The combination exists (Packing's verifyLayout).

    Examples: `#packed.layout<rows, bf16>`, `#packed.layout<dense, i4, group = 32>`,
    `#packed.layout<nm, i4, group = 32, n = 2, m = 4>`,
    `#packed.layout<pairs, i4, group = 128, n = 4, m = 16>`,
    `#packed.layout<block, i4, group = 128>`,
    `#packed.layout<dense, i3, group = 64, asymmetric = true>`,
    `#packed.layout<dense, i2, group = 16, minimums = true>`,
    `#packed.layout<dense, i4, group = 128, per_row = true>`
  }];
  let parameters = (ins EnumParameter<Packed_LayoutKind>:$kind, "::mlir::Type":$element,
                        DefaultValuedParameter<"int64_t", "0">:$group,
                        DefaultValuedParameter<"int64_t", "0">:$n,
                        DefaultValuedParameter<"int64_t", "0">:$m,
                        DefaultValuedParameter<"bool", "false">:$asymmetric,
                        DefaultValuedParameter<"bool", "false">:$per_row,
                        DefaultValuedParameter<"bool", "false">:$minimums);
  let assemblyFormat = "`<` $kind `,` $element "
      "(`,` struct($group, $n, $m, $asymmetric, $per_row, $minimums)^)? `>`";
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    /// The same layout in Packing's terms, and back.
    ::stc::Layout getLayout() const;
    static LayoutAttr get(::mlir::MLIRContext *context, const ::stc::Layout &layout);
  }];
}

def Packed_ThreadSplit : I32EnumAttr<"ThreadSplit", "how pieces of work are divided among threads", [
    I32EnumAttrCase<"Tiles", 0, "tiles">, I32EnumAttrCase<"Bytes", 1, "bytes">]> {
  let cppNamespace = "::stc::packed";
  let genSpecializedAttr = 0;
}

def Packed_LoweringConfigAttr : AttrDef<Packed_Dialect, "LoweringConfig"> {
  let mnemonic = "lowering_config";
  let summary = "How a matrix multiplication is tiled.";
  let description = [{
    `tokens`: tokens a kernel computes at once while a weight vector is in registers;
    `accumulators`: independent accumulator chains per token; `prefetch`: bytes ahead of the
    reading position that are prefetched (0: none); `level`: the outermost cache they need not
    leave, 1 for the first; `row_tiles`: row tiles of one piece of work, which a block of tokens
    goes through while its activations are in the nearest cache; `streams`: how many of them are
    read side by side, so that as many streams of memory are under way; `unroll`: most dot products
    of a loop body; `split`: whether threads get equal numbers of pieces or equal numbers of bytes,
    which differ where tiles do; `piece_tokens`: tokens of one piece of work (0: all).

    (C1) `tokens` is in [1, 32]. (C2) `accumulators` is 1, 2 or 4. (C3) `prefetch` is not negative.
    (C4) `level` is 1, 2 or 3. (C5) `row_tiles` is in [1, 64]. (C6) `unroll` is in [1, 1024].
    (C7) `streams` is in [1, 8] and divides `row_tiles`. (C8) `piece_tokens` is not negative.

    Examples: `#packed.lowering_config<tokens = 1, accumulators = 4, prefetch = 8192>`,
    `#packed.lowering_config<tokens = 16, accumulators = 1, prefetch = 65536, row_tiles = 4>`,
    `#packed.lowering_config<tokens = 1, accumulators = 2, prefetch = 0, row_tiles = 4, streams = 4>`,
    `#packed.lowering_config<tokens = 1, accumulators = 2, prefetch = 4096, level = 1, unroll = 64, split = bytes>`,
    `#packed.lowering_config<tokens = 32, accumulators = 1, prefetch = 0, row_tiles = 4, piece_tokens = 128>`
  }];
  let parameters = (ins "int64_t":$tokens, "int64_t":$accumulators, "int64_t":$prefetch,
                        DefaultValuedParameter<"int64_t", "2">:$level,
                        DefaultValuedParameter<"int64_t", "1">:$row_tiles,
                        DefaultValuedParameter<"int64_t", "1">:$streams,
                        DefaultValuedParameter<"int64_t", "128">:$unroll,
                        DefaultValuedParameter<"::stc::packed::ThreadSplit", "::stc::packed::ThreadSplit::Tiles">:$split,
                        DefaultValuedParameter<"int64_t", "0">:$piece_tokens);
  let builders = [AttrBuilder<(ins "int64_t":$tokens, "int64_t":$accumulators,
                                   "int64_t":$prefetch, CArg<"int64_t", "1">:$rowTiles,
                                   CArg<"::stc::packed::ThreadSplit",
                                        "::stc::packed::ThreadSplit::Tiles">:$split,
                                   CArg<"int64_t", "0">:$pieceTokens), [{
    return $_get($_ctxt, tokens, accumulators, prefetch, /*level=*/2, rowTiles, /*streams=*/1,
                 /*unroll=*/128, split, pieceTokens);
  }]>];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

def Packed_WeightType : TypeDef<Packed_Dialect, "Weight"> {
  let mnemonic = "weight";
  let summary = "A packed matrix (or vector, as one row).";
  let description = [{
    A read-only `rows` x `columns` matrix stored in `layout`. Generated code sees a pointer.

    (C1) `rows` and `columns` are in [1, 2^31).

    Example: `!packed.weight<2048x5632, #packed.layout<dense, i4, group = 32>>`
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$columns, "::stc::packed::LayoutAttr":$layout);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
}

#endif // STC_DIALECT_PACKED_IR_PACKEDBASE_TD
