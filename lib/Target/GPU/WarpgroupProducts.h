// Products of bytes and 16-bit floats by the four warps of a warpgroup together (wgmma).
#ifndef STC_LIB_TARGET_GPU_WARPGROUPPRODUCTS_H
#define STC_LIB_TARGET_GPU_WARPGROUPPRODUCTS_H

#include "BlockBuilder.h"

#include <array>

namespace stc::gpu {

/// Warps of a warpgroup, each of which has 16 of the 64 rows, and the groups of eight tokens that
/// all of them multiply.
constexpr int64_t kWarpgroupWarps = 4, kWarpgroupFragments = 8;
/// Bytes of a token in shared memory, and what the place of eight tokens must be a multiple of.
constexpr int64_t kWarpgroupRowBytes = 128, kWarpgroupAlignment = 1024;

/// Where the 16 bytes number `chunk` (i32, below 8) of token `token` (i32) are kept, in bytes
/// behind where tokens begin: the instruction reads the eight tokens of a fragment in different
/// banks.
Value warpgroupPlace(BlockBuilder &builder, Value token, Value chunk);

/// Starts the products of one or more spans of 32 columns, which are added to `sums` (i32: of each
/// fragment of eight tokens two rows times two tokens), or where those are null begin at zero.
/// `weights`: of each span four words of bytes, signed or not, of two rows each columns 4 t to
/// 4 t + 3 and then the same two 16 columns later, of thread t of four. `inputs` + `offset` (i32):
/// where the first of the tokens begins in shared memory, both multiples of kWarpgroupAlignment;
/// `firstSpan`: the span of a token that `weights` begins with. What threads copied to shared
/// memory must be fenced by `fenceCopies`. All threads of the warpgroup are there. Sums, and what
/// is multiplied, are not to be touched until `waitForProducts`, but further products may be
/// started.
void startWarpgroupProducts(BlockBuilder &builder, llvm::ArrayRef<std::array<Value, 4>> weights,
                            bool areSigned, Value inputs, Value offset, int64_t firstSpan,
                            llvm::MutableArrayRef<Value> sums);

/// The same of a 2:4 matrix, of one or more pairs of spans: 64 columns in 16 chunks of four. Thread
/// t of four has in `weights` of each pair four words of signed bytes: the two that are stored of
/// each of chunks 2 t and 2 t + 1, of two rows, and then of chunks 2 t + 8 and 2 t + 9; and in
/// `places` a word with those of eight chunks, two bits for each weight: of the first eight in
/// threads 0 and 1, of each one row, and of the others in threads 2 and 3.
void startWarpgroupPruned(BlockBuilder &builder, llvm::ArrayRef<std::array<Value, 4>> weights,
                          mlir::ValueRange places, Value inputs, Value offset, int64_t firstPair,
                          llvm::MutableArrayRef<Value> sums);

/// `sums` (f32) plus products of 16-bit floats, which are done at the end. `element`: BF16 or F16.
/// `weights`: of each span of 16 columns four words of two neighbouring columns, of two rows
/// columns 2 t and 2 t + 1 and then the same two eight columns later; they are multiplied by the
/// tokens at all of `inputs`, one after the other.
void addWarpgroupHalves(BlockBuilder &builder, ElementKind element,
                        llvm::ArrayRef<std::array<Value, 4>> weights, llvm::ArrayRef<Value> inputs,
                        llvm::MutableArrayRef<Value> sums);

/// 16-bit weights of four tiles in shared memory, which begin at a multiple of kWarpgroupAlignment.
struct SharedWeights {
  Value start;
  /// From one tile to the next, which are stored as row tiles are, but that of each eight columns
  /// the last four have their halves of 16 bytes exchanged. 0: rows lie as tokens do, 64 columns
  /// each.
  int64_t tileBytes;
};

/// Weights in shared memory times tokens whose 64 columns begin at `input`.
struct SharedProduct {
  SharedWeights weights;
  Value input;
};

/// Starts the same of `steps` times 16 columns, from step `first` on, of weights that are in shared
/// memory and of inputs of 64 columns, one product after the other. `sums`: of eight tokens for
/// every four of them.
void startWarpgroupHalves(BlockBuilder &builder, ElementKind element,
                          llvm::ArrayRef<SharedProduct> products, int64_t first, int64_t steps,
                          llvm::MutableArrayRef<Value> sums);

/// A product of 2:4 weights of 16 bits: those of one half of 64 columns, 0 or 1, which are eight
/// chunks of four columns, times the tokens whose 64 columns begin at `input` in shared memory.
/// Thread t of four has the two weights that are stored of chunk t, of two rows, and then of chunk
/// t + 4.
struct PrunedHalves {
  std::array<Value, 4> weights;
  int64_t half;
  Value input;
};

/// Starts such products, one after the other; what `startWarpgroupHalves` says of sums holds for
/// weights and places too. `places` (i32): of the weights in four chunks, two bits each, from
/// bit 16 on of the second row; threads 0 and 1 of four have those of the first half's chunks,
/// threads 2 and 3 of the second's.
void startWarpgroupPrunedHalves(BlockBuilder &builder, ElementKind element,
                                llvm::ArrayRef<PrunedHalves> products, Value places,
                                llvm::MutableArrayRef<Value> sums);

/// Waits until at most `pending` of the products that were started one after the other are not done
/// yet. `sums`: what they are added to, where it is then needed.
void waitForProducts(BlockBuilder &builder, int64_t pending,
                     llvm::MutableArrayRef<Value> sums = {});

/// Makes what this thread has written to shared memory visible to instructions of warpgroups, once
/// others have waited for this thread.
void fenceCopies(BlockBuilder &builder);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_WARPGROUPPRODUCTS_H
