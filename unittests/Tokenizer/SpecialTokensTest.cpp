// Added tokens inside a text: which are found, which win, and what they take with them.
#include "TestSpecs.h"

namespace stc {
namespace {

TEST(SpecialTokens, MarkedTextStaysText) {
  TokenizerSpec spec = byteLevelSpec();
  spec.tokens.push_back(makeToken("<end>", TokenType::Control));
  spec.tokens.push_back(makeToken("[n]", TokenType::Control));
  spec.tokens.back().normalized = true;
  auto tokenizer = createOrDie(spec);
  Tokenizer::EncodeOptions options{false, true, "\xEF\xB7\x90"};
  auto encode = [&](absl::string_view text) { return *tokenizer->encode(text, options); };
  EXPECT_THAT(encode("a<end>"), testing::ElementsAre('a', 256));
  EXPECT_EQ(encode("a<\xEF\xB7\x90"
                   "end>"),
            encodePlain(*tokenizer, "a<end>"));
  EXPECT_EQ(encode("[\xEF\xB7\x90n]"), encodePlain(*tokenizer, "[n]"));
  EXPECT_EQ(encode("\xEF\xB7\x90"), Ids());
  EXPECT_THAT(encode("[n]"), testing::ElementsAre(257));
}

using testing::ElementsAre;

/// A byte-level vocabulary with `added` behind the bytes.
TokenizerSpec withAdded(std::vector<TokenizerSpec::Token> added) {
  TokenizerSpec spec = byteLevelSpec();
  for (TokenizerSpec::Token &token : added)
    spec.tokens.push_back(std::move(token));
  return spec;
}

TEST(SpecialTokens, ControlTokensOnlyWhenParsed) {
  auto tokenizer = createOrDie(
      withAdded({makeToken("<end>", TokenType::Control), makeToken("<unk>", TokenType::Unknown),
                 makeToken("[it]", TokenType::UserDefined)}));
  EXPECT_EQ(encodePlain(*tokenizer, "a<end>").size(), 6u);
  EXPECT_EQ(encodePlain(*tokenizer, "a<unk>").size(), 6u);
  EXPECT_THAT(encodePlain(*tokenizer, "a[it]"), ElementsAre('a', 258));
  EXPECT_THAT(encodePlain(*tokenizer, "<end>a<unk>[it]", true), ElementsAre(256, 'a', 257, 258));
  EXPECT_EQ(decodeOrDie(*tokenizer, {256, 258, 256}), "[it]");
  EXPECT_EQ(decodeOrDie(*tokenizer, {256, 258, 256}, true), "<end>[it]<end>");
}

TEST(SpecialTokens, TheLeftmostAndThenTheLongestWins) {
  auto tokenizer = createOrDie(withAdded(
      {makeToken("ab", TokenType::UserDefined), makeToken("abc", TokenType::UserDefined),
       makeToken("bcde", TokenType::UserDefined), makeToken("abcx", TokenType::UserDefined)}));
  EXPECT_THAT(encodeTexts(*tokenizer, "abcde"), ElementsAre("abc", "d", "e"));
  EXPECT_THAT(encodeTexts(*tokenizer, "abab"), ElementsAre("ab", "ab"));
  EXPECT_THAT(encodeTexts(*tokenizer, "xbcde"), ElementsAre("x", "bcde"));
  EXPECT_THAT(encodeTexts(*tokenizer, "abcxabc"), ElementsAre("abcx", "abc"));
}

TEST(SpecialTokens, OfEqualTextsTheLaterIsFound) {
  auto tokenizer = createOrDie(withAdded(
      {makeToken("xy", TokenType::UserDefined), makeToken("xy", TokenType::UserDefined)}));
  EXPECT_THAT(encodePlain(*tokenizer, "xy"), ElementsAre(257));
}

TEST(SpecialTokens, StripsNeighbouringSpace) {
  TokenizerSpec::Token left = makeToken("<l>", TokenType::UserDefined),
                       right = makeToken("<r>", TokenType::UserDefined);
  left.leftStrip = true;
  right.rightStrip = true;
  auto tokenizer = createOrDie(withAdded({left, right}));
  auto space = standIn(' ');
  EXPECT_THAT(encodeTexts(*tokenizer, "a \n\xE3\x80\x80<l> b"),
              ElementsAre("a", "<l>", space, "b"));
  EXPECT_THAT(encodeTexts(*tokenizer, "a <r> \t b"), ElementsAre("a", space, "<r>", "b"));
  // Space that one token took is not there for the next.
  EXPECT_THAT(encodeTexts(*tokenizer, "<r>  <l>"), ElementsAre("<r>", "<l>"));
  EXPECT_THAT(encodeTexts(*tokenizer, "  <l>"), ElementsAre("<l>"));
}

TEST(SpecialTokens, SingleWordsNeedBoundaries) {
  TokenizerSpec::Token word = makeToken("cat", TokenType::UserDefined);
  word.singleWord = true;
  auto tokenizer = createOrDie(withAdded({word}));
  EXPECT_THAT(encodeTexts(*tokenizer, "cat"), ElementsAre("cat"));
  EXPECT_THAT(encodeTexts(*tokenizer, "-cat!"), ElementsAre("-", "cat", "!"));
  EXPECT_EQ(encodePlain(*tokenizer, "cats").size(), 4u);
  EXPECT_EQ(encodePlain(*tokenizer, "\xC3\xA9"
                                    "cat")
                .size(),
            5u);
  EXPECT_THAT(encodeTexts(*tokenizer, "\xFF"
                                      "cat\xFF"),
              ElementsAre(standIn(0xFF), "cat", standIn(0xFF)));
}

TEST(SpecialTokens, NormalizedTokensAreFoundInNormalizedText) {
  TokenizerSpec::Token token = makeToken("e\xCC\x81!", TokenType::UserDefined);
  token.normalized = true;
  TokenizerSpec spec = withAdded({token});
  spec.normalizers = {{NormStep::Kind::Nfc, "", ""}};
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(encodePlain(*tokenizer, "\xC3\xA9!"), ElementsAre(256));
  EXPECT_THAT(encodePlain(*tokenizer, "e\xCC\x81!"), ElementsAre(256));
}

TEST(SpecialTokens, UserTextInsideSentencePieceKeepsItsMeaning) {
  TokenizerSpec spec = sentencePieceSpec({kMarker, "a", kMarker + "a"});
  spec.tokens.push_back(makeToken("<mask>", TokenType::UserDefined));
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(encodeTexts(*tokenizer, "a<mask>a"),
              ElementsAre(kMarker + "a", "<mask>", kMarker + "a"));
  EXPECT_THAT(encodeTexts(*tokenizer, "<s>a", true), ElementsAre("<s>", kMarker + "a"));
}

TEST(SpecialTokens, ManyLongTokensTakeLittleTime) {
  std::vector<TokenizerSpec::Token> added;
  for (int length = 1; length <= 1000; ++length)
    added.push_back(makeToken(std::string(size_t(length), 'a') + "b", TokenType::UserDefined));
  added.push_back(makeToken("aa", TokenType::UserDefined));
  auto tokenizer = createOrDie(withAdded(added));
  EXPECT_EQ(encodePlain(*tokenizer, std::string(1 << 20, 'a')).size(), size_t(1) << 19);
  EXPECT_EQ(encodePlain(*tokenizer, std::string(1 << 20, 'b')).size(), size_t(1) << 20);
  EXPECT_EQ(encodeTexts(*tokenizer, std::string(1500, 'a') + "b").back(),
            std::string(1000, 'a') + "b");
}

TEST(SpecialTokens, AgreesWithTheDefinitionOnRandomText) {
  Random random(8);
  for (int round = 0; round < 200; ++round) {
    std::vector<std::string> texts;
    std::vector<TokenizerSpec::Token> added;
    for (size_t count = 1 + random.next() % 8; texts.size() < count;) {
      std::string text;
      for (size_t length = 1 + random.next() % 5; text.size() < length;)
        text += char('a' + random.next() % 2);
      texts.push_back(text);
      added.push_back(makeToken(text, TokenType::UserDefined));
    }
    std::string text;
    for (size_t length = random.next() % 60; text.size() < length;)
      text += char('a' + random.next() % 3);
    std::vector<std::string> expected;
    for (size_t at = 0; at < text.size();) {
      std::string longest;
      for (const std::string &candidate : texts)
        if (text.compare(at, candidate.size(), candidate) == 0 && candidate.size() > longest.size())
          longest = candidate;
      expected.push_back(longest.empty() ? text.substr(at, 1) : longest);
      at += expected.back().size();
    }
    ASSERT_EQ(encodeTexts(*createOrDie(withAdded(added)), text), expected) << text;
  }
}

} // namespace
} // namespace stc
