// Weights times activations of 16 bits by tensor cores: both come through shared memory.
#ifndef STC_LIB_TARGET_GPU_STAGEDHALVES_H
#define STC_LIB_TARGET_GPU_STAGEDHALVES_H

#include "TensorMatmul.h"

#include <array>

namespace stc::gpu {

/// Whether many tokens are multiplied by such weights through shared memory, with activations of 16
/// bits as a second input.
bool takesHalves(packed::WeightType weight);
/// Whether they are by instructions that leave out what a 2:4 matrix does not store.
bool takesPrunedHalves(packed::WeightType weight);
/// Whether floats with masks are that such instructions do not take: zeros are put in first.
bool takesMaskedHalves(packed::WeightType weight);
/// Whether codes are, with activations rounded to f16 as the one input.
bool takesRoundedInputs(packed::WeightType weight);

/// Columns that are copied and waited for at once, and the bytes of a token's.
constexpr int64_t kPortionColumns16 = 64, kPortionBytes16 = 2 * kPortionColumns16;

/// Dense bf16 and f16 weights times activations of the same type.
///
/// Slices of the columns are computed by warps of their own, which go through them in portions of
/// 64 columns; the warps of a slice divide its slots and its tokens. A portion has of each slot's
/// tile 64 columns of 16 rows as they are stored, and of each token 64 columns of its numbers: one
/// for each activation, or two whose sum it is. Chunks of 16 bytes are exchanged so that eight
/// which are read at once are in different banks. Weights are turned by the loads of matrices, as
/// tiles are stored by columns.
///
/// Where the target's warps multiply four at a time (wgmma), those of a warpgroup take four tiles
/// with up to 128 tokens, which they read from shared memory together. There weights stay too, if
/// they are what is multiplied, or registers have those of what is under way and of what is next;
/// products are then under way while the next ones are started.
class StagedHalves : public TensorMatmul {
public:
  StagedHalves(packed::MatmulTileOp op, const TargetDescription &target);
  llvm::SmallVector<int64_t> blockSizes() const override;

protected:
  /// How a block of threads divides a block of tokens and `atOnce` slots.
  struct Division {
    int64_t tokens, atOnce, warpTiles, warpFragments;
    int64_t tokenWarps, slices, buffers; // slices: 0 where shared memory is too small
    bool usesWarpgroups;
    /// Whether products are still under way while the next ones are started.
    bool overlaps;
    // If so, parts of a portion whose products are started at once: it, or its halves; and portions
    // of prepared weights that there are at a time.
    int64_t parts, preparedPortions;
    int64_t rowWarps() const { return atOnce / warpTiles; }
    int64_t sliceWarps() const { return rowWarps() * tokenWarps; }
  };
  struct State {
    const TokenBlock &block;
    const Division &division;
    Share share;
    Value rowWarp, tokenWarp;                   // i32, in the slice
    llvm::SmallVector<PortionCopy> copies;      // of a portion, or of its first half
    llvm::SmallVector<PortionCopy> laterCopies; // of its second half, where halves are waited for
    llvm::SmallVector<PortionCopy> codeCopies;  // of tiles, where they are prepared
    // Of this lane, in a buffer (i32): its row of the first tile's matrices of weights, and where
    // the row of its token begins; and the chunk (i32) of that which it reads first.
    Value weightPlace, tokenPlace, tokenChunk;
    llvm::SmallVector<CodeReader> readers; // of the warp's tiles, if they are codes
    Value ownMemory;                       // `ownBytes` of shared memory
  };

  /// Bytes of a portion of a tile.
  virtual int64_t tileBytes() const;
  /// Whether rows p and p + 8 of an instruction are neighbours in memory; else they are rows p and
  /// p + 8 of a tile.
  virtual bool takesNeighbours(const Division &division) const { return false; }
  /// Parts of a portion that warpgroups which do not prepare weights start one after the other:
  /// with halves a portion is read for less time, and so takes less memory; with whole portions
  /// there is more time between starts. It is 2 where a whole one has no room.
  virtual int64_t partsTogether() const { return 2; }
  /// Whether weights of warpgroups that overlap products are made from what was copied, into rows
  /// of kPortionBytes16 as tokens have; else they are read where they were copied to.
  virtual bool prepares() const { return false; }
  /// Whether all weights are; `multiplyPortion` prepares its own.
  virtual bool preparesAll() const { return false; }
  /// Makes this warp's of the portion at `buffer` (i32) and writes them behind `prepared`, where
  /// those of all tiles are.
  virtual void prepare(State &state, Value buffer, ValueRange ahead, Value prepared) {}
  /// What weights are when they are multiplied, and how many of these are a weight: 1, or where
  /// all are prepared also 2, whose sum it is. The product of both lower parts is left out.
  virtual ElementKind productElement() const { return layout.element; }
  virtual int64_t weightTerms() const { return 1; }
  /// Shared memory of the whole block beside what is copied and prepared.
  virtual int64_t ownBytes(const Division &division) const { return 0; }
  /// Which 16 bytes a thread copies of each portion of the tiles from slot `firstSlot` (index) on.
  virtual void findTileCopies(State &state, Value firstSlot);
  /// Starts copies of portion `number` (index) of the tiles whose places vary, to the buffer at
  /// `start`, if it is below `end`: beside those that `findTileCopies` knows.
  virtual void startOwnCopies(State &state, Value number, Value end, Value start) {}
  /// Where chunk `chunk` (i32) of 16 bytes of token `token` (i32) is kept, behind where tokens
  /// begin, for warps that multiply by themselves. Warpgroups' is `warpgroupPlace`.
  virtual Value placeOfChunk(Value token, Value chunk);
  virtual void findPlaces(State &state, Value firstSlot);
  /// Values that are loaded for portion `number` (index) before its turn; it exists.
  virtual Values loadAhead(State &state, Value number) { return {}; }
  /// Adds the products of the portion at `buffer` (i32) to `sums`. `ahead`: what was loaded for it.
  virtual void multiplyPortion(State &state, Value buffer, ValueRange ahead, Values &sums);
  /// Starts the products of the portion at `buffer` (i32), or of part `part` of it; `prepared`:
  /// where its prepared weights are (i32), if they are.
  virtual void startTogether(State &state, Value buffer, Value prepared, int64_t part,
                             Values &sums);

  /// Bytes of the weights of a portion, behind which tokens begin.
  int64_t weightBytes(const Division &division) const;
  /// Of a portion, and where the first one that is prepared begins.
  int64_t bufferBytes(const Division &division) const {
    return weightBytes(division) + terms * tokenBytes(division);
  }
  int64_t firstPrepared(const Division &division) const {
    return division.buffers * bufferBytes(division);
  }
  int64_t portions() const { return type.getColumns() / kPortionColumns16; }
  /// One of a portion's prepared weights' terms; the larger one comes first.
  static int64_t preparedTermBytes(const Division &division) {
    return division.atOnce * kTileRows * kPortionBytes16;
  }
  /// A lane's weights of `step` of the portion at `buffer`, of tile `tile` of its warp: those of
  /// the smaller term if `isLow`.
  virtual Values loadWeights(State &state, Value buffer, int64_t step, int64_t tile, bool isLow);
  /// Waits for the threads of the slice.
  void waitForSlice(State &state);
  /// Adds the products of a warpgroup's weights, four words for each step of 16 columns, and the
  /// portion's tokens at `buffer`.
  void multiplyTogether(State &state, Value buffer, ElementKind element,
                        llvm::ArrayRef<std::array<Value, 4>> weights, Values &sums);
  /// Copies of the `bytes` bytes that a portion has from `offset` of a tile on, to `place` in the
  /// tile's part of a buffer. `placeOf`: where in them 16 bytes at an offset (i32) are kept.
  void copySection(
      State &state, Value firstSlot, int64_t offset, int64_t bytes, int64_t place,
      llvm::function_ref<Value(Value)> placeOf = [](Value offset) { return offset; });
  /// A lane's inputs of step `step` of 16 columns of the portion at `buffer`, two words for each of
  /// two fragments from `fragment` on (or of the only one): those of the numbers `part`.
  Values loadInputs(State &state, Value buffer, int64_t step, int64_t part, int64_t fragment);
  /// Where each of its tokens' numbers begin that a warpgroup multiplies, the smaller ones first,
  /// of the portion at `buffer` (i32).
  Values inputsTogether(State &state, Value buffer);

  int64_t terms; // numbers of 16 bits for each activation: 1 or 2

private:
  Division divide(int64_t tokens) const;
  /// Whether shared memory has room for so many slices; sets what follows from them.
  bool fit(Division &division, int64_t slices) const;
  /// The same where products overlap.
  bool fitOverlapping(Division &division, int64_t slices) const;
  /// Of one of the numbers of all tokens.
  static int64_t tokenBytes(const Division &division);
  /// Of a portion's weights that are prepared.
  int64_t preparedBytes(const Division &division) const {
    return weightTerms() * preparedTermBytes(division);
  }
  int64_t sliceBytes(const Division &division) const {
    return firstPrepared(division) + division.preparedPortions * preparedBytes(division);
  }
  int64_t alignmentGap() const;

  void emitBlock(const TokenBlock &block) override;
  Values multiply(const Share &, const TokenBlock &) override {
    llvm_unreachable("slices have several warps");
  }
  void findTokenCopies(State &state);
  void await(State &state);
  Values multiplyPortions(State &state);
  /// The same where products overlap, of the portions [begin, end) (index).
  Values multiplyOverlapping(State &state, Value begin, Value end);
  /// Starts the copies of a portion's tiles where they are waited for apart from its tokens.
  void startTileCopies(State &state, Value number, Value end, Value start) {
    startCopies(state.codeCopies, number, end, start);
    startOwnCopies(state, number, end, start);
  }
  /// Writes a warp's sums to `memory`, which has those of all slices.
  void storeRows(State &state, Value memory, ValueRange sums);
  void storeNeighbours(State &state, Value memory, ValueRange sums);
  /// Fragments of a warp's tokens that a thread finishes where slices, and warps that have the
  /// parts of a pair, divide them; and the first of them (i32).
  int64_t ownFragments(const Division &division) const {
    return division.warpFragments / (division.slices * parts());
  }
  Value firstOwnFragment(State &state);
  /// Whether threads finish their results in registers.
  bool finishesOwn(const State &state) const {
    const Division &division = state.division;
    return division.overlaps && type.getRows() % kTileRows == 0 &&
           division.warpFragments % (division.slices * parts()) == 0;
  }
  /// Finishes a warpgroup's sums. `memory`: shared memory for those of all.
  void finishTogether(State &state, Value firstSlot, Value memory, ValueRange sums);
  /// The sums of a thread's own fragments, those of each part, from what all threads have.
  llvm::SmallVector<Values> shareOutSums(State &state, Value memory, ValueRange sums);
  /// The input of 16 bits: the last one.
  Value narrowInput() { return op.getInputs().back(); }

  int64_t freeBytes; // of shared memory, for this operation
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_STAGEDHALVES_H
