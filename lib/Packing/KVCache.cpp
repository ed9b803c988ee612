// Offsets and rounding of the key/value cache.
#include "stc/Packing/KVCache.h"

#include "stc/Packing/Pack.h"
#include "stc/Support/Error.h"
#include "stc/Support/Float.h"

#include <algorithm>
#include <vector>

namespace stc {

constexpr absl::string_view kNames[] = {"f32", "f16", "int8", "fp8"};
constexpr float kLargestHalf = 65504;

absl::string_view kvElementName(KVElement element) { return kNames[int(element)]; }

absl::StatusOr<KVElement> parseKVElement(absl::string_view name) {
  for (KVElement element : {KVElement::F32, KVElement::F16, KVElement::Int8, KVElement::Float8})
    if (name == kvElementName(element))
      return element;
  return formatError({"", "kv-cache", {}}, "f32, f16, int8 or fp8", printable(name));
}

int64_t KVCacheLayout::elementBytes() const {
  return element == KVElement::F32 ? 4 : element == KVElement::F16 ? 2 : 1;
}

int64_t KVCacheLayout::keyTileBytes() const {
  int64_t stored = element == KVElement::Int8 ? (headDim + 3) / 4 * 4 : headDim;
  return stored * kKVTile * elementBytes();
}

int64_t KVCacheLayout::keyBlockBytes() const {
  return keyScalesInBlock() + (element == KVElement::Int8 ? kKVBlock * sizeof(float) : 0);
}

int64_t KVCacheLayout::valueBlockBytes() const {
  return kKVBlock * paddedDim() * elementBytes() +
         (element == KVElement::Int8 ? kKVBlock * sizeof(float) : 0);
}

int64_t KVCacheLayout::keyOffset(int64_t head, int64_t position, int64_t d) const {
  int64_t block = head * blocks() + position / kKVBlock, lane = position % kKVTile;
  int64_t start = block * keyBlockBytes() + position % kKVBlock / kKVTile * keyTileBytes();
  if (element == KVElement::Int8)
    return start + (d / 4 * kKVTile + lane) * 4 + d % 4;
  return start + (d * kKVTile + lane) * elementBytes();
}

int64_t KVCacheLayout::keyScaleOffset(int64_t head, int64_t position) const {
  int64_t block = head * blocks() + position / kKVBlock;
  return block * keyBlockBytes() + keyScalesInBlock() + position % kKVBlock * sizeof(float);
}

int64_t KVCacheLayout::valueOffset(int64_t head, int64_t position, int64_t d) const {
  int64_t start = (head * blocks() + position / kKVBlock) * valueBlockBytes();
  int64_t inside = position % kKVBlock;
  if (element == KVElement::Int8)
    return start + (inside / 4 * paddedDim() + d) * 4 + inside % 4;
  return start + (inside * paddedDim() + d) * elementBytes();
}

int64_t KVCacheLayout::valueScaleOffset(int64_t head, int64_t position) const {
  int64_t block = head * blocks() + position / kKVBlock;
  return block * valueBlockBytes() + valueScalesInBlock() + position % kKVBlock * sizeof(float);
}

uint8_t floatToFloat8(float value) {
  uint32_t bits = floatBits(std::clamp(value, -kLargestFloat8, kLargestFloat8));
  uint32_t magnitude = bits & 0x7FFFFFFF, sign = bits >> 24 & 0x80;
  // Beside 2^14 the lowest bit of a float is 2^-9, that of subnormals.
  constexpr float kBase = 16384;
  if (magnitude < floatBits(0x1p-6f))
    return uint8_t(sign | (floatBits(floatFromBits(magnitude) + kBase) - floatBits(kBase)));
  uint32_t rounded = (magnitude + 0x7FFFF + (magnitude >> 20 & 1)) >> 20;
  return uint8_t(sign | (rounded - (120 << 3)));
}

float float8ToFloat(uint8_t bits) {
  return kFloat8Scale * halfToFloat(uint16_t((bits & 0x80) << 8 | (bits & 0x7F) << 7));
}

void roundKeyOrValue(KVElement element, absl::Span<float> vector) {
  if (element == KVElement::F16) {
    for (float &x : vector)
      x = halfToFloat(floatToHalf(std::clamp(x, -kLargestHalf, kLargestHalf)));
  } else if (element == KVElement::Float8) {
    for (float &x : vector)
      x = float8ToFloat(floatToFloat8(x));
  } else if (element == KVElement::Int8) {
    std::vector<int8_t> codes(vector.size());
    float scale = quantizeActivations(vector, absl::MakeSpan(codes));
    for (size_t i = 0; i < vector.size(); ++i)
      vector[i] = scale * codes[i];
  }
}

} // namespace stc
