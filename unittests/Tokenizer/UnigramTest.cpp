// Unigram: the cut with the best sum of scores, against all cuts tried one by one.
#include "TestSpecs.h"

#include <cmath>
#include <limits>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TokenizerSpec plainSpec(const std::vector<std::pair<std::string, float>> &pieces) {
  TokenizerSpec spec = unigramSpec(pieces);
  spec.addPrefixSpace = false;
  return spec;
}

TEST(Unigram, TakesTheBestSum) {
  // Greedy from the left would take "ab", "c".
  auto tokenizer =
      createOrDie(plainSpec({{"a", -1.f}, {"ab", -2.f}, {"c", -3.f}, {"bc", -2.5f}, {"b", -9.f}}));
  EXPECT_THAT(encodeTexts(*tokenizer, "abc"), ElementsAre("a", "bc"));
  EXPECT_THAT(encodeTexts(*tokenizer, "ab"), ElementsAre("ab"));
}

TEST(Unigram, UnknownCharactersAreFused) {
  auto tokenizer = createOrDie(plainSpec({{"a", -1.f}}));
  EXPECT_THAT(encodeTexts(*tokenizer, "xya\xE4\xB8\xAD"
                                      "x"),
              ElementsAre("<unk>", "a", "<unk>"));
  TokenizerSpec spec = plainSpec({{"a", -1.f}});
  spec.fuseUnknown = false;
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "xya"), ElementsAre("<unk>", "<unk>", "a"));
}

TEST(Unigram, FallsBackToBytes) {
  TokenizerSpec spec = plainSpec({{"a", -1.f}});
  spec.byteFallback = true;
  for (const char *byte : {"<0xC3>", "<0xA9>", "<0xFF>"})
    spec.tokens.push_back(makeToken(byte, TokenType::Byte));
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(encodeTexts(*tokenizer, "a\xC3\xA9\xFF"
                                      "b"),
              ElementsAre("a", "<0xC3>", "<0xA9>", "<0xFF>", "<unk>"));
}

TEST(Unigram, MarksSpaces) {
  auto tokenizer = createOrDie(unigramSpec(
      {{kMarker, -2.f}, {kMarker + "a", -1.f}, {"a", -1.5f}, {kMarker + kMarker, -2.5f}}));
  EXPECT_THAT(*tokenizer->encode("a a", {}), ElementsAre(3, 3, 1));
  EXPECT_EQ(decodeOrDie(*tokenizer, {3, 3, 1}), "a a");
  EXPECT_THAT(encodeTexts(*tokenizer, "a  a"), ElementsAre(kMarker + "a", kMarker, kMarker + "a"));
}

TEST(Unigram, WordsGetTheirOwnMarkers) {
  TokenizerSpec spec = unigramSpec({{kMarker, -2.f}, {kMarker + "a", -1.f}, {"b", -1.5f}});
  spec.prefixRule = TokenizerSpec::PrefixRule::EveryWord;
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(encodeTexts(*tokenizer, " a\t\n b " + kMarker + "a  "),
              ElementsAre(kMarker + "a", kMarker, "b", kMarker + "a"));
  EXPECT_THAT(encodeTexts(*tokenizer, " \n"), ElementsAre());
}

TEST(Unigram, UnusedAndSpecialTokensAreLeftOut) {
  TokenizerSpec spec = plainSpec({{"a", -1.f}, {"b", -1.f}, {"ab", -1.f}});
  spec.tokens.back().type = TokenType::Unused;
  spec.tokens.push_back(makeToken("ba", TokenType::Control));
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "abba"), ElementsAre("a", "b", "b", "a"));
}

TEST(Unigram, RefusesWhatItCannotDo) {
  TokenizerSpec spec = plainSpec({{"a", -1.f}});
  spec.unknown = -1;
  auto ids = createOrDie(spec)->encode("ax", {});
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().message(),
            "test.json: text: expected characters the vocabulary has tokens "
            "for, got 'x' and no unknown token");
  spec = plainSpec({{"a", std::nanf("")}});
  EXPECT_THAT(errorOf(spec), HasSubstr("tokens[2]: expected a finite score"));
  spec = plainSpec({{"a", -std::numeric_limits<float>::infinity()}});
  EXPECT_THAT(errorOf(spec), HasSubstr("finite"));
  spec = plainSpec({{std::string(1025, 'a'), -1.f}});
  EXPECT_THAT(errorOf(spec), HasSubstr("expected a Unigram token of at most 1024 bytes, got 1025"));
}

TEST(Unigram, LongTextsOfTheWorstKind) {
  std::vector<std::pair<std::string, float>> pieces;
  for (size_t length = 1; length <= 200; ++length)
    pieces.emplace_back(std::string(length, 'a'), -float(length));
  Ids ids = encodePlain(*createOrDie(plainSpec(pieces)), std::string(20000, 'a'));
  size_t sum = 0;
  for (int32_t id : ids)
    sum += size_t(id) - 1;
  EXPECT_EQ(sum, 20000u);
}

/// The score of the best cut by trying all; characters without a token cost 10 more than the least
/// likely token.
double bestScore(const TokenizerSpec &spec, const std::string &text) {
  if (text.empty())
    return 0;
  double lowest = 0, best = -1e300;
  bool alone = false;
  for (const TokenizerSpec::Token &token : spec.tokens) {
    lowest = std::min(lowest, double(token.score));
    if (token.type != TokenType::Normal || text.compare(0, token.text.size(), token.text) != 0)
      continue;
    alone |= token.text.size() == 1;
    best = std::max(best, double(token.score) + bestScore(spec, text.substr(token.text.size())));
  }
  return alone ? best : std::max(best, lowest - 10 + bestScore(spec, text.substr(1)));
}

TEST(Unigram, AgreesWithTryingAllCuts) {
  Random random(5);
  int known = 0;
  for (int round = 0; round < 100; ++round) {
    std::map<std::string, float> pieces;
    for (int i = 0; i < 10; ++i) {
      std::string text;
      for (uint64_t n = 1 + random.next() % 4; n > 0; --n)
        text += char('a' + random.next() % 3);
      pieces[text] = -float(random.next() % 10000) / 777.f;
    }
    TokenizerSpec spec = plainSpec({pieces.begin(), pieces.end()});
    spec.fuseUnknown = false;
    double lowest = 0;
    for (const auto &piece : pieces)
      lowest = std::min(lowest, double(piece.second));
    auto tokenizer = createOrDie(spec);
    for (int i = 0; i < 20; ++i) {
      std::string text, joined;
      for (uint64_t n = random.next() % 9; n > 0; --n)
        text += char('a' + random.next() % 3);
      double score = 0;
      // Unknown tokens stand for one character each.
      for (int32_t id : encodePlain(*tokenizer, text)) {
        bool unknown = id == spec.unknown;
        score += unknown ? lowest - 10 : double(spec.tokens[size_t(id)].score);
        joined += unknown ? text.substr(joined.size(), 1) : spec.tokens[size_t(id)].text;
        known += !unknown;
      }
      ASSERT_EQ(joined, text);
      ASSERT_NEAR(score, bestScore(spec, text), 1e-9) << text;
    }
  }
  EXPECT_GT(known, 1000);
}

} // namespace
} // namespace stc
