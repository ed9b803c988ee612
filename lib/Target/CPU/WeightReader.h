// Reads the codes of a quantized row tile, step by step, whatever layout they are stored in.
#ifndef STC_LIB_TARGET_CPU_WEIGHTREADER_H
#define STC_LIB_TARGET_CPU_WEIGHTREADER_H

#include "KernelBuilder.h"

namespace stc::cpu {

/// Codes are stored in blocks of one chunk (I8) or a pair of chunks in two nibbles (I4), see
/// Packing's Layout.h; a dense chunk is one step. A block's position is known beforehand except in
/// a Bitmap, where loops carry it as `state`.
class WeightReader {
public:
  /// `tile` is the number of the row tile, `weights` the matrix's address.
  WeightReader(KernelBuilder &builder, packed::WeightType type, Value weights, Value tile);

  const TileGeometry &getGeometry() const { return geometry; }
  /// Steps of 4 columns a block covers.
  int64_t stepsPerBlock() const { return layout.chunkSteps() * layout.lanes(); }
  /// Where reading starts: the values a loop over blocks carries.
  Values initialState();
  /// The scales of group `group` (an index) of all rows, as f32.
  Value loadScales(Value group);
  /// Passes the codes (vector<64xi8>) of each step of block `block` (an index) to `consume`, and
  /// moves `state` to the next block. Steps count within the block.
  void readBlock(Value block, Values &state,
                 llvm::function_ref<void(int64_t step, Value codes)> consume);
  /// Asks for the bytes `distance` after those of group `group`, which will be read later.
  void prefetchGroup(Value group, int64_t distance);

private:
  /// The codes of a lane: the low or high nibble, or the byte itself.
  Value laneOf(Value bytes, int64_t lane);

  KernelBuilder &builder;
  Layout layout;
  TileGeometry geometry;
  Value tileAddress;
  Value groupBytes; // i64, of a Bitmap: a tile's bytes divided by its groups
};

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_WEIGHTREADER_H
