// Attention against float64 attention, with caches that hold NaN where nobody may look.
#include "AttentionCase.h"
#include "stc/Compress/AttentionPattern.h"
#include "stc/Dialect/STC/Utils/AttentionBias.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_format.h"

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

/// Whether a token at `position` sees the key at `s`; `end` counts where the shape has one.
bool isVisible(const AttentionShape &shape, const AttentionPattern &pattern, int64_t position,
               int64_t end, int64_t s) {
  if (shape.toEnd ? s >= end : s > position)
    return false;
  return (shape.window == 0 || std::abs(position - s) < shape.window || s < shape.sinks) &&
         pattern.sees(position, s);
}

/// Which positions a kernel may read: those that a token sees. Where there is a pattern, also the
/// others of their blocks, up to the last token or the end; keys of a block behind the end count.
std::vector<bool> findReadable(const AttentionShape &shape, int64_t position, int64_t tokens,
                               int64_t end) {
  AttentionPattern pattern = patternOf(shape);
  bool wholeBlocks = pattern.kind != AttentionPattern::Kind::None;
  int64_t limit = shape.toEnd ? end : position + tokens;
  int64_t blocksEnd = (limit + kKVBlock - 1) / kKVBlock * kKVBlock;
  std::vector<bool> readable(static_cast<size_t>(wholeBlocks ? blocksEnd : limit));
  for (size_t s = 0; s < readable.size(); ++s)
    for (int64_t t = 0; t < tokens && !readable[s]; ++t)
      readable[s] =
          isVisible(shape, pattern, position + t, wholeBlocks ? blocksEnd : end, int64_t(s));
  for (auto block = readable.begin(); wholeBlocks && block < readable.end(); block += kKVBlock)
    std::fill_n(block, kKVBlock, std::find(block, block + kKVBlock, true) != block + kKVBlock);
  readable.resize(static_cast<size_t>(limit));
  return readable;
}

/// What is added to the score of a key at `s` for a query head at `position`.
double biasOf(const AttentionShape &shape, const Buffer<float> &bias, int64_t head,
              int64_t position, int64_t s) {
  double result = shape.slopes ? -shape.slope(head) * double(std::abs(position - s)) : 0;
  if (shape.buckets)
    result += bias[relativeBucket(s - position, shape.buckets, shape.biasDistance, shape.toEnd) *
                       shape.heads +
                   head];
  return result;
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

  void fill(int64_t position, int64_t tokens, int64_t end, float spread, RandomNumbers &random) {
    seenKeys.assign(shape.kvHeads * kCapacity * shape.headDim, 0);
    seenValues = seenKeys;
    std::vector<bool> readable = findReadable(shape, position, tokens, end);
    for (int64_t head = 0; head < shape.kvHeads; ++head)
      for (size_t s = 0; s < readable.size(); ++s)
        if (readable[s]) {
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
      } else if (layout.element == KVElement::Float8) {
        *place = floatToFloat8(vector[d]);
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
  // Numbers of their own, so that all shapes have the same queries and keys.
  RandomNumbers other(position * 37 + tokens);
  int64_t end = other.chance(0.5) ? position + tokens : other.integer(1, kCapacity);
  cache.fill(position, tokens, end, spread, random);
  Buffer<float> queries(tokens, columns, 0, guard), out(tokens, columns, kNaN, guard);
  for (int64_t i = 0; i < queries.size(); ++i)
    queries[i] = random.real(-spread, spread);

  Buffer<float> bias(1, std::max<int64_t>(1, shape.buckets * shape.heads), 0, guard);
  Buffer<float> sinkLogits(1, shape.heads, 0, guard);
  for (Buffer<float> *numbers : {&bias, &sinkLogits})
    for (int64_t i = 0; i < numbers->size(); ++i)
      (*numbers)[i] = other.real(-2, 2);

  std::vector<Argument> arguments = {Argument::matrix(queries), Argument::matrix(out),
                                     Argument::number(kLayer), Argument::number(position)};
  if (shape.toEnd)
    arguments.push_back(Argument::number(end));
  if (shape.buckets)
    arguments.push_back(Argument::vector(bias));
  if (shape.sinkLogits)
    arguments.push_back(Argument::vector(sinkLogits));
  for (const void *address :
       {static_cast<const void *>(nullptr), static_cast<const void *>(cache.keys.data()),
        static_cast<const void *>(cache.values.data())})
    arguments.push_back(Argument::address(address));
  run(std::move(arguments));

  // Weights of an int8 cache are bytes: half a step each, of values up to 1.
  // Where biases leave few keys that count, these do not even out.
  double tolerance = 4e-6;
  if (element == KVElement::Int8)
    tolerance = shape.slopes || shape.buckets ? 1.5e-2 : 6e-3;
  tolerance *= std::max(1.0f, spread * spread);
  double largestOut = 0;
  AttentionPattern pattern = patternOf(shape);
  bool anySeen = false;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t head = 0; head < shape.heads; ++head) {
      int64_t kvHead = head / (shape.heads / shape.kvHeads), own = position + t;
      std::vector<float> query(&queries(t, head * dim), &queries(t, head * dim) + dim);
      if (element == KVElement::Int8)
        roundKeyOrValue(element, absl::MakeSpan(query));
      std::vector<int64_t> visible;
      std::vector<double> scores;
      for (int64_t s = 0; s < kCapacity; ++s) {
        if (!isVisible(shape, pattern, own, end, s))
          continue;
        double score = 0;
        for (int64_t d = 0; d < dim; ++d)
          score += double(query[d]) * cache.key(kvHead, s, d);
        visible.push_back(s);
        score *= 0.25;
        if (shape.softCap)
          score = shape.softCap * std::tanh(score / shape.softCap);
        scores.push_back(score + biasOf(shape, bias, head, own, s));
      }
      // Slopes leave next to nothing of sinks that are far away.
      anySeen |= int64_t(visible.size()) > shape.sinks;
      double largest = shape.sinkLogits ? sinkLogits[head] : -1e30;
      for (double score : scores)
        largest = std::max(largest, score);
      double sum = shape.sinkLogits ? std::exp(sinkLogits[head] - largest) : 0;
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
  if (anySeen)
    ASSERT_GT(largestOut, 10 * std::min(tolerance, 5e-3));
}

std::string AttentionProblem::cacheType() const {
  const char *names[] = {"f32", "f16", "i8", "f8E4M3FN"};
  return absl::StrCat("!stc.kv_cache<layers = ", kLayers, ", kv_heads = ", shape.kvHeads,
                      ", head_dim = ", shape.headDim, ", capacity = ", kCapacity,
                      ", element = ", names[int(element)], ">");
}

static std::string matrixType(const AttentionProblem &problem) {
  return absl::StrCat("memref<", problem.tokens, "x", problem.shape.heads * problem.shape.headDim,
                      "xf32>");
}

static std::string biasType(const AttentionProblem &problem) {
  return absl::StrCat("memref<", problem.shape.buckets * problem.shape.heads, "xf32>");
}

static std::string logitsType(const AttentionProblem &problem) {
  return absl::StrCat("memref<", problem.shape.heads, "xf32>");
}

std::string AttentionProblem::parameters() const {
  std::string matrix = matrixType(*this);
  return absl::StrCat("%q: ", matrix, ", %y: ", matrix, ", %layer: index, %position: index, ",
                      shape.toEnd ? "%end: index, " : "",
                      shape.buckets ? absl::StrCat("%bias: ", biasType(*this), ", ") : "",
                      shape.sinkLogits ? absl::StrCat("%logits: ", logitsType(*this), ", ") : "",
                      "%cache: ", cacheType(), ", %keys: !llvm.ptr, %values: !llvm.ptr");
}

std::string AttentionProblem::body() const {
  std::string matrix = matrixType(*this), slopes;
  if (shape.slopes)
    for (int64_t head = 0; head < shape.heads; ++head)
      absl::StrAppend(&slopes, slopes.empty() ? " slopes [" : ", ",
                      absl::StrFormat("%.17e", shape.slope(head)));
  return absl::StrCat(
      "packed.attention ins(%q : ", matrix, ") cache(%cache[%layer, %position] : ", cacheType(),
      ")", shape.toEnd ? " to %end" : "",
      shape.buckets
          ? absl::StrCat(" bias(%bias : ", biasType(*this), ") within ", shape.biasDistance)
          : "",
      shape.sinkLogits ? absl::StrCat(" sink_logits(%logits : ", logitsType(*this), ")") : "",
      " outs(%y : ", matrix, ") heads ", shape.heads, " scale 2.5e-01 window ", shape.window,
      " sinks ", shape.sinks, " soft_cap ", std::to_string(shape.softCap), slopes,
      slopes.empty() ? "" : "]",
      shape.pattern.empty() ? "" : absl::StrCat(" pattern \"", shape.pattern, "\""));
}
