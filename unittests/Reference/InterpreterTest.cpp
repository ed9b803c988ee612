// Calls into the interpreter: arguments, results, caches between calls, and bad input.
#include "Helpers.h"

#include "gmock/gmock.h"

#include <limits>

using namespace stc;
using testing::ElementsAre;
using testing::HasSubstr;

namespace {

using Value = Interpreter::Value;

const ReferenceTensor &tensor(const Value &value) { return std::get<ReferenceTensor>(value); }

std::string message(const absl::Status &status) { return std::string(status.message()); }

TEST(Interpreter, PassesEveryKindOfValueThrough) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    !cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 2, capacity = 16>
    func.func @swap(%a: tensor<?x2xf32>, %b: index, %c: f32, %d: !cache)
        -> (!cache, f32, index, tensor<?x2xf32>) {
      return %d, %c, %b, %a : !cache, f32, index, tensor<?x2xf32>
    })mlir"));
  Interpreter interpreter(*test.module);
  auto cache = std::make_shared<ReferenceCache>();
  auto results = interpreter.run("swap", {ReferenceTensor{{1, 2}, {3, 4}}, int64_t(5), 0.5, cache});
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 4u);
  EXPECT_EQ(std::get<std::shared_ptr<ReferenceCache>>((*results)[0]), cache);
  EXPECT_EQ(std::get<double>((*results)[1]), 0.5);
  EXPECT_EQ(std::get<int64_t>((*results)[2]), 5);
  EXPECT_THAT(tensor((*results)[3]).shape, ElementsAre(1, 2));
  EXPECT_THAT(tensor((*results)[3]).values, ElementsAre(3, 4));
}

TEST(Interpreter, RefusesArgumentsThatDoNotFit) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    !cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 2, capacity = 16>
    func.func @take(%a: tensor<?x2xf32>) { return }
    func.func @index(%a: index) { return }
    func.func @cache(%a: !cache) { return }
  )mlir"));
  Interpreter interpreter(*test.module);
  auto error = [&](llvm::StringRef name, std::vector<Value> arguments) {
    return message(interpreter.run(name, std::move(arguments)).status());
  };
  EXPECT_EQ(error("take", {}), "function @take: expected 1 arguments, got 0");
  EXPECT_EQ(error("take", {ReferenceTensor{{1, 3}, {1, 2, 3}}}),
            "function @take: expected tensor<?x2xf32>, got a tensor of shape 1x3");
  EXPECT_EQ(error("take", {ReferenceTensor{{2}, {1, 2}}}),
            "function @take: expected tensor<?x2xf32>, got a tensor of shape 2");
  // A shape that promises more than there is.
  EXPECT_THAT(error("take", {ReferenceTensor{{5, 2}, {1, 2}}}), HasSubstr("shape 5x2"));
  EXPECT_THAT(error("take", {int64_t(1)}), HasSubstr("got an integer"));
  EXPECT_THAT(error("index", {1.0}), HasSubstr("got a float"));
  EXPECT_THAT(error("cache", {int64_t(1)}), HasSubstr("got an integer"));
  EXPECT_THAT(error("cache", {std::shared_ptr<ReferenceCache>()}), HasSubstr("got a cache"));
  auto wrong = std::make_shared<ReferenceCache>();
  wrong->keys.resize(3);
  EXPECT_TRUE(interpreter.run("cache", {wrong}).ok()); // nobody looked into it yet
}

TEST(Interpreter, KeepsTheCacheBetweenCalls) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    !cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 2, capacity = 16>
    func.func @step(%x: tensor<?x2xf32>, %position: index, %cache: !cache) -> tensor<?x2xf32> {
      %layer = arith.constant 0 : index
      stc.cache_update %x, %x, %cache[%layer, %position]
          : tensor<?x2xf32>, tensor<?x2xf32>, !cache
      %y = stc.attention %x, %cache[%layer, %position] heads 1 scale 1.0 window 0
          : (tensor<?x2xf32>, !cache, index, index) -> tensor<?x2xf32>
      return %y : tensor<?x2xf32>
    })mlir"));
  Interpreter interpreter(*test.module);
  std::vector<double> rows = {1, 0, 0.5, 2, -1, 1};
  auto together = interpreter.run(
      "step", {ReferenceTensor{{3, 2}, rows}, int64_t(0), std::make_shared<ReferenceCache>()});
  ASSERT_TRUE(together.ok()) << together.status();
  auto cache = std::make_shared<ReferenceCache>();
  for (int64_t t = 0; t < 3; ++t) {
    auto one = interpreter.run("step",
                               {ReferenceTensor{{1, 2}, {rows[2 * t], rows[2 * t + 1]}}, t, cache});
    ASSERT_TRUE(one.ok()) << one.status();
    for (int64_t c = 0; c < 2; ++c)
      EXPECT_DOUBLE_EQ(tensor(one->front()).values[c], tensor(together->front()).values[2 * t + c]);
  }
  EXPECT_EQ(cache->keys.size(), 32u);
  cache->keys.resize(5);
  EXPECT_EQ(
      message(
          interpreter.run("step", {ReferenceTensor{{1, 2}, {1, 1}}, int64_t(0), cache}).status()),
      "cache: expected 32 keys and values, got 5");
}

TEST(Interpreter, AttentionSurvivesScoresThatOverflow) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    !cache = !stc.kv_cache<layers = 1, kv_heads = 1, head_dim = 1, capacity = 16>
    func.func @step(%x: tensor<?x1xf32>, %cache: !cache) -> tensor<?x1xf32> {
      %zero = arith.constant 0 : index
      stc.cache_update %x, %x, %cache[%zero, %zero] : tensor<?x1xf32>, tensor<?x1xf32>, !cache
      %y = stc.attention %x, %cache[%zero, %zero] heads 1 scale 1.0 window 0
          : (tensor<?x1xf32>, !cache, index, index) -> tensor<?x1xf32>
      return %y : tensor<?x1xf32>
    })mlir"));
  Interpreter interpreter(*test.module);
  auto result = interpreter.run(
      "step", {ReferenceTensor{{3, 1}, {-1e4, 1e4, 2e4}}, std::make_shared<ReferenceCache>()});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(tensor(result->front()).values, ElementsAre(-1e4, 1e4, 2e4));
}

TEST(Interpreter, ZeroTokensGiveZeroRows) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    func.func @f(%x: tensor<?x2xf32>, %w: tensor<3x2xf32>) -> tensor<?x3xf32> {
      %y = stc.linear %x, %w : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
      return %y : tensor<?x3xf32>
    })mlir"));
  Interpreter interpreter(*test.module);
  auto result = interpreter.run(
      "f", {ReferenceTensor{{0, 2}, {}}, ReferenceTensor{{3, 2}, {1, 2, 3, 4, 5, 6}}});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(tensor(result->front()).shape, ElementsAre(0, 3));
}

TEST(Interpreter, MultipliesAnyNumberOfTokens) {
  // The kernel handles tokens in fours: every remainder must agree with one token at a time.
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    func.func @f(%x: tensor<?x5xf32>, %w: tensor<3x5xf32>) -> tensor<?x3xf32> {
      %y = stc.linear %x, %w : (tensor<?x5xf32>, tensor<3x5xf32>) -> tensor<?x3xf32>
      return %y : tensor<?x3xf32>
    })mlir"));
  Interpreter interpreter(*test.module);
  ReferenceTensor weight{{3, 5}, {}};
  for (int i = 0; i < 15; ++i)
    weight.values.push_back(i % 7 - 3);
  for (int64_t tokens = 1; tokens <= 9; ++tokens) {
    ReferenceTensor input{{tokens, 5}, {}};
    for (int i = 0; i < 5 * tokens; ++i)
      input.values.push_back(i % 11 - 5);
    auto result = interpreter.run("f", {input, weight});
    ASSERT_TRUE(result.ok()) << result.status();
    for (int64_t t = 0; t < tokens; ++t)
      for (int64_t n = 0; n < 3; ++n) {
        double expected = 0;
        for (int64_t k = 0; k < 5; ++k)
          expected += input.values[t * 5 + k] * weight.values[n * 5 + k];
        EXPECT_EQ(tensor(result->front()).values[t * 3 + n], expected);
      }
  }
}

TEST(Interpreter, ReadsPackedWeightsOnlyWithinTheSection) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    packed.weight @w : !packed.weight<1x2, #packed.layout<rows, f32>> offset 64 bytes 192 density 1.0
    func.func @f() -> tensor<2xf32> {
      %w = packed.get_weight @w : !packed.weight<1x2, #packed.layout<rows, f32>>
      %v = packed.vector %w : !packed.weight<1x2, #packed.layout<rows, f32>> -> tensor<2xf32>
      return %v : tensor<2xf32>
    })mlir"));
  std::vector<uint8_t> section(256);
  float values[2] = {1.5f, -2.0f};
  std::memcpy(&section[64], values, sizeof(values));
  auto result = Interpreter(*test.module, section).run("f", {});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(tensor(result->front()).values, ElementsAre(1.5, -2));
  section.pop_back();
  EXPECT_EQ(message(Interpreter(*test.module, section).run("f", {}).status()),
            "@w: expected 192 bytes at 64 of the weights section, got a section of 255 bytes");
}

// Types may leave every size open; then only the values can say that they do not fit.
TEST(Interpreter, ChecksSizesThatTypesLeaveOpen) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    func.func @linear(%x: tensor<?x?xf32>, %w: tensor<?x?xf32>) -> tensor<?x?xf32> {
      %y = stc.linear %x, %w : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
      return %y : tensor<?x?xf32>
    }
    func.func @norm(%x: tensor<?x?xf32>, %w: tensor<?xf32>) -> tensor<?x?xf32> {
      %y = stc.rms_norm %x, %w epsilon 0.0 : (tensor<?x?xf32>, tensor<?xf32>) -> tensor<?x?xf32>
      return %y : tensor<?x?xf32>
    }
    func.func @gated(%x: tensor<?x?xf32>, %y: tensor<?x?xf32>) -> tensor<?x?xf32> {
      %z = stc.gated_activation <relu> %x, %y
          : (tensor<?x?xf32>, tensor<?x?xf32>) -> tensor<?x?xf32>
      return %z : tensor<?x?xf32>
    }
    func.func @rotary(%x: tensor<?x4xf32>, %c: tensor<?x2xf32>) -> tensor<?x4xf32> {
      %y = stc.rotary_embedding %x, %c, %c
          : (tensor<?x4xf32>, tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x4xf32>
      return %y : tensor<?x4xf32>
    }
    func.func @slice(%x: tensor<?xf32>, %offset: index) -> tensor<1xf32> {
      %y = tensor.extract_slice %x[%offset] [1] [1] : tensor<?xf32> to tensor<1xf32>
      return %y : tensor<1xf32>
    })mlir"));
  Interpreter interpreter(*test.module);
  ReferenceTensor square{{2, 2}, {1, 2, 3, 4}}, wide{{2, 3}, {1, 2, 3, 4, 5, 6}};
  ReferenceTensor row{{1, 4}, {1, 2, 3, 4}}, three{{3}, {1, 2, 3}};
  auto error = [&](llvm::StringRef name, std::vector<Value> arguments) {
    return message(interpreter.run(name, std::move(arguments)).status());
  };
  EXPECT_EQ(error("linear", {square, wide}),
            "stc.linear: expected an operand of 3 columns, got 2 columns");
  EXPECT_EQ(error("norm", {square, three}),
            "stc.rms_norm: expected an operand of 2 columns, got 3 columns");
  EXPECT_EQ(error("gated", {square, wide}),
            "stc.gated_activation: expected an operand of 2 columns, got 3 columns");
  EXPECT_EQ(error("rotary", {row, square}),
            "stc.rotary_embedding: expected operands of 1 rows, got 2 rows");
  EXPECT_EQ(error("slice", {three, std::numeric_limits<int64_t>::max()}),
            "tensor.extract_slice: expected a slice within 3, got offsets 9223372036854775807 "
            "sizes 1");
  EXPECT_EQ(error("slice", {three, int64_t(3)}),
            "tensor.extract_slice: expected a slice within 3, got offsets 3 sizes 1");
  EXPECT_EQ(error("slice", {three, int64_t(2)}), "");
}

TEST(Interpreter, DoesNotAllocateWhatTypesClaim) {
  TestModule test;
  ASSERT_TRUE(test.parse(R"mlir(
    !cache = !stc.kv_cache<layers = 1000000, kv_heads = 1, head_dim = 1000000, capacity = 1600000>
    func.func @cache(%k: tensor<?x1000000xf32>, %cache: !cache) {
      %zero = arith.constant 0 : index
      stc.cache_update %k, %k, %cache[%zero, %zero]
          : tensor<?x1000000xf32>, tensor<?x1000000xf32>, !cache
      return
    }
    func.func @constant() -> tensor<1000000x1000000xf32> {
      %k = arith.constant dense<0.0> : tensor<1000000x1000000xf32>
      return %k : tensor<1000000x1000000xf32>
    })mlir"));
  Interpreter interpreter(*test.module);
  EXPECT_EQ(message(interpreter
                        .run("cache", {ReferenceTensor{{0, 1000000}, {}},
                                       std::make_shared<ReferenceCache>()})
                        .status()),
            "cache: expected at most 268435456 keys, got more");
  EXPECT_EQ(message(interpreter.run("constant", {}).status()),
            "arith.constant: expected at most 268435456 elements, got 1000000x1000000");
}

} // namespace
