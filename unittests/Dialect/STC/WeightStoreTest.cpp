// Tests of the weight store: sources, masks, codes, and what it refuses.
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "../../Support/TempFolder.h"
#include "Models.h"
#include "stc/Compress/Quantize.h"
#include "stc/Support/Float.h"

#include "mlir/IR/Builders.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <fstream>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char *kMatrix = R"(
stc.weight @w : tensor<2x4xf32> {value = dense<[[1.0, -2.0, 3.0, -4.0], [0.5, 0.25, -8.0, 1.0]]>
                                         : tensor<2x4xf32>}
)";

std::vector<float> loaded(WeightStore &store, WeightOp weight) {
  auto values = store.load(weight);
  EXPECT_TRUE(values.ok()) << values.status();
  return values.ok() ? *values : std::vector<float>();
}

TEST(WeightStoreTest, InlineValuesOfEveryFloatType) {
  ParsedModule parsed(R"(
    stc.weight @f64 : tensor<2xf64> {value = dense<[1.5, -2.0]> : tensor<2xf64>}
    stc.weight @f32 : tensor<2xf32> {value = dense<[1.5, -2.0]> : tensor<2xf32>}
    stc.weight @f16 : tensor<2xf16> {value = dense<[1.5, -2.0]> : tensor<2xf16>}
    stc.weight @bf16 : tensor<2xbf16> {value = dense<[1.5, -2.0]> : tensor<2xbf16>}
    stc.weight @splat : tensor<1x2xbf16> {value = dense<0.5> : tensor<1x2xbf16>}
  )");
  WeightStore store(nullptr);
  for (const char *name : {"f64", "f32", "f16", "bf16"})
    EXPECT_THAT(loaded(store, parsed.weight(name)), ElementsAre(1.5f, -2.0f)) << name;
  EXPECT_THAT(loaded(store, parsed.weight("splat")), ElementsAre(0.5f, 0.5f));
}

TEST(WeightStoreTest, ResourceValues) {
  ParsedModule parsed(R"(
    stc.weight @w : tensor<2xf32> {value = dense_resource<blob> : tensor<2xf32>}
    stc.weight @missing : tensor<2xf32> {value = dense_resource<none> : tensor<2xf32>}
    {-# dialect_resources: { builtin: { blob: "0x040000000000803f000000c0" } } #-}
  )");
  WeightStore store(nullptr);
  EXPECT_THAT(loaded(store, parsed.weight("w")), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(store.load(parsed.weight("missing")).status().message(),
              HasSubstr("@missing: expected an inline value"));
}

TEST(WeightStoreTest, SlicesOfRowsAndColumns) {
  ParsedModule parsed(R"(
    stc.weight @rows : tensor<2x3xf32> {
      value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]> : tensor<3x3xf32>,
      slice = #stc.slice<of = [3, 3], rows = [0, 1, 2, 3]>}
    stc.weight @both : tensor<1x2xf32> {
      value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]> : tensor<3x3xf32>,
      slice = #stc.slice<of = [3, 3], rows = [1, 2], columns = [0, 1, 2, 3]>}
    stc.weight @vector : tensor<2xf32> {
      value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, slice = #stc.slice<of = [3], rows = [1, 3]>}
  )");
  WeightStore store(nullptr);
  EXPECT_THAT(loaded(store, parsed.weight("rows")), ElementsAre(1, 2, 3, 7, 8, 9));
  EXPECT_THAT(loaded(store, parsed.weight("both")), ElementsAre(4, 6));
  EXPECT_THAT(loaded(store, parsed.weight("vector")), ElementsAre(2, 3));
}

TEST(WeightStoreTest, OrdersOfRowsAndColumns) {
  ParsedModule parsed(R"(
    stc.weight @both : tensor<2x3xf32> {
      value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>,
      row_order = dense<[1, 0]> : tensor<2xi32>, column_order = dense<[2, 0, 1]> : tensor<3xi32>}
    stc.weight @sliced : tensor<2x2xf32> {
      value = dense<[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]> : tensor<2x3xf32>,
      slice = #stc.slice<of = [2, 3], columns = [1, 3]>, column_order = dense<[1, 0]> : tensor<2xi32>}
    stc.weight @vector : tensor<3xf32> {
      value = dense<[1.0, 2.0, 3.0]> : tensor<3xf32>, row_order = dense<[2, 0, 1]> : tensor<3xi32>}
    stc.weight @pruned : tensor<1x4xf32> {
      value = dense<[[1.0, 4.0, 3.0, 2.0]]> : tensor<1x4xf32>,
      column_order = dense<[0, 2, 1, 3]> : tensor<4xi32>,
      prune = #stc.prune<"magnitude:1:2", density = 0.5 : f64>}
  )");
  WeightStore store(nullptr);
  EXPECT_THAT(loaded(store, parsed.weight("both")), ElementsAre(6, 4, 5, 3, 1, 2));
  EXPECT_THAT(loaded(store, parsed.weight("sliced")), ElementsAre(3, 2, 6, 5));
  EXPECT_THAT(loaded(store, parsed.weight("vector")), ElementsAre(3, 1, 2));
  // A pattern is of columns as they stand.
  EXPECT_THAT(loaded(store, parsed.weight("pruned")), ElementsAre(0, 3, 4, 0));
}

TEST(WeightStoreTest, ANewSourceIsWhatCompressionStartsFrom) {
  ParsedModule parsed(kMatrix);
  WeightStore store(nullptr);
  WeightOp weight = parsed.weight("w");
  ASSERT_TRUE(store.setSource(weight, {1, 1, 1, 1, 2, 2, 2, 2}).ok());
  EXPECT_THAT(loaded(store, weight), ElementsAre(1, 1, 1, 1, 2, 2, 2, 2));
  ASSERT_TRUE(store.setValues(weight, {3, 3, 3, 3, 3, 3, 3, 3}).ok());
  EXPECT_THAT(loaded(store, weight), ElementsAre(3, 3, 3, 3, 3, 3, 3, 3));
  EXPECT_THAT(*store.loadSource(weight), ElementsAre(1, 1, 1, 1, 2, 2, 2, 2));
  EXPECT_THAT(*store.loadOriginal(weight), ElementsAre(1, -2, 3, -4, 0.5f, 0.25f, -8, 1));
  // Starting anew forgets the values, and not the source.
  store.resetToSource(weight);
  EXPECT_THAT(loaded(store, weight), ElementsAre(1, 1, 1, 1, 2, 2, 2, 2));
  EXPECT_EQ(*store.changeOf(weight), WeightStore::Change::NewValues);
  store.reset(weight);
  EXPECT_THAT(loaded(store, weight), ElementsAre(1, -2, 3, -4, 0.5f, 0.25f, -8, 1));
  EXPECT_EQ(*store.changeOf(weight), WeightStore::Change::None);
  // A weight with another slice of the same tensor is another weight.
  ASSERT_TRUE(store.setSource(weight, {0, 0, 0, 0, 0, 0, 0, 0}).ok());
  auto rows = mlir::DenseI64ArrayAttr::get(&parsed.context, {0, 2});
  auto of = mlir::DenseI64ArrayAttr::get(&parsed.context, {2, 4});
  weight.setSliceAttr(SliceAttr::get(&parsed.context, of, rows, {}, 1));
  EXPECT_THAT(loaded(store, weight), ElementsAre(1, -2, 3, -4, 0.5f, 0.25f, -8, 1));
  EXPECT_THAT(store.setSource(weight, {1, 1}).message(), HasSubstr("expected 8 values, got 2"));
}

TEST(WeightStoreTest, NewValuesOfHalvesStayFinite) {
  ParsedModule parsed(R"(
    stc.weight @w : tensor<1x4xf16> {value = dense<1.0> : tensor<1x4xf16>}
  )");
  WeightStore store(nullptr);
  WeightOp weight = parsed.weight("w");
  ASSERT_TRUE(store.setValues(weight, {65519, 70000, -1e30f, 0.1f}).ok());
  EXPECT_THAT(loaded(store, weight), ElementsAre(65504, 65504, -65504, 0.0999755859375f));
}

TEST(WeightStoreTest, MaskedLoadsAreZeroWhereRemoved) {
  ParsedModule parsed(kMatrix);
  WeightStore store(nullptr);
  WeightOp weight = parsed.weight("w");
  ASSERT_TRUE(store.setMask(weight, {0, 1, 0, 1, 1, 0, 1, 0}).ok());
  EXPECT_THAT(loaded(store, weight), ElementsAre(0, -2, 0, -4, 0.5f, 0, -8, 0));
  EXPECT_THAT(store.setMask(weight, {1, 1}).message(), HasSubstr("expected a mask of 8 bytes"));
}

TEST(WeightStoreTest, MasksOfAnyLength) {
  for (int64_t count : {1, 7, 8, 9, 31, 64, 65}) {
    ParsedModule parsed("stc.weight @w : tensor<1x" + std::to_string(count) +
                        "xf32> {value = dense<1.0> : tensor<1x" + std::to_string(count) + "xf32>}");
    WeightStore store(nullptr);
    std::vector<uint8_t> keep;
    for (int64_t i = 0; i < count; ++i)
      keep.push_back(uint8_t(i * i % 3 == 1));
    ASSERT_TRUE(store.setMask(parsed.weight("w"), keep).ok());
    std::vector<float> values = loaded(store, parsed.weight("w"));
    ASSERT_EQ(values.size(), keep.size());
    for (size_t i = 0; i < keep.size(); ++i)
      EXPECT_EQ(values[i], float(keep[i])) << i << " of " << count;
  }
}

/// A quantized matrix of the right shape whose codes are given.
QuantizedMatrix matrixOf(std::vector<int8_t> codes) {
  QuantizedMatrix matrix;
  matrix.rows = 2;
  matrix.columns = 4;
  matrix.group = 32;
  matrix.codes = std::move(codes);
  matrix.scales = {floatToHalf(0.5f), floatToHalf(2.0f)};
  return matrix;
}

TEST(WeightStoreTest, CodesComeBackWhetherNibblesOrBytes) {
  ParsedModule parsed(kMatrix);
  WeightStore store(nullptr);
  WeightOp weight = parsed.weight("w");
  for (std::vector<int8_t> codes :
       {std::vector<int8_t>{-8, 7, 0, 1, -1, 2, 3, -4}, {-128, 127, 0, 1, -1, 2, 3, -4}}) {
    QuantizedMatrix matrix = matrixOf(codes);
    ASSERT_TRUE(store.setQuantized(weight, matrix).ok());
    auto stored = store.quantized(weight);
    ASSERT_TRUE(stored.ok()) << stored.status();
    EXPECT_EQ(stored->codes, codes);
    EXPECT_EQ(stored->scales, matrix.scales);
    EXPECT_EQ(stored->group, 32);
    std::vector<float> values = loaded(store, weight);
    for (size_t i = 0; i < codes.size(); ++i)
      EXPECT_EQ(values[i], codes[i] * (i < 4 ? 0.5f : 2.0f));
  }
}

TEST(WeightStoreTest, AMaskSetAfterTheCodesAppliesToThem) {
  ParsedModule parsed(kMatrix);
  WeightStore store(nullptr);
  WeightOp weight = parsed.weight("w");
  ASSERT_TRUE(store.setQuantized(weight, matrixOf({1, 2, 3, 4, 5, 6, 7, -8})).ok());
  ASSERT_TRUE(store.setMask(weight, {1, 0, 1, 0, 0, 1, 0, 1}).ok());
  auto stored = store.quantized(weight);
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->codes, (std::vector<int8_t>{1, 0, 3, 0, 0, 6, 0, -8}));
}

TEST(WeightStoreTest, RefusesCodesOfAnotherShape) {
  ParsedModule parsed(kMatrix);
  WeightStore store(nullptr);
  QuantizedMatrix matrix = matrixOf({1, 2, 3, 4, 5, 6, 7, -8});
  matrix.scales.pop_back();
  EXPECT_THAT(store.setQuantized(parsed.weight("w"), matrix).message(),
              HasSubstr("@w: expected codes and scales of 2x4"));
  EXPECT_THAT(store.quantized(parsed.weight("w")).status().message(),
              HasSubstr("@w: expected a quantized weight"));
}

TEST(WeightStoreTest, RestoresWhatAttributesPromise) {
  ParsedModule parsed(R"(
    stc.weight @w : tensor<1x4xf32> {value = dense<[[1.0, -2.0, 3.0, -4.0]]> : tensor<1x4xf32>,
      prune = #stc.prune<"magnitude:2:4", density = 5.0e-1 : f64>,
      quant = #stc.quant<"rtn:int8-g32", error = 0.0 : f64>}
  )");
  WeightStore store(nullptr);
  auto matrix = store.quantized(parsed.weight("w"));
  ASSERT_TRUE(matrix.ok()) << matrix.status();
  EXPECT_EQ(matrix->codes[0], 0);
  EXPECT_EQ(matrix->codes[1], 0);
  EXPECT_GT(matrix->codes[2], 0);
  EXPECT_LT(matrix->codes[3], 0);
}

TEST(WeightStoreTest, RefusesValuesThatAreNotFinite) {
  ParsedModule parsed(R"(
    stc.weight @nan : tensor<2xf32> {value = dense<[1.0, 0x7FC00000]> : tensor<2xf32>}
    stc.weight @inf : tensor<2xf16> {value = dense<[0x7C00, 1.0]> : tensor<2xf16>}
    stc.weight @wide : tensor<1xf64> {value = dense<1.0e300> : tensor<1xf64>}
  )");
  WeightStore store(nullptr);
  EXPECT_EQ(store.load(parsed.weight("nan")).status().message(),
            "@nan: expected finite values, got nan at element 1");
  EXPECT_EQ(store.load(parsed.weight("inf")).status().message(),
            "@inf: expected finite values, got inf at element 0");
  EXPECT_FALSE(store.load(parsed.weight("wide")).ok());
}

TEST(WeightStoreTest, RefusesInlineValuesThatClaimTooMuch) {
  ParsedModule parsed(R"(
    stc.weight @w : tensor<2147483647x2147483647xf32>
        {value = dense<1.0> : tensor<2147483647x2147483647xf32>}
  )");
  WeightStore store(nullptr);
  EXPECT_EQ(store.load(parsed.weight("w")).status().message(),
            "@w: expected at most 268435456 inline elements, got 2147483647x2147483647");
}

TEST(WeightStoreTest, WeightsOfOneNameButAnotherValueAreDifferent) {
  ParsedModule parsed(kMatrix);
  WeightStore store(nullptr);
  WeightOp weight = parsed.weight("w");
  ASSERT_TRUE(store.setMask(weight, std::vector<uint8_t>(8, 0)).ok());
  auto copy = mlir::cast<WeightOp>(weight->clone());
  EXPECT_THAT(loaded(store, copy), testing::Each(0.0f));
  copy.setValueAttr(mlir::DenseElementsAttr::get(weight.getTensorType(), 1.0f));
  EXPECT_THAT(loaded(store, copy), testing::Each(1.0f));
  copy->destroy();
}

TEST(WeightStoreTest, SaysWhenSpillingIsImpossible) {
  ParsedModule parsed(kMatrix);
  WeightStore store(nullptr);
  const char *before = std::getenv("TMPDIR");
  std::string saved = before ? before : "";
  setenv("TMPDIR", "/nonexistent-folder", 1);
  absl::Status status = store.setMask(parsed.weight("w"), std::vector<uint8_t>(8, 1));
  before ? setenv("TMPDIR", saved.c_str(), 1) : unsetenv("TMPDIR");
  EXPECT_THAT(status.message(), HasSubstr("/nonexistent-folder: spill file: expected a folder"));
}

//===----------------------------------------------------------------------===//
// Checkpoints
//===----------------------------------------------------------------------===//

/// Writes a folder with a configuration and two tensors, and opens it.
std::shared_ptr<Checkpoint> makeCheckpoint(const std::string &folder) {
  std::ofstream(folder + "/config.json") << R"({"model_type": "llama", "hidden_size": 4,
    "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
    "num_key_value_heads": 1, "vocab_size": 2, "max_position_embeddings": 16,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu", "head_dim": 4})";
  std::vector<float> good{1, 2, 3, 4}, bad{1, 2, std::numeric_limits<float>::infinity(), 4};
  auto bytes = [](const std::vector<float> &values) {
    return absl::Span<const uint8_t>(reinterpret_cast<const uint8_t *>(values.data()),
                                     4 * values.size());
  };
  TensorView first{"good", DType::F32, {2, 2}, bytes(good)};
  TensorView second{"bad", DType::F32, {2, 2}, bytes(bad)};
  absl::Status written = writeSafetensors(folder + "/model.safetensors", {first, second});
  EXPECT_TRUE(written.ok()) << written;
  auto checkpoint = Checkpoint::open(folder);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return checkpoint.ok() ? std::move(*checkpoint) : nullptr;
}

constexpr const char *kSources = R"(
  stc.weight @good : tensor<2x2xf32> {source = "good"}
  stc.weight @bad : tensor<2x2xf32> {source = "bad"}
  stc.weight @absent : tensor<2x2xf32> {source = "absent"}
  stc.weight @shape : tensor<4xf32> {source = "good"}
)";

TEST(WeightStoreTest, ReadsCheckpointTensors) {
  TempFolder folder;
  std::shared_ptr<Checkpoint> checkpoint = makeCheckpoint(folder.path());
  ASSERT_TRUE(checkpoint);
  ParsedModule parsed(kSources);
  WeightStore store(checkpoint);
  EXPECT_THAT(loaded(store, parsed.weight("good")), ElementsAre(1, 2, 3, 4));
  // Released pages come back from the file.
  EXPECT_THAT(loaded(store, parsed.weight("good")), ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(store.load(parsed.weight("bad")).status().message(),
            folder.path() + ": bad: expected finite values, got inf at element 2");
  EXPECT_EQ(store.load(parsed.weight("absent")).status().message(),
            folder.path() + ": absent: expected a tensor of this name, got none");
  EXPECT_EQ(store.load(parsed.weight("shape")).status().message(),
            folder.path() + ": good: expected shape 4, got 2x2");
}

TEST(WeightStoreTest, AttachesTheCheckpointThatTheModuleNames) {
  TempFolder folder;
  ASSERT_TRUE(makeCheckpoint(folder.path()));
  ParsedModule parsed(std::string("module attributes {stc.checkpoint = \"") + folder.path() +
                      "\"} {" + kSources + "}");
  auto store = WeightStore::get(*parsed.module);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_THAT(loaded(**store, parsed.weight("good")), ElementsAre(1, 2, 3, 4));
  auto again = WeightStore::get(*parsed.module);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*store, *again);

  WeightStore::attach(&parsed.context, std::make_unique<WeightStore>(nullptr));
  auto other = WeightStore::get(*parsed.module);
  ASSERT_TRUE(other.ok());
  EXPECT_THAT((*other)->load(parsed.weight("good")).status().message(),
              HasSubstr("expected the module attribute stc.checkpoint"));
}

TEST(WeightStoreTest, SaysWhenTheNamedCheckpointIsMissing) {
  ParsedModule parsed("module attributes {stc.checkpoint = \"/nonexistent\"} {}");
  EXPECT_FALSE(WeightStore::get(*parsed.module).ok());
}

} // namespace
} // namespace stc
