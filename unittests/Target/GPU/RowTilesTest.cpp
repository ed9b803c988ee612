// Kernels of rows as the threads of a block compute them together.
#include "../CPU/KernelHarness.h"
#include "BlockEmulator.h"
#include "stc/Packing/KVCache.h"
#include "stc/Packing/Pack.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <cmath>

using namespace stc;

namespace {

constexpr char kTarget[] = "nvptx-sm_90";
/// Not a multiple of anything; and a token alone, whose type says so.
constexpr int64_t kTokens = 3;

std::string matrixType(const std::string &tokens, int64_t columns, const char *element = "f32") {
  return absl::StrCat("memref<", tokens, "x", columns, "x", element, ">");
}

/// Vectors of floats are aligned on GPUs: buffers begin where pages do.
template <typename T = float> Buffer<T> makeBuffer(int64_t rows, int64_t columns, T value = T()) {
  return Buffer<T>(rows, columns, value, Guard::Before);
}

struct RandomBuffer : Buffer<float> {
  RandomBuffer(int64_t rows, int64_t columns, uint32_t seed)
      : Buffer(rows, columns, 0, Guard::Before) {
    RandomNumbers random(seed);
    for (int64_t i = 0; i < size(); ++i)
      (*this)[i] = random.real();
  }
};

std::unique_ptr<EmulatedKernel> compile(const std::string &parameters, const std::string &body) {
  auto kernel = EmulatedKernel::create(parameters, body, kTarget);
  if (!kernel.ok())
    ADD_FAILURE() << kernel.status();
  return kernel.ok() ? *std::move(kernel) : nullptr;
}

} // namespace

TEST(BlockRows, QuantizesAsPackingDoes) {
  // Those above 128 are the whole row, in registers and too long for them.
  for (int64_t group : {32, 64, 128, 256, 4096, 20096}) {
    bool isWhole = group > 128;
    std::vector<int64_t> sizes = {1, group - 3, group, 2 * group + 17, 1024 + group, 9000};
    if (isWhole)
      sizes = {group - 128 + 1, group - 6, group};
    for (int64_t columns : sizes)
      for (auto [tokens, isOrdered] :
           {std::pair("1", false), {"?", false}, {"1", true}, {"?", true}}) {
        int64_t offset = columns % 2 == 0 ? 0 : 128;
        int64_t groups = (columns + group - 1) / group, padded = groups * group;
        // An order may leave columns of the input out.
        int64_t width = isOrdered ? columns + 4 : columns;
        std::string order = absl::StrCat("memref<", columns, "xf32>");
        std::string input = matrixType(tokens, width), codesType = matrixType(tokens, padded, "i8"),
                    scalesType = matrixType(tokens, groups),
                    sumsType = matrixType(tokens, groups, "i32");
        auto kernel =
            compile(absl::StrCat("%x: ", input, ", %c: ", codesType, ", %s: ", scalesType,
                                 ", %t: ", sumsType, ", %o: ", order),
                    absl::StrCat("packed.quantize_activations ins(%x : ", input, ") ",
                                 isOrdered ? absl::StrCat("order(%o : ", order, ") ") : "",
                                 "outs(%c, %s, %t : ", codesType, ", ", scalesType, ", ", sumsType,
                                 ") group ", group, " sum_factor -8 offset ", offset));
        ASSERT_NE(kernel, nullptr);
        int64_t count = *tokens == '1' ? 1 : kTokens;
        RandomBuffer x(count, width, columns);
        auto places = makeBuffer(1, columns);
        RandomNumbers random(group);
        for (int64_t c = 0; c < columns; ++c)
          places[c] = float(isOrdered ? random.integer(0, width - 1) : c);
        auto scales = makeBuffer(count, groups, -1.f);
        auto codes = makeBuffer<int8_t>(count, padded, 99);
        auto sums = makeBuffer<int32_t>(count, groups, 12345);
        for (int64_t t = 0; t < count; ++t)
          for (int64_t c = 0; c < width; ++c)
            switch ((t + c / group) % 4) {
            case 0: // all zero
              x(t, c) = 0;
              break;
            case 1: // codes and halves between them, as 127 is the largest
              x(t, c) = c % group == 0 ? 127 : float(int64_t(x(t, c) * 254)) / 2;
              break;
            case 2:
              x(t, c) *= 1e30f;
            }
        kernel->run({Argument::matrix(x), Argument::matrix(codes), Argument::matrix(scales),
                     Argument::matrix(sums), Argument::vector(places)});
        for (int64_t t = 0; t < count; ++t)
          for (int64_t g = 0; g < groups; ++g) {
            std::vector<float> values(group, 0.0f);
            for (int64_t c = 0; c < group && g * group + c < columns; ++c)
              values[c] = x(t, int64_t(places[g * group + c]));
            std::vector<int8_t> expected(group);
            ASSERT_EQ(scales(t, g), quantizeActivations(values, absl::MakeSpan(expected)));
            int32_t sum = 0;
            for (int64_t c = 0; c < group; ++c) {
              ASSERT_EQ(codes(t, g * group + c), int8_t(expected[c] + offset))
                  << columns << " columns, token " << t << " group " << g << " column " << c;
              sum += expected[c];
            }
            ASSERT_EQ(sums(t, g), -8 * sum);
          }
      }
  }
}

TEST(BlockRows, NormalizesEachGroup) {
  // Whole rows in registers, too long for them, of a few and of odd columns; many small groups.
  struct {
    int64_t size, groups;
  } shapes[] = {{256, 1}, {2048, 1}, {20000, 1}, {37, 1},  {3, 1},
                {64, 5},  {128, 40}, {6, 3},     {2000, 2}};
  struct {
    bool centred, ownWeights;
  } kinds[] = {{false, false}, {true, false}, {true, true}};
  for (auto [size, groups] : shapes)
    for (auto [centred, ownWeights] : kinds) {
      int64_t gainCount = ownWeights ? size * groups : size;
      std::string type = matrixType("?", size * groups),
                  gains = absl::StrCat("memref<", gainCount, "xf32>");
      auto kernel = compile(absl::StrCat("%x: ", type, ", %w: ", gains, ", %y: ", type),
                            absl::StrCat("packed.rms_norm ", centred ? "centred " : "",
                                         "ins(%x, %w : ", type, ", ", gains, ") outs(%y : ", type,
                                         ") groups ", groups, " epsilon 1.0e-03"));
      ASSERT_NE(kernel, nullptr);
      RandomBuffer x(kTokens, size * groups, size), w(1, gainCount, 7);
      // Means that the distances from them are small beside.
      for (int64_t i = 0; i < x.size() && centred; ++i)
        x[i] += 4;
      auto y = makeBuffer(kTokens, size * groups);
      auto check = [&, &size = size, &groups = groups,
                    &centred = centred](const Buffer<float> &out, const std::vector<float> &input) {
        for (int64_t row = 0; row < kTokens * groups; ++row) {
          const float *own = input.data() + row * size;
          double mean = 0, squares = 0;
          for (int64_t c = 0; c < size && centred; ++c)
            mean += double(own[c]) / size;
          for (int64_t c = 0; c < size; ++c)
            squares += (own[c] - mean) * (own[c] - mean);
          double inverse = 1 / std::sqrt(squares / size + 1e-3);
          for (int64_t c = 0; c < size; ++c)
            ASSERT_NEAR(out[row * size + c],
                        (own[c] - mean) * inverse * w[(row * size + c) % gainCount],
                        centred ? 1e-5 : 2e-6)
                << size << " columns, row " << row << " column " << c;
        }
      };
      std::vector<float> input(x.data(), x.data() + x.size());
      kernel->run({Argument::matrix(x), Argument::vector(w), Argument::matrix(y)});
      check(y, input);
      kernel->run({Argument::matrix(x), Argument::vector(w), Argument::matrix(x)});
      check(x, input);
    }
}

TEST(BlockRows, TurnsPairs) {
  struct {
    int64_t heads, headDim, pairs;
  } shapes[] = {{4, 64, 32}, {3, 20, 10}, {5, 128, 32}, {1, 6, 1}};
  for (auto [heads, headDim, pairs] : shapes)
    for (bool interleaved : {false, true}) {
      std::string type = matrixType("?", heads * headDim), angles = matrixType("?", pairs);
      auto kernel =
          compile(absl::StrCat("%x: ", type, ", %c: ", angles, ", %s: ", angles, ", %y: ", type),
                  absl::StrCat("packed.rotary ", interleaved ? "interleaved " : "",
                               "ins(%x, %c, %s : ", type, ", ", angles, ", ", angles,
                               ") outs(%y : ", type, ") head_dim ", headDim));
      ASSERT_NE(kernel, nullptr);
      RandomBuffer x(kTokens, heads * headDim, headDim), cos(kTokens, pairs, 1),
          sin(kTokens, pairs, 2);
      auto y = makeBuffer(kTokens, heads * headDim);
      kernel->run(
          {Argument::matrix(x), Argument::matrix(cos), Argument::matrix(sin), Argument::matrix(y)});
      for (int64_t t = 0; t < kTokens; ++t)
        for (int64_t head = 0; head < heads; ++head) {
          for (int64_t p = 0; p < pairs; ++p) {
            int64_t a = head * headDim + (interleaved ? 2 * p : p);
            int64_t b = a + (interleaved ? 1 : pairs);
            double c = cos(t, p), s = sin(t, p);
            ASSERT_NEAR(y(t, a), x(t, a) * c - x(t, b) * s, 1e-6);
            ASSERT_NEAR(y(t, b), x(t, a) * s + x(t, b) * c, 1e-6);
          }
          for (int64_t d = 2 * pairs; d < headDim; ++d)
            ASSERT_EQ(y(t, head * headDim + d), x(t, head * headDim + d));
        }
    }
}

TEST(BlockRows, WritesCachesAsTheirLayoutSays) {
  constexpr int64_t kvHeads = 3, capacity = 80, layer = 1, position = 62;
  const char *names[] = {"f32", "f16", "i8", "f8E4M3FN"};
  for (KVElement element : {KVElement::F32, KVElement::F16, KVElement::Int8, KVElement::Float8})
    for (int64_t headDim : {64, 36, 130}) {
      std::string type = matrixType("?", kvHeads * headDim);
      std::string cache =
          absl::StrCat("!stc.kv_cache<layers = 2, kv_heads = ", kvHeads, ", head_dim = ", headDim,
                       ", capacity = ", capacity, ", element = ", names[int(element)], ">");
      auto kernel =
          compile(absl::StrCat("%k: ", type, ", %v: ", type,
                               ", %layer: index, %position: index, %cache: ", cache,
                               ", %keys: !llvm.ptr, %values: !llvm.ptr"),
                  absl::StrCat("stc.cache_update %k, %v, %cache[%layer, %position] : ", type, ", ",
                               type, ", ", cache));
      ASSERT_NE(kernel, nullptr);
      KVCacheLayout layout{element, kvHeads, headDim, capacity};
      RandomBuffer k(kTokens, kvHeads * headDim, 1), v(kTokens, kvHeads * headDim, 2);
      k(1, 3) = 1e6f; // not finite as f16
      v(2, 5) = -1e6f;
      auto keys = makeBuffer<uint8_t>(2, layout.keyBytes(), 0xEE),
           values = makeBuffer<uint8_t>(2, layout.valueBytes(), 0xEE);
      kernel->run({Argument::matrix(k), Argument::matrix(v), Argument::number(layer),
                   Argument::number(position), Argument::address(nullptr),
                   Argument::address(keys.data()), Argument::address(values.data())});
      auto check = [&](const Buffer<float> &input, const Buffer<uint8_t> &bytes, bool isKey) {
        const uint8_t *start = bytes.data() + layer * bytes.columns;
        for (int64_t t = 0; t < kTokens; ++t)
          for (int64_t head = 0; head < kvHeads; ++head) {
            std::vector<float> vector(&input(t, head * headDim),
                                      &input(t, head * headDim) + headDim);
            std::vector<int8_t> codes(headDim);
            float scale = quantizeActivations(vector, absl::MakeSpan(codes));
            roundKeyOrValue(element, absl::MakeSpan(vector));
            int64_t at = position + t;
            for (int64_t d = 0; d < headDim; ++d) {
              const uint8_t *place =
                  start + (isKey ? layout.keyOffset(head, at, d) : layout.valueOffset(head, at, d));
              if (element == KVElement::Int8) {
                ASSERT_EQ(*place, uint8_t(codes[d] + (isKey ? 128 : 0)));
                continue;
              }
              if (element == KVElement::Float8) {
                ASSERT_EQ(float8ToFloat(*place), vector[d]);
                continue;
              }
              uint32_t bits = 0;
              std::memcpy(&bits, place, element == KVElement::F16 ? 2 : 4);
              float stored = halfToFloat(uint16_t(bits));
              if (element == KVElement::F32)
                std::memcpy(&stored, &bits, 4);
              ASSERT_EQ(stored, vector[d]) << "token " << t << " head " << head << " element " << d;
            }
            if (element == KVElement::Int8)
              ASSERT_EQ(0, std::memcmp(start + (isKey ? layout.keyScaleOffset(head, at)
                                                      : layout.valueScaleOffset(head, at)),
                                       &scale, 4));
          }
        // The other layer is as it was.
        for (int64_t i = 0; i < bytes.columns; ++i)
          ASSERT_EQ(bytes(0, i), 0xEE);
      };
      check(k, keys, true);
      check(v, values, false);
    }
}

TEST(BlockRows, SplitsAndRounds) {
  for (int64_t columns : {40, 96, 2500})
    for (auto [element, name, isSplit] : {std::tuple(ElementKind::BF16, "bf16", true),
                                          {ElementKind::BF16, "bf16", false},
                                          {ElementKind::F16, "f16", false}}) {
      int64_t half = splitHalfColumns(columns), padded = isSplit ? 2 * half : half;
      std::string in = matrixType("?", columns),
                  out = absl::StrCat("memref<?x", padded, "x", name, ">");
      auto kernel =
          compile(absl::StrCat("%x: ", in, ", %h: ", out),
                  absl::StrCat("packed.split_activations ins(%x : ", in, ") outs(%h : ", out, ")"));
      ASSERT_NE(kernel, nullptr);
      RandomNumbers random{uint32_t(columns)};
      Buffer<float> x = makeBuffer(kTokens, columns);
      for (int64_t i = 0; i < x.size(); ++i)
        x[i] = random.chance(0.1) ? random.oneOf({65519.0f, 65520.0f, -3.4e38f, HUGE_VALF, 1e-41f})
                                  : random.real(-8, 8);
      Buffer<uint16_t> halves = makeBuffer<uint16_t>(kTokens, padded);
      kernel->run({Argument::matrix(x), Argument::matrix(halves)});
      std::vector<uint16_t> expected(padded);
      for (int64_t t = 0; t < kTokens; ++t) {
        auto token = absl::MakeConstSpan(&x(t, 0), size_t(columns));
        if (isSplit)
          splitActivations(token, absl::MakeSpan(expected));
        else
          roundActivations(element, token, absl::MakeSpan(expected));
        for (int64_t c = 0; c < padded; ++c)
          ASSERT_EQ(halves(t, c), expected[c]) << name << " token " << t << " column " << c;
      }
    }
}

TEST(BlockRows, GathersRows) {
  struct {
    const char *layout;
    int64_t columns;
  } cases[] = {{"rows, f32", 40},
               {"rows, bf16", 100},
               {"rows, f16", 31},
               {"dense, f16", 24},
               {"dense, bf16", 9}};
  constexpr int64_t rows = 37;
  for (auto [layout, columns] : cases) {
    std::string out = matrixType("?", columns);
    std::string table =
        absl::StrCat("!packed.weight<", rows, "x", columns, ", #packed.layout<", layout, ">>");
    auto kernel = compile(absl::StrCat("%t: memref<?xi32>, %w: ", table, ", %y: ", out),
                          absl::StrCat("packed.gather ins(%t : memref<?xi32>) table(%w : ", table,
                                       ") outs(%y : ", out, ")"));
    ASSERT_NE(kernel, nullptr);
    bool isDense = *layout == 'd';
    llvm::StringRef element = llvm::StringRef(layout).split(", ").second;
    int64_t bytes = element == "f32" ? 4 : 2, stored = isDense ? 48 : rows;
    auto weights = makeBuffer<uint8_t>(1, (stored * columns + 64) * 4);
    auto place = [&, &columns = columns](int64_t row, int64_t column) {
      // Tiles of 16 rows, 64-byte aligned.
      int64_t tile = (columns * 16 * bytes + 63) / 64 * 64;
      return isDense ? row / 16 * tile + (column * 16 + row % 16) * bytes
                     : (row * columns + column) * bytes;
    };
    auto number = [&](int64_t row, int64_t column) {
      return float((row * 7 + column * 3) % 200 - 99);
    };
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column) {
        float x = number(row, column);
        uint16_t half = element == "f16" ? floatToHalf(x) : floatToBfloat16(x);
        std::memcpy(weights.data() + place(row, column), bytes == 4 ? (void *)&x : (void *)&half,
                    bytes);
      }
    Buffer<int32_t> tokens = makeBuffer<int32_t>(1, kTokens);
    tokens[0] = 36, tokens[1] = 0, tokens[2] = 17;
    Buffer<float> y = makeBuffer(kTokens, columns);
    kernel->run({Argument::vector(tokens), Argument::address(weights.data()), Argument::matrix(y)});
    for (int64_t t = 0; t < kTokens; ++t)
      for (int64_t column = 0; column < columns; ++column)
        ASSERT_EQ(y(t, column), number(tokens[t], column)) << layout << " token " << t;
  }
}
