// Generated rotary embeddings, gathers and cache updates against plain C++.
#include "KernelHarness.h"

#include "stc/Packing/KVCache.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace stc;

namespace {

const char *const kTargets[] = {"native",  "x86-64-v3",         "x86-64-v2",  "aarch64",
                                "riscv64", "riscv64+v+zvl256b", "neoverse-v2"};
const char *const kTokens[] = {"1", "?"};

int64_t tokenCount(const char *tokens) { return *tokens == '1' ? 1 : 5; }

void checkRotary(const char *target, const char *tokens, int64_t heads, int64_t pairs,
                 int64_t unmoved, bool interleaved, bool inPlace) {
  int64_t count = tokenCount(tokens), dim = 2 * pairs + unmoved;
  std::string matrix = absl::StrCat("memref<", tokens, "x", heads * dim, "xf32>");
  std::string angles = absl::StrCat("memref<", tokens, "x", pairs, "xf32>");
  auto kernel = CompiledKernel::create(
      absl::StrCat("%x: ", matrix, ", %c: ", angles, ", %s: ", angles, ", %y: ", matrix),
      absl::StrCat("packed.rotary ", interleaved ? "interleaved " : "", "ins(%x, %c, %s : ", matrix,
                   ", ", angles, ", ", angles, ") outs(", inPlace ? "%x" : "%y", " : ", matrix,
                   ") head_dim ", dim),
      target);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  RandomNumbers random(pairs);
  Buffer<float> x(count, heads * dim), y(count, heads * dim), cos(count, pairs), sin(count, pairs);
  for (int64_t i = 0; i < x.size(); ++i)
    x[i] = random.real();
  for (int64_t i = 0; i < cos.size(); ++i) {
    cos[i] = random.real();
    sin[i] = random.real();
  }
  std::vector<float> before(x.data(), x.data() + x.size());
  (*kernel)->run(
      {Argument::matrix(x), Argument::matrix(cos), Argument::matrix(sin), Argument::matrix(y)});
  const Buffer<float> &result = inPlace ? x : y;
  for (int64_t t = 0; t < count; ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = 0; i < pairs; ++i) {
        int64_t first = h * dim + (interleaved ? 2 * i : i),
                second = first + (interleaved ? 1 : pairs);
        double a = before[t * heads * dim + first], b = before[t * heads * dim + second];
        ASSERT_NEAR(result(t, first), a * cos(t, i) - b * sin(t, i), 2e-7);
        ASSERT_NEAR(result(t, second), a * sin(t, i) + b * cos(t, i), 2e-7);
      }
  for (int64_t t = 0; t < count; ++t)
    for (int64_t h = 0; h < heads; ++h)
      for (int64_t i = h * dim + 2 * pairs; i < (h + 1) * dim; ++i)
        ASSERT_EQ(result(t, i), before[t * heads * dim + i]);
}

TEST(RotaryTile, AgreesWithPlainCode) {
  for (const char *target : kTargets)
    for (const char *tokens : kTokens)
      for (int64_t pairs : {2, 16, 20, 32})
        for (bool interleaved : {false, true}) {
          if (!canRun(target))
            continue;
          for (int64_t unmoved : {0, 5, 48})
            checkRotary(target, tokens, 3, pairs, unmoved, interleaved, pairs == 20);
          if (HasFatalFailure())
            return;
        }
  checkRotary("native", "1", 72, 32, 64, false, false); // divided among threads
}

/// What packed.rms_norm is beside its shape.
struct NormKind {
  bool centred = false, ownWeights = false;
};

void checkNorm(const char *target, const char *tokens, int64_t groups, int64_t size, bool inPlace,
               NormKind kind) {
  constexpr double epsilon = 0.01;
  int64_t count = tokenCount(tokens), columns = groups * size;
  std::string matrix = absl::StrCat("memref<", tokens, "x", columns, "xf32>");
  int64_t gains = kind.ownWeights ? columns : size;
  std::string vector = absl::StrCat("memref<", gains, "xf32>");
  auto kernel = CompiledKernel::create(
      absl::StrCat("%x: ", matrix, ", %w: ", vector, ", %y: ", matrix),
      absl::StrCat("packed.rms_norm ", kind.centred ? "centred " : "", "ins(%x, %w : ", matrix,
                   ", ", vector, ") outs(", inPlace ? "%x" : "%y", " : ", matrix, ") groups ",
                   groups, " epsilon 1.0e-02"),
      target);
  ASSERT_TRUE(kernel.ok()) << kernel.status();
  RandomNumbers random(size);
  Buffer<float> x(count, columns), w(1, gains), y(count, columns);
  // Means that the distances from them are small beside.
  for (int64_t i = 0; i < x.size(); ++i)
    x[i] = random.real() + (kind.centred ? 4 : 0);
  for (int64_t i = 0; i < w.size(); ++i)
    w[i] = random.real();
  std::vector<float> before(x.data(), x.data() + x.size());
  (*kernel)->run({Argument::matrix(x), Argument::vector(w), Argument::matrix(y)});
  const Buffer<float> &result = inPlace ? x : y;
  for (int64_t group = 0; group < count * groups; ++group) {
    const float *row = before.data() + group * size;
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < size && kind.centred; ++i)
      mean += double(row[i]) / double(size);
    for (int64_t i = 0; i < size; ++i)
      squares += (row[i] - mean) * (row[i] - mean);
    double factor = 1 / std::sqrt(squares / double(size) + epsilon);
    for (int64_t i = 0; i < size; ++i)
      ASSERT_NEAR(result[group * size + i],
                  (row[i] - mean) * factor * w[(group * size + i) % gains],
                  kind.centred ? 1e-5 : 2e-6);
  }
}

TEST(NormTile, AgreesWithPlainCode) {
  for (const char *target : kTargets)
    for (const char *tokens : kTokens)
      for (int64_t size : {3, 16, 80, 128})
        for (int64_t groups : {1, 5, 72}) { // 72 of 128 are divided among threads
          if (!canRun(target))
            continue;
          std::vector<NormKind> kinds{NormKind()};
          if (groups > 1 && size % 16 == 0 && tokens == kTokens[0])
            kinds.push_back({true, true});
          if (size == 3)
            kinds.insert(kinds.end(), {NormKind{true, false}, NormKind{false, true}});
          for (NormKind kind : kinds)
            checkNorm(target, tokens, groups, size, size == 80, kind);
          if (HasFatalFailure())
            return;
        }
}

TEST(GatherTile, AgreesWithPlainCode) {
  const int64_t rows = 37;
  for (const char *target : kTargets)
    for (const char *tokens : kTokens)
      for (LayoutKind kind : {LayoutKind::Rows, LayoutKind::Dense})
        for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16})
          for (int64_t columns : {1, 31, 64}) {
            if (!canRun(target))
              continue;
            Layout layout;
            layout.kind = kind;
            layout.element = element;
            std::string type =
                absl::StrCat("!packed.weight<", rows, "x", columns, ", ", layoutText(layout), ">");
            std::string ids = absl::StrCat("memref<", tokens, "xi32>");
            std::string matrix = absl::StrCat("memref<", tokens, "x", columns, "xf32>");
            auto kernel = CompiledKernel::create(
                absl::StrCat("%t: ", ids, ", %w: ", type, ", %y: ", matrix),
                absl::StrCat("packed.gather ins(%t : ", ids, ") table(%w : ", type,
                             ") outs(%y : ", matrix, ")"),
                target);
            ASSERT_TRUE(kernel.ok()) << kernel.status();
            RandomNumbers random(columns);
            std::vector<float> table(rows * columns);
            for (float &value : table)
              value = element == ElementKind::F16 ? halfToFloat(floatToHalf(random.real()))
                                                  : bfloat16ToFloat(floatToBfloat16(random.real()));
            Buffer<uint8_t> packed(packFloats(layout, rows, columns, table).value());
            int64_t count = tokenCount(tokens);
            Buffer<int32_t> numbers(1, count);
            for (int64_t t = 0; t < count; ++t)
              numbers[t] = t == 0 ? rows - 1 : random.integer(0, rows - 1);
            Buffer<float> y(count, columns);
            (*kernel)->run(
                {Argument::vector(numbers), Argument::address(packed.data()), Argument::matrix(y)});
            for (int64_t t = 0; t < count; ++t)
              for (int64_t c = 0; c < columns; ++c)
                ASSERT_EQ(y(t, c), table[numbers[t] * columns + c]) << layout.str();
          }
}

/// What the bytes of `buffer` must be after `vector` is stored at a position.
void expectStored(const KVCacheLayout &layout, uint8_t *layer, bool isKey, int64_t head,
                  int64_t position, std::vector<float> vector) {
  bool isInt8 = layout.element == KVElement::Int8;
  std::vector<int8_t> codes(vector.size());
  float scale = quantizeActivations(vector, absl::MakeSpan(codes));
  // Behind the numbers of a vector are zeros, as far as whole groups are stored.
  int64_t stored =
      isKey ? (isInt8 ? (layout.headDim + 3) / 4 * 4 : layout.headDim) : layout.paddedDim();
  codes.resize(stored);
  vector.resize(stored);
  roundKeyOrValue(layout.element == KVElement::F16 ? KVElement::F16 : KVElement::F32,
                  absl::MakeSpan(vector));
  for (int64_t d = 0; d < stored; ++d) {
    uint8_t *place = layer + (isKey ? layout.keyOffset(head, position, d)
                                    : layout.valueOffset(head, position, d));
    uint16_t half = floatToHalf(vector[d]);
    if (isInt8)
      *place = uint8_t(isKey ? codes[d] + 128 : codes[d]);
    else if (layout.element == KVElement::F16)
      std::memcpy(place, &half, sizeof(half));
    else if (layout.element == KVElement::Float8)
      *place = floatToFloat8(vector[d]);
    else
      std::memcpy(place, &vector[d], sizeof(float));
  }
  if (isInt8)
    std::memcpy(layer + (isKey ? layout.keyScaleOffset(head, position)
                               : layout.valueScaleOffset(head, position)),
                &scale, sizeof(scale));
}

void checkCacheUpdate(const CompiledKernel &kernel, const KVCacheLayout &layout, int64_t position,
                      int64_t count) {
  const int64_t layers = 2, layer = 1;
  RandomNumbers random(position);
  Buffer<float> k(count, layout.kvHeads * layout.headDim), v(k.rows, k.columns);
  // Every vector has its own magnitude: subnormal in f16, or beyond its range, or only zeros.
  const float magnitudes[] = {1, 1e-6f, 1e5f, 0, 3e-5f, 300};
  for (int64_t i = 0; i < k.size(); ++i) {
    float magnitude = magnitudes[i / layout.headDim % std::size(magnitudes)];
    k[i] = magnitude * random.real();
    v[i] = magnitude * random.real();
  }
  Buffer<uint8_t> keys(layers, layout.keyBytes(), 0xF9), values(layers, layout.valueBytes(), 0xF9);
  Buffer<uint8_t> expectedKeys(layers, layout.keyBytes(), 0xF9),
      expectedValues(layers, layout.valueBytes(), 0xF9);
  for (int64_t t = 0; t < count; ++t)
    for (int64_t head = 0; head < layout.kvHeads; ++head) {
      const float *key = &k(t, head * layout.headDim), *value = &v(t, head * layout.headDim);
      expectStored(layout, &expectedKeys(layer, 0), true, head, position + t,
                   {key, key + layout.headDim});
      expectStored(layout, &expectedValues(layer, 0), false, head, position + t,
                   {value, value + layout.headDim});
    }
  kernel.run({Argument::matrix(k), Argument::matrix(v), Argument::number(layer),
              Argument::number(position), Argument::address(nullptr),
              Argument::address(keys.data()), Argument::address(values.data())});
  for (int64_t i = 0; i < keys.size(); ++i)
    ASSERT_EQ(keys[i], expectedKeys[i]) << "byte " << i << " of the keys";
  for (int64_t i = 0; i < values.size(); ++i)
    ASSERT_EQ(values[i], expectedValues[i]) << "byte " << i << " of the values";
}

TEST(CacheUpdateTile, WritesItsPositionsOnly) {
  const std::pair<KVElement, const char *> elements[] = {{KVElement::F32, "f32"},
                                                         {KVElement::F16, "f16"},
                                                         {KVElement::Int8, "i8"},
                                                         {KVElement::Float8, "f8E4M3FN"}};
  for (const char *target : kTargets)
    for (const char *tokens : kTokens)
      for (auto [element, name] : elements)
        for (int64_t dim : {4, 16, 40, 42}) {
          if (!canRun(target))
            continue;
          SCOPED_TRACE(absl::StrCat(target, " ", tokens, " ", name, " ", dim));
          KVCacheLayout layout{element, 2, dim, 96};
          std::string cache =
              absl::StrCat("!stc.kv_cache<layers = 2, kv_heads = 2, head_dim = ", dim,
                           ", capacity = 96, element = ", name, ">");
          std::string matrix = absl::StrCat("memref<", tokens, "x", 2 * dim, "xf32>");
          auto kernel = CompiledKernel::create(
              absl::StrCat("%k: ", matrix, ", %v: ", matrix, ", %layer: index, %position: index, ",
                           "%cache: ", cache, ", %keys: !llvm.ptr, %values: !llvm.ptr"),
              absl::StrCat("stc.cache_update %k, %v, %cache[%layer, %position] : ", matrix, ", ",
                           matrix, ", ", cache),
              target);
          ASSERT_TRUE(kernel.ok()) << kernel.status();
          int64_t count = tokenCount(tokens);
          for (int64_t position : {int64_t(0), int64_t(14), int64_t(62), 96 - count})
            checkCacheUpdate(**kernel, layout, position, count);
          if (HasFatalFailure())
            return;
        }
}

} // namespace
