// The one definition of the bytes of a key/value cache.
#ifndef STC_PACKING_KVCACHE_H
#define STC_PACKING_KVCACHE_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <cstdint>

namespace stc {

/// How keys and values are kept. F16, Float8 (e4m3: a sign, 4 bits of exponent with bias 7, 3 of
/// mantissa; no infinities): rounded to nearest even, clamped to the finite range. Int8: each key
/// and value has one f32 scale, the largest magnitude / 127, and codes as `quantizeActivations`
/// makes them.
enum class KVElement { F32, F16, Int8, Float8 };

/// "f32", "f16", "int8" or "fp8", as on the command line; errors name these.
absl::string_view kvElementName(KVElement element);
absl::StatusOr<KVElement> parseKVElement(absl::string_view name);

/// Positions whose keys, and whose values, lie together in one block.
constexpr int64_t kKVBlock = 64;
/// Positions side by side in a block's keys.
constexpr int64_t kKVTile = 16;

/// Where the numbers of one layer lie. Keys: [kv_heads][capacity / 64] blocks, each of
///   floats    [4][head_dim][16] elements: 16 positions side by side
///   int8      [4][head_dim / 4][16][4] bytes, code + 128, four elements of 16 positions; then
///             [64] f32 scales
/// Values: [kv_heads][capacity / 64] blocks, each of
///   floats    [64][head_dim padded to 16] elements
///   int8      [16][head_dim padded to 16][4] codes, four positions of each element; then
///             [64] f32 scales
/// Divisions round up.
struct KVCacheLayout {
  KVElement element = KVElement::F32;
  int64_t kvHeads = 0, headDim = 0, capacity = 0;

  int64_t blocks() const { return (capacity + kKVBlock - 1) / kKVBlock; }
  /// Of an element, or of its code.
  int64_t elementBytes() const;
  /// Elements of a stored value, of which `headDim` mean something.
  int64_t paddedDim() const { return (headDim + 15) / 16 * 16; }
  /// Bytes of 16 positions' keys, without scales.
  int64_t keyTileBytes() const;
  int64_t keyBlockBytes() const;
  int64_t valueBlockBytes() const;
  /// Bytes of a layer's keys and values: multiples of 64.
  int64_t keyBytes() const { return kvHeads * blocks() * keyBlockBytes(); }
  int64_t valueBytes() const { return kvHeads * blocks() * valueBlockBytes(); }

  /// Byte offsets within a layer of one element, and of a vector's scale (Int8).
  int64_t keyOffset(int64_t head, int64_t position, int64_t element) const;
  int64_t keyScaleOffset(int64_t head, int64_t position) const;
  int64_t valueOffset(int64_t head, int64_t position, int64_t element) const;
  int64_t valueScaleOffset(int64_t head, int64_t position) const;
  /// Where the scales begin in a block of keys or values (Int8).
  int64_t keyScalesInBlock() const { return kKVBlock / kKVTile * keyTileBytes(); }
  int64_t valueScalesInBlock() const { return kKVBlock * paddedDim(); }
};

/// The largest e4m3. Its bits, moved to where f16 has exponent and mantissa, are the number divided
/// by kFloat8Scale, subnormals included: exponents are biased by 7, and f16's by 15.
constexpr float kLargestFloat8 = 448, kFloat8Scale = 256;

/// e4m3 from f32, as Float8 says, and back.
uint8_t floatToFloat8(float value);
float float8ToFloat(uint8_t bits);

/// What a reader of the cache sees of a key or value that was stored: rounded as the element says.
void roundKeyOrValue(KVElement element, absl::Span<float> vector);

} // namespace stc

#endif // STC_PACKING_KVCACHE_H
