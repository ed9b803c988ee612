// Tokenizers written as GGUF metadata and read back: the same ids, or a refusal.
#include "stc/Formats/TokenizerGguf.h"

#include "../Tokenizer/TestSpecs.h"
#include "Builders.h"
#include "stc/Formats/Checkpoint.h"

namespace stc {
namespace {

using testing::HasSubstr;

class TokenizerGgufWriter : public testing::Test {
protected:
  absl::StatusOr<std::unique_ptr<Tokenizer>> roundTrip(const TokenizerSpec &spec,
                                                       size_t vocabSize = 0) {
    GgufMetadata metadata;
    metadata.addText("general.architecture", "llama");
    STC_RETURN_IF_ERROR(addTokenizer(spec, int64_t(vocabSize ? vocabSize : spec.tokens.size()),
                                     "source", metadata));
    auto none = [](const TensorView &) -> absl::StatusOr<absl::Span<const uint8_t>> {
      return absl::Span<const uint8_t>();
    };
    STC_ASSIGN_OR_RETURN(auto file, streamGguf(folder.path("t.gguf"), metadata, {}, none));
    STC_RETURN_IF_ERROR(file->commit());
    return loadTokenizer(folder.path("t.gguf"));
  }
  std::string refusal(const TokenizerSpec &spec, size_t vocabSize = 0) {
    auto result = roundTrip(spec, vocabSize);
    EXPECT_FALSE(result.ok());
    return std::string(result.status().message());
  }
  /// Checks that both give the same ids for every text over `letters` up to `length`.
  void expectSameIds(const TokenizerSpec &spec, const std::vector<std::string> &letters,
                     int length) {
    auto before = Tokenizer::create(spec, "before");
    auto after = roundTrip(spec);
    ASSERT_TRUE(before.ok()) << before.status();
    ASSERT_TRUE(after.ok()) << after.status();
    std::vector<std::string> texts = {""};
    for (size_t i = 0; i < texts.size() && texts[i].size() < size_t(length); ++i)
      for (const std::string &letter : letters)
        texts.push_back(texts[i] + letter);
    for (const std::string &text : texts) {
      auto want = (*before)->encode(text, {}), got = (*after)->encode(text, {});
      ASSERT_TRUE(want.ok() && got.ok());
      EXPECT_EQ(*want, *got) << "'" << text << "'";
      EXPECT_EQ(*(*before)->decode(*want), *(*after)->decode(*got));
    }
  }
  TempFolder folder;
};

TEST_F(TokenizerGgufWriter, ByteLevelGivesTheSameIds) {
  TokenizerSpec spec = byteLevelSpec({{"a", "b"}, {" ", "a"}, {" a", "b"}, {"b", "b"}});
  spec.tokens.push_back(makeToken("<|end|>", TokenType::Control));
  spec.bos = spec.eos = int64_t(spec.tokens.size()) - 1;
  spec.addEos = true;
  expectSameIds(spec, {"a", "b", " ", "\xc3\xa9", "1"}, 5);
}

TEST_F(TokenizerGgufWriter, KnowsFamiliesByTheirSteps) {
  TokenizerSpec spec = byteLevelSpec({{"1", "2"}});
  PreStep digits;
  digits.kind = PreStep::Kind::Digits;
  spec.preTokenizers.insert(spec.preTokenizers.begin(), digits);
  expectSameIds(spec, {"1", "2", "a", " "}, 4); // starcoder: no merge joins digits
  spec.preTokenizers[0].individualDigits = false;
  EXPECT_THAT(refusal(spec), HasSubstr("source: pre_tokenizer: expected one that GGUF has a name"));
  spec = byteLevelSpec();
  spec.addPrefixSpace = true;
  EXPECT_THAT(refusal(spec), HasSubstr("got add_prefix_space"));
}

TEST_F(TokenizerGgufWriter, SentencePieceKeepsItsScores) {
  expectSameIds(sentencePieceSpec({"ab", kMarker + "a", "bb", "a", "b", kMarker}), {"a", "b", " "},
                6);
}

/// Merges of a, b and the marker by rank, as tokenizer.json has them.
TokenizerSpec rankedSpec(const std::vector<std::pair<std::string, std::string>> &merges) {
  TokenizerSpec spec = sentencePieceSpec({"a", "b", kMarker});
  for (const auto &[left, right] : merges) {
    std::string text = left + right;
    bool known = false;
    for (const TokenizerSpec::Token &token : spec.tokens)
      known |= token.text == text;
    if (!known)
      spec.tokens.push_back(makeToken(text));
    spec.merges.emplace_back(left, right);
  }
  for (TokenizerSpec::Token &token : spec.tokens)
    token.score = 0;
  return spec;
}

TEST_F(TokenizerGgufWriter, RanksOfMergesBecomeScores) {
  expectSameIds(
      rankedSpec({{"b", "b"}, {kMarker, "a"}, {"a", "b"}, {kMarker + "a", "b"}, {kMarker, "ab"}}),
      {"a", "b", " "}, 6);
}

TEST_F(TokenizerGgufWriter, RefusesMergesThatNoScoresExpress) {
  // "abb" could also come from "ab" and "b", which is no merge.
  EXPECT_THAT(refusal(rankedSpec({{"a", "b"}, {"b", "b"}, {"a", "bb"}})),
              HasSubstr("model.merges: expected merges that follow from one score for each token"));
  // The merges of "abb" rank on both sides of the one of "ba".
  EXPECT_THAT(refusal(rankedSpec({{"a", "b"}, {"b", "b"}, {"a", "bb"}, {"b", "a"}, {"ab", "b"}})),
              HasSubstr("got others for 'abb'"));
  TokenizerSpec spec = sentencePieceSpec({"a"});
  spec.byteFallback = false;
  EXPECT_THAT(refusal(spec), HasSubstr("SentencePiece with byte fallback"));
}

TEST_F(TokenizerGgufWriter, WordPieceGivesTheSameIds) {
  TokenizerSpec spec = wordPieceSpec({"a", "##b", "b", "##a", "[", "##[", "[x]", "!"});
  expectSameIds(spec, {"a", "B", " ", "!", "[", "\xc3\xa1"}, 4);
  spec.normalizers.pop_back(); // cased, without accents
  expectSameIds(spec, {"a", "B", " ", "\xc3\xa1"}, 4);
  spec.longestWord = 50;
  EXPECT_THAT(refusal(spec), HasSubstr("source: tokenizer: expected WordPiece as BERT has it"));
}

TEST_F(TokenizerGgufWriter, UnigramGivesTheSameIds) {
  TokenizerSpec spec = unigramSpec(
      {{kMarker, -2.f}, {kMarker + "a", -1.f}, {"ab", -3.f}, {"a", -1.5f}, {"b", -2.5f}});
  expectSameIds(spec, {"a", "b", " ", "x"}, 5);
  spec.normalizers = {{NormStep::Kind::Charsmap, "", charsmapBytes({{"A", "a"}, {"\n", " "}})}};
  expectSameIds(spec, {"a", "A", "b", " ", "\n"}, 4);
  spec.prefixRule = TokenizerSpec::PrefixRule::EveryWord;
  expectSameIds(spec, {"a", "A", "b", " ", "\n"}, 4);
  spec.normalizers.push_back({NormStep::Kind::Nfkc, "", ""});
  EXPECT_THAT(refusal(spec),
              HasSubstr("source: tokenizer: expected Unigram with precompiled rules"));
}

TEST_F(TokenizerGgufWriter, FillsTheVocabularyUp) {
  TokenizerSpec spec = byteLevelSpec();
  auto padded = roundTrip(spec, 260);
  ASSERT_TRUE(padded.ok()) << padded.status();
  ASSERT_EQ((*padded)->spec().tokens.size(), 260u);
  EXPECT_EQ((*padded)->spec().tokens[259].text, "[PAD259]");
  EXPECT_EQ((*padded)->spec().tokens[259].type, TokenType::Unused);
  EXPECT_THAT(refusal(spec, 255), HasSubstr("expected at most 255 tokens, got 256"));
}

TEST_F(TokenizerGgufWriter, AgreesWithARealPair) {
  if (sharedFolder().empty())
    GTEST_SKIP() << "no shared test data";
  auto json = loadTokenizer(sharedFolder() + "/models/stories260k");
  auto gguf = loadTokenizer(sharedFolder() + "/models/stories260k.gguf");
  ASSERT_TRUE(json.ok() && gguf.ok());
  auto written = roundTrip((*json)->spec());
  ASSERT_TRUE(written.ok()) << written.status();
  for (const char *text : {"Once upon a time, there was a little girl named Lily.",
                           " two  spaces\nand 12 \xc3\xa9 \xe4\xb8\xad", ""})
    EXPECT_EQ(encodePlain(**written, text), encodePlain(**gguf, text)) << text;
}

} // namespace
} // namespace stc
