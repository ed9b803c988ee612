// SentencePiece-style BPE: scores or ranks, byte fallback, unknown characters, prefix spaces.
#include "TestSpecs.h"

#include <algorithm>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A specification whose merges come by rank, as in a tokenizer.json.
TokenizerSpec rankedSpec() {
  TokenizerSpec spec = sentencePieceSpec({kMarker, "a", "b", "ab", kMarker + "ab"});
  spec.merges = {{"a", "b"}, {kMarker, "ab"}};
  return spec;
}

TEST(SentencePieceBpe, EscapesSpacesAndAddsAPrefix) {
  auto tokenizer = createOrDie(sentencePieceSpec({kMarker, "a", kMarker + "a"}));
  EXPECT_THAT(encodeTexts(*tokenizer, "a a"), ElementsAre(kMarker + "a", kMarker + "a"));
  EXPECT_THAT(encodeTexts(*tokenizer, " a"), ElementsAre(kMarker, kMarker + "a"));
  EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, "a a")), "a a");
  EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, " a  a ")), " a  a ");
}

TEST(SentencePieceBpe, HigherScoresMergeFirst) {
  // "bc" has the higher score, although "ab" comes first in the text.
  TokenizerSpec spec = sentencePieceSpec({"bc", "ab", "a", "b", "c"});
  spec.addPrefixSpace = false;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "abc"), ElementsAre("a", "bc"));
}

TEST(SentencePieceBpe, PartsNeedNoMergeAsLongAsTheTextIsAToken) {
  // Scores know no merges: "ab" forms although "a" is not in the vocabulary.
  TokenizerSpec spec = sentencePieceSpec({"b", "ab"});
  spec.addPrefixSpace = false;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "ab"), ElementsAre("ab"));
}

TEST(SentencePieceBpe, FallsBackToBytes) {
  auto tokenizer = createOrDie(sentencePieceSpec({kMarker, "a"}));
  EXPECT_THAT(encodeTexts(*tokenizer, "\xE2\x82\xAC"),
              ElementsAre(kMarker, "<0xE2>", "<0x82>", "<0xAC>"));
  EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, "\xE2\x82\xAC\na")), "\xE2\x82\xAC\na");
  // The text of a byte token is text.
  EXPECT_EQ(encodePlain(*tokenizer, "<0x41>").size(), 7u);
}

TEST(SentencePieceBpe, UnknownCharactersAreFusedOrNot) {
  TokenizerSpec spec = sentencePieceSpec({kMarker, "a"}, false);
  spec.addPrefixSpace = false;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "xyaz"), ElementsAre("<unk>", "a", "<unk>"));
  spec.fuseUnknown = false;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "xyaz"), ElementsAre("<unk>", "<unk>", "a", "<unk>"));
  spec.unknown = -1;
  auto ids = createOrDie(spec)->encode("ax", {});
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().message(), "test.json: text: expected characters the vocabulary has tokens"
                                    " for, got 'x' and no unknown token");
}

TEST(SentencePieceBpe, UnknownsAreFusedAcrossSpacesWithoutASpaceToken) {
  TokenizerSpec spec = sentencePieceSpec({"a"}, false);
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "x y a"), ElementsAre("<unk>", "a"));
}

TEST(SentencePieceBpe, MergesByRankWhenMergesAreGiven) {
  auto tokenizer = createOrDie(rankedSpec());
  EXPECT_THAT(encodeTexts(*tokenizer, "ab ab"), ElementsAre(kMarker + "ab", kMarker + "ab"));
  EXPECT_THAT(encodeTexts(*tokenizer, "ba\xC3\xA9"),
              ElementsAre(kMarker, "b", "a", "<0xC3>", "<0xA9>"));
}

TEST(SentencePieceBpe, ControlTokensAreNeverMerged) {
  TokenizerSpec spec = sentencePieceSpec({"<", "s", ">", "<s", "/"});
  spec.addPrefixSpace = false;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "<s>"), ElementsAre("<s", ">"));
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "<s>", true), ElementsAre("<s>"));
}

TEST(SentencePieceBpe, UnusedTokensAreTakenApartAgain) {
  TokenizerSpec spec = sentencePieceSpec({"a", "b", "c", "ab", "abc"});
  spec.addPrefixSpace = false;
  spec.tokens.back().type = TokenType::Unused;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "abc"), ElementsAre("ab", "c"));
  spec.tokens[spec.tokens.size() - 2].type = TokenType::Unused;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "abc"), ElementsAre("a", "b", "c"));
}

TEST(SentencePieceBpe, TokensThatCrossSpacesAreFound) {
  // Such a vocabulary forbids cutting the text into words first.
  TokenizerSpec spec = sentencePieceSpec({kMarker, "a", "b", "a" + kMarker, "a" + kMarker + "b"});
  spec.addPrefixSpace = false;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "a b"), ElementsAre("a" + kMarker + "b"));
}

TEST(SentencePieceBpe, AgreesWithTheDefinitionOnRandomText) {
  Random random(3);
  const std::string alphabet[] = {"a", "b", "c", kMarker, "\xC3\xA9"};
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> pieces(std::begin(alphabet), std::end(alphabet));
    for (int i = 0; i < 40; ++i) {
      std::string piece =
          pieces[random.next() % pieces.size()] + pieces[random.next() % pieces.size()];
      // In half of the rounds no piece crosses a space, so that words are cut apart first.
      size_t space = piece.rfind(kMarker);
      bool crosses = space != std::string::npos && space > 0 &&
                     piece.compare(0, space, std::string()) != 0 &&
                     piece.find_first_not_of(kMarker) < space;
      if ((crosses && round % 2) || std::find(pieces.begin(), pieces.end(), piece) != pieces.end())
        continue;
      pieces.push_back(piece);
    }
    TokenizerSpec spec = sentencePieceSpec(pieces);
    spec.addPrefixSpace = false;
    // Some scores are equal: then the leftmost pair goes first.
    for (TokenizerSpec::Token &token : spec.tokens)
      token.score = float(int(token.score) / 3);
    auto tokenizer = createOrDie(spec);
    std::vector<std::string> characters;
    std::string text;
    for (size_t length = random.next() % 300; characters.size() < length;) {
      characters.push_back(alphabet[random.next() % std::size(alphabet)]);
      text += characters.back() == kMarker ? " " : characters.back();
    }
    auto expected = mergeSlowly(characters, [&](const auto &left, const auto &right) -> int64_t {
      for (const TokenizerSpec::Token &token : spec.tokens)
        if (token.type == TokenType::Normal && token.text == left + right)
          return int64_t(-token.score);
      return -1;
    });
    ASSERT_EQ(encodeTexts(*tokenizer, text), expected) << round;
  }
}

TEST(SentencePieceBpe, RestoresEveryByteSequence) {
  Random random(4);
  auto scored = createOrDie(sentencePieceSpec({kMarker, "a", "b", "ab", kMarker + "ab"}));
  auto ranked = createOrDie(rankedSpec());
  for (int round = 0; round < 300; ++round) {
    std::string text = randomText(random, random.next() % 60, true);
    // U+2581 cannot be told from an escaped space.
    while (text.find(kMarker) != std::string::npos)
      text.erase(text.find(kMarker), kMarker.size());
    EXPECT_EQ(decodeOrDie(*scored, encodePlain(*scored, text)), text);
    EXPECT_EQ(encodePlain(*ranked, text), encodePlain(*scored, text));
  }
}

TEST(SentencePieceBpe, PrefixRules) {
  using Rule = TokenizerSpec::PrefixRule;
  TokenizerSpec spec = sentencePieceSpec({kMarker, "a"});
  spec.tokens.push_back(makeToken("|", TokenType::UserDefined));
  auto encodeWith = [&](Rule rule, const char *text) {
    spec.prefixRule = rule;
    std::string joined;
    for (const std::string &token : encodeTexts(*createOrDie(spec), text))
      joined += token == kMarker ? "_" : token;
    return joined;
  };
  EXPECT_EQ(encodeWith(Rule::Always, "a|a| a"), "_a|_a|__a");
  EXPECT_EQ(encodeWith(Rule::Always, " a"), "__a");
  EXPECT_EQ(encodeWith(Rule::UnlessPresent, "a|a| a"), "_a|_a|_a");
  EXPECT_EQ(encodeWith(Rule::FirstUnlessPresent, "a|a| a"), "_a|a|_a");
  EXPECT_EQ(encodeWith(Rule::FirstUnlessPresent, " a"), "_a");
  EXPECT_EQ(encodeWith(Rule::FirstUnlessPresent, "|a"), "|a");
}

TEST(SentencePieceBpe, LongTextsWithoutSpacesTakeLittleTime) {
  auto tokenizer = createOrDie(sentencePieceSpec({"a", "aa", "aaaa", kMarker, "b"}));
  Ids ids = encodePlain(*tokenizer, std::string(1 << 20, 'a'));
  EXPECT_EQ(ids.size(), (size_t(1) << 18) + 1);
  EXPECT_EQ(encodePlain(*tokenizer, std::string(1 << 20, ' ')).size(), (size_t(1) << 20) + 1);
  std::string mixed;
  for (int i = 0; i < 1 << 19; ++i)
    mixed += i % 3 ? "a" : "b";
  EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, mixed)), mixed);
}

} // namespace
} // namespace stc
