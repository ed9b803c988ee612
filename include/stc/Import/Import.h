// Checkpoint -> stc graph.
#ifndef STC_IMPORT_IMPORT_H
#define STC_IMPORT_IMPORT_H

#include "stc/Formats/Checkpoint.h"
#include "stc/Packing/KVCache.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace stc {

struct ImportOptions {
  int64_t maxContext = 0; // 0: the checkpoint's, at most 4096; rounded up to a multiple of 16
  KVElement kvCache = KVElement::F32; // how the cache keeps keys and values
};

/// Attributes of a module with @encode, i64: positions that the encoder and the decoder have, where
/// the cache, which both use, has more.
constexpr llvm::StringLiteral kEncoderContextAttr = "stc.encoder_context";
constexpr llvm::StringLiteral kDecoderContextAttr = "stc.decoder_context";

/// Builds a module with one `stc.weight` per tensor and two functions:
///   @forward(tokens : tensor<?xi32>, position : index, cache : !stc.kv_cache<...>)
///       -> tensor<?x hidden x f32>   (after the final norm; one `stc.layer` per layer)
///   @head(hidden : tensor<?x hidden x f32>) -> tensor<?x vocab x f32>
/// An encoder in front of the decoder is a function of its own, and @forward is told how many
/// positions that left in the cache:
///   @encode(tokens : tensor<?xi32>, cache : !stc.kv_cache<...>)
///   @forward(tokens : tensor<?xi32>, position : index, encoded : index, cache) -> as above
/// Where the encoder reads rows of features in place of tokens, two convolutions of kernel size 3
/// are in front: @stem is the first, of rows that are unfolded (unfoldRows), and @encode takes its
/// result, unfolded again, beside the positions as tokens:
///   @stem(rows : tensor<? x 3 features x f32>) -> tensor<? x hidden x f32>
///   @encode(positions : tensor<?xi32>, rows : tensor<? x 3 hidden x f32>, cache) -> ()
/// A vision transformer is an encoder that reads rows of pixels, a patch each, behind a row of
/// zeros for each class token; its tokens are the numbers of these, then one number for every
/// patch.
/// @head are the heads that classify, one after another, where the checkpoint has them:
///   @forward(tokens, rows : tensor<? x channels patch_height patch_width x f32>, position, cache)
/// Every tensor the architecture needs must exist with the expected shape; unknown extra tensors
/// are an error that names the first of them unless the architecture lists them as ignorable.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> importCheckpoint(mlir::MLIRContext &context,
                                                                   const Checkpoint &checkpoint,
                                                                   const ImportOptions &options);

} // namespace stc

#endif // STC_IMPORT_IMPORT_H
