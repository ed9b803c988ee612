// What writes the code of one packed.matmul_tile for many tokens: what its ways of multiplying
// share.
#ifndef STC_LIB_TARGET_GPU_MATMULEMITTER_H
#define STC_LIB_TARGET_GPU_MATMULEMITTER_H

#include "CodeReader.h"

#include <memory>

namespace stc::gpu {

/// Tokens that are multiplied at once.
struct TokenBlock {
  Value first;   // index
  int64_t count; // of the block
  Value present; // i32: how many of them there are; null: all
};

/// A slot is a row tile that the operation computes. With rotary embeddings, slots 2 i and 2 i + 1
/// are the tiles of a pair.
class MatmulEmitter {
public:
  virtual ~MatmulEmitter() = default;
  /// Writes the code for all tokens.
  void emit();

protected:
  MatmulEmitter(packed::MatmulTileOp op, const TargetDescription &target);

  /// Blocks of tokens the way of multiplying has code for, largest first. All but the first may be
  /// incomplete.
  virtual llvm::SmallVector<int64_t> blockSizes() const = 0;
  /// Multiplies and finishes a block, and calls `barrier` where the convention asks for it.
  virtual void emitBlock(const TokenBlock &block) = 0;

  /// How many slots there are, and of them a multiple of this belongs together.
  int64_t slots() const { return rowTiles * partCount; }
  int64_t parts() const { return partCount; }
  /// The number (index) of the row tile of slot `slot` (index), or of the last one in its place.
  Value tileOf(Value slot);
  /// Whether `slot`, which may be beyond the last one, has a row tile (i1); null: all have.
  Value existsSlot(Value slot, bool isWithin);
  /// Where a row tile begins in global memory.
  Value tileAddress(Value tile);

  /// `number` input's row of the block's token `token` (i32; beyond those present: the last).
  Value inputRow(unsigned number, const TokenBlock &block, Value token);
  Value presentToken(const TokenBlock &block, Value token);

  /// The sums (f32, one for each part) of a row (index, of 16) of the slots from `slot` on, which
  /// exist, and of one token (index) that is present. `exists` (i1; null: yes): whether the result
  /// is one at all; its place may be read then too.
  struct Result {
    Value slot, row, token;
    Values sums;
    Value exists = Value();
  };
  /// Finishes results and writes them; whatever that reads is read before.
  void finish(llvm::ArrayRef<Result> results);

  packed::MatmulTileOp op;
  BlockBuilder builder;
  packed::WeightType type;
  Layout layout;
  TileGeometry geometry;
  Value weights;

private:
  int64_t rowTiles, partCount;
  int64_t pieces() const;
  /// Of a result: the row of each of its sums, and what it reads.
  struct Finishing;
  Finishing startFinishing(const Result &result);
  void finish(const Result &result, const Finishing &finishing);
  /// The piece of a slot: a tile, or a pair of them.
  Value pieceOf(Value slot);
  /// Row tiles that the halves of a head are apart.
  int64_t apart() const;
  void emitBlocks(Value begin, Value end);
};

/// Products by the instructions every target has.
std::unique_ptr<MatmulEmitter> createGenericMatmul(packed::MatmulTileOp op,
                                                   const TargetDescription &target);
/// Products of int8 activations by tensor cores, for quantized layouts in groups of whole spans.
std::unique_ptr<MatmulEmitter> createCodeMatmul(packed::MatmulTileOp op,
                                                const TargetDescription &target);
/// The same for dense layouts and 2:4 with weights and activations in shared memory long before
/// their use; null where that does not take the operation.
std::unique_ptr<MatmulEmitter> createStagedMatmul(packed::MatmulTileOp op,
                                                  const TargetDescription &target);
/// Products of activations of 16 bits, the second input, by tensor cores: bf16 and f16 weights;
/// null where that does not take the operation.
std::unique_ptr<MatmulEmitter> createStagedHalves(packed::MatmulTileOp op,
                                                  const TargetDescription &target);
/// The same of 2:4 weights.
std::unique_ptr<MatmulEmitter> createStagedPrunedHalves(packed::MatmulTileOp op,
                                                        const TargetDescription &target);
/// The same of other weights with masks, which get their zeros in shared memory.
std::unique_ptr<MatmulEmitter> createStagedMasked(packed::MatmulTileOp op,
                                                  const TargetDescription &target);
/// Products of activations rounded to f16, the only input, by tensor cores: dense codes, which
/// become f16 in registers; null where that does not take the operation.
std::unique_ptr<MatmulEmitter> createStagedWide(packed::MatmulTileOp op,
                                                const TargetDescription &target);
/// Products of int8 activations by AMD's matrix instructions, for quantized layouts; null where the
/// target has none, or the layout's steps are stored or absent as a whole.
std::unique_ptr<MatmulEmitter> createMatrixMatmul(packed::MatmulTileOp op,
                                                  const TargetDescription &target);
/// Products of f32 activations, as sums of two bf16, by tensor cores: bf16 and f16 weights.
std::unique_ptr<MatmulEmitter> createSplitMatmul(packed::MatmulTileOp op,
                                                 const TargetDescription &target);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_MATMULEMITTER_H
