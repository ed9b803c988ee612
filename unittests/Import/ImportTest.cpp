// The importer as a library: what drivers rely on beyond the graph itself.
#include "../Support/TempFolder.h"

#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Import/Import.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mlir/IR/Verifier.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <chrono>
#include <fstream>

using namespace stc;

namespace {

/// A Llama whose tensors all exist, as a file with a hole for data: sizes are real, bytes are not
/// written, so that reading them would show.
class SparseLlama {
public:
  SparseLlama(int64_t layers, int64_t hidden, int64_t ffn, int64_t vocabulary) {
    add("model.embed_tokens.weight", {vocabulary, hidden});
    for (int64_t i = 0; i < layers; ++i) {
      std::string prefix = absl::StrCat("model.layers.", i, ".");
      add(prefix + "input_layernorm.weight", {hidden});
      add(prefix + "post_attention_layernorm.weight", {hidden});
      for (const char *name : {"q", "k", "v", "o"})
        add(absl::StrCat(prefix, "self_attn.", name, "_proj.weight"), {hidden, hidden});
      add(prefix + "mlp.gate_proj.weight", {ffn, hidden});
      add(prefix + "mlp.up_proj.weight", {ffn, hidden});
      add(prefix + "mlp.down_proj.weight", {hidden, ffn});
    }
    add("model.norm.weight", {hidden});
    add("lm_head.weight", {vocabulary, hidden});
    header += "}";

    std::string config = absl::StrCat(
        R"({"model_type": "llama", "hidden_size": )", hidden, R"(, "intermediate_size": )", ffn,
        R"(, "num_hidden_layers": )", layers,
        R"(, "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": )", vocabulary,
        R"(, "max_position_embeddings": 2048, "tie_word_embeddings": false})");
    std::ofstream(folder.path("config.json")) << config;
    std::ofstream file(folder.path("model.safetensors"), std::ios::binary);
    uint64_t size = header.size();
    file.write(reinterpret_cast<const char *>(&size), sizeof(size)) << header;
    file.close();
    std::filesystem::resize_file(folder.path("model.safetensors"), 8 + size + data);
  }
  std::string path() const { return folder.path(""); }

private:
  void add(const std::string &name, std::vector<int64_t> shape) {
    uint64_t bytes = 2;
    for (int64_t size : shape)
      bytes *= size;
    absl::StrAppend(&header, header.size() > 1 ? "," : "", "\"", name,
                    "\":{\"dtype\":\"BF16\",\"shape\":[", absl::StrJoin(shape, ","),
                    "],\"data_offsets\":[", data, ",", data + bytes, "]}");
    data += bytes;
  }
  TempFolder folder;
  std::string header = "{";
  uint64_t data = 0;
};

TEST(Import, TakesMillisecondsForBillionsOfWeights) {
  // 32 layers of hidden 4096: 6.7 billion bf16 weights in a file of holes.
  SparseLlama model(32, 4096, 11008, 32000);
  auto checkpoint = Checkpoint::open(model.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  mlir::MLIRContext context;
  auto start = std::chrono::steady_clock::now();
  auto module = importCheckpoint(context, **checkpoint, {});
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_TRUE(module.ok()) << module.status();
  EXPECT_LT(seconds, 1.0); // some ten milliseconds; reading 13 GB would take many seconds
  size_t weights = 0, layers = 0;
  for (WeightOp weight : (*module)->getOps<WeightOp>()) {
    EXPECT_TRUE(weight.getTensorType().getElementType().isBF16());
    ++weights;
  }
  (*module)->walk([&](LayerOp) { ++layers; });
  EXPECT_EQ(weights, 32u * 9 + 3);
  EXPECT_EQ(layers, 32u);
}

TEST(Import, GivesAVerifiedModuleWithTheEntryPointsOfTheContract) {
  SparseLlama model(2, 64, 96, 100);
  auto checkpoint = Checkpoint::open(model.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  mlir::MLIRContext context;
  auto module = importCheckpoint(context, **checkpoint, {/*maxContext=*/17});
  ASSERT_TRUE(module.ok()) << module.status();
  EXPECT_TRUE(mlir::succeeded(mlir::verify(**module)));
  EXPECT_EQ((**module)->getAttrOfType<mlir::StringAttr>("stc.checkpoint"), model.path());
  auto forward = (*module)->lookupSymbol<mlir::func::FuncOp>("forward");
  auto head = (*module)->lookupSymbol<mlir::func::FuncOp>("head");
  ASSERT_TRUE(forward && head);
  EXPECT_TRUE(forward.isPublic() && head.isPublic());
  auto cache = mlir::cast<KVCacheType>(forward.getArgumentTypes()[2]);
  EXPECT_EQ(cache, KVCacheType::get(&context, 2, 8, 8, 32, mlir::Float32Type::get(&context)));
  EXPECT_EQ(forward.getResultTypes()[0],
            mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, 64},
                                        mlir::Float32Type::get(&context)));
  EXPECT_EQ(head.getResultTypes()[0],
            mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, 100},
                                        mlir::Float32Type::get(&context)));
}

TEST(Import, NamesTheLayerAndPartOfEveryOp) {
  SparseLlama model(2, 64, 96, 100);
  auto checkpoint = Checkpoint::open(model.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  mlir::MLIRContext context;
  auto module = importCheckpoint(context, **checkpoint, {});
  ASSERT_TRUE(module.ok()) << module.status();
  std::vector<std::string> names;
  (*module)->walk([&](LinearOp op) {
    names.push_back(mlir::cast<mlir::NameLoc>(op.getLoc()).getName().str());
  });
  EXPECT_THAT(names, testing::ElementsAre(
                         "layers.0.q", "layers.0.k", "layers.0.v", "layers.0.o", "layers.0.gate",
                         "layers.0.up", "layers.0.down", "layers.1.q", "layers.1.k", "layers.1.v",
                         "layers.1.o", "layers.1.gate", "layers.1.up", "layers.1.down", "lm_head"));
}

TEST(Import, SameCheckpointSameText) {
  SparseLlama model(2, 64, 96, 100);
  auto checkpoint = Checkpoint::open(model.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  std::string texts[2];
  for (std::string &text : texts) {
    mlir::MLIRContext context;
    auto module = importCheckpoint(context, **checkpoint, {});
    ASSERT_TRUE(module.ok()) << module.status();
    llvm::raw_string_ostream stream(text);
    (*module)->print(stream);
  }
  EXPECT_EQ(texts[0], texts[1]);
}

} // namespace
