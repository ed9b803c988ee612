// Reads the codes of a quantized row tile, or its floats with masks, step by step, whatever layout
// they are stored in.
#ifndef STC_LIB_TARGET_CPU_WEIGHTREADER_H
#define STC_LIB_TARGET_CPU_WEIGHTREADER_H

#include "KernelBuilder.h"

namespace stc::cpu {

/// Codes are stored in blocks: steps that share vectors (Dense), one chunk (I8) or a pair of chunks
/// in two nibbles (I4) where there are masks, see Packing's Layout.h. A block's position is known
/// beforehand except in a Bitmap, where loops carry it as `state`.
class WeightReader {
public:
  /// `tile` is the number of the row tile, `weights` the matrix's address.
  WeightReader(KernelBuilder &builder, packed::WeightType type, Value weights, Value tile);

  const TileGeometry &getGeometry() const { return geometry; }
  /// Steps of 4 columns a block covers.
  int64_t stepsPerBlock() const {
    return layout.hasMasks() ? layout.chunkSteps() * layout.lanes() : layout.denseSteps();
  }
  /// Where reading starts: the values a loop over blocks carries.
  Values initialState();
  /// The scales of group `group` (an index) of all rows, as f32.
  Value loadScales(Value group);
  /// The zero points of group `group` of an asymmetric layout, as f32.
  Value loadZeros(Value group);
  /// The minimums of group `group` of a layout that has them, as f32.
  Value loadMinimums(Value group);
  Value getTileAddress() const { return tileAddress; }
  /// Where the codes of group `group` begin, of a layout that stores a byte for each and all.
  Value codesAddress(Value group);
  /// Passes the codes (vector<64xi8>) of each step of block `block` (an index) to `consume`, and
  /// moves `state` to the next block. Steps count within the block.
  void readBlock(Value block, Values &state,
                 llvm::function_ref<void(int64_t step, Value codes)> consume);
  /// Passes the weights (vector<16xf32>) of four rows and the four columns of a step, quarter by
  /// quarter of the 16 rows, of floats with masks: of the first `steps` of chunk `chunk` (an
  /// index). Moves `state` behind them.
  void readFloatChunk(Value chunk, int64_t steps, Values &state,
                      llvm::function_ref<void(int64_t step, int64_t quarter, Value)> consume);
  /// The weights (vector<64xi8>, signed, times storedFactor()) of stored step `stored` of a Block
  /// tile whose values begin `values` bytes after its own begin. loadScales divides by the factor.
  Value readStoredStep(Value stored, Value values);
  int64_t storedFactor() const {
    bool isSigned = layout.kind == LayoutKind::Block || layout.kind == LayoutKind::Pairs;
    bool isShifted = layout.element == ElementKind::I4 && !builder.getTarget().addsIn16Bits();
    return isSigned && isShifted ? 16 : 1;
  }
  /// Bits of the signed weights of Block and Pairs, the factor included.
  int64_t signedBits() const {
    return layout.element == ElementKind::I4 && storedFactor() == 1 ? 4 : 8;
  }
  /// Vector `number` (an index) of Pairs: positions in the low half of each byte, signed weights in
  /// the high half.
  Value readPairs(Value number);
  /// The weights of a vector of Pairs, times storedFactor().
  Value weightsOf(Value pairs);
  /// Asks cache `level` for the bytes `distance` after those of part `part` (a group, or a block of
  /// floats), which will be read later.
  void prefetchPart(Value part, int64_t distance, int64_t level);

private:
  /// 16 f16 numbers of group `group` in the section at `offset`, as f32.
  Value loadHalves(Value group, int64_t offset);
  /// The codes of a lane: two bits, the low or high nibble, or the byte itself.
  Value laneOf(Value bytes, int64_t lane);
  /// The low or high nibbles of bytes as signed numbers, times storedFactor().
  Value signedNibbles(Value bytes, bool high);
  void readDenseBlock(Value block, llvm::function_ref<void(int64_t step, Value codes)> consume);

  KernelBuilder &builder;
  Layout layout;
  TileGeometry geometry;
  Value tileAddress;
  int64_t partColumns, parts; // what bytes are asked for in
  Value partBytes;            // i64, where tiles differ: a tile's bytes divided by its parts
};

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_WEIGHTREADER_H
