// What Tokenizer::create checks, and the behavior common to all kinds.
#include "TestSpecs.h"

#include <limits>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Tokenizer, RefusesEmptyVocabularies) {
  EXPECT_THAT(errorOf({}), HasSubstr("test.json: tokens: expected between 1 and"));
}

TEST(Tokenizer, RefusesIdsOutsideTheVocabulary) {
  TokenizerSpec spec = byteLevelSpec();
  spec.bos = 256;
  EXPECT_EQ(errorOf(spec), "test.json: bos: expected a token id below 256, got 256");
  spec.bos = -1;
  spec.eos = int64_t(1) << 40;
  EXPECT_THAT(errorOf(spec), StartsWith("test.json: eos: expected a token id below 256"));
  spec.eos = -1;
  spec.unknown = -2;
  EXPECT_THAT(errorOf(spec), StartsWith("test.json: unknown: expected a token id"));
  spec.unknown = -1;
  spec.addBos = true;
  EXPECT_EQ(errorOf(spec), "test.json: bos: expected a token id below 256, got none");
}

TEST(Tokenizer, RefusesGiantTokens) {
  TokenizerSpec spec = byteLevelSpec();
  spec.tokens.push_back(makeToken(std::string(100 << 20, 'a')));
  EXPECT_EQ(
      errorOf(spec),
      "test.json: tokens[256]: expected a token of at most 1048576 bytes, got 104857600 bytes");
  spec.tokens.back() = makeToken(std::string(1 << 20, 'a'));
  EXPECT_TRUE(createOrDie(spec));
  spec.tokens.back() = makeToken(std::string(2000, 'a'), TokenType::UserDefined);
  EXPECT_THAT(errorOf(spec), HasSubstr("expected an added token of at most 1024 bytes"));
}

TEST(Tokenizer, RefusesTokensThatAreNoUtf8) {
  TokenizerSpec spec = byteLevelSpec();
  spec.tokens.push_back(makeToken("\xC3("));
  EXPECT_THAT(errorOf(spec), StartsWith("test.json: tokens[256]: expected a token in UTF-8"));
}

TEST(Tokenizer, RefusesScoresThatAreNoNumbers) {
  for (float score :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    TokenizerSpec spec = sentencePieceSpec({"a"});
    spec.tokens.back().score = score;
    EXPECT_THAT(errorOf(spec), HasSubstr("tokens[259]: expected a finite score"));
  }
}

TEST(Tokenizer, RefusesMalformedByteTokens) {
  for (const char *text : {"<0x-1>", "<0x+1>", "<0xG0>", "<0x1>", "<0x123>", "0x41", "<0X41>"}) {
    TokenizerSpec spec = sentencePieceSpec({"a"}, false);
    spec.tokens.push_back(makeToken(text, TokenType::Byte));
    EXPECT_THAT(errorOf(spec), HasSubstr("expected a byte token <0x00> to <0xFF>")) << text;
  }
  TokenizerSpec spec = sentencePieceSpec({"a"});
  spec.tokens.push_back(makeToken("<0x41>", TokenType::Byte));
  EXPECT_THAT(errorOf(spec), HasSubstr("expected one token for each byte"));
}

TEST(Tokenizer, RefusesMergesOfUnknownTokens) {
  TokenizerSpec spec = byteLevelSpec({{"a", "b"}});
  spec.merges.emplace_back("c", "zz");
  EXPECT_EQ(errorOf(spec), "test.json: merges[1]: expected a merge of two tokens into a third, got "
                           "'zz', which is no token");
  spec.merges.back() = {"c", "d"};
  EXPECT_THAT(errorOf(spec), HasSubstr("got 'cd', which is no token"));
}

TEST(Tokenizer, RefusesBadPatterns) {
  TokenizerSpec spec = byteLevelSpec();
  spec.preTokenizers[0].kind = PreStep::Kind::Regex;
  spec.preTokenizers[0].pattern = "(a";
  EXPECT_THAT(errorOf(spec), StartsWith("test.json: preTokenizers[0]: expected a regular expression"
                                        ", got '(a' (missing closing parenthesis"));
  spec.preTokenizers[0].pattern = std::string(20000, 'a');
  EXPECT_THAT(errorOf(spec), HasSubstr("expected a pattern of at most 16384 bytes"));
  spec.preTokenizers.assign(33, byteLevelSpec().preTokenizers[0]);
  EXPECT_THAT(errorOf(spec), HasSubstr("expected at most 32 steps, got 33"));
}

TEST(Tokenizer, AddsSpecialTokensOnlyWhenAsked) {
  TokenizerSpec spec = sentencePieceSpec({kMarker, "a", kMarker + "a"});
  spec.addEos = true;
  auto tokenizer = createOrDie(spec);
  int32_t word = idOf(*tokenizer, kMarker + "a");
  EXPECT_THAT(*tokenizer->encode("a", {}), ElementsAre(1, word, 2));
  EXPECT_THAT(*tokenizer->encode("a", {false, false}), ElementsAre(word));
  EXPECT_THAT(*tokenizer->encode("", {}), ElementsAre(1, 2));
  EXPECT_THAT(*tokenizer->encode("", {false, true}), ElementsAre());
}

TEST(Tokenizer, DecodingLeavesControlTokensOutUnlessAsked) {
  auto tokenizer = createOrDie(sentencePieceSpec({kMarker, "a", kMarker + "a"}));
  int32_t word = idOf(*tokenizer, kMarker + "a");
  EXPECT_EQ(decodeOrDie(*tokenizer, {1, word, word, 0, 2}), "a a");
  EXPECT_EQ(decodeOrDie(*tokenizer, {1, word, 2}, true), "<s> a</s>");
  EXPECT_EQ(tokenizer->piece(1), "");
  EXPECT_EQ(tokenizer->piece(word), " a");
}

TEST(Tokenizer, RefusesToDecodeUnknownIds) {
  auto tokenizer = createOrDie(byteLevelSpec());
  for (int32_t id : {-1, 256, INT32_MAX, INT32_MIN}) {
    auto text = tokenizer->decode({65, id});
    ASSERT_FALSE(text.ok());
    EXPECT_THAT(std::string(text.status().message()),
                StartsWith("test.json: ids[1]: expected a token id below 256, got "));
    EXPECT_EQ(tokenizer->piece(id), "");
  }
}

TEST(Tokenizer, PiecesJoinToTheDecodedText) {
  Random random(7);
  auto tokenizer = createOrDie(byteLevelSpec({{"a", "b"}, {" ", "a"}, {"ab", "c"}}));
  for (int round = 0; round < 50; ++round) {
    std::string text = randomText(random, 40), joined;
    Ids ids = encodePlain(*tokenizer, text);
    for (int32_t id : ids)
      joined += tokenizer->piece(id);
    EXPECT_EQ(joined, decodeOrDie(*tokenizer, ids));
    EXPECT_EQ(joined, text);
  }
}

TEST(Tokenizer, ParsesByteTokensExactly) {
  EXPECT_EQ(parseByteToken("<0x00>"), 0);
  EXPECT_EQ(parseByteToken("<0xfF>"), 255);
  EXPECT_EQ(parseByteToken("<0x0A>"), 10);
  for (const char *text : {"", "<0x>", "<0x0>", "<0x-1>", "<0x 1>", "<0x0A", "0x0A>>", "<0xA >"})
    EXPECT_EQ(parseByteToken(text), -1) << text;
}

} // namespace
} // namespace stc
