// Dense and 2:4 weights times int8 activations by tensor cores: both come through shared memory.
#ifndef STC_LIB_TARGET_GPU_STAGEDMATMUL_H
#define STC_LIB_TARGET_GPU_STAGEDMATMUL_H

#include "TensorMatmul.h"
#include "WarpgroupProducts.h"

#include <array>

namespace stc::gpu {

/// Columns that are copied and waited for at once.
constexpr int64_t kPortionColumns = 128;
/// Bytes that are copied by one instruction.
constexpr int64_t kCopyBytes = 16;
/// Most row tiles, and groups of kFragmentTokens tokens, that a warp multiplies: 8 instructions for
/// six fragments that are read, and 64 registers of sums.
constexpr int64_t kWarpTiles = 2, kWarpFragments = 4;
constexpr int64_t kMostSlots = 8, kMostTokens = 128;
/// The most tokens where sums are integers of whole rows: each warpgroup then has 64 rows times up
/// to 128 tokens, or 64 registers of sums in each thread.
constexpr int64_t kMostRowTokens = 256, kRowFragments = 2 * kWarpgroupFragments;
/// Portions of a slice in shared memory: one that is multiplied, the others on their way.
constexpr int64_t kFewestBuffers = 2, kMostBuffers = 4;
/// Warpgroups of a block. Where they part ways, each has barriers for even and odd portions, behind
/// those of slices.
constexpr int64_t kBlockWarpgroups = 4;
/// How many portions before a portion is multiplied by warpgroups that part ways it is copied.
constexpr int64_t kPartedAhead = 2;
/// Operands of portions of a 2:4 matrix that are kept then: of one that is multiplied, and of the
/// next.
constexpr int64_t kPartedOperands = 2;
/// Columns of an instruction that leaves out what a 2:4 matrix does not store, and how many of
/// those a portion has.
constexpr int64_t kSparseColumns = 2 * kSpanColumns;
constexpr int64_t kPortionPairs = kPortionColumns / kSparseColumns;

/// Whether activations of such weights may have one scale for each token: kernels of many tokens
/// then take them.
bool takesWholeRows(packed::WeightType weight, const TargetDescription &target);

/// Slices of the columns are computed by warps of their own, which go through them portion by
/// portion and wait only for each other. The warps of a slice divide its slots and its tokens, so
/// that what one of them copied is read by many; the fewer tokens there are, the more slices.
///
/// Of a 2:4 matrix the warps of a slice also make instructions' operands together, of what they
/// copied: places of weights stand in masks row by row of a few columns, and an instruction wants
/// many columns of one row in a thread.
///
/// Where scales are those of rows, and of tokens, sums are integers that go on from portion to
/// portion, and are scaled once.
class StagedMatmul final : public TensorMatmul {
public:
  StagedMatmul(packed::MatmulTileOp op, const TargetDescription &target)
      : TensorMatmul(op, target), isPruned(layout.kind == LayoutKind::NM),
        sumsRows(layout.perRow && geometry.groups > 1 &&
                 mlir::cast<mlir::MemRefType>(op.getInputs()[1].getType()).getDimSize(1) == 1),
        freeBytes(freeSharedBytes(op, target,
                                  sumsRows && target.hasWarpgroupMma ? kShareTogether : kShare,
                                  alignmentGap())) {}

  llvm::SmallVector<int64_t> blockSizes() const override;

private:
  /// How a block of threads divides a block of tokens and `atOnce` slots.
  struct Division {
    int64_t tokens, atOnce, warpTiles, warpFragments;
    int64_t tokenWarps, slices, buffers; // slices: 0 where shared memory is too small
    /// Whether four warps multiply together, whose row tiles follow each other.
    bool usesWarpgroups;
    /// Whether warpgroups of a slice go on without waiting for each other's products: while one
    /// finishes sums, others multiply.
    bool partsWays;
    /// Whether products of one half of a portion are under way while the weights of the next are
    /// loaded: where sums of whole rows are integers.
    bool overlaps;
    /// Whether there is a buffer more than then must be: others need not be done with a portion
    /// when a warpgroup begins with the next.
    bool isSpare() const { return buffers > kPartedAhead + 1; }
    int64_t rowWarps() const { return atOnce / warpTiles; }
    int64_t sliceWarps() const { return rowWarps() * tokenWarps; }
    /// Whether copies are on their way to all buffers: to the one that was just read as soon as a
    /// warp alone has read it. Several warps wait for each other once for each portion, and then
    /// copy to the buffer before.
    bool fillsAll() const { return sliceWarps() == 1; }
    int64_t portionsAhead() const { return fillsAll() ? buffers : buffers - 1; }
    int64_t warpgroups() const { return sliceWarps() / kWarpgroupWarps; }
  };
  /// Where the parts of a portion lie in a buffer.
  struct Places {
    int64_t values, masks, inputScales, inputSums, scales, zeros, minimums, end;
    int64_t apart; // bytes of values and masks that are kept apart
  };
  /// Where a portion is: its buffer, and of a 2:4 matrix its operands, and what those of the next
  /// portion are made of (i32, in the buffers of each).
  struct Turn {
    Value buffer, operands, nextApart;
  };
  /// What a warpgroup multiplies of some columns: of each instruction a lane's words, and of a 2:4
  /// matrix the places of its weights.
  struct Operands {
    llvm::SmallVector<std::array<Value, 4>> weights;
    Values places;
  };
  struct State {
    const TokenBlock &block;
    const Division &division;
    Places places;
    Share share;
    Value rowWarp, tokenWarp; // i32, in the slice
    llvm::SmallVector<PortionCopy> copies;
    llvm::SmallVector<PortionCopy> prunedCopies; // of what is kept apart
    llvm::SmallVector<CodeReader> readers;       // of the warp's tiles
    llvm::SmallVector<std::array<Value, 2>> rowZeros;
    Value operands; // i32: where the portion's are, of those of a 2:4 matrix
  };

  Division divide(int64_t tokens) const;
  /// Bytes of shared memory from the first that may be used to where a fragment's tokens can be.
  int64_t alignmentGap() const {
    return builder.getTarget().hasWarpgroupMma ? kWarpgroupAlignment - kBarrierBytes : 0;
  }
  /// Sets a division among warpgroups, if there is one.
  bool divideWarpgroups(Division &division) const;
  /// The same where sums of whole rows are integers.
  bool divideRows(Division &division) const;
  /// Whether shared memory has room for so many slices; sets what follows from them.
  bool fit(Division &division, int64_t slices) const;
  Places place(const Division &division) const;
  /// Bytes of a slice: its buffers, and behind them operands.
  int64_t sliceBytes(const Division &division) const {
    int64_t bytes = division.buffers * place(division).end + prunedBytes(division);
    return division.usesWarpgroups ? llvm::alignTo(bytes, kWarpgroupAlignment) : bytes;
  }
  /// Bytes of the operands of a portion of a 2:4 matrix.
  int64_t operandBytes(const Division &division) const {
    return isPruned ? division.atOnce * kPortionPairs * kUnitBytes : 0;
  }
  /// Whether values and masks of a 2:4 matrix have buffers of their own, as operands are made of
  /// them one portion before those are multiplied.
  bool keepsApart(const Division &division) const {
    return isPruned && (division.partsWays || division.overlaps);
  }
  static constexpr int64_t kApartBuffers = kPartedAhead + 1;
  /// Bytes of operands, and of values and masks that are kept apart, which follow those.
  int64_t prunedBytes(const Division &division) const {
    if (!keepsApart(division))
      return operandBytes(division);
    return kPartedOperands * operandBytes(division) + kApartBuffers * place(division).apart;
  }
  void emitBlock(const TokenBlock &block) override;
  Values multiply(const Share &, const TokenBlock &) override {
    llvm_unreachable("slices have several warps");
  }

  int64_t portions() const { return geometry.paddedColumns / kPortionColumns; }
  int64_t portionGroups() const { return kPortionColumns / layout.group; }
  int64_t valueBytes() const {
    return kPortionColumns * kTileRows * layout.codeBits() / 8 / (isPruned ? 2 : 1);
  }
  int64_t maskBytes() const { return kPortionColumns * kTileRows / 8; }
  bool hasGroupScales() const { return !layout.perRow; }
  /// Whether products of codes are corrected by activations' sums.
  bool needsInputSums(const Division &division) const {
    return !isPruned && !(division.usesWarpgroups && multipliesWeights());
  }
  /// Whether warpgroups multiply weights: signed bytes, without a correction by activations' sums.
  bool multipliesWeights() const { return isPruned || !layout.isShifted(); }
  bool hasGroupZeros() const { return layout.asymmetric && !layout.perRow; }
  /// Groups of a span of columns: two where they have 16 columns.
  int64_t groupsOfSpan() const { return std::max<int64_t>(1, kSpanColumns / layout.group); }

  int64_t sliceThreads(const State &state) const {
    return state.division.sliceWarps() * builder.getTarget().warpThreads;
  }
  void findTokenCopies(State &state, unsigned input, int64_t bytes, int64_t pieceBytes,
                       int64_t place, bool areCodes);
  void findTileCopies(State &state, llvm::SmallVectorImpl<PortionCopy> &copies, Value firstSlot,
                      int64_t offset, int64_t bytes, int64_t place, bool areValues);
  void findCopies(State &state, Value firstSlot);
  /// Starts to copy portion `number` (index) of a slice that ends before `end` to the buffer at
  /// `buffer` (i32).
  void await(State &state);
  /// Waits for the threads of the slice.
  void waitForSlice(State &state);
  Values multiplyPortions(State &state);
  Values multiplyTogether(State &state, Value begin, Value end, Values sums);
  /// The same of warpgroups that part ways.
  Values multiplyPartedPortions(State &state, Value begin, Value end, Values sums);
  /// The same of warpgroups whose sums are integers of whole rows.
  Values multiplyRows(State &state, Value begin, Value end, Values sums);
  /// What sums of whole rows become (f32), but for the scales of rows.
  Values scaleTokens(State &state, ValueRange sums);

  // Portions of warpgroups that are copied kPartedAhead portions before they are multiplied.

  /// Starts the first copies, and makes the operands of portion `begin` (index).
  Turn beginAhead(State &state, Value begin);
  /// Copies portion `number` (index) + `more` to the buffer at `to` (i32), and what is kept apart
  /// of the one behind it to `toApart` (i32), as a group.
  void copyAhead(State &state, Value number, int64_t more, Value to, Value toApart);
  /// The same of the portion that comes that many portions behind the one of `turn`, whose follower
  /// is `following`.
  void copyAhead(State &state, Value number, const Turn &turn, const Turn &following);
  /// Waits until what this thread has started to copy is there, but for the last `pending` groups.
  void awaitAhead(int64_t pending);
  /// Makes the operands of the portion behind `turn`.
  void makeNextOperands(State &state, const Turn &turn, const Turn &following);
  Turn nextTurn(State &state, const Turn &turn);
  Values valuesOf(const Turn &turn);
  Turn turnOf(ValueRange values);
  /// The place behind `place` (i32) of `count` in a circle, which are `step` bytes apart.
  Value nextPlace(Value place, int64_t count, int64_t step);
  /// Where values and masks are that are kept apart, at `place` (i32) among those.
  Value apartAt(State &state, Value place);
  /// [begin, end) (index) of the portions of the slice.
  std::pair<Value, Value> portionsOf(State &state);
  /// Arrives where the other warpgroups of the slice wait, or waits there for all, for portion
  /// `number` (index).
  void arrive(State &state, Value number);
  void waitForOthers(State &state, Value number);
  Value partedBarrier(State &state, Value number);
  /// Adds the products of a group to `results`. `between`: what is done between its products and
  /// what follows them, where warpgroups multiply.
  void multiplyGroup(State &state, Value buffer, int64_t group, Values &results,
                     llvm::function_ref<void()> between);
  /// The scale of weights of a dense layout that warpgroups multiply.
  Value withoutFactor(const CodeReader &reader, Value scale);
  /// Adds the products of a group to `sums`, of the portion at `buffer` (i32), by warps of their
  /// own.
  void addAlone(State &state, Value buffer, int64_t group, Values &sums);
  void addSpans(State &state, Value buffer, int64_t group, Values &sums);
  /// A lane's operands of `columns` columns, from `first` on, of the portion at `buffer` (i32).
  Operands loadOperands(State &state, Value buffer, int64_t first, int64_t columns);
  /// Starts their products, which are added to `sums` or make them.
  void startProducts(State &state, const Operands &operands, Value buffer, int64_t first,
                     llvm::MutableArrayRef<Value> sums);
  /// Where the warp's tile `tile` has what is at `place` in the buffer at `buffer` (i32).
  Value placeOfTile(State &state, Value buffer, int64_t place, int64_t tile, int64_t tileBytes);
  /// Where the first token of the warpgroup begins in the first buffer.
  Value warpgroupInputs(State &state);
  /// The same of a 2:4 matrix, whose operands are made.
  void addPruned(State &state, Value inputs, int64_t group, Values &sums);
  /// Makes operands of the portion whose values and masks are at `start`, and there.
  void makeOperands(State &state, Value start);
  /// Those of unit `unit` (i32) of them: 64 columns of a row tile.
  void makeUnit(State &state, Value start, Value unit);
  Value placesOf(State &state, Value masks);
  /// Where operands of unit `unit` begin.
  Value unitPlace(State &state, Value unit);
  /// A lane's operands of pair `pair` of the warp's tile `tile`: its weights, and their places.
  std::pair<std::array<Value, 4>, Value> loadUnit(State &state, int64_t tile, int64_t pair);
  /// Where bytes of values of a 2:4 matrix that were at `offset` (i32) are kept in shared memory,
  /// so that `makeUnit` finds them in different banks; this bit of an offset changes with another.
  Value prunedPlace(const Division &division, Value offset);
  int64_t exchangedBit(const Division &division) const;
  /// A value of each of this thread's two tokens of its warp's fragments, of those at `start`.
  llvm::SmallVector<std::array<Value, 2>> loadTokens(State &state, Value start, Type type,
                                                     int64_t group);
  /// Whether tokens' scales and sums are kept in the order in which threads have tokens.
  bool ordersFactors(const Division &division) const {
    return division.usesWarpgroups && portionGroups() == 1;
  }
  /// The number (i32) of the place of token `token` among those.
  Value factorPlace(const Division &division, Value token);

  /// Operands of a unit: four words of each lane, and behind those one with the places of weights.
  static constexpr int64_t kUnitWords = 4, kUnitBytes = 32 * (kUnitWords + 1) * 4;

  bool isPruned;     // the layout is 2:4
  bool sumsRows;     // activations have one scale for each token, and weights one for each row
  int64_t freeBytes; // of shared memory, for this operation
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_STAGEDMATMUL_H
