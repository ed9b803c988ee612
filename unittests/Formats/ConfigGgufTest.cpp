// Tests of configurations read from GGUF metadata.
#include "stc/Formats/Config.h"

#include "Builders.h"

#include "gmock/gmock.h"

#include <limits>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using B = GgufBuilder;

absl::StatusOr<ModelConfig> parse(const GgufBuilder &builder, const std::string &data = "") {
  TempFolder folder;
  STC_ASSIGN_OR_RETURN(std::unique_ptr<GgufFile> file,
                       GgufFile::open(folder.write("m.gguf", builder.build(data))));
  return parseGgufConfig(*file);
}

std::string errorOf(const GgufBuilder &builder) {
  auto config = parse(builder);
  return config.ok() ? "OK" : std::string(config.status().message());
}

TEST(ConfigGguf, readsALlama) {
  auto config = parse(smallLlama()
                          .real("llama.rope.freq_base", 500000)
                          .number("tokenizer.ggml.bos_token_id", 1)
                          .number("tokenizer.ggml.eos_token_id", 2)
                          .number("tokenizer.ggml.eot_token_id", 3)
                          .number("tokenizer.ggml.eom_token_id", 2)
                          .number("llama.attention.sliding_window", 32));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->hiddenSize, 64);
  EXPECT_EQ(config->intermediateSize, 128);
  EXPECT_EQ(config->layers, 2);
  EXPECT_EQ(config->maxPositions, 256);
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kvHeads, 2);
  EXPECT_EQ(config->headDim, 16);
  EXPECT_EQ(config->vocabSize, 100);
  EXPECT_EQ(config->normEpsilon, double(1e-6f));
  EXPECT_EQ(config->ropeTheta, 500000);
  EXPECT_EQ(config->slidingWindow, 32);
  EXPECT_TRUE(config->tiedEmbeddings);
  EXPECT_TRUE(config->ropeInterleaved);
  EXPECT_FALSE(config->attentionBias);
  EXPECT_EQ(config->bosToken, 1);
  EXPECT_EQ(config->eosToken, 2);
  EXPECT_THAT(config->extraEosTokens, ElementsAre(3));
}

TEST(ConfigGguf, readsAQwen2) {
  auto config = parse(smallLlama("", "qwen2"));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "qwen2");
  EXPECT_TRUE(config->attentionBias);
  EXPECT_FALSE(config->ropeInterleaved);
}

TEST(ConfigGguf, expertsMakeALlamaAMixtral) {
  auto config = parse(smallLlama()
                          .number("llama.expert_count", 8)
                          .number("llama.expert_used_count", 2)
                          .number("llama.expert_feed_forward_length", 48));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "mixtral");
  EXPECT_EQ(config->experts, 8);
  EXPECT_EQ(config->expertsPerToken, 2);
  EXPECT_EQ(config->expertSize, 48);
  EXPECT_EQ(config->sharedExpertSize, 0);
  EXPECT_TRUE(config->normalizedGates);
  EXPECT_TRUE(config->ropeInterleaved);
}

TEST(ConfigGguf, tensorsTellWhatMetadataDoesNot) {
  GgufBuilder builder = smallLlama("vocab_size");
  builder.tensor("token_embd.weight", {64, 100}, 24, 0);
  builder.tensor("output.weight", {64, 100}, 24, 6400);
  builder.tensor("blk.0.attn_q.bias", {64}, 24, 12800);
  builder.tensor("blk.0.ffn_gate.bias", {128}, 24, 12864);
  auto config = parse(builder, std::string(12992, 'x'));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->vocabSize, 100);
  EXPECT_FALSE(config->tiedEmbeddings);
  EXPECT_TRUE(config->attentionBias);
  EXPECT_TRUE(config->mlpBias);
}

TEST(ConfigGguf, vocabularyMustMatchTheEmbedding) {
  auto vocabulary = [](const std::string &without, uint64_t tokens, uint64_t rows) {
    GgufBuilder builder = smallLlama(without);
    std::string texts;
    for (uint64_t i = 0; i < tokens; ++i)
      texts += B::text("t");
    if (tokens)
      builder.list("tokenizer.ggml.tokens", B::string, tokens, texts);
    if (rows)
      builder.tensor("token_embd.weight", {32, rows}, 24, 0);
    auto config = parse(builder, std::string(32 * rows, 'x'));
    return config.ok() ? std::to_string(config->vocabSize) : std::string(config.status().message());
  };
  EXPECT_EQ(vocabulary("", 0, 0), "100");
  EXPECT_EQ(vocabulary("", 0, 100), "100");
  EXPECT_EQ(vocabulary("vocab_size", 50, 0), "50");
  EXPECT_EQ(vocabulary("vocab_size", 0, 70), "70");
  EXPECT_EQ(vocabulary("", 90, 90), "90");
  EXPECT_THAT(vocabulary("", 0, 99), HasSubstr("token_embd.weight @0x"));
  EXPECT_THAT(vocabulary("", 0, 99), HasSubstr("expected 100 rows, one per token, got 99"));
  EXPECT_THAT(vocabulary("", 90, 100), HasSubstr("expected 90 rows, one per token, got 100"));
  EXPECT_THAT(vocabulary("vocab_size", 0, 0), HasSubstr("llama.vocab_size: expected a size"));
}

TEST(ConfigGguf, headAndRopeVariants) {
  auto wide = parse(smallLlama("rope.dimension_count")
                        .number("llama.attention.key_length", 32)
                        .number("llama.attention.value_length", 32)
                        .number("llama.rope.dimension_count", 32));
  ASSERT_TRUE(wide.ok()) << wide.status();
  EXPECT_EQ(wide->headDim, 32);
  EXPECT_EQ(parse(smallLlama("attention.head_count_kv"))->kvHeads, 4);
  auto linear = parse(
      smallLlama().str("llama.rope.scaling.type", "linear").real("llama.rope.scaling.factor", 4));
  EXPECT_EQ(linear->ropeScaling.kind, RopeScaling::Kind::Linear);
  EXPECT_EQ(linear->ropeScaling.factor, 4);
  EXPECT_EQ(parse(smallLlama().real("llama.rope.scale_linear", 2))->ropeScaling.factor, 2);
  EXPECT_EQ(parse(smallLlama().str("llama.rope.scaling.type", "none"))->ropeScaling.kind,
            RopeScaling::Kind::None);
}

/// smallLlama as another architecture without the keys in `without`.
GgufBuilder smallOf(const std::string &architecture, const std::string &without = "") {
  return smallLlama(without, architecture);
}

TEST(ConfigGguf, familiesSayWhatFilesLeaveOut) {
  auto gemma2 = parse(smallOf("gemma2", "block_count").number("gemma2.block_count", 46));
  ASSERT_TRUE(gemma2.ok()) << gemma2.status();
  EXPECT_EQ(gemma2->attentionScale, 0.25); // 64 channels for 4 heads: the largest model
  EXPECT_EQ(gemma2->attentionSoftCap, 50);
  EXPECT_EQ(gemma2->logitSoftCap, 30);
  EXPECT_EQ(gemma2->slidingWindow, 4096);
  EXPECT_TRUE(gemma2->isWindowed(0));
  EXPECT_FALSE(gemma2->isWindowed(1));
  auto small = parse(smallOf("gemma2").real("gemma2.final_logit_softcapping", 7));
  EXPECT_EQ(small->attentionScale, 0);
  EXPECT_EQ(small->logitSoftCap, 7);
  auto gemma3 = parse(smallOf("gemma3")
                          .number("gemma3.attention.sliding_window_pattern", 2)
                          .real("gemma3.rope.freq_base_swa", 500));
  ASSERT_TRUE(gemma3.ok()) << gemma3.status();
  EXPECT_THAT(gemma3->windowedLayers, ElementsAre(true, false));
  EXPECT_EQ(gemma3->localRopeTheta, 500);
  EXPECT_EQ(gemma3->ropeTheta, 1e6);
  // Olmo 3: a window, and in layers with one no scaling. Converters list them.
  EXPECT_EQ(parse(smallOf("olmo2"))->architecture, "olmo2");
  auto olmo = smallOf("olmo2").number("olmo2.attention.sliding_window", 8);
  EXPECT_EQ(parse(olmo)->architecture, "olmo3");
  EXPECT_THAT(parse(olmo)->windowedLayers, ElementsAre()); // the fourth would see everything
  EXPECT_EQ(parse(olmo)->localRopeTheta, 10000);
  auto listed = [&](uint32_t type, const std::string &bytes) {
    auto copy = olmo;
    return copy.list("olmo2.attention.sliding_window_pattern", type, bytes.size(), bytes);
  };
  constexpr uint32_t u8 = 0, boolean = 7;
  EXPECT_THAT(parse(listed(boolean, std::string("\0\1", 2)))->windowedLayers,
              ElementsAre(false, true));
  EXPECT_EQ(parse(listed(boolean, std::string("\0\0", 2)))->slidingWindow, 0);
  EXPECT_THAT(errorOf(listed(boolean, "\1")), HasSubstr("sliding_window_pattern @0x"));
  EXPECT_THAT(errorOf(listed(boolean, "\1")),
              HasSubstr("expected an integer, or 2 booleans, got an array of 1"));
  EXPECT_THAT(errorOf(listed(u8, std::string("\0\1", 2))), HasSubstr("or 2 booleans"));
  // EXAONE 4: files without a window have none, and all layers are rotated.
  EXPECT_EQ(parse(smallOf("exaone4"))->slidingWindow, 0);
  EXPECT_THAT(parse(smallOf("exaone4"))->rotatedLayers, ElementsAre());
  EXPECT_EQ(parse(smallOf("granite"))->attentionScale, 0); // llama.cpp: 1 / sqrt(head size)
  auto granite = parse(
      smallOf("granite").real("granite.attention.scale", 0.5f).real("granite.logit_scale", 8));
  EXPECT_EQ(granite->attentionScale, 0.5);
  EXPECT_EQ(granite->logitScale, 0.125);
  auto cohere2 = parse(smallOf("cohere2").real("cohere2.attention.layer_norm_epsilon", 1e-5f));
  ASSERT_TRUE(cohere2.ok()) << cohere2.status();
  EXPECT_TRUE(cohere2->isRotated(0));
  auto sloped = [](const std::string &architecture) {
    return smallOf(architecture).real(architecture + ".attention.layer_norm_epsilon", 1e-5f);
  };
  EXPECT_EQ(parse(sloped("bloom"))->alibiBias, 8);
  EXPECT_FALSE(parse(sloped("bloom"))->usesRotation());
  EXPECT_EQ(parse(sloped("mpt").real("mpt.attention.max_alibi_bias", 6))->alibiBias, 6);
  EXPECT_THAT(errorOf(sloped("mpt").real("mpt.attention.max_alibi_bias", 0)),
              HasSubstr("mpt.attention.max_alibi_bias"));
  EXPECT_THAT(errorOf(sloped("mpt").real("mpt.attention.max_alibi_bias", 0)),
              HasSubstr("expected a number above 0 and up to 64, got 0"));
  EXPECT_EQ(parse(sloped("mpt").real("mpt.attention.clamp_kqv", 6))->clipLimit, 6);
  EXPECT_EQ(parse(sloped("olmo").real("olmo.attention.clamp_kqv", 8))->clipLimit, 8);
  EXPECT_THAT(errorOf(sloped("olmo").real("olmo.attention.clamp_kqv", -8)),
              HasSubstr("clip_qkv: expected a finite number above 0, got -8"));
  // Without the norms that blocks one after another have.
  EXPECT_TRUE(parse(sloped("stablelm"))->block.parallel);
  auto yarn = parse(smallLlama()
                        .str("llama.rope.scaling.type", "yarn")
                        .real("llama.rope.scaling.factor", 4)
                        .number("llama.rope.scaling.original_context_length", 64)
                        .real("llama.rope.scaling.attn_factor", 2));
  ASSERT_TRUE(yarn.ok()) << yarn.status();
  EXPECT_EQ(yarn->ropeScaling.originalMaxPositions, 64);
  EXPECT_NEAR(yarn->ropeScaling.attentionFactor, 2 * 1.1386294361, 1e-9); // 2 (0.1 ln 4 + 1)
}

TEST(ConfigGguf, everyRuleIsChecked) {
  EXPECT_EQ(errorOf(smallLlama()), "OK");
  float nan = std::numeric_limits<float>::quiet_NaN();
  float infinity = std::numeric_limits<float>::infinity();
  struct {
    GgufBuilder builder;
    std::string part;
  } cases[] = {
      {smallLlama("general.architecture"), "general.architecture: expected one of llama, "},
      {smallLlama("general.architecture"), ", got none"},
      {smallLlama("general.architecture").str("general.architecture", "gemma4"),
       "got 'gemma4' (the nearest is gemma)"},
      {smallLlama("general.architecture")
           .str("general.architecture", "mamba")
           .number("mamba.ssm.state_size", 16),
       "(the nearest is llama; missing: state space layers)"},
      {smallLlama("general.architecture").number("general.architecture", 1), "expected a string"},
      {smallLlama().scalar("split.count", B::u16, uint16_t(3)), "a model in one file, got 3 files"},
      {smallLlama().scalar("split.count", B::u16, uint16_t(1)), "OK"},
      {smallLlama("embedding_length"), "llama.embedding_length: expected an integer, got none"},
      {smallLlama("embedding_length").number("llama.embedding_length", 0), "expected a size"},
      {smallLlama("embedding_length").number("llama.embedding_length", 66), "a multiple of"},
      {smallLlama("embedding_length").real("llama.embedding_length", 64), "expected an integer"},
      {smallLlama("embedding_length").scalar("llama.embedding_length", B::i32, int32_t(-64)),
       "got -64"},
      {smallLlama("feed_forward_length"), "llama.feed_forward_length: expected an integer"},
      {smallLlama("feed_forward_length")
           .list("llama.feed_forward_length", B::u32, 1, bytesOf(uint32_t(128))),
       "expected an integer, got a value of another type"},
      {smallLlama("block_count"), "llama.block_count: expected an integer"},
      {smallLlama("block_count").number("llama.block_count", 0), "expected a size"},
      {smallLlama("context_length"), "llama.context_length: expected an integer"},
      {smallLlama("context_length").scalar("llama.context_length", B::u64, uint64_t(INT64_MAX)),
       "a key-value cache below 2^63 bytes"},
      {smallLlama("attention.head_count"), "llama.attention.head_count: expected an integer"},
      {smallLlama("attention.head_count_kv").number("llama.attention.head_count_kv", 3),
       "a divisor of llama.attention.head_count = 4, got 3"},
      {smallLlama("attention.head_count_kv").number("llama.attention.head_count_kv", 0),
       "expected a size"},
      {smallLlama("attention.layer_norm_rms_epsilon"), "expected a number, got none"},
      {smallLlama("attention.layer_norm_rms_epsilon")
           .real("llama.attention.layer_norm_rms_epsilon", nan),
       "a finite number above 0, got nan"},
      {smallLlama("attention.layer_norm_rms_epsilon")
           .real("llama.attention.layer_norm_rms_epsilon", infinity),
       "a finite number above 0, got inf"},
      {smallLlama().real("llama.rope.freq_base", nan), "llama.rope.freq_base: expected a finite"},
      {smallLlama().real("llama.rope.freq_base", 0), "llama.rope.freq_base: expected a finite"},
      {smallLlama().str("llama.rope.freq_base", "1"), "expected a number"},
      {smallLlama("rope.dimension_count").number("llama.rope.dimension_count", 8),
       "the head size, 16, got 8"},
      {smallLlama().str("llama.rope.scaling.type", "ntk"), "none, linear or yarn"},
      {smallLlama().str("llama.rope.scaling.type", "yarn"), "llama.rope.scaling.factor"},
      {smallLlama()
           .str("llama.rope.scaling.type", "yarn")
           .real("llama.rope.scaling.factor", 4)
           .real("llama.rope.scaling.yarn_ext_factor", 0.5f),
       "expected 1, got 0.5"},
      {smallLlama()
           .str("llama.rope.scaling.type", "yarn")
           .real("llama.rope.scaling.factor", 4)
           .real("llama.rope.scaling.yarn_beta_fast", -1),
       "a finite number above 0, got -1"},
      {smallLlama().str("llama.rope.scaling.type", "linear"), "llama.rope.scaling.factor"},
      {smallLlama().str("llama.rope.scaling.type", "linear").real("llama.rope.scaling.factor", nan),
       "a finite number above 0"},
      {smallLlama().number("llama.attention.key_length", 0), "a size of 1 or more"},
      {smallLlama()
           .number("llama.attention.key_length", 16)
           .number("llama.attention.value_length", 8),
       "expected llama.attention.key_length = 16, got 8"},
      {smallLlama().number("llama.expert_count", 8),
       "llama.expert_used_count: expected an integer, got none"},
      {smallLlama().number("llama.expert_count", 8).number("llama.expert_used_count", 9),
       "llama.expert_used_count: expected a size from 1 to 8, got 9"},
      {smallLlama().number("tokenizer.ggml.bos_token_id", 100), "a token id from 0 to 99"},
      {smallLlama().number("tokenizer.ggml.eos_token_id", 4000000000), "a token id from 0 to 99"},
      {smallLlama().str("tokenizer.ggml.eos_token_id", "2"), "expected an integer"},
  };
  for (const auto &test : cases)
    EXPECT_THAT(errorOf(test.builder), HasSubstr(test.part));
}

} // namespace
} // namespace stc
