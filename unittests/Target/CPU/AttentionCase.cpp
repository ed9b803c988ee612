// Attention against float64 attention, with caches that hold NaN where nobody may look.
#include "AttentionCase.h"
#include "stc/Compress/AttentionPattern.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace stc;

namespace {

constexpr int64_t kCapacity = kAttentionCapacity;
constexpr int64_t kLayers = 2, kLayer = 1;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

AttentionPattern patternOf(const AttentionShape &shape) {
  return shape.pattern.empty() ? AttentionPattern() : *AttentionPattern::parse(shape.pattern);
}

bool isVisible(const AttentionShape &shape, const AttentionPattern &pattern, int64_t last,
               int64_t s) {
  return s <= last && (shape.window == 0 || s > last - shape.window || s < shape.sinks) &&
         pattern.sees(last, s);
}

/// Which positions a kernel may read: those that a token sees. Where there is a pattern, also the
/// others of their blocks, up to the last token.
std::vector<bool> findReadable(const AttentionShape &shape, int64_t position, int64_t tokens) {
  AttentionPattern pattern = patternOf(shape);
  std::vector<bool> readable(size_t(position + tokens));
  for (int64_t s = 0; s < position + tokens; ++s)
    for (int64_t t = 0; t < tokens && !readable[size_t(s)]; ++t)
      readable[size_t(s)] = isVisible(shape, pattern, position + t, s);
  if (pattern.kind == AttentionPattern::Kind::None)
    return readable;
  for (auto block = readable.begin(); block < readable.end();) {
    auto end = block + std::min<int64_t>(kKVBlock, readable.end() - block);
    std::fill(block, end, std::find(block, end, true) != end);
    block = end;
  }
  return readable;
}

/// A cache of random numbers, with NaN (or arbitrary codes with a scale of NaN) wherever no token
/// of a call may look, and what a reader should see of it.
class Cache {
public:
  Cache(const AttentionShape &shape, KVElement element, Guard guard)
      : shape(shape), layout{element, shape.kvHeads, shape.headDim, kCapacity},
        keys(kLayers, layout.keyBytes(), 0, guard), values(kLayers, layout.valueBytes(), 0, guard) {
    fillNaN(keys);
    fillNaN(values);
  }

  void fill(int64_t position, int64_t tokens, float spread, RandomNumbers &random) {
    seenKeys.assign(shape.kvHeads * kCapacity * shape.headDim, 0);
    seenValues = seenKeys;
    std::vector<bool> readable = findReadable(shape, position, tokens);
    for (int64_t head = 0; head < shape.kvHeads; ++head)
      for (int64_t s = 0; s < position + tokens; ++s)
        if (readable[size_t(s)]) {
          write(keys, seenKeys, head, s, spread, random, true);
          write(values, seenValues, head, s, 1, random, false);
        }
  }
  double key(int64_t head, int64_t s, int64_t d) const { return seenKeys[at(head, s, d)]; }
  double value(int64_t head, int64_t s, int64_t d) const { return seenValues[at(head, s, d)]; }

private:
  int64_t at(int64_t head, int64_t s, int64_t d) const {
    return (head * kCapacity + s) * shape.headDim + d;
  }

  static void fillNaN(Buffer<uint8_t> &buffer) {
    // Two bytes of ones are a NaN of f16, four one of f32 (so of every scale); as codes they are
    // -1.
    std::fill_n(buffer.data(), buffer.size(), 0xFF);
  }

  void write(Buffer<uint8_t> &buffer, std::vector<double> &seen, int64_t head, int64_t s,
             float spread, RandomNumbers &random, bool isKey) {
    std::vector<float> vector(shape.headDim);
    for (float &x : vector)
      x = random.real(-spread, spread);
    std::vector<int8_t> codes(shape.headDim);
    float scale = quantizeActivations(vector, absl::MakeSpan(codes));
    roundKeyOrValue(layout.element, absl::MakeSpan(vector));
    uint8_t *layer = buffer.data() + kLayer * buffer.columns;
    for (int64_t d = 0; d < shape.headDim; ++d) {
      seen[at(head, s, d)] = vector[d];
      uint8_t *place =
          layer + (isKey ? layout.keyOffset(head, s, d) : layout.valueOffset(head, s, d));
      if (layout.element == KVElement::F32) {
        std::memcpy(place, &vector[d], 4);
      } else if (layout.element == KVElement::F16) {
        uint16_t bits = floatToHalf(vector[d]);
        std::memcpy(place, &bits, 2);
      } else {
        *place = uint8_t(isKey ? codes[d] + 128 : codes[d]);
      }
    }
    if (layout.element == KVElement::Int8)
      std::memcpy(layer +
                      (isKey ? layout.keyScaleOffset(head, s) : layout.valueScaleOffset(head, s)),
                  &scale, 4);
  }

  AttentionShape shape;
  KVCacheLayout layout;
  std::vector<double> seenKeys, seenValues;

public:
  Buffer<uint8_t> keys, values;
};

} // namespace

void stc::checkAttention(const AttentionShape &shape, KVElement element, const AttentionRunner &run,
                         int64_t position, int64_t tokens, float spread, Guard guard) {
  RandomNumbers random(position * 31 + tokens);
  int64_t columns = shape.heads * shape.headDim, dim = shape.headDim;
  Cache cache(shape, element, guard);
  cache.fill(position, tokens, spread, random);
  Buffer<float> queries(tokens, columns, 0, guard), out(tokens, columns, kNaN, guard);
  for (int64_t i = 0; i < queries.size(); ++i)
    queries[i] = random.real(-spread, spread);

  run({Argument::matrix(queries), Argument::matrix(out), Argument::number(kLayer),
       Argument::number(position), Argument::address(nullptr), Argument::address(cache.keys.data()),
       Argument::address(cache.values.data())});

  // Weights of an int8 cache are bytes: half a step each, of values up to 1.
  double tolerance = (element == KVElement::Int8 ? 6e-3 : 4e-6) * std::max(1.0f, spread * spread);
  double largestOut = 0;
  AttentionPattern pattern = patternOf(shape);
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t head = 0; head < shape.heads; ++head) {
      int64_t kvHead = head / (shape.heads / shape.kvHeads), last = position + t;
      std::vector<float> query(&queries(t, head * dim), &queries(t, head * dim) + dim);
      if (element == KVElement::Int8)
        roundKeyOrValue(element, absl::MakeSpan(query));
      std::vector<int64_t> visible;
      std::vector<double> scores;
      for (int64_t s = 0; s <= last; ++s) {
        if (!isVisible(shape, pattern, last, s))
          continue;
        double score = 0;
        for (int64_t d = 0; d < dim; ++d)
          score += double(query[d]) * cache.key(kvHead, s, d);
        visible.push_back(s);
        score *= 0.25;
        scores.push_back(shape.softCap ? shape.softCap * std::tanh(score / shape.softCap) : score);
      }
      double largest = *std::max_element(scores.begin(), scores.end()), sum = 0;
      for (double &score : scores)
        sum += score = std::exp(score - largest);
      for (int64_t d = 0; d < dim; ++d) {
        double expected = 0;
        for (size_t i = 0; i < visible.size(); ++i)
          expected += scores[i] / sum * cache.value(kvHead, visible[i], d);
        largestOut = std::max(largestOut, std::abs(expected));
        ASSERT_NEAR(out(t, head * dim + d), expected, tolerance)
            << "position " << position << " token " << t << " head " << head << " element " << d;
      }
    }
  // A tolerance that everything meets would prove nothing.
  ASSERT_GT(largestOut, 10 * std::min(tolerance, 5e-3));
}

std::string AttentionProblem::cacheType() const {
  const char *names[] = {"f32", "f16", "i8"};
  return absl::StrCat("!stc.kv_cache<layers = ", kLayers, ", kv_heads = ", shape.kvHeads,
                      ", head_dim = ", shape.headDim, ", capacity = ", kCapacity,
                      ", element = ", names[int(element)], ">");
}

static std::string matrixType(const AttentionProblem &problem) {
  return absl::StrCat("memref<", problem.tokens, "x", problem.shape.heads * problem.shape.headDim,
                      "xf32>");
}

std::string AttentionProblem::parameters() const {
  std::string matrix = matrixType(*this);
  return absl::StrCat("%q: ", matrix, ", %y: ", matrix, ", %layer: index, %position: index, ",
                      "%cache: ", cacheType(), ", %keys: !llvm.ptr, %values: !llvm.ptr");
}

std::string AttentionProblem::body() const {
  std::string matrix = matrixType(*this);
  return absl::StrCat(
      "packed.attention ins(%q : ", matrix, ") cache(%cache[%layer, %position] : ", cacheType(),
      ") outs(%y : ", matrix, ") heads ", shape.heads, " scale 2.5e-01 window ", shape.window,
      " sinks ", shape.sinks, " soft_cap ", std::to_string(shape.softCap),
      shape.pattern.empty() ? "" : absl::StrCat(" pattern \"", shape.pattern, "\""));
}
