// Generated attention against float64 attention, with caches that hold NaN where nobody may look.
#include "KernelHarness.h"
#include "stc/Packing/KVCache.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace stc;

namespace stc {
/// Found by GoogleTest, as the one below, to print parameters by what they are.
static void PrintTo(KVElement element, std::ostream *out) { *out << kvElementName(element); }
} // namespace stc

namespace {

struct AttentionShape {
  int64_t heads, kvHeads, headDim, window, sinks;
  double softCap = 0;

  std::string str() const {
    return absl::StrCat("heads", heads, "of", kvHeads, "x", headDim, "window", window, "sinks",
                        sinks, softCap ? absl::StrCat("cap", softCap) : "");
  }
};

void PrintTo(const AttentionShape &shape, std::ostream *out) { *out << shape.str(); }

constexpr int64_t kCapacity = 208; // four blocks, the last in part
constexpr int64_t kLayers = 2, kLayer = 1;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

bool isVisible(const AttentionShape &shape, int64_t last, int64_t s) {
  return s <= last && (shape.window == 0 || s > last - shape.window || s < shape.sinks);
}

/// A cache of random numbers, with NaN (or arbitrary codes with a scale of NaN) wherever no token
/// of a call may look, and what a reader should see of it.
class Cache {
public:
  Cache(const AttentionShape &shape, KVElement element)
      : shape(shape), layout{element, shape.kvHeads, shape.headDim, kCapacity},
        keys(kLayers, layout.keyBytes()), values(kLayers, layout.valueBytes()) {
    fillNaN(keys);
    fillNaN(values);
  }

  void fill(int64_t position, int64_t tokens, float spread, RandomNumbers &random) {
    seenKeys.assign(shape.kvHeads * kCapacity * shape.headDim, 0);
    seenValues = seenKeys;
    for (int64_t head = 0; head < shape.kvHeads; ++head)
      for (int64_t s = 0; s < position + tokens; ++s) {
        bool seen = false;
        for (int64_t t = 0; t < tokens; ++t)
          seen |= isVisible(shape, position + t, s);
        if (seen) {
          write(keys, seenKeys, head, s, spread, random, true);
          write(values, seenValues, head, s, 1, random, false);
        }
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

class Attention
    : public testing::TestWithParam<std::tuple<AttentionShape, KVElement, std::string>> {
protected:
  void check(const CompiledKernel &kernel, int64_t position, int64_t tokens, float spread);
};

/// Attention of `tokens` tokens from `position` on over random keys and values.
void Attention::check(const CompiledKernel &kernel, int64_t position, int64_t tokens,
                      float spread) {
  auto [shape, element, target] = GetParam();
  RandomNumbers random(position * 31 + tokens);
  int64_t columns = shape.heads * shape.headDim, dim = shape.headDim;
  Cache cache(shape, element);
  cache.fill(position, tokens, spread, random);
  Buffer<float> queries(tokens, columns), out(tokens, columns, kNaN);
  for (int64_t i = 0; i < queries.size(); ++i)
    queries[i] = random.real(-spread, spread);

  kernel.run({Argument::matrix(queries), Argument::matrix(out), Argument::number(kLayer),
              Argument::number(position), Argument::address(nullptr),
              Argument::address(cache.keys.data()), Argument::address(cache.values.data())});

  // Weights of an int8 cache are bytes: half a step each, of values up to 1.
  double tolerance = (element == KVElement::Int8 ? 6e-3 : 4e-6) * std::max(1.0f, spread * spread);
  double largestOut = 0;
  for (int64_t t = 0; t < tokens; ++t)
    for (int64_t head = 0; head < shape.heads; ++head) {
      int64_t kvHead = head / (shape.heads / shape.kvHeads), last = position + t;
      std::vector<float> query(&queries(t, head * dim), &queries(t, head * dim) + dim);
      if (element == KVElement::Int8)
        roundKeyOrValue(element, absl::MakeSpan(query));
      std::vector<int64_t> visible;
      std::vector<double> scores;
      for (int64_t s = 0; s <= last; ++s) {
        if (!isVisible(shape, last, s))
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

std::string cacheText(const AttentionShape &shape, KVElement element) {
  const char *names[] = {"f32", "f16", "i8"};
  return absl::StrCat("!stc.kv_cache<layers = ", kLayers, ", kv_heads = ", shape.kvHeads,
                      ", head_dim = ", shape.headDim, ", capacity = ", kCapacity,
                      ", element = ", names[int(element)], ">");
}

absl::StatusOr<std::unique_ptr<CompiledKernel>>
compile(const AttentionShape &shape, KVElement element, const std::string &tokens,
        const std::string &target, const std::string &passes) {
  std::string matrix = absl::StrCat("memref<", tokens, "x", shape.heads * shape.headDim, "xf32>");
  std::string cache = cacheText(shape, element);
  return CompiledKernel::create(
      absl::StrCat("%q: ", matrix, ", %y: ", matrix, ", %layer: index, %position: index, ",
                   "%cache: ", cache, ", %keys: !llvm.ptr, %values: !llvm.ptr"),
      absl::StrCat("packed.attention ins(%q : ", matrix,
                   ") cache(%cache[%layer, %position] : ", cache, ") outs(%y : ", matrix,
                   ") heads ", shape.heads, " scale 2.5e-01 window ", shape.window, " sinks ",
                   shape.sinks, " soft_cap ", std::to_string(shape.softCap)),
      target, passes);
}

TEST_P(Attention, AgreesWithFloat64) {
  auto [shape, element, target] = GetParam();
  if (!canRun(target))
    GTEST_SKIP() << "this machine does not run " << target;
  // One token through pieces of one and two blocks and without pieces; several at a time.
  struct {
    const char *tokens, *passes;
  } variants[] = {{"1", "packed-tile-ops{piece-keys=64}"},
                  {"1", "packed-tile-ops{piece-keys=128}"},
                  {"1", "packed-tile-ops{piece-keys=512}"},
                  {"?", "packed-tile-ops{rows-per-tile=8}"},
                  {"?", ""}};
  for (auto [tokens, passes] : variants) {
    auto kernel = compile(shape, element, tokens, target, passes);
    ASSERT_TRUE(kernel.ok()) << kernel.status();
    SCOPED_TRACE(absl::StrCat(tokens, " ", passes));
    // Around the borders of vectors, blocks and pieces; chunks that continue; the whole cache.
    std::vector<int64_t> positions = {0,  1,  15,  16,  17,  40,  62,  63,
                                      64, 65, 127, 128, 150, 191, 192, 207};
    std::vector<int64_t> counts = {1, 2, 7, 33, 207};
    if (isEmulated(target)) { // and slow
      positions = {0, 17, 63, 64, 150};
      counts = {1, 7};
    }
    for (int64_t position : positions)
      for (int64_t count : counts) {
        if (position + count > kCapacity || (*tokens == '1' && count > 1))
          continue;
        check(**kernel, position, count, 1);
        if (HasFatalFailure())
          return;
      }
    // Scores far apart: most probabilities vanish, and maxima grow often.
    check(**kernel, 150, 1, 12);
  }
}

static std::string testName(const testing::TestParamInfo<Attention::ParamType> &info) {
  auto [shape, element, target] = info.param;
  std::string name = absl::StrCat(shape.str(), "_", kvElementName(element), "_", target);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Emulated, Attention,
                         testing::Combine(testing::Values(AttentionShape{4, 2, 16, 0, 0},
                                                          AttentionShape{2, 2, 80, 20, 3},
                                                          AttentionShape{4, 2, 16, 9, 0, 1.5}),
                                          testing::Values(KVElement::F32, KVElement::F16,
                                                          KVElement::Int8),
                                          testing::ValuesIn(emulatedTargets())),
                         testName);

INSTANTIATE_TEST_SUITE_P(
    All, Attention,
    testing::Combine(
        testing::Values(AttentionShape{4, 2, 16, 0, 0}, AttentionShape{8, 1, 64, 0, 0},
                        AttentionShape{2, 2, 80, 20, 0}, AttentionShape{6, 2, 64, 16, 3},
                        AttentionShape{4, 4, 4, 5, 1}, AttentionShape{1, 1, 129, 1, 0},
                        AttentionShape{7, 1, 8, 70, 65}, AttentionShape{3, 3, 128, 0, 0},
                        AttentionShape{4, 2, 32, 20, 3, 0.75}, AttentionShape{2, 1, 128, 0, 0, 50}),
        testing::Values(KVElement::F32, KVElement::F16, KVElement::Int8),
        testing::Values("native", "x86-64-v3", "x86-64-v2")),
    testName);

} // namespace
