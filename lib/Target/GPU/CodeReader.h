// Reads the codes of quantized row tiles as words of four, for products of many tokens.
#ifndef STC_LIB_TARGET_GPU_CODEREADER_H
#define STC_LIB_TARGET_GPU_CODEREADER_H

#include "BlockBuilder.h"

#include <array>
#include <utility>

namespace stc::gpu {

/// Columns that are read at once: those of an instruction of tensor cores. A span has four parts of
/// two steps of four columns: part p covers columns 8 p to 8 p + 7.
constexpr int64_t kSpanColumns = 32;
constexpr int64_t kSpanParts = 4;

/// Of a part of a span and two neighbouring rows: words of four codes of a step each, i32.
struct CodeWords {
  Value words[2][2]; // [step][row]
};

/// Of a part of a span and two neighbouring rows of a 2:4 matrix: words with two weights of each of
/// two steps, and bytes with the places of those, low step first, two bits for each weight.
struct PrunedWords {
  Value words[2], places[2]; // of each row, i32
};

/// Reads two neighbouring rows of one tile. What part of a span they are read of may differ between
/// the threads of a warp: in the fragments of an instruction of tensor cores, thread 4 p + t has
/// row pair p and part t, so that each matrix that is multiplied can be read in words of 8 bytes
/// (the instruction's columns are taken in an order of their own, the same in both matrices).
class CodeReader {
public:
  /// `tile`: where the tile begins in global memory. `rowPair` (i32): half the first row's number.
  /// `isPruned`: the matrix is 2:4 and is read by `readPruned`.
  CodeReader(BlockBuilder &builder, packed::WeightType type, Value tile, Value rowPair,
             bool isPruned = false);

  /// Whether bytes are weights, signed, and not codes, to which a zero point belongs.
  bool isSigned() const {
    return isPruned || layout.kind == LayoutKind::Pairs || layout.kind == LayoutKind::Block;
  }
  Bytes byteKind() const { return isSigned() ? Bytes::Signed : codeBytes(layout); }
  /// What signed bytes are multiplied with: 16 where they are the upper half of a byte.
  int64_t storedFactor() const { return isSigned() && layout.element == ElementKind::I4 ? 16 : 1; }
  /// Whether values of a span are found by counting those before, so that `read` needs a position.
  bool countsPositions() const { return layout.kind == LayoutKind::Bitmap; }
  /// Whether steps are stored or absent as a whole: `readStored` instead of `read`.
  bool hasStoredSteps() const { return layout.kind == LayoutKind::Block; }

  /// f32 scales of both rows in group `group` (index), the stored factor taken off.
  std::pair<Value, Value> loadScales(Value group);
  /// Zeros (i32) of both rows, of an asymmetric layout.
  std::pair<Value, Value> loadZeros(Value group);
  /// f32 minimums of both rows, of a layout that has them.
  std::pair<Value, Value> loadMinimums(Value group);

  /// The same of the group whose 16 scales, zeros or minimums begin at `start`. `invariant`: it is
  /// not shared memory.
  std::pair<Value, Value> scalesAt(Value start, bool invariant);
  std::pair<Value, Value> zerosAt(Value start, bool invariant);
  std::pair<Value, Value> minimumsAt(Value start, bool invariant);

  /// The codes of part `part` (i32) of span `span` (index). `position` (i32): bytes from where
  /// values begin to those of the part, where positions are counted.
  CodeWords read(Value span, Value part, Value position = {});
  /// The same in a dense layout, of span number `span` of those whose values begin at `start` in
  /// shared memory, each 16 bytes where `stagedPlace` says.
  CodeWords readStaged(Value start, int64_t span, Value part);
  /// The same for an instruction that takes columns in their order: the words of steps `part` and
  /// `part` + 4 of the span. `asWeights`: as signed bytes without the zero point, each times
  /// `weightFactor`.
  CodeWords readStagedInOrder(Value start, int64_t span, Value part, bool asWeights);
  /// What signed bytes of a dense layout are multiplied with: codes are the upper bits of a byte.
  int64_t weightFactor() const { return int64_t(1) << (8 - layout.codeBits()); }
  /// The same for an instruction that takes 16 columns in their order, of half `half` of the span:
  /// of each row a word with the codes of columns 2 `part` and 2 `part` + 1, and of the same two
  /// eight columns later.
  std::array<Value, 2> readStagedPairs(Value start, int64_t span, int64_t half, Value part);
  /// Where bytes of values that were at `offset` (i32) are kept in shared memory, so that the
  /// threads of a warp which read a span find them in different banks. Keeps places in 128 bytes
  /// together, and those in 16 in order.
  Value stagedPlace(Value offset);
  /// Bytes of a span of a dense layout.
  int64_t spanBytes() const { return kSpanColumns * kTileRows * layout.codeBits() / 8; }
  PrunedWords readPruned(Value span, Value part);
  /// How many bytes (i32) the part's values take, where positions are counted.
  Value bytesOf(Value span, Value part);

  /// Block: the number (i32) of stored steps in groups 0 to `group`.
  Value storedUpTo(Value group);
  /// The number (i32) of stored step `stored` (i32) in the tile.
  Value stepOf(Value stored);
  /// A stored step's words of both rows.
  std::pair<Value, Value> readStored(Value stored);

private:
  /// f32 of two f16 numbers, of both rows, from the 16 at `start`.
  std::array<Value, 2> halvesAt(Value start, bool invariant);
  Value loadWord(Value address) {
    return builder.loadAligned(builder.getI32Type(), address, 4, true);
  }
  /// Two words of neighbouring rows.
  std::pair<Value, Value> loadRows(Value address, bool invariant = true);
  CodeWords readDense(Value span, Value part);
  /// Both rows' words of vector `vector` (i32) + `more` of a span in shared memory.
  std::pair<Value, Value> loadStaged(Value start, int64_t span, Value vector, int64_t more);
  /// The words of a part of a span. `load` gives both rows' words of the span's vector of 64 bytes
  /// number `vector` (i32) + `more`.
  CodeWords
  decodeDense(Value part,
              llvm::function_ref<std::pair<Value, Value>(Value vector, int64_t more)> load);
  CodeWords readMasked(Value span, Value part, Value position);
  CodeWords readPairs(Value span, Value part);
  /// The words of both rows of a step with mask `mask` (i64), whose values begin at `position`
  /// (i32) and lie in bits from `shift` (i32) on.
  std::pair<Value, Value> expandRows(Value mask, Value position, Value shift);
  /// A word of four codes from those stored for the columns in `bits` (i32, below 16).
  Value expandWord(Value stored, Value bits);
  Value loadMask(Value step);
  Value countBits(Value mask);
  /// a + b, ... of i32; `b` may be a number.
  Value plus(Value a, Value b) { return apply(a, b, '+'); }
  Value plus(Value a, int64_t b) { return plus(a, builder.int32(b)); }
  Value times(Value a, int64_t b) { return apply(a, builder.int32(b), '*'); }
  Value masked(Value a, int64_t b) { return apply(a, builder.int32(b), '&'); }
  Value right(Value a, Value b) { return apply(a, b, '>'); }
  Value right(Value a, int64_t b) { return b == 0 ? a : right(a, builder.int32(b)); }
  Value left(Value a, Value b) { return apply(a, b, '<'); }
  Value left(Value a, int64_t b) { return apply(a, builder.int32(b), '<'); }
  Value apply(Value a, Value b, char operation);

  BlockBuilder &builder;
  Layout layout;
  TileGeometry geometry;
  bool isPruned;
  Value tile, rowPair;
  Value rows;   // `tile` plus the 8 bytes of each row pair before, of 4 bytes for each row
  Value values; // Block: where stored steps begin
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_CODEREADER_H
