// Generated rotary embeddings, gathers and cache updates against plain C++.
#include "KernelHarness.h"

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
                 bool interleaved, bool inPlace) {
  int64_t count = tokenCount(tokens), dim = 2 * pairs;
  std::string matrix = absl::StrCat("memref<", tokens, "x", heads * dim, "xf32>");
  std::string angles = absl::StrCat("memref<", tokens, "x", pairs, "xf32>");
  auto kernel = CompiledKernel::create(
      absl::StrCat("%x: ", matrix, ", %c: ", angles, ", %s: ", angles, ", %y: ", matrix),
      absl::StrCat("packed.rotary ", interleaved ? "interleaved " : "", "ins(%x, %c, %s : ", matrix,
                   ", ", angles, ", ", angles, ") outs(", inPlace ? "%x" : "%y", " : ", matrix,
                   ")"),
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
}

TEST(RotaryTile, AgreesWithPlainCode) {
  for (const char *target : kTargets)
    for (const char *tokens : kTokens)
      for (int64_t pairs : {2, 16, 20, 32})
        for (bool interleaved : {false, true}) {
          if (!canRun(target))
            continue;
          checkRotary(target, tokens, 3, pairs, interleaved, pairs == 20);
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

TEST(CacheUpdateTile, WritesItsPositionsOnly) {
  const int64_t layers = 2, heads = 2, capacity = 32, layer = 1;
  for (const char *target : kTargets)
    for (const char *tokens : kTokens)
      for (int64_t dim : {4, 16, 40}) {
        if (!canRun(target))
          continue;
        std::string cache = absl::StrCat("!stc.kv_cache<layers = 2, kv_heads = 2, head_dim = ", dim,
                                         ", capacity = 32>");
        std::string matrix = absl::StrCat("memref<", tokens, "x", heads * dim, "xf32>");
        auto kernel = CompiledKernel::create(
            absl::StrCat("%k: ", matrix, ", %v: ", matrix, ", %layer: index, %position: index, ",
                         "%cache: ", cache, ", %keys: !llvm.ptr, %values: !llvm.ptr"),
            absl::StrCat("stc.cache_update %k, %v, %cache[%layer, %position] : ", matrix, ", ",
                         matrix, ", ", cache),
            target);
        ASSERT_TRUE(kernel.ok()) << kernel.status();
        int64_t count = tokenCount(tokens);
        for (int64_t position : {int64_t(0), int64_t(14), capacity - count}) {
          RandomNumbers random(position);
          Buffer<float> k(count, heads * dim), v(count, heads * dim);
          Buffer<float> keys(layers * heads, capacity * dim, -7),
              values(layers * heads, capacity * dim, -7);
          for (int64_t i = 0; i < k.size(); ++i) {
            k[i] = random.real();
            v[i] = random.real();
          }
          (*kernel)->run({Argument::matrix(k), Argument::matrix(v), Argument::number(layer),
                          Argument::number(position), Argument::address(nullptr),
                          Argument::address(keys.data()), Argument::address(values.data())});
          for (int64_t h = 0; h < layers * heads; ++h)
            for (int64_t s = 0; s < capacity; ++s)
              for (int64_t d = 0; d < dim; ++d) {
                bool written = h >= heads && s >= position && s < position + count;
                int64_t column = (h - heads) * dim + d;
                ASSERT_EQ(keys(h, (s / 16 * dim + d) * 16 + s % 16),
                          written ? k(s - position, column) : -7);
                ASSERT_EQ(values(h, s * dim + d), written ? v(s - position, column) : -7);
              }
        }
      }
}

} // namespace
