// What the parts of the attention kernel share: its rows, its places in shared memory, its loops.
#ifndef STC_LIB_TARGET_GPU_ATTENTIONEMITTER_H
#define STC_LIB_TARGET_GPU_ATTENTIONEMITTER_H

#include "BlockLowerings.h"
#include "RowBuilder.h"

#include "stc/Dialect/Packed/Transforms/PatternBlocks.h"
#include "stc/Dialect/Packed/Transforms/VisibleKeys.h"
#include "stc/Dialect/STC/Utils/AttentionBias.h"

namespace stc::gpu {

/// Writes packed.attention_tile. A row is a pair of token and query head; all rows of a tile read
/// the same key/value head. A warp computes a few rows (a chunk) at once, with softmax online
/// (Milakov and Gimelshein 2018; Dao et al. 2022), in steps of as many keys as it has lanes:
///
///   scores   lanes take several keys and every few elements of them, in loads of 16 bytes, and
///            exchange sums until each has one key's score
///   weights  exp(score - maximum so far), to shared memory
///   out      lanes take elements of the values: out = out * alpha + weights . values
///
/// Where there are few rows (one token), the warps of the block share the keys, and their results
/// are put together through shared memory; else each warp takes chunks of rows and all keys.
///
/// One token is a chain of waits, and up to 512 keys one step of each warp: keys and values are
/// asked for, all of them; queries arrive, go to shared memory (a barrier) and back; the step's
/// keys arrive in one or two rounds of loads; scores, their maximum (exchanges between lanes),
/// weights (shared memory of the warp); its values arrive in one round, from the second cache by
/// now; a barrier, after which the warps' results are put together and stored.
class AttentionEmitter {
public:
  AttentionEmitter(packed::AttentionTileOp op, const TargetDescription &target);
  void emit();

protected:
  /// What a warp carries from step to step, for each row of the chunk.
  struct State {
    Values maxima; // f32, the same in all lanes
    Values sums;   // f32, of the lane's own weights
    Values outs;   // vector<valueWidth x f32>, [row][vector]
    Values all() const;
  };
  /// Where a row is, and what its scores get for distances; null where there is nothing.
  struct RowPlace {
    Value position; // index
    Value line;     // where the head's biases begin
    Value slope;    // f32
  };

  bool isInt8() const { return layout.element == KVElement::Int8; }
  /// Keys and values are then loaded divided by kFloat8Scale.
  bool isFloat8() const { return layout.element == KVElement::Float8; }
  int64_t elementBytes() const { return layout.elementBytes(); }
  Type storedType();
  /// f32 of keys or values that were loaded.
  Value loadedToF32(Value stored);
  int64_t warpThreads() const { return builder.getTarget().warpThreads; }
  int64_t valuesPerRow() const { return layout.paddedDim() / valueWidth; }
  bool isDecode() { return op.getTokens() == 1; }

  // AttentionTile.cpp
  /// Finds the tile's rows and positions, and the keys and values of its head.
  void findTile();
  void placeBuffers();
  /// Puts buffers of so many bytes behind each other in the block's scratch memory.
  void placeAll(llvm::ArrayRef<Value *> places, llvm::ArrayRef<int64_t> sizes);
  /// Asks for the keys and values of blocks [begin, end).
  void prefetch(Value begin, Value end);
  void prepareRows();
  void prepareFloats();
  void prepareCodes();
  /// The number of the token within the tile, and the query head, of a row (index) of the tile;
  /// rows behind the last one repeat it.
  std::pair<Value, Value> tokenAndHead(Value row);
  /// Attention of rows [first, first + chunk) to the keys of steps begin, begin + step, ...
  State attend(Value first, Value begin, Value end, int64_t step);
  /// As attend, of the steps whose blocks a row of the tile sees something of: all, those of the
  /// piece, or where warps share keys every `workers`-th.
  State attendSeen(const State &start, Value first, llvm::ArrayRef<RowPlace> places);
  /// Goes to a step's keys and values.
  void enterStep(Value block, Value stepOfBlock);
  State split(ValueRange values) const;
  /// What rows [first, first + chunk) have before any key: their sinks, in one warp of one piece.
  State stateBefore(Value first);
  State addKeys(Value first, llvm::ArrayRef<RowPlace> places, const State &before);
  Value capScore(Value score);
  Value isVisible(Value key, Value position);
  /// The inverse of a sum of probabilities.
  Value inverseOf(Value sum);
  void writeRows(Value first, const State &state);
  void writeMerged(Value first, const State &state);
  /// Stores element `d` of a row that all warps together have: weights times values, and for the
  /// row the largest score and the sum of weights.
  void storeMerged(Value row, Value d, Value total, Value maximum, Value sum);
  /// Where in `out` a row's element is.
  Values outPlace(Value row, Value d);

  // AttentionBias.cpp
  void planBias();
  void prepareBias();
  RowPlace placeOfRow(Value row);
  /// A row's score of a key (index, of the cache) with its biases.
  Value addBias(const RowPlace &row, Value key, Value score);

  // AttentionProducts.cpp
  int64_t keyLoads(int64_t rounds) const;
  int64_t valueKeys() const;
  /// The lane's score of each row: f32.
  Values scores(Value first);
  Values floatProducts(Value first);
  Values codeProducts(Value first);
  /// What `width` keys per lane and every few elements add up to -> the lane's own key's.
  Value exchange(Values sums);
  Values addValues(ValueRange outs);
  Value seenPlace(Value place);
  Values loadValues(Value key, int64_t keys, int64_t vector);

  packed::AttentionTileOp op;
  RowBuilder builder;
  KVCacheLayout layout;
  int64_t shared;              // query heads per key/value head
  int64_t rows;                // of a full tile
  int64_t workers;             // warps with work
  bool sharesKeys;             // among warps
  int64_t chunk;               // rows of a warp at once
  int64_t chunks;              // of a full tile
  int64_t keyWidth;            // keys of a lane in one load: a power of two
  int64_t valueWidth;          // elements of a value in one load
  int64_t valueVectors;        // of a lane; the last one may not exist
  int64_t mergedRows;          // whose results are put together at once
  std::vector<BucketRun> runs; // of the biases
  int64_t lineFloats = 0;      // of a line of biases

  Value keys, values;                             // of the key/value head, in global memory
  Value presentRows, firstPosition, lastPosition; // index
  packed::VisibleBlocks blocks;
  packed::PatternBlocks pattern;
  Value patternTable; // null without one
  Value lane, warp;
  // The step in work.
  Value stepKeys, stepValues; // its block
  Value inBlock;              // index: its first key, in the block
  Value position;             // index: and in the cache
  // Places in shared memory.
  Value queries;     // f32 [row][padded head_dim], or int8 codes
  Value queryScales; // f32 [row], with the softmax's scale (Int8)
  Value queryStarts; // i32 [row], -128 times the sum of the codes (Int8)
  Value weights;     // f32 [warp][row of the chunk][key of the step]
  Value ownWeights;  // of this warp
  Value results;     // f32 [row][warp][padded head_dim]
  Value maxima;      // f32 [row of the chunk][warp]
  Value sums;        // f32 [row of the chunk][warp]
  Value lines;       // f32 [query head of the key/value head][distance - that of the first run]
  Value slopes;      // f32 [query head of the key/value head]
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_ATTENTIONEMITTER_H
