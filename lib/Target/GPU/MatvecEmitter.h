// Emits the code of a weight matrix times one token: the class that several files define.
#ifndef STC_LIB_TARGET_GPU_MATVECEMITTER_H
#define STC_LIB_TARGET_GPU_MATVECEMITTER_H

#include "BlockLowerings.h"
#include "SharedMemory.h"
#include "WeightReader.h"

namespace stc::gpu {

/// Shared memory for the sums of warps, if there is so much beside what readers need and what is
/// left to others: facts of tiles, and private buffers of a function.
constexpr int64_t kPartialBytes = 32 << 10, kOtherBytes = 6 << 10;
/// The same where weights come by way of shared memory, which lies behind these sums.
constexpr int64_t kRingOffset = kScratchBesideCopies;
/// Loops that become one sequence: each takes a few instructions in every copy.
constexpr size_t kMostLoops = 4;
/// Tiles whose counts are kept, a power of two: one that is multiplied, the next one, which begins
/// to be loaded, and the one after it, which is counted.
constexpr int64_t kCountedTiles = 4, kCountedAhead = 2;
/// How far ahead tiles are brought into the second cache: before they are counted.
constexpr int64_t kPrefetchedAhead = 3;
/// Units of a warp whose masks wait in registers to be counted.
constexpr int64_t kWaitingUnits = 2;
/// What is known of a tile: where the table says that it begins and ends, and its stored steps.
enum Fact : int64_t { kStart, kEnd, kStored, kFacts };
constexpr int64_t kFactBytes = kFacts * sizeof(uint32_t);

/// The row tiles of one matrix in order: one per iteration, or the first or the second of a pair,
/// with rotary embeddings, or where another matrix of the same sequence has pairs.
struct Stream {
  packed::MatmulTileOp op;
  std::unique_ptr<WeightReader> reader;
  int64_t apart = 0; // row tiles from the first to the second of a rotary pair; 0: there are none
  bool isSecond = false;
  bool areNeighbours = false; // of a pair without rotary embeddings
  Values inputs;              // addresses of the token's row of each input

  int64_t firstSlot = 0;
  /// Units that each warp takes of a tile (fewer in some warps if they do not go up in its units),
  /// and how often it takes up to `atOnce` of them. A lane has as many under way, and the same
  /// again of what comes next.
  int64_t perWarp = 0, chunks = 0, atOnce = 0;
  int64_t unitsOf(int64_t chunk) const {
    return chunk + 1 < chunks ? atOnce : perWarp - chunk * atOnce;
  }
};

/// The streams of a loop, and which iterations of the sequence they are.
struct Part {
  std::vector<Stream> streams;
  int64_t begin, count;
};

/// All warps of a block share each row tile: warp w takes every warps-th unit of its columns, so
/// that together they read on and on, and no warp waits for another between tiles. (Where units are
/// ordered, their sizes are counted two tiles ahead, and warps wait for each other's counts.)
/// Each leaves its sums of a tile's rows in shared memory; when all tiles are through, the sums of
/// all warps are added and finished, one thread per row.
class MatvecEmitter {
public:
  MatvecEmitter(BlockBuilder &builder, llvm::ArrayRef<MatvecLoop> loops, Value first, Value step);
  /// Whether one sequence of units goes through all loops, and whether loops can be such a one.
  bool hasRing() const { return ringDepth != 0; }
  static bool canJoin(llvm::ArrayRef<MatvecLoop> loops);
  /// Starts to copy the first units, where units come by way of shared memory.
  void startRing();
  /// `isStarted`: startRing was called at another place.
  void emit(bool isStarted);

private:
  void emitStage(Value first);
  /// Where units of weights come by way of shared memory, the tiles of a block are one sequence of
  /// units, of which warp w takes every warps-th from w on: ringDepth of them are under way to the
  /// warp's own memory at a time. No tile, and no end of a tile, is special.
  bool planRing();
  void emitRing(bool isStarted);
  /// How many iterations the block has (index), and units.
  Value ownIterations();
  Value unitsOfIterations(Value iterations);
  void emitRingStage(Value begin, Value count, Value limit);
  void copyUnit(Value number, Value limit);
  Value slotOfUnit(Value number);
  /// Multiplies one tile; `current` are the loaded values of its first chunk, and those of the next
  /// tile's first chunk are returned. The units of `counted`, the tile after that, are counted.
  Values emitTile(const Stream &stream, Value iteration, const Stream &next, Value nextIteration,
                  const Stream &counted, Value countedIteration, Value slot, Values current);
  /// Loads, or multiplies, the `units` units of chunk `chunk`; `isLast`: some may not exist.
  /// `slot`: of the tile.
  Values loadChunk(const Stream &stream, Value tile, Value slot, Value chunk, int64_t units,
                   bool isLast);
  Values multiplyChunk(const Stream &stream, Value chunk, int64_t units, bool isLast, Values loaded,
                       Values sums);
  Values loadFirst(const Stream &stream, Value tile, Value slot);
  /// The row tile of a matrix in an iteration, and where it begins; `slot`: of the tile.
  Value tileOf(const Stream &stream, Value iteration);
  Value tileAddress(const Stream &stream, Value iteration, Value slot);
  /// Where a fact of a tile is kept, u32 each: of all tiles of a stage, because what is loaded of
  /// them would have to wait for it.
  Value factAddress(Value slot, Fact fact);
  Value factOf(Value slot, Fact fact) {
    return builder.loadAligned(builder.getI32Type(), factAddress(slot, fact), 4);
  }
  void storeFacts(llvm::function_ref<Value(Value)> iterationOf);
  int64_t factBytes() const {
    return kFactBytes * (atOnce + kPrefetchedAhead) * static_cast<int64_t>(streams.size());
  }
  /// Asks for a tile whose bytes a table says.
  void prefetchTile(const Stream &stream, Value iteration, Value slot);
  Value unitOf(const Stream &stream, Value chunk, int64_t i);
  /// Leaves a warp's sums of a tile's rows where those of all parts are: [slot][part][16 rows] f32.
  void storeSums(const Stream &stream, Value slot, Values sums, Value part);
  /// Where the row of an output lies that a thread finishes.
  struct Finished {
    Value iteration, slot, row;
  };
  Finished finishedBy(Value number, Value begin);
  /// The same with the iteration of a loop in place of the sequence's.
  Finished inPart(const Part &part, Finished place);
  /// Asks for what a thread's row is finished with while weights are under way: it comes from other
  /// multiprocessors. Only where all rows exist.
  void loadOperands(Value begin, Value iterations);
  Value operand(Value memref, ValueRange indices, bool isEarly);
  void finish(Value first, Value iterations);
  void finishRow(const Part &part, const Finished &place, bool loads);
  Value sumOf(Value slot, int64_t stream, Value row);
  Value activate(packed::MatmulTileOp op, Value gate, Value sum);
  Value chunksOf(const Stream &stream, Value slot);
  Value slotOf(Value number, int64_t stream);
  Value countAddress(Value slot, Value unit);
  UnitPlace placeOf(const Stream &stream, Value slot, Value unit);
  Values loadCounted(const Stream &stream, Value tile);
  void storeCounts(const Stream &stream, Value slot, Values counted);
  /// Bytes of the counts of one tile's units.
  int64_t countBytes() const;
  /// Bytes of the sums of one tile.
  int64_t slotBytes() const { return parts() * kTileRows * sizeof(float); }
  /// Sums of one row: those of warps, or of a tile's units where these are fewer.
  int64_t parts() const {
    return ringDepth ? std::min(builder.warps(), streams.front().reader->units()) : builder.warps();
  }
  int64_t slots() const { return atOnce * static_cast<int64_t>(streams.size()); }
  bool hasTables() const {
    return llvm::any_of(streams, [](const Stream &stream) { return stream.reader->hasTable(); });
  }
  bool isOrdered() const {
    return llvm::any_of(streams, [](const Stream &stream) { return stream.reader->isOrdered(); });
  }

  BlockBuilder &builder;
  /// One for each loop; all have as many streams as `streams`, those of the first.
  std::vector<Part> loops;
  std::vector<Stream> &streams;
  Value first, step;
  int64_t count = 0, atOnce; // iterations, and how many fit into shared memory
  /// Units that a warp has under way, bytes of each, and of a warp's memory for them.
  int64_t ringDepth = 0, ringBytes = 0, ringOfWarp = 0;
  Value lane, warp;
  int64_t warpBytes = 0, blockBytes = 0; // of shared memory, that readers need
  Values early; // operands of a thread's row, loaded before its sums are known
  size_t nextEarly = 0;
  Value partials, counts, facts;
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_MATVECEMITTER_H
