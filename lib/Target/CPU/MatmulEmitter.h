// What writes the loops of one packed.matmul_tile, whatever the layout.
#ifndef STC_LIB_TARGET_CPU_MATMULEMITTER_H
#define STC_LIB_TARGET_CPU_MATMULEMITTER_H

#include "WeightReader.h"

namespace stc::cpu {

using mlir::ArrayRef;
using mlir::MutableArrayRef;

/// A row tile that is being emitted.
struct RowTile {
  Value number;
  Value firstRow;
  Value mask; // of the rows that exist, where a tile may be partial
};

/// What stays the same for all tokens of the tile.
class MatmulTileEmitter {
public:
  MatmulTileEmitter(packed::MatmulTileOp op, const TargetDescription &target);
  void emit();

private:
  /// Computes `count` tokens starting at `token` of all row tiles, and writes their results.
  void emitTokens(Value token, int64_t count);
  /// The same of `pieces` row tiles from `number` on, or of so many pairs of those that are turned
  /// together, side by side.
  void emitPieces(Value number, int64_t pieces, Value token);
  /// The tiles of a piece: one, or two that are turned together.
  llvm::SmallVector<RowTile> tilesOf(Value piece);
  /// Turns the sums of the tokens of two tiles.
  void rotateTiles(Value piece, Value token, Values &first, Values &second);
  RowTile makeTile(Value number);
  /// Runs `body`, which prefetches weights, where it is the first block of tokens that reads them.
  void whereReadFirst(llvm::function_ref<void()> body);
  /// Computes tokens [begin, end) in blocks of `block` while there are that many; returns the next.
  Value emitBlocks(Value begin, Value end, int64_t block);

  // The sums of several row tiles, which are read side by side: a vector per token of each.
  using Sums = llvm::SmallVector<Values>;
  Sums emitSums(ArrayRef<RowTile> tiles);
  Sums emitFloats(ArrayRef<RowTile> tiles);
  /// Whether the block's tokens are multiplied in the form of split activations, and their sums.
  bool isSplit() const;
  Values emitSplit(const RowTile &tile);
  /// The sums of floats with masks, and what they are made of.
  Values emitSparseFloats(const RowTile &tile);
  Value emitSparseRow(WeightReader &reader);
  Values emitSparseTokens(WeightReader &reader);
  void readSteps(WeightReader &reader, Value block, int64_t steps, Values &carried,
                 llvm::function_ref<void(Value, int64_t, Value, Values &)> consume);
  void expandPanel(WeightReader &reader, Value panel, Value block, int64_t steps, Values &state);
  void multiplyPanel(Value panel, Value sums, Value first, int64_t columns);
  Sums emitQuantized(ArrayRef<RowTile> tiles);
  // And those of one group.
  Sums emitGroups(MutableArrayRef<WeightReader> readers, Value group, Sums &states);
  Sums emitDenseGroups(MutableArrayRef<WeightReader> readers, Value group, Sums &states);
  Sums emitPairsGroups(MutableArrayRef<WeightReader> readers, Value group);
  /// Whether the block's tokens go through tile registers, and the sums of a group from there.
  bool usesTiles() const;
  Values emitTileGroup(WeightReader &reader, Value group, Values &state);
  Values emitBlockGroup(WeightReader &reader, Value group, Values &state);
  Value selectInputs(Value positions, int64_t chunk, Value groupColumn, int64_t token);
  /// Whether activations are selected from 64 at once.
  bool selectsFromTables() const;
  Value tablePositions(Value pairs, int64_t chunk);
  /// What is subtracted from the codes, or the weights, of a group of each row; null: nothing.
  struct Shift {
    Value zeros, minimums;
  };
  void addScaled(Value scales, Shift shift, Value group, ArrayRef<Value> sums, Values &results);
  /// Pairs of the block's tokens that packed.dot8x2 multiplies with.
  int64_t tokenPairs() const;
  Value startPair(Value group, int64_t pair);
  void addPairProducts(Value first, Value second, Value column, Values &accumulators);
  void addProducts(Value weights, Value column, int64_t chain, Values &accumulators);
  Values tokenSums(ArrayRef<Value> accumulators);
  /// `type` from column `column` of input `number`, of token `token` of the block.
  Value loadInput(Type type, unsigned number, Value column, int64_t token);
  /// The tile's rows of `memref`, of a token where it is a matrix.
  Value loadRows(const RowTile &tile, Value memref, ValueRange indices);
  Value addBiasAndGate(const RowTile &tile, Value token, Value sum);
  void finish(const RowTile &tile, Value token, Value sum);

  packed::MatmulTileOp op;
  KernelBuilder builder;
  packed::WeightType type;
  Layout layout;
  packed::LoweringConfigAttr config;
  Value weights;
  // Of the block of tokens that is being emitted:
  int64_t count = 0;     // its tokens
  Value isFirst;         // whether weights are read for the first time; null: always
  Values inputAddresses; // where its first token begins in each input
};

/// Tokens whose sums of products of floats stay in registers while a vector of weights is
/// multiplied.
int64_t floatTokensInRegisters(const TargetDescription &target);

/// Chains of sums are independent of each other, so that additions need not wait for one another;
/// several tokens are chains already.
inline int64_t chainsPerToken(packed::LoweringConfigAttr config, int64_t tokens) {
  return tokens == 1 ? config.getAccumulators() : 1;
}

/// Adds the chains of each token: chain c of token t is values[t * chains + c].
template <typename AddOp>
Values addChains(KernelBuilder &builder, ArrayRef<Value> values, int64_t chains) {
  Values sums;
  for (; !values.empty(); values = values.drop_front(chains)) {
    Values terms(values.take_front(chains));
    for (; terms.size() > 1; terms.resize(terms.size() / 2))
      for (size_t i = 0; i < terms.size() / 2; ++i)
        terms[i] = AddOp::create(builder, terms[i], terms[i + terms.size() / 2]);
    sums.push_back(terms[0]);
  }
  return sums;
}

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_MATMULEMITTER_H
