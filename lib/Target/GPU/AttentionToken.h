// Attention of one token whose rows a warp can take at once.
#ifndef STC_LIB_TARGET_GPU_ATTENTIONTOKEN_H
#define STC_LIB_TARGET_GPU_ATTENTIONTOKEN_H

#include "AttentionEmitter.h"
#include "CacheUpdate.h"

namespace stc::gpu {

/// Writes packed.attention_tile of one token in rounds of 256 keys, so that the fewest keys occupy
/// all warps:
///
///   scores   a warp takes 16 keys, a tile of the cache: each lane a few of them, of every few
///            elements; lanes exchange sums. Scores, and the largest of each warp, go to shared
///            memory: a barrier
///   weights  a warp takes every 16th key: exp(score - the largest of all warps)
///   out      its lanes take elements of the values: out = weights . values
///
/// The sums of all warps belong to the same maxima, so that the threads which put results together
/// only add. A piece of up to 256 keys is one chain of waits: queries, keys and values are asked
/// for at once; a barrier, products, a barrier, products, a barrier, sums.
///
/// The newest key and value may still have to be stored: then they come from shared memory, while
/// others of their block are read from the cache, and nobody waits for them.
class TokenAttention : public AttentionEmitter {
public:
  static bool takes(packed::AttentionTileOp op, const TargetDescription &target);
  /// The update right before a tile that stores the newest key and value of this token, alone or
  /// under a condition; null where there is none.
  static CacheUpdateOp updateBefore(packed::AttentionTileOp op);

  TokenAttention(packed::AttentionTileOp op, const TargetDescription &target);
  /// Erases the update before the tile.
  void emit();

private:
  /// What a warp has of a round: keys of its tile, and values of every 16th key, as they are
  /// stored.
  struct Loaded {
    Values keys, values;
  };
  /// What is carried from round to round: maxima are the same in all threads, sums of the lane's
  /// own weights, [entry].
  State split(ValueRange values) const;

  bool fits() const;
  void placeTokenBuffers();
  /// Takes the update's operands to before the tile.
  void takeUpdate();
  /// Queries, and the newest key and value: what threads load of them, and where it goes.
  void loadInputs();
  void storeInputs();
  void storeNewest();

  State start();
  /// Adds the keys of blocks `base` and on (numbers among those that are visible) below `end`.
  State addRound(Value base, Value end, const Loaded &loaded, const State &before);
  Loaded loadRound(Value base, Value end);
  Values loadKeys(Value base, Value end);
  /// The 4 keys of a block whose values the warp takes: its vectors, [key][vector].
  Values loadBlockValues(Value number, Value end);
  /// The scores of the warp's tile: of each row one per lane, lanes 16 and on repeat them.
  Values tileScores(Value base, Value end, ValueRange keys);
  Values products(ValueRange keys);
  /// Element `d` of all queries; a number of each row, from where they lie together.
  Values queriesOf(Value d);
  Values loadRows(Value start);
  /// The position of the first key of the warp's tile, and whether there is one to see.
  Value tilePosition(Value base);
  Value seesTile(Value base, Value end);
  Value keyInTile();
  /// The score of the newest key in the warp that computes it, the lowest number elsewhere; it goes
  /// to shared memory.
  Values newestScores(Value base);
  Value scoreAddress(Value row, Value inTile, Value tile);
  /// The largest scores of the round, of each row.
  Values largestScores();
  void addBlock(int64_t block, Value number, ValueRange loaded, Values &outs);
  Value newVector(int64_t number);
  void writeResults(const State &sums);

  /// What a lane has of the softmax's weights: entry e is of key `lane` modulo 16 of the warp's,
  /// and of row 2 e or 2 e + 1.
  int64_t entries() const { return llvm::divideCeil(rows * kShare, kWarpLanes); }
  Value keyOfLane() { return builder.remainder(lane, kShare); }
  Value isOddRow();
  Value ofEntry(ValueRange ofRows, int64_t entry);
  Value rowOfEntry(int64_t entry);
  /// Whether there is an odd row of the entry.
  bool isFull(int64_t entry) const { return 2 * entry + 1 < rows; }
  Value lowest();
  Value isNewest(Value position);
  /// i1: the piece holds the newest key, and it is not in the cache yet; null: none is.
  Value holds;

  /// The warps that this is written for; keys of a warp in a round, and of all.
  static constexpr int64_t kWarps = 16, kShare = 16, kRoundKeys = 256,
                           kRoundBlocks = kRoundKeys / kKVBlock;
  /// Floats between the scores of one warp's keys, so that lanes find them in different banks.
  static constexpr int64_t kScoreStride = kShare + 1;

  int64_t rowWords;            // floats of a column of queries, or of a key's weights
  int64_t keyGroups, keyLoads; // lanes that share an element, and loads of a lane
  int64_t queryColumns;        // elements of queries, zeros behind them
  bool isOneRound;             // of all keys
  int64_t earlyBlocks = 0;     // of a round, whose values are asked for together with keys
  bool keepsValues;            // all of a round in registers
  CacheUpdateOp update;
  mlir::Operation *branch = nullptr; // the condition around the update
  Values queryInputs;                // of a thread
  Value keyInput, valueInput;
  // In shared memory.
  Value newKey;                  // f32 [padded head_dim]
  Value newValue;                // as the cache has it, [padded head_dim]
  Value scores, scoresOfRound;   // f32 [row][key modulo 16][key / 16], of two rounds
  Value largest, largestOfRound; // f32 [row][warp]
  Value lastMaxima;              // f32 [row]
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_ATTENTIONTOKEN_H
