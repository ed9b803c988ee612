// Tests of Hugging Face configurations: the values read and the defaults.
#include "SmallConfig.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using test::Fields;
using test::parse;
using test::small;

TEST(Config, readsALlama) {
  auto config = parse(small({{"rope_theta", "500000.0"},
                             {"tie_word_embeddings", "true"},
                             {"attention_bias", "true"},
                             {"mlp_bias", "true"},
                             {"bos_token_id", "1"},
                             {"eos_token_id", "[2, 5, 2, 7]"}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->architecture, "llama");
  EXPECT_EQ(config->hiddenSize, 64);
  EXPECT_EQ(config->intermediateSize, 160);
  EXPECT_EQ(config->layers, 3);
  EXPECT_EQ(config->heads, 4);
  EXPECT_EQ(config->kvHeads, 2);
  EXPECT_EQ(config->headDim, 16);
  EXPECT_EQ(config->vocabSize, 320);
  EXPECT_EQ(config->maxPositions, 128);
  EXPECT_EQ(config->normEpsilon, 1e-5);
  EXPECT_EQ(config->ropeTheta, 500000);
  EXPECT_EQ(config->ropeScaling.kind, RopeScaling::Kind::None);
  EXPECT_EQ(config->slidingWindow, 0);
  EXPECT_TRUE(config->tiedEmbeddings);
  EXPECT_TRUE(config->attentionBias);
  EXPECT_TRUE(config->mlpBias);
  EXPECT_FALSE(config->ropeInterleaved);
  EXPECT_EQ(config->activation, "silu");
  EXPECT_EQ(config->bosToken, 1);
  EXPECT_EQ(config->eosToken, 2);
  EXPECT_THAT(config->extraEosTokens, ElementsAre(5, 7));
}

TEST(Config, missingAndNullFieldsTakeDefaults) {
  auto config = parse(small({{"num_key_value_heads", ""},
                             {"max_position_embeddings", ""},
                             {"rms_norm_eps", ""},
                             {"hidden_act", ""},
                             {"head_dim", "null"},
                             {"rope_scaling", "null"},
                             {"bos_token_id", "null"},
                             {"eos_token_id", "null"}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->kvHeads, 4);
  EXPECT_EQ(config->headDim, 16);
  EXPECT_EQ(config->maxPositions, 2048);
  EXPECT_EQ(config->normEpsilon, 1e-6);
  EXPECT_EQ(config->ropeTheta, 10000);
  EXPECT_FALSE(config->tiedEmbeddings);
  EXPECT_FALSE(config->attentionBias);
  EXPECT_FALSE(config->bosToken);
  EXPECT_FALSE(config->eosToken);
  EXPECT_THAT(config->extraEosTokens, IsEmpty());
}

TEST(Config, headSizeMayDifferFromTheHiddenSize) {
  auto config = parse(small({{"hidden_size", "70"}, {"head_dim", "32"}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->headDim, 32);
}

TEST(Config, readsRopeScalingOfOldAndNewFiles) {
  auto linear = parse(small({{"rope_scaling", R"({"type":"linear","factor":4})"}}));
  ASSERT_TRUE(linear.ok()) << linear.status();
  EXPECT_EQ(linear->ropeScaling.kind, RopeScaling::Kind::Linear);
  EXPECT_EQ(linear->ropeScaling.factor, 4);
  const std::string llama3 = R"("rope_type":"llama3","factor":32.0,"low_freq_factor":1.0,
      "high_freq_factor":4.0,"original_max_position_embeddings":8192)";
  for (const auto &fields :
       {Fields{{"rope_scaling", "{" + llama3 + "}"}, {"rope_theta", "500000"}},
        Fields{{"rope_parameters", "{\"rope_theta\":500000," + llama3 + "}"}}}) {
    auto config = parse(small(fields));
    ASSERT_TRUE(config.ok()) << config.status();
    EXPECT_EQ(config->ropeTheta, 500000);
    EXPECT_EQ(config->ropeScaling.kind, RopeScaling::Kind::Llama3);
    EXPECT_EQ(config->ropeScaling.factor, 32);
    EXPECT_EQ(config->ropeScaling.lowFrequencyFactor, 1);
    EXPECT_EQ(config->ropeScaling.highFrequencyFactor, 4);
    EXPECT_EQ(config->ropeScaling.originalMaxPositions, 8192);
  }
  auto plain = parse(small({{"rope_parameters", R"({"rope_type":"default","rope_theta":7})"}}));
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_EQ(plain->ropeTheta, 7);
  EXPECT_EQ(plain->ropeScaling.kind, RopeScaling::Kind::None);
}

TEST(Config, mistralHasASlidingWindow) {
  auto window = [](const std::string &value) {
    auto config = parse(small({{"model_type", "\"mistral\""}, {"sliding_window", value}}));
    return config.ok() ? config->slidingWindow : -1;
  };
  EXPECT_EQ(window("32"), 32);
  EXPECT_EQ(window(""), 4096); // the family's default
  EXPECT_EQ(window("null"), 0);
  EXPECT_EQ(window("0"), -1);
  EXPECT_EQ(window("-1"), -1);
  auto config = parse(small(
      {{"model_type", "\"mistral\""}, {"num_attention_heads", "8"}, {"num_key_value_heads", ""}}));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->kvHeads, 8);
  EXPECT_EQ(parse(small({{"sliding_window", "32"}}))->slidingWindow, 0); // Llama has none
}

TEST(Config, qwen2HasBiasesAndAWindowOnRequest) {
  auto qwen = [](Fields fields) {
    fields["model_type"] = "\"qwen2\"";
    return parse(small(fields));
  };
  EXPECT_EQ(qwen({})->architecture, "qwen2");
  EXPECT_TRUE(qwen({})->attentionBias);
  EXPECT_FALSE(qwen({})->mlpBias);
  EXPECT_EQ(qwen({{"sliding_window", "64"}})->slidingWindow, 0);
  EXPECT_EQ(qwen({{"sliding_window", "64"}, {"use_sliding_window", "false"}})->slidingWindow, 0);
  Fields on = {{"sliding_window", "64"}, {"use_sliding_window", "true"}};
  on["max_window_layers"] = "0";
  EXPECT_EQ(qwen(on)->slidingWindow, 64);
  on["max_window_layers"] = "3"; // windows begin after the last layer
  EXPECT_EQ(qwen(on)->slidingWindow, 0);
  on["max_window_layers"] = "1";
  EXPECT_EQ(qwen(on)->slidingWindow, 64);
  EXPECT_THAT(qwen(on)->windowedLayers, ElementsAre(false, true, true));
  EXPECT_FALSE(qwen(on)->isWindowed(0));
  EXPECT_TRUE(qwen(on)->isWindowed(2));
  on["layer_types"] = R"(["sliding_attention","sliding_attention","sliding_attention"])";
  EXPECT_EQ(qwen(on)->slidingWindow, 64);
  EXPECT_THAT(qwen(on)->windowedLayers, IsEmpty());
  on["layer_types"] = R"(["full_attention","full_attention","full_attention"])";
  EXPECT_EQ(qwen(on)->slidingWindow, 0);
  on["layer_types"] = R"(["full_attention","full_attention"])";
  EXPECT_FALSE(qwen(on).ok());
  on["layer_types"] = R"(["linear_attention","full_attention","full_attention"])";
  EXPECT_FALSE(qwen(on).ok());
}

TEST(Config, familiesHaveTheirOwnDefaults) {
  auto gemma3 = parse(small({{"model_type", "\"gemma3_text\""}, {"num_hidden_layers", "7"}}));
  ASSERT_TRUE(gemma3.ok()) << gemma3.status();
  EXPECT_EQ(gemma3->headDim, 256);
  EXPECT_EQ(gemma3->attentionScale, 1.0 / 16);
  EXPECT_EQ(gemma3->ropeTheta, 1e6);
  EXPECT_EQ(gemma3->localRopeTheta, 1e4);
  EXPECT_EQ(gemma3->slidingWindow, 4096);
  EXPECT_THAT(gemma3->windowedLayers, ElementsAre(true, true, true, true, true, false, true));
  EXPECT_EQ(gemma3->activation, "gelu_tanh");
  EXPECT_TRUE(gemma3->tiedEmbeddings);
  EXPECT_EQ(gemma3->logitSoftCap, 0);
  auto newer = parse(small(
      {{"model_type", "\"gemma3_text\""}, {"rope_parameters", R"({"full_attention":{"rope_theta":5,
          "rope_type":"linear","factor":8},"sliding_attention":{"rope_theta":7}})"}}));
  ASSERT_TRUE(newer.ok()) << newer.status();
  EXPECT_EQ(newer->ropeTheta, 5);
  EXPECT_EQ(newer->localRopeTheta, 7);
  EXPECT_EQ(newer->ropeScaling.factor, 8);

  // Of a model that sees images too; as published, with what transformers has as defaults left out.
  auto text = parse(R"({"model_type":"gemma3","eos_token_id":[1,106],"text_config":{"hidden_size":
      2560,"intermediate_size":10240,"model_type":"gemma3_text","num_hidden_layers":34,
      "rope_scaling":{"factor":8.0,"rope_type":"linear"},"sliding_window":1024},"vision_config":{}})");
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(text->architecture, "gemma3_text");
  EXPECT_EQ(text->heads, 8);
  EXPECT_EQ(text->vocabSize, 262208);
  EXPECT_EQ(text->slidingWindow, 1024);
  EXPECT_EQ(text->ropeScaling.factor, 8);
  EXPECT_EQ(text->eosToken, 1);
  EXPECT_THAT(text->extraEosTokens, ElementsAre(106));

  auto gemma2 = parse(small({{"model_type", "\"gemma2\""}, {"attn_logit_softcapping", "null"}}));
  ASSERT_TRUE(gemma2.ok()) << gemma2.status();
  EXPECT_EQ(gemma2->attentionSoftCap, 0);
  EXPECT_EQ(gemma2->logitSoftCap, 30);
  EXPECT_THAT(gemma2->windowedLayers, ElementsAre(true, false, true));

  auto gpt2 = parse(R"({"model_type":"gpt2","n_embd":64,"n_layer":2,"n_head":4,"vocab_size":9,
                        "n_positions":100,"n_inner":null})");
  ASSERT_TRUE(gpt2.ok()) << gpt2.status();
  EXPECT_EQ(gpt2->intermediateSize, 256);
  EXPECT_EQ(gpt2->kvHeads, 4);
  EXPECT_EQ(gpt2->maxPositions, 100);
  EXPECT_TRUE(gpt2->block.learnedPositions);

  auto falcon = [](Fields fields) {
    fields["model_type"] = "\"falcon\"";
    fields["num_key_value_heads"] = "";
    return parse(small(fields));
  };
  EXPECT_EQ(falcon({})->kvHeads, 1);
  EXPECT_TRUE(falcon({})->block.sharedNorm);
  EXPECT_EQ(falcon({{"multi_query", "false"}})->kvHeads, 4);
  EXPECT_FALSE(falcon({{"parallel_attn", "false"}})->block.parallel);
  auto large = falcon({{"new_decoder_architecture", "true"}, {"num_kv_heads", "2"}});
  EXPECT_EQ(large->kvHeads, 2);
  EXPECT_FALSE(large->block.sharedNorm);

  auto sloped = falcon({{"alibi", "true"}});
  EXPECT_EQ(sloped->alibiBias, 8);
  EXPECT_TRUE(sloped->alibiIsScaled);
  EXPECT_FALSE(sloped->usesRotation());
  EXPECT_EQ(falcon({{"alibi", "false"}})->alibiBias, 0);

  auto bloom = parse(R"({"model_type":"bloom","n_embed":64,"n_layer":2,"num_attention_heads":4,
                         "vocab_size":9,"seq_length":100,"n_inner":null})");
  ASSERT_TRUE(bloom.ok()) << bloom.status();
  EXPECT_EQ(bloom->hiddenSize, 64);
  EXPECT_EQ(bloom->heads, 4);
  EXPECT_EQ(bloom->intermediateSize, 256);
  EXPECT_EQ(bloom->activation, "gelu_tanh");
  EXPECT_EQ(bloom->alibiBias, 8);
  EXPECT_FALSE(bloom->alibiIsScaled);
  EXPECT_FALSE(bloom->isRotated(0));

  auto mpt = [](const std::string &attention) {
    return parse(R"({"model_type":"mpt","d_model":64,"n_layers":2,"n_heads":4,"vocab_size":9,)"
                 R"("max_seq_len":100,"attn_config":)" +
                 attention + "}");
  };
  EXPECT_EQ(mpt("{}")->alibiBias, 8);
  EXPECT_EQ(mpt(R"({"alibi_bias_max":6,"softmax_scale":0.5})")->alibiBias, 6);
  EXPECT_EQ(mpt(R"({"softmax_scale":0.5})")->attentionScale, 0.5);
  auto error = [&](const std::string &attention) {
    return std::string(mpt(attention).status().message());
  };
  EXPECT_EQ(error("7"), "config.json: attn_config: expected an object, got 7");
  EXPECT_EQ(error(R"({"alibi":false})"),
            "config.json: attn_config.alibi: expected true (the other is not supported yet), "
            "got false");
  EXPECT_EQ(mpt(R"({"clip_qkv":6})")->clipLimit, 6);
  EXPECT_EQ(error(R"({"clip_qkv":0})"),
            "config.json: attn_config.clip_qkv: expected a number above 0, or null, got 0");
  EXPECT_EQ(error(R"({"alibi_bias_max":0})"),
            "config.json: attn_config.alibi_bias_max: expected a number above 0 and up to 64, "
            "got 0");
  EXPECT_EQ(error(R"({"attn_type":"multiquery_attention"})"),
            "config.json: attn_config.attn_type: expected multihead_attention (others are not "
            "supported yet), got 'multiquery_attention'");
  EXPECT_EQ(error(R"({"softmax_scale":-1})"),
            "config.json: attn_config.softmax_scale: expected a number above 0, or null, got -1");

  auto plus = parse(small({{"model_type", "\"cohere\""}, {"use_qk_norm", "true"}}));
  EXPECT_EQ(plus->block.queryKeyNorm, QueryKeyNorm::OwnPerHead);
  auto stable = parse(small({{"model_type", "\"stablelm\""}, {"use_parallel_residual", "true"}}));
  EXPECT_TRUE(stable->block.parallel && stable->block.sharedNorm && stable->block.gated);
  auto olmo = parse(small({{"model_type", "\"olmo\""}, {"clip_qkv", "8"}}));
  EXPECT_EQ(olmo->clipLimit, 8);
  EXPECT_EQ(olmo->normEpsilon, 1e-5);
  auto opt = parse(small({{"model_type", "\"opt\""}, {"ffn_dim", "16"}}));
  EXPECT_EQ(opt->positionOffset, 2);
  EXPECT_EQ(opt->usablePositions() + 2, opt->maxPositions);
  auto cohere2 = parse(small({{"model_type", "\"cohere2\""}, {"num_hidden_layers", "5"}}));
  EXPECT_THAT(cohere2->windowedLayers, ElementsAre(true, true, true, false, true));
  EXPECT_THAT(cohere2->rotatedLayers, ElementsAre(true, true, true, false, true));
  auto smol = parse(small({{"model_type", "\"smollm3\""}, {"num_hidden_layers", "5"}}));
  EXPECT_THAT(smol->rotatedLayers, ElementsAre(true, true, true, false, true));
  auto yarn = parse(small({{"rope_scaling", R"({"rope_type":"yarn","factor":4,"mscale":2,
      "mscale_all_dim":1,"original_max_position_embeddings":16})"}}));
  ASSERT_TRUE(yarn.ok()) << yarn.status();
  EXPECT_EQ(yarn->ropeScaling.originalMaxPositions, 16);
  // (0.2 ln 4 + 1) / (0.1 ln 4 + 1)
  EXPECT_NEAR(yarn->ropeScaling.attentionFactor, 1.2772588722 / 1.1386294361, 1e-9);
}

TEST(Config, readsAnEncoderDecoder) {
  const char *sizes = R"("d_model":64,"d_ff":128,"num_layers":3,"num_heads":4,"vocab_size":9)";
  auto t5 = parse(absl::StrCat(R"({"model_type":"t5",)", sizes, "}"));
  ASSERT_TRUE(t5.ok()) << t5.status();
  EXPECT_EQ(t5->kind, ModelKind::EncoderDecoder);
  EXPECT_EQ(t5->encoderLayers, 3);
  EXPECT_EQ(t5->layers, 3); // where only the encoder's are given
  EXPECT_EQ(t5->headDim, 64);
  EXPECT_EQ(t5->kvHeads, 4);
  EXPECT_EQ(t5->maxPositions, 512);
  EXPECT_EQ(t5->relativeBuckets, 32);
  EXPECT_EQ(t5->relativeDistance, 128);
  EXPECT_EQ(t5->activation, "relu");
  EXPECT_FALSE(t5->block.gated);
  EXPECT_FALSE(t5->isRotated(0));
  EXPECT_EQ(t5->attentionScale, 1);
  EXPECT_EQ(t5->logitScale, 0.125);
  EXPECT_EQ(*t5->decoderStart, 0);
  auto flan = parse(absl::StrCat(
      R"({"model_type":"t5","num_decoder_layers":2,"tie_word_embeddings":false,"pad_token_id":1,
          "decoder_start_token_id":2,"feed_forward_proj":"gated-gelu",)",
      sizes, "}"));
  ASSERT_TRUE(flan.ok()) << flan.status();
  EXPECT_EQ(flan->encoderLayers, 3);
  EXPECT_EQ(flan->layers, 2);
  EXPECT_EQ(flan->activation, "gelu_tanh");
  EXPECT_TRUE(flan->block.gated);
  EXPECT_EQ(flan->logitScale, 1);
  EXPECT_EQ(*flan->decoderStart, 2);
  auto mt5 = parse(absl::StrCat(R"({"model_type":"mt5",)", sizes, "}"));
  ASSERT_TRUE(mt5.ok()) << mt5.status();
  EXPECT_TRUE(mt5->block.gated);
  EXPECT_FALSE(mt5->tiedEmbeddings);
}

TEST(Config, encodersSayOtherThings) {
  auto bert = parse(small({{"model_type", "\"bert\""}, {"type_vocab_size", "3"}}));
  ASSERT_TRUE(bert.ok()) << bert.status();
  EXPECT_EQ(bert->kind, ModelKind::Encoder);
  EXPECT_EQ(bert->kvHeads, 4);
  EXPECT_EQ(bert->normEpsilon, 1e-12);
  EXPECT_EQ(bert->tokenTypes, 3);
  EXPECT_EQ(bert->usablePositions(), 128);
  EXPECT_TRUE(bert->block.sumNorm && bert->block.learnedPositions && bert->attentionBias);
  EXPECT_EQ(bert->pooling, Pooling::Mean);

  for (const char *name : {"\"roberta\"", "\"xlm-roberta\"", "\"camembert\""}) {
    EXPECT_EQ(parse(small({{"model_type", name}}))->usablePositions(), 126) << name;
    auto padded = parse(small({{"model_type", name}, {"pad_token_id", "4"}}));
    EXPECT_EQ(padded->positionOffset, 5) << name;
  }
  auto distil = parse(R"({"model_type":"distilbert","dim":64,"hidden_dim":96,"n_layers":2,
      "n_heads":4,"vocab_size":9,"activation":"relu"})");
  ASSERT_TRUE(distil.ok()) << distil.status();
  EXPECT_EQ(distil->maxPositions, 512);
  EXPECT_EQ(distil->tokenTypes, 0);
  EXPECT_EQ(distil->activation, "relu");

  Fields modern = {{"model_type", "\"modernbert\""}, {"num_hidden_layers", "5"}};
  auto config = parse(small(modern));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->slidingWindow, 65);
  EXPECT_THAT(config->windowedLayers, ElementsAre(false, true, true, false, true));
  EXPECT_EQ(config->ropeTheta, 160000);
  EXPECT_EQ(config->localRopeTheta, 10000);
  EXPECT_FALSE(config->block.firstNorm);
  modern["global_attn_every_n_layers"] = "1";
  EXPECT_EQ(parse(small(modern))->slidingWindow, 0);
}

TEST(Config, mixturesSayWhichLayersHaveExperts) {
  auto qwen = [](Fields fields) {
    fields["model_type"] = "\"qwen3_moe\"";
    fields["num_hidden_layers"] = "5";
    return parse(small(fields));
  };
  EXPECT_THAT(qwen({})->sparseLayers, IsEmpty());
  EXPECT_TRUE(qwen({})->hasExperts(4));
  EXPECT_THAT(qwen({{"decoder_sparse_step", "2"}})->sparseLayers,
              ElementsAre(false, true, false, true, false));
  Fields both = {{"decoder_sparse_step", "2"}, {"mlp_only_layers", "[3]"}};
  EXPECT_THAT(qwen(both)->sparseLayers, ElementsAre(false, true, false, false, false));
  EXPECT_FALSE(qwen(both)->hasExperts(3));
  EXPECT_FALSE(qwen({{"mlp_only_layers", "[-1]"}}).ok());
}

TEST(Config, gptOssIsReadAsPublished) {
  // gpt-oss-20b's, but for layer_types, which say what is meant without them.
  auto config = parse(R"({"attention_bias":true,"eos_token_id":200002,"experts_per_token":4,
      "head_dim":64,"hidden_act":"silu","hidden_size":2880,"initial_context_length":4096,
      "intermediate_size":2880,"max_position_embeddings":131072,"model_type":"gpt_oss",
      "num_attention_heads":64,"num_experts_per_tok":4,"num_hidden_layers":24,
      "num_key_value_heads":8,"num_local_experts":32,"rms_norm_eps":1e-05,"rope_scaling":
      {"beta_fast":32.0,"beta_slow":1.0,"factor":32.0,"original_max_position_embeddings":4096,
      "rope_type":"yarn","truncate":false},"rope_theta":150000,"sliding_window":128,
      "swiglu_limit":7.0,"tie_word_embeddings":false,"vocab_size":201088})");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->experts, 32);
  EXPECT_EQ(config->expertsPerToken, 4);
  EXPECT_EQ(config->expertSize, 2880);
  EXPECT_TRUE(config->normalizedGates && config->attentionBias);
  EXPECT_EQ(config->gateLimit, 7);
  EXPECT_TRUE(config->isWindowed(0) && !config->isWindowed(1) && config->isWindowed(22));
  EXPECT_FALSE(config->ropeScaling.truncate);
  EXPECT_NEAR(config->ropeScaling.attentionFactor, 1.34657359, 1e-8); // 0.1 ln 32 + 1
  GgufFamily family = ggufFamilyOf(*config);
  EXPECT_EQ(family.name, "gpt-oss");
  EXPECT_TRUE(family.writable);
  config->gateLimit = 6;
  EXPECT_FALSE(ggufFamilyOf(*config).writable);
}

TEST(Config, rootMustBeAnObject) {
  EXPECT_EQ(parse("[]").status().message(), "config.json: expected an object, got a list");
  EXPECT_EQ(parse("7").status().message(), "config.json: expected an object, got 7");
}

TEST(Config, generationConfigAddsEndTokens) {
  auto config = parse(small({{"eos_token_id", "2"}}));
  auto add = [&](const std::string &text) {
    auto json = parseJson(text, "generation_config.json");
    return std::string(addGenerationConfig(*json, "generation_config.json", *config).message());
  };
  EXPECT_EQ(add(R"({"eos_token_id":[2,9],"temperature":0.7})"), "");
  EXPECT_EQ(add(R"({"eos_token_id":9})"), "");
  EXPECT_EQ(add("{}"), "");
  EXPECT_EQ(config->eosToken, 2);
  EXPECT_THAT(config->extraEosTokens, ElementsAre(9));
  EXPECT_THAT(add(R"({"eos_token_id":1000})"), HasSubstr("generation_config.json: eos_token_id"));
  EXPECT_THAT(add("[]"), HasSubstr("generation_config.json: expected an object"));
}

} // namespace
} // namespace stc
