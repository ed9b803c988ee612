// The stc dialect itself, its attributes and types.
#ifndef STC_DIALECT_STC_IR_STCBASE_TD
#define STC_DIALECT_STC_IR_STCBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def STC_Dialect : Dialect {
  let name = "stc";
  let cppNamespace = "::stc";
  let summary = "The transformer graph: one op per transformer idea, on tensors.";
  let description = [{
    `stc` describes what a model computes, not how. Activations are `tensor<T x C x f32>` values
    with T tokens; weights are module-level symbols (`stc.weight`) whose bytes stay in the
    checkpoint and stream through the weight store; the key/value cache is the only state.
    Elementwise arithmetic is upstream's `arith` on tensors.

    Constraints are numbered (C1), (C2) ... in each op's description, and verifiers cite them.
  }];
  let useDefaultAttributePrinterParser = 1;
  let useDefaultTypePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

class STC_Attr<string name, string mnemonicName> : AttrDef<STC_Dialect, name> {
  let mnemonic = mnemonicName;
}

def STC_PruneAttr : STC_Attr<"Prune", "prune"> {
  let summary = "How a weight was pruned.";
  let description = [{
    The pruning specification as on the command line (`"magnitude:2:4"`) and the fraction of
    weights kept. The mask itself lives in the weight store.

    (C1) `spec` is a pruning specification other than `none`. (C2) `density` is in [0, 1].

    Example: `#stc.prune<"magnitude:2:4", density = 5.000000e-01 : f64>`
  }];
  let parameters = (ins StringRefParameter<"pruning specification">:$spec, "::mlir::FloatAttr":$density);
  let assemblyFormat = "`<` $spec `,` `density` `=` $density `>`";
  let genVerifyDecl = 1;
}

def STC_QuantAttr : STC_Attr<"Quant", "quant"> {
  let summary = "How a weight was quantized.";
  let description = [{
    The quantization specification as on the command line (`"rtn:int4-g32"`) and the relative
    error it caused. Codes and scales live in the weight store.

    (C1) `spec` is a quantization specification other than `none`. (C2) `error` is not negative.

    Example: `#stc.quant<"rtn:int4-g32", error = 9.000000e-02 : f64>`
  }];
  let parameters = (ins StringRefParameter<"quantization specification">:$spec, "::mlir::FloatAttr":$error);
  let assemblyFormat = "`<` $spec `,` `error` `=` $error `>`";
  let genVerifyDecl = 1;
}

def STC_SliceAttr : STC_Attr<"Slice", "slice"> {
  let summary = "Which rows and columns of its source a weight has.";
  let description = [{
    What structured pruning left of a tensor of shape `of`. `rows` and `columns` list half-open
    ranges of what stays, each as its begin and its end: `[0, 16, 32, 48]` are the indices 0 to 15
    and 32 to 47. A dimension without ranges stays whole. With a `row_step` of n only every n-th row
    of each range stays, its first one to begin with: of interleaved matrices, one.

    (C1) `of` has 1 or 2 positive sizes, and with 1 there are no `columns`. (C2) Ranges are pairs in
    rising order with gaps between them, not empty, and inside the dimension. (C3) `rows` or
    `columns` is present. (C4) `row_step` is positive, and 1 without `rows`.

    Example: `#stc.slice<of = [8, 4], rows = [0, 2, 4, 8]>`,
    `#stc.slice<of = [8, 4], rows = [1, 8], row_step = 2>`
  }];
  let parameters = (ins "::mlir::DenseI64ArrayAttr":$of,
                        OptionalParameter<"::mlir::DenseI64ArrayAttr">:$rows,
                        OptionalParameter<"::mlir::DenseI64ArrayAttr">:$columns,
                        DefaultValuedParameter<"int64_t", "1">:$row_step);
  let extraClassDeclaration = [{
    /// The ranges of a dimension; none if it stays whole.
    ::llvm::ArrayRef<int64_t> getRanges(unsigned dim) const;
    /// Every how many-th index of its ranges stays.
    int64_t getStep(unsigned dim) const { return dim == 0 ? getRowStep() : 1; }
    /// The indices that stay of a dimension, in rising order.
    ::llvm::SmallVector<int64_t> getKept(unsigned dim) const;
    /// The sizes that are left.
    ::llvm::SmallVector<int64_t> getShape() const;
    /// The ranges of rising indices.
    static ::mlir::DenseI64ArrayAttr rangesOf(::mlir::MLIRContext *context,
                                              ::llvm::ArrayRef<int64_t> kept);
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

def STC_KVCacheType : TypeDef<STC_Dialect, "KVCache"> {
  let mnemonic = "kv_cache";
  let summary = "The keys and values of all layers, updated in place.";
  let description = [{
    Mutable state: for every layer, key/value head and position below `capacity` one key and one
    value of `head_dim` numbers. `element` says how they are rounded when they are stored: f32 not
    at all; f16 and f8E4M3FN to nearest even, clamped to the finite range; i8 to codes from -127 to 127 with one
    f32 scale per key and per value, the largest magnitude / 127. The bytes are Packing's business
    (KVCacheLayout).

    (C1) Every size is positive. (C2) `capacity` is a multiple of 16. (C3) `element` is f32, f16,
    i8 or f8E4M3FN.

    Example: `!stc.kv_cache<layers = 5, kv_heads = 4, head_dim = 8, capacity = 512, element = i8>`
  }];
  let parameters = (ins "int64_t":$layers, "int64_t":$kv_heads, "int64_t":$head_dim,
                        "int64_t":$capacity,
                        DefaultValuedParameter<"::mlir::Type",
                                               "::mlir::Float32Type::get($_ctxt)">:$element);
  let extraClassDeclaration = [{
    /// Where the bytes of one layer lie.
    ::stc::KVCacheLayout getLayout() const;
    /// The type of an element kind.
    static ::mlir::Type elementType(::mlir::MLIRContext *context, ::stc::KVElement element);
  }];
  let assemblyFormat = "`<` struct(params) `>`";
  let genVerifyDecl = 1;
}

#endif // STC_DIALECT_STC_IR_STCBASE_TD
