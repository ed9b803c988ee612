// What the parts of the attention kernel share: its rows, its buffers on the stack, its loops.
#ifndef STC_LIB_TARGET_CPU_ATTENTIONEMITTER_H
#define STC_LIB_TARGET_CPU_ATTENTIONEMITTER_H

#include "TileLowerings.h"

#include "stc/Dialect/Packed/Transforms/PatternBlocks.h"
#include "stc/Dialect/Packed/Transforms/VisibleKeys.h"
#include "stc/Dialect/STC/Utils/AttentionBias.h"

namespace stc::cpu {

/// Writes packed.attention_tile. A row is a pair of token and query head; all rows of a tile read
/// the same key/value head. Softmax is computed online (Milakov and Gimelshein 2018; Dao et al.
/// 2022), a block of 64 keys at a time:
///
///   scores    = scale * queries . keys + biases   rows x 64, on the stack
///   weights   = exp(scores - the block's maximum) per row
///   out       = out * alpha + (weights . values) * factor
///
/// with alpha and factor bringing what was summed before and the block under the larger maximum.
class AttentionEmitter {
public:
  AttentionEmitter(packed::AttentionTileOp op, const TargetDescription &target);
  void emit();

private:
  static constexpr int64_t kVectors = kKVBlock / kLanes; // of scores in a block

  bool isInt8() const { return layout.element == KVElement::Int8; }
  /// Keys and values are then loaded divided by kFloat8Scale.
  bool isFloat8() const { return layout.element == KVElement::Float8; }
  int64_t valueVectors() const { return layout.paddedDim() / kLanes; }
  Type storedType();
  /// Loads a vector of keys or values and converts it to f32.
  Value loadStored(Value address);

  // AttentionTile.cpp
  void allocate();
  void prepareRows();
  void prepareQuery(Value row, Value token, Value head);
  void addBlock(Value number);
  void weighScores(bool masked);
  Value capScores(Value scores);
  void weighRow(Value row, bool masked);
  void updateMaxima();
  void writeResults();
  /// Positions of vector `v` of the block that a row at `position` sees, as a mask.
  Value visibleLanes(Value position, int64_t v);

  // AttentionBias.cpp
  /// What scores of a row get for their distances in the block; null where there is nothing.
  struct RowBias {
    Value distance; // i32, of the block's first key from the row
    Value line;     // where the head's biases begin
    Value slope;    // f32 [16], all the same
  };
  bool hasBias() { return op.getBias() || op.getSlopes(); }
  void allocateBias();
  void prepareBias();
  RowBias biasOfRow(Value row, Value position);
  /// Scores of vector `v` of the block, with their biases.
  Value addBias(const RowBias &row, Value score, int64_t v);

  // AttentionMask.cpp
  void addSeenBlocks();
  Value patternLanes(Value position, int64_t v);

  // AttentionProducts.cpp
  void addScores(Value row);
  Values integerProducts(Value row, int64_t first, int64_t vectors);
  Values floatProducts(Value row, int64_t first, int64_t vectors);
  void addValues(Value row);
  Values integerSums(Value row, int64_t first, int64_t vectors);
  Values floatSums(Value row, int64_t first, int64_t vectors);

  /// Calls `body` for the first row of each group of rows that are computed together.
  void forEachGroup(llvm::function_ref<void(Value)> body);
  /// The address of an element of a buffer with `bytes` bytes per row.
  Value at(Value buffer, Value row, int64_t bytes, int64_t offset = 0) {
    return builder.address(builder.address(buffer, builder.mul(row, bytes)), offset);
  }
  Value loadFloat(Value address) { return builder.load(builder.getF32Type(), address); }

  packed::AttentionTileOp op;
  KernelBuilder builder;
  KVCacheLayout layout;
  int64_t shared;                 // query heads per key/value head
  int64_t rows;                   // rows of a full tile
  int64_t together;               // rows whose products are computed at once
  int64_t allRows;                // `rows` padded to whole groups
  int64_t keyVectors, outVectors; // vectors of scores and of results computed at once

  std::vector<BucketRun> runs; // of the biases
  int64_t firstDistance;       // of a line of biases
  int64_t lineFloats;          // its length

  Value keys, values;        // of the key/value head
  Value tokens, presentRows; // of this tile
  Value groupedRows;         // `presentRows` padded to whole groups
  Value firstPosition, lastPosition;
  packed::VisibleBlocks blocks;
  packed::PatternBlocks pattern;
  Value patternTable; // null without one
  // The block in work.
  Value blockKeys, blockValues, blockStart;
  // Buffers, per row.
  Value queries;     // f32 [head_dim], or int8 codes [head_dim padded to 4]
  Value queryScales; // f32, with the softmax's scale (Int8)
  Value queryStarts; // i32, -128 times the sum of the codes (Int8)
  Value positions;   // i32
  Value scores;      // f32 [64], then weights
  Value codes;       // u8 [64], weights (Int8)
  Value codeScales;  // f32 (Int8)
  Value blockMaxima, maxima, alphas, factors; // f32
  Value blockSums, sums;                      // f32 [16]
  Value outs;                                 // f32 [padded head_dim]
  // Buffers of biases; null where there are none.
  Value slopes; // f32, per query head
  Value lines;  // f32 [distance - firstDistance], per query head of the key/value head
};

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_ATTENTIONEMITTER_H
