// Tokenizers in GGUF metadata: both kinds, the named patterns, and metadata that lies.
#include "stc/Formats/TokenizerGguf.h"

#include "../Tokenizer/TestSpecs.h"
#include "Builders.h"
#include "stc/Formats/Checkpoint.h"

#include "absl/strings/str_cat.h"

#include <limits>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int32_t normal = 1, unknown = 2, control = 3, user = 4, byteType = 6;

/// The tokenizer part of a GGUF, from which tests depart by replacing single keys.
struct GgufParts {
  std::string model = "llama", pre;
  std::vector<std::string> tokens, merges;
  std::vector<float> scores;
  std::vector<int32_t> types;
  /// Adds further keys.
  std::function<void(GgufBuilder &)> more = [](GgufBuilder &) {};

  template <typename T> static std::string join(const std::vector<T> &values) {
    std::string bytes;
    for (const T &value : values)
      if constexpr (std::is_same_v<T, std::string>)
        bytes += GgufBuilder::text(value);
      else
        bytes += bytesOf(value);
    return bytes;
  }
  std::string build() const {
    GgufBuilder builder;
    builder.str("general.architecture", "llama");
    if (!model.empty())
      builder.str("tokenizer.ggml.model", model);
    if (!pre.empty())
      builder.str("tokenizer.ggml.pre", pre);
    auto list = [&](const char *key, uint32_t type, const auto &values) {
      if (!values.empty())
        builder.list(absl::StrCat("tokenizer.ggml.", key), type, values.size(), join(values));
    };
    list("tokens", GgufBuilder::string, tokens);
    list("merges", GgufBuilder::string, merges);
    list("scores", GgufBuilder::f32, scores);
    list("token_type", GgufBuilder::i32, types);
    more(builder);
    return builder.build();
  }
};

GgufParts llamaParts() {
  GgufParts parts;
  parts.tokens = {"<unk>", "<s>", "</s>", "<0x0A>", kMarker, "a", kMarker + "a", "[u]"};
  parts.scores = {0, 0, 0, 0, -1, -2, -3, 0};
  parts.types = {unknown, control, control, byteType, normal, normal, normal, user};
  return parts;
}

GgufParts gpt2Parts(const std::string &pre = "gpt-2") {
  GgufParts parts;
  parts.model = "gpt2";
  parts.pre = pre;
  for (unsigned byte = 0; byte < 256; ++byte)
    parts.tokens.push_back(standIn(byte));
  parts.tokens.push_back("ab");
  parts.tokens.push_back("<|end|>");
  parts.merges = {"a b"};
  parts.types.assign(258, normal);
  parts.types.back() = control;
  return parts;
}

class TokenizerGguf : public testing::Test {
protected:
  absl::StatusOr<std::unique_ptr<Tokenizer>> load(const GgufParts &parts) {
    return loadTokenizer(folder.write("model.gguf", parts.build()));
  }
  std::unique_ptr<Tokenizer> loadOrDie(const GgufParts &parts) {
    auto tokenizer = load(parts);
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    return tokenizer.ok() ? std::move(*tokenizer) : nullptr;
  }
  std::string refusal(const GgufParts &parts) {
    auto tokenizer = load(parts);
    EXPECT_FALSE(tokenizer.ok());
    return std::string(tokenizer.status().message());
  }
  TempFolder folder;
};

TEST_F(TokenizerGguf, ReadsSentencePiece) {
  auto tokenizer = loadOrDie(llamaParts());
  ASSERT_TRUE(tokenizer);
  const TokenizerSpec &spec = tokenizer->spec();
  EXPECT_TRUE(spec.addBos && spec.addPrefixSpace && spec.escapeSpaces && spec.byteFallback);
  EXPECT_FALSE(spec.addEos);
  EXPECT_EQ(std::make_tuple(spec.bos, spec.eos, spec.unknown), std::make_tuple(1, 2, 0));
  EXPECT_THAT(*tokenizer->encode("a a\n[u]z", {}), ElementsAre(1, 6, 6, 3, 7, 4, 0));
  EXPECT_EQ(decodeOrDie(*tokenizer, {1, 6, 6, 3}), "a a\n");
}

TEST_F(TokenizerGguf, FlagsAndIdsOverrideDefaults) {
  GgufParts parts = llamaParts();
  parts.more = [](GgufBuilder &builder) {
    builder.scalar("tokenizer.ggml.add_bos_token", GgufBuilder::boolean, uint8_t(0));
    builder.scalar("tokenizer.ggml.add_eos_token", GgufBuilder::boolean, uint8_t(1));
    builder.scalar("tokenizer.ggml.add_space_prefix", GgufBuilder::boolean, uint8_t(0));
    builder.number("tokenizer.ggml.eos_token_id", 1);
  };
  EXPECT_THAT(*loadOrDie(parts)->encode("a", {}), ElementsAre(5, 1));
}

TEST_F(TokenizerGguf, TypesAreGuessedWhenAbsent) {
  GgufParts parts = llamaParts();
  parts.types.clear();
  const auto tokenizer = loadOrDie(parts);
  EXPECT_EQ(tokenizer->spec().tokens[0].type, TokenType::Unknown);
  EXPECT_EQ(tokenizer->spec().tokens[1].type, TokenType::Control);
  EXPECT_EQ(tokenizer->spec().tokens[3].type, TokenType::Byte);
  EXPECT_EQ(tokenizer->spec().tokens[5].type, TokenType::Normal);
}

TEST_F(TokenizerGguf, ReadsByteLevel) {
  GgufParts parts = gpt2Parts();
  parts.more = [](GgufBuilder &builder) { builder.number("tokenizer.ggml.bos_token_id", 257); };
  auto tokenizer = loadOrDie(parts);
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->spec().bos, 257);
  EXPECT_FALSE(tokenizer->spec().addBos);
  EXPECT_THAT(*tokenizer->encode("ab", {}), ElementsAre(256));
  EXPECT_THAT(encodePlain(*tokenizer, "ab<|end|>", true), ElementsAre(256, 257));
}

TEST_F(TokenizerGguf, EveryNamedPatternCompilesAndSplits) {
  std::string text =
      "I'M 12345 d\xC3\xA9j\xC3\xA0, \xE6\x88\x91\xE6\x83\xB3 a;b!\n\n  x\t \xC2\xB2";
  for (const char *pre : {"default", "gpt-2", "phi-2", "starcoder", "refact", "smollm", "command-r",
                          "llama-bpe", "llama3", "dbrx", "qwen2", "stablelm2", "qwen35", "tekken",
                          "gpt-4o", "falcon", "deepseek-v3", ""}) {
    auto tokenizer = loadOrDie(gpt2Parts(pre));
    ASSERT_TRUE(tokenizer) << pre;
    EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, text)), text) << pre;
    bool ignores = absl::string_view(pre) == "llama-bpe" || absl::string_view(pre) == "llama3" ||
                   absl::string_view(pre) == "tekken";
    EXPECT_EQ(tokenizer->spec().ignoreMerges, ignores) << pre;
  }
}

TEST_F(TokenizerGguf, RefusesUnknownPatternsAndModels) {
  EXPECT_THAT(
      refusal(gpt2Parts("kimi-k9")),
      HasSubstr("expected one of default, gpt-2, starcoder, llama-bpe, dbrx, qwen2, qwen35, "
                "tekken, gpt-4o, falcon, deepseek-v3 or a relative, got 'kimi-k9'"));
  for (const char *model : {"rwkv", "plamo2"}) {
    GgufParts parts = llamaParts();
    parts.model = model;
    EXPECT_THAT(refusal(parts),
                HasSubstr("expected llama (SentencePiece), gpt2 (byte-level BPE), bert "
                          "(WordPiece) or t5 (Unigram)"))
        << model;
  }
  GgufParts parts = llamaParts();
  parts.model.clear();
  EXPECT_THAT(refusal(parts), HasSubstr("tokenizer.ggml.model: expected a string, got nothing"));
}

TEST_F(TokenizerGguf, RefusesWrongElementTypes) {
  auto withList = [&](GgufParts parts, const char *key, uint32_t type, size_t size) {
    parts.more = [=](GgufBuilder &builder) {
      builder.list(absl::StrCat("tokenizer.ggml.", key), type, 8, std::string(8 * size, '\0'));
    };
    return refusal(parts);
  };
  GgufParts parts = llamaParts();
  parts.tokens.clear();
  EXPECT_THAT(withList(parts, "tokens", GgufBuilder::u8, 1),
              HasSubstr("expected an array of strings, got another type"));
  EXPECT_THAT(refusal(parts), HasSubstr("expected an array of strings, got nothing"));
  parts = llamaParts();
  parts.scores.clear();
  EXPECT_THAT(withList(parts, "scores", GgufBuilder::i32, 4),
              HasSubstr("expected an array of f32"));
  EXPECT_THAT(refusal(parts), HasSubstr("scores: expected an array of f32, got nothing"));
  parts = llamaParts();
  parts.types.clear();
  EXPECT_THAT(withList(parts, "token_type", GgufBuilder::f32, 4),
              HasSubstr("expected an array of i32"));
  parts = gpt2Parts();
  parts.merges.clear();
  EXPECT_THAT(withList(parts, "merges", GgufBuilder::u32, 4),
              HasSubstr("expected an array of strings"));
  parts.more = [](GgufBuilder &builder) { builder.number("tokenizer.ggml.merges", 1); };
  EXPECT_THAT(refusal(parts), HasSubstr("expected an array of strings"));
  parts = llamaParts();
  parts.more = [](GgufBuilder &b) { b.str("tokenizer.ggml.add_bos_token", "yes"); };
  EXPECT_THAT(refusal(parts), HasSubstr("add_bos_token @0x"));
  parts.more = [](GgufBuilder &b) { b.real("tokenizer.ggml.bos_token_id", 1); };
  EXPECT_THAT(refusal(parts), HasSubstr("expected an integer, got another type"));
}

TEST_F(TokenizerGguf, RefusesListsOfTheWrongLength) {
  GgufParts parts = llamaParts();
  parts.scores.pop_back();
  EXPECT_THAT(refusal(parts), HasSubstr("expected 8 scores, one for each token, got 7"));
  parts = llamaParts();
  parts.types.push_back(1);
  EXPECT_THAT(refusal(parts), HasSubstr("expected 8 types, one for each token, got 9"));
}

TEST_F(TokenizerGguf, RefusesBadValues) {
  GgufParts parts = llamaParts();
  parts.types[4] = 7;
  EXPECT_THAT(refusal(parts), HasSubstr("expected types 0 to 6 (token 4), got 7"));
  parts.types[4] = -1;
  EXPECT_THAT(refusal(parts), HasSubstr("got -1"));
  parts = llamaParts();
  parts.scores[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(refusal(parts), HasSubstr("finite"));
  parts = llamaParts();
  parts.tokens[3] = "<0x-1>";
  EXPECT_THAT(refusal(parts), HasSubstr("expected a byte token <0x00> to <0xFF>, got '<0x-1>'"));
  parts = llamaParts();
  parts.tokens[5] = "\xFF";
  EXPECT_THAT(refusal(parts), HasSubstr("UTF-8"));
  parts = gpt2Parts();
  parts.merges = {"ab"};
  EXPECT_THAT(refusal(parts), HasSubstr("expected two tokens with a space between (merge 0)"));
  parts.merges = {""};
  EXPECT_THAT(refusal(parts), HasSubstr("expected two tokens with a space between (merge 0)"));
  parts.merges = {"a c"};
  EXPECT_THAT(refusal(parts), HasSubstr("merges[0]: expected a merge of two tokens into a third"));
  for (const char *key : {"bos_token_id", "eos_token_id", "unknown_token_id"}) {
    parts = llamaParts();
    parts.more = [=](GgufBuilder &b) { b.number(absl::StrCat("tokenizer.ggml.", key), 8); };
    EXPECT_THAT(refusal(parts), HasSubstr("expected a token id below 8, got 8")) << key;
  }
}

GgufParts bertParts() {
  GgufParts parts;
  parts.model = "bert";
  parts.tokens = {"[UNK]", "[CLS]", "[SEP]", kMarker + "cafe", "s", kMarker + "[", "[unused0]"};
  parts.types = {control, control, control, normal, normal, normal, normal};
  parts.more = [](GgufBuilder &builder) {
    builder.number("tokenizer.ggml.unknown_token_id", 0);
    builder.number("tokenizer.ggml.cls_token_id", 1);
    builder.number("tokenizer.ggml.seperator_token_id", 2);
  };
  return parts;
}

TEST_F(TokenizerGguf, ReadsWordPiece) {
  auto tokenizer = loadOrDie(bertParts());
  ASSERT_TRUE(tokenizer);
  EXPECT_EQ(tokenizer->spec().tokens[3].text, "cafe");
  EXPECT_EQ(tokenizer->spec().tokens[4].text, "##s");
  EXPECT_EQ(tokenizer->spec().tokens[6].text, "[unused0]");
  EXPECT_THAT(*tokenizer->encode("Caf\xC3\xA9s [x", {}), ElementsAre(1, 3, 4, 5, 0, 2));
  GgufParts cased = bertParts();
  cased.more = [](GgufBuilder &builder) {
    bertParts().more(builder);
    builder.scalar("tokenizer.ggml.normalizer.lowercase", GgufBuilder::boolean, uint8_t(0));
    builder.scalar("tokenizer.ggml.add_bos_token", GgufBuilder::boolean, uint8_t(0));
  };
  EXPECT_THAT(*loadOrDie(cased)->encode("cafes Cafe caf\xC3\xA9", {}), ElementsAre(3, 4, 0, 0, 2));
  // The usual ids lie outside this vocabulary, and WordPiece needs an unknown token.
  GgufParts nameless = bertParts();
  nameless.more = [](GgufBuilder &) {};
  EXPECT_THAT(refusal(nameless), HasSubstr("unknown: expected the unknown token"));
}

GgufParts t5Parts() {
  GgufParts parts;
  parts.model = "t5";
  parts.tokens = {"<pad>", "</s>", "<unk>", kMarker, kMarker + "a", "a", "b"};
  parts.scores = {0, 0, 0, -2, -1, -1.5f, -3};
  parts.types = {control, control, unknown, normal, normal, normal, normal};
  return parts;
}

TEST_F(TokenizerGguf, ReadsUnigram) {
  auto tokenizer = loadOrDie(t5Parts());
  ASSERT_TRUE(tokenizer);
  EXPECT_THAT(*tokenizer->encode("a ab", {}), ElementsAre(4, 4, 6, 1));
  EXPECT_THAT(encodePlain(*tokenizer, "a  ax"), ElementsAre(4, 3, 4, 2));
  GgufParts parts = t5Parts();
  parts.more = [](GgufBuilder &builder) {
    std::string map = charsmapBytes({{"A", "a"}, {"\t", " "}});
    builder.list("tokenizer.ggml.precompiled_charsmap", GgufBuilder::u8, map.size(), map);
    builder.scalar("tokenizer.ggml.remove_extra_whitespaces", GgufBuilder::boolean, uint8_t(1));
  };
  EXPECT_THAT(encodePlain(*loadOrDie(parts), "  A\t  ab  "), ElementsAre(4, 4, 6));
}

TEST_F(TokenizerGguf, RefusesBadUnigram) {
  GgufParts parts = t5Parts();
  parts.scores.clear();
  EXPECT_THAT(refusal(parts), HasSubstr("scores: expected an array of f32, got nothing"));
  parts = t5Parts();
  parts.scores[3] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(refusal(parts), HasSubstr("tokens[3]: expected a finite score, got inf"));
  parts = t5Parts();
  parts.more = [](GgufBuilder &builder) {
    builder.list("tokenizer.ggml.precompiled_charsmap", GgufBuilder::u8, 4,
                 std::string("\x40\0\0\0", 4));
  };
  EXPECT_THAT(refusal(parts), HasSubstr("normalizers[0]: expected a trie of whole units"));
  parts.more = [](GgufBuilder &builder) { builder.str("tokenizer.ggml.precompiled_charsmap", ""); };
  EXPECT_THAT(refusal(parts), HasSubstr("precompiled_charsmap @0x"));
}

TEST_F(TokenizerGguf, EveryTruncationIsAnError) {
  for (const GgufParts &parts : {llamaParts(), bertParts(), t5Parts()}) {
    std::string bytes = parts.build();
    for (size_t length = 0; length < bytes.size(); ++length)
      EXPECT_FALSE(loadTokenizer(folder.write("short.gguf", bytes.substr(0, length))).ok())
          << parts.model << " " << length;
  }
}

TEST_F(TokenizerGguf, BitFlipsDoNoHarm) {
  for (const GgufParts &parts : {llamaParts(), bertParts(), t5Parts()}) {
    std::string bytes = parts.build();
    for (size_t bit = 0; bit < bytes.size() * 8; bit += 3) {
      std::string flipped = bytes;
      flipped[bit / 8] = char(flipped[bit / 8] ^ 1 << bit % 8);
      auto tokenizer = loadTokenizer(folder.write("flipped.gguf", flipped));
      if (tokenizer.ok())
        (void)(*tokenizer)->encode("a a\n[u]z cafes", {}).ok();
    }
  }
}

} // namespace
} // namespace stc
