// Tests of opening checkpoints of every container, those of the shared models too.
#include "stc/Formats/Checkpoint.h"

#include "Builders.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"

namespace stc {
namespace {

using testing::HasSubstr;

const char *const config = R"({"model_type":"llama","hidden_size":64,"intermediate_size":160,
    "num_hidden_layers":3,"num_attention_heads":4,"vocab_size":320,"eos_token_id":2})";

std::string oneTensor(const std::string &name) {
  return safetensorsBytes(
      "{\"" + name + "\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", "abcdefgh");
}

std::string errorOf(const std::string &path) {
  auto checkpoint = Checkpoint::open(path);
  return checkpoint.ok() ? "OK" : std::string(checkpoint.status().message());
}

TEST(Checkpoint, opensADirectoryAndTheFileInIt) {
  TempFolder folder;
  folder.write("config.json", config);
  folder.write("model.safetensors", oneTensor("w"));
  for (const std::string &path : {folder.path(), folder.path("model.safetensors")}) {
    auto checkpoint = Checkpoint::open(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_EQ((*checkpoint)->path(), path);
    EXPECT_EQ((*checkpoint)->container(), Checkpoint::Container::HuggingFace);
    EXPECT_EQ((*checkpoint)->config().layers, 3);
    ASSERT_EQ((*checkpoint)->tensors().size(), 1u);
    const TensorView *tensor = (*checkpoint)->find("w");
    ASSERT_NE(tensor, nullptr);
    EXPECT_EQ((*checkpoint)->find("v"), nullptr);
    EXPECT_EQ((*checkpoint)->find(""), nullptr);
    (*checkpoint)->release(*tensor);
    EXPECT_EQ(tensor->bytes[1], 'b');
    TensorView foreign;
    (*checkpoint)->release(foreign); // a tensor of no file is left alone
    auto tokenizer = (*checkpoint)->loadTokenizer();
    ASSERT_TRUE(tokenizer.ok());
    EXPECT_EQ(*tokenizer, nullptr);
  }
}

TEST(Checkpoint, aModulesTensorsNeedNoConfiguration) {
  TempFolder folder;
  folder.write("model.safetensors", oneTensor("w"));
  EXPECT_THAT(errorOf(folder.path("model.safetensors")), HasSubstr("config.json"));
  auto alone = Checkpoint::openTensors(folder.path("model.safetensors"));
  ASSERT_TRUE(alone.ok()) << alone.status();
  EXPECT_NE((*alone)->find("w"), nullptr);
  EXPECT_EQ((*alone)->config().architecture, "");
  // A directory has one, and one that is there is read.
  auto directory = Checkpoint::openTensors(folder.path());
  EXPECT_THAT(std::string(directory.status().message()), HasSubstr("config.json"));
  folder.write("config.json", config);
  auto described = Checkpoint::openTensors(folder.path("model.safetensors"));
  ASSERT_TRUE(described.ok()) << described.status();
  EXPECT_EQ((*described)->config().layers, 3);
}

absl::StatusOr<std::string> chatTemplateOf(const std::string &path) {
  auto checkpoint = Checkpoint::open(path);
  EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
  return (*checkpoint)->loadChatTemplate();
}

TEST(Checkpoint, findsTheChatTemplateOfAFolder) {
  TempFolder folder;
  folder.write("config.json", config);
  folder.write("model.safetensors", oneTensor("w"));
  EXPECT_EQ(*chatTemplateOf(folder.path()), "");
  auto read = [&](const std::string &value) {
    folder.write("tokenizer_config.json", "{\"chat_template\":" + value + "}");
    auto text = chatTemplateOf(folder.path("model.safetensors"));
    return text.ok() ? *text : std::string(text.status().message());
  };
  EXPECT_EQ(read("null"), "");
  EXPECT_EQ(read(R"("{{ 'a\\n' }}")"), "{{ 'a\\n' }}");
  EXPECT_EQ(read(R"([{"name":"tool_use","template":"t"},{"name":"default","template":"d"}])"), "d");
  EXPECT_THAT(read(R"([{"name":"tool_use","template":"t"}])"),
              HasSubstr("tokenizer_config.json: chat_template: expected one template called "
                        "default, got tool_use"));
  EXPECT_THAT(read("7"), HasSubstr("chat_template: expected a string, or a list of named"));
  EXPECT_THAT(read(R"([{"name":"default","template":[]}])"),
              HasSubstr("chat_template[0].template: expected a string, got an array of 0"));
  EXPECT_THAT(read(R"(["x"])"), HasSubstr("chat_template[0].name: expected a string, got nothing"));
  EXPECT_THAT(read("\"" + std::string((1 << 20) + 1, 'x') + "\""),
              HasSubstr("chat_template: expected at most 1048576 bytes, got 1048577"));
  folder.write("chat_template.jinja", "of its own");
  EXPECT_EQ(*chatTemplateOf(folder.path()), "of its own");
}

TEST(Checkpoint, findsTheChatTemplateOfAGguf) {
  TempFolder folder;
  EXPECT_EQ(*chatTemplateOf(folder.write("none.gguf", smallLlama().build())), "");
  GgufBuilder with = smallLlama();
  with.str("tokenizer.chat_template", "{{ 1 }}");
  EXPECT_EQ(*chatTemplateOf(folder.write("with.gguf", with.build())), "{{ 1 }}");
  GgufBuilder wrong = smallLlama();
  wrong.number("tokenizer.chat_template", 1);
  EXPECT_THAT(std::string(chatTemplateOf(folder.write("w.gguf", wrong.build())).status().message()),
              HasSubstr("tokenizer.chat_template @0x"));
}

TEST(Checkpoint, opensShardsThroughTheirIndex) {
  TempFolder folder;
  folder.write("config.json", config);
  folder.write("one.safetensors", oneTensor("a"));
  folder.write("two.safetensors", oneTensor("b"));
  folder.write("model.safetensors.index.json",
               R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  for (const std::string &path : {folder.path(), folder.path("model.safetensors.index.json")}) {
    auto checkpoint = Checkpoint::open(path);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    EXPECT_NE((*checkpoint)->find("a"), nullptr);
    EXPECT_NE((*checkpoint)->find("b"), nullptr);
    (*checkpoint)->release(*(*checkpoint)->find("b"));
  }
}

TEST(Checkpoint, generationConfigAddsEndTokens) {
  TempFolder folder;
  folder.write("config.json", config);
  folder.write("model.safetensors", oneTensor("w"));
  folder.write("generation_config.json", R"({"eos_token_id":[2,7]})");
  auto checkpoint = Checkpoint::open(folder.path());
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_THAT((*checkpoint)->config().extraEosTokens, testing::ElementsAre(7));
  folder.write("generation_config.json", "{");
  EXPECT_THAT(errorOf(folder.path()), HasSubstr("generation_config.json: expected valid JSON"));
}

TEST(Checkpoint, comparesWhatWhisperHearsWithWhatIsComputed) {
  TempFolder folder;
  folder.write("config.json", R"({"model_type":"whisper","vocab_size":64,"d_model":32,
      "encoder_layers":1,"decoder_layers":1,"encoder_attention_heads":4,
      "decoder_attention_heads":4,"encoder_ffn_dim":48,"decoder_ffn_dim":48,"num_mel_bins":80,
      "max_source_positions":1500,"decoder_start_token_id":3,"pad_token_id":2,"bos_token_id":1,
      "eos_token_id":2})");
  folder.write("model.safetensors", oneTensor("w"));
  EXPECT_EQ(errorOf(folder.path()), "OK");
  auto errorWith = [&](const std::string &extractor) {
    folder.write("preprocessor_config.json", extractor);
    return errorOf(folder.path());
  };
  EXPECT_EQ(errorWith(R"({"chunk_length":30,"feature_extractor_type":"WhisperFeatureExtractor",
      "feature_size":80,"hop_length":160,"n_fft":400,"n_samples":480000,"nb_max_frames":3000,
      "padding_side":"right","padding_value":0.0,"return_attention_mask":false,
      "sampling_rate":16000})"),
            "OK");
  EXPECT_THAT(errorWith(R"({"feature_size":128})"),
              HasSubstr("feature_size: expected 80, got 128"));
  EXPECT_THAT(errorWith(R"({"sampling_rate":8000})"), HasSubstr("expected 16000, got 8000"));
  EXPECT_THAT(errorWith(R"({"hop_length":80})"), HasSubstr("hop_length: expected 160, got 80"));
  EXPECT_THAT(errorWith(R"({"n_fft":512})"), HasSubstr("n_fft: expected 400, got 512"));
  EXPECT_THAT(errorWith(R"({"chunk_length":15})"), HasSubstr("chunk_length: expected 30, got 15"));
  EXPECT_THAT(errorWith(R"({"dither":0.1})"), HasSubstr("dither: expected 0, got 0.1"));
  EXPECT_THAT(errorWith(R"({"do_normalize":true})"), HasSubstr("do_normalize: expected false"));
  EXPECT_THAT(errorWith(R"({"feature_extractor_type":"ViTImageProcessor"})"),
              HasSubstr("expected WhisperFeatureExtractor, got 'ViTImageProcessor'"));
  EXPECT_THAT(errorWith("[]"), HasSubstr("preprocessor_config.json: expected an object"));
}

TEST(Checkpoint, opensGguf) {
  TempFolder folder;
  std::string path = folder.write(
      "m.gguf", smallLlama().tensor("rope_freqs.weight", {8}, 0, 0).build(std::string(32, 'x')));
  auto checkpoint = Checkpoint::open(path);
  ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
  EXPECT_EQ((*checkpoint)->container(), Checkpoint::Container::Gguf);
  EXPECT_NE((*checkpoint)->find("rope_freqs.weight"), nullptr);
  (*checkpoint)->release(*(*checkpoint)->find("rope_freqs.weight"));
  EXPECT_EQ(*(*checkpoint)->loadTokenizer(), nullptr);
  // The first bytes decide, not the name.
  EXPECT_EQ(errorOf(folder.write("no-suffix", TempFolder::read(path))), "OK");
}

TEST(Checkpoint, whatIsNoCheckpointIsRefused) {
  TempFolder folder;
  EXPECT_THAT(errorOf(folder.path("missing")), HasSubstr("missing: expected a"));
  EXPECT_THAT(errorOf(folder.path("missing.safetensors")), HasSubstr("No such file"));
  EXPECT_THAT(errorOf(folder.path()), HasSubstr("config.json: expected a readable regular file"));
  folder.write("config.json", config);
  EXPECT_THAT(errorOf(folder.path()),
              HasSubstr("expected model.safetensors or model.safetensors.index.json, got neither"));
  folder.write("pytorch_model.bin", "x");
  EXPECT_THAT(errorOf(folder.path()), HasSubstr("got pytorch_model.bin only (convert it"));
  std::filesystem::create_directory(folder.path("model.safetensors"));
  EXPECT_THAT(errorOf(folder.path()), HasSubstr("model.safetensors: expected a readable regular"));
  EXPECT_THAT(errorOf(folder.write("notes.txt", "just some text, longer than a header")),
              HasSubstr("notes.txt: expected a Hugging Face directory, a .safetensors file or a "
                        ".gguf file, got another kind of file"));
  EXPECT_THAT(errorOf(folder.write("m.gguf", "just some text, longer than a header")),
              HasSubstr("m.gguf: magic @0x0: expected GGUF"));
  EXPECT_THAT(errorOf("/dev/null"), HasSubstr("expected a readable regular file"));
  EXPECT_NE(errorOf(""), "OK");
}

TEST(Checkpoint, opensTheSharedModels) {
  std::string shared = sharedFolder();
  if (shared.empty())
    GTEST_SKIP() << "no shared models";
  for (const char *name : {"stories260k", "stories260k.gguf", "books", "tiny-llama", "tiny-qwen2",
                           "tiny-gpt2", "tiny-mixtral", "tiny-bert"}) {
    auto checkpoint = Checkpoint::open(absl::StrCat(shared, "/models/", name));
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    std::vector<float> values;
    for (const TensorView &tensor : (*checkpoint)->tensors()) {
      values.resize(size_t(tensor.elementCount()));
      ASSERT_TRUE(readFloats(tensor, 0, absl::MakeSpan(values)).ok()) << tensor.name;
      (*checkpoint)->release(tensor);
    }
  }
}

TEST(Checkpoint, bothContainersOfOneModelAgree) {
  std::string shared = sharedFolder();
  if (shared.empty())
    GTEST_SKIP() << "no shared models";
  auto directory = Checkpoint::open(shared + "/models/stories260k");
  auto gguf = Checkpoint::open(shared + "/models/stories260k.gguf");
  ASSERT_TRUE(directory.ok() && gguf.ok());
  const ModelConfig &a = (*directory)->config(), &b = (*gguf)->config();
  EXPECT_EQ(a.hiddenSize, b.hiddenSize);
  EXPECT_EQ(a.intermediateSize, b.intermediateSize);
  EXPECT_EQ(a.layers, b.layers);
  EXPECT_EQ(a.heads, b.heads);
  EXPECT_EQ(a.kvHeads, b.kvHeads);
  EXPECT_EQ(a.headDim, b.headDim);
  EXPECT_EQ(a.vocabSize, b.vocabSize);
  EXPECT_EQ(a.maxPositions, b.maxPositions);
  EXPECT_FLOAT_EQ(float(a.normEpsilon), float(b.normEpsilon));
  EXPECT_EQ(a.ropeTheta, b.ropeTheta);
  EXPECT_EQ(a.tiedEmbeddings, b.tiedEmbeddings);
  EXPECT_EQ(a.bosToken, b.bosToken);
  EXPECT_EQ(a.eosToken, b.eosToken);
  const TensorView *x = (*directory)->find("model.embed_tokens.weight");
  const TensorView *y = (*gguf)->find("token_embd.weight");
  ASSERT_TRUE(x && y);
  EXPECT_EQ(x->shape, y->shape);
  EXPECT_TRUE(x->bytes == y->bytes);
}

} // namespace
} // namespace stc
