// Reads the codes of a quantized row tile, step by step, whatever layout they are stored in.
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
  Value getTileAddress() const { return tileAddress; }
  /// Where the codes of group `group` begin, of a layout that stores a byte for each and all.
  Value codesAddress(Value group);
  /// Passes the codes (vector<64xi8>) of each step of block `block` (an index) to `consume`, and
  /// moves `state` to the next block. Steps count within the block.
  void readBlock(Value block, Values &state,
                 llvm::function_ref<void(int64_t step, Value codes)> consume);
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
  /// Asks cache `level` for the bytes `distance` after those of group `group`, which will be read
  /// later.
  void prefetchGroup(Value group, int64_t distance, int64_t level);

private:
  /// The codes of a lane: two bits, the low or high nibble, or the byte itself.
  Value laneOf(Value bytes, int64_t lane);
  /// The low or high nibbles of bytes as signed numbers, times storedFactor().
  Value signedNibbles(Value bytes, bool high);
  void readDenseBlock(Value block, llvm::function_ref<void(int64_t step, Value codes)> consume);

  KernelBuilder &builder;
  Layout layout;
  TileGeometry geometry;
  Value tileAddress;
  Value groupBytes; // i64, where tiles differ: a tile's bytes divided by its groups
};

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_WEIGHTREADER_H
