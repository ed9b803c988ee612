// Pre-tokenization: every kind of step, every behavior, and patterns that want to run forever.
#include "TestSpecs.h"

#include <chrono>
#include <set>

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Behavior = PreStep::Behavior;

PreStep regexStep(const std::string &pattern, Behavior behavior = Behavior::Isolated,
                  bool inverted = false) {
  PreStep step;
  step.pattern = pattern;
  step.behavior = behavior;
  step.inverted = inverted;
  return step;
}

/// A tokenizer whose tokens are the pieces: every pair of bytes merges, so that a piece is as far
/// as merging goes.
class PieceTokenizer {
public:
  explicit PieceTokenizer(std::vector<PreStep> steps) {
    spec = byteLevelSpec();
    spec.preTokenizers = std::move(steps);
  }
  /// The pieces of `text`, found by offering every substring as a whole token.
  std::vector<std::string> split(const std::string &text) {
    TokenizerSpec with = spec;
    with.ignoreMerges = true;
    for (size_t begin = 0; begin < text.size(); ++begin)
      for (size_t length = 2; begin + length <= text.size(); ++length) {
        std::string piece = standIns(text.substr(begin, length));
        if (known.insert(piece).second)
          with.tokens.push_back(makeToken(piece));
      }
    known.clear();
    auto tokenizer = createOrDie(with);
    std::vector<std::string> pieces;
    for (int32_t id : encodePlain(*tokenizer, text))
      pieces.push_back(tokenizer->piece(id));
    return pieces;
  }

private:
  TokenizerSpec spec;
  std::set<std::string> known;
};

TEST(PreTokenizer, SplitsAsGpt2Does) {
  PieceTokenizer tokenizer({byteLevelSpec().preTokenizers[0]});
  EXPECT_THAT(tokenizer.split("Hello my friend, it's 2024!!"),
              ElementsAre("Hello", " my", " friend", ",", " it", "'s", " 2024", "!!"));
  EXPECT_THAT(tokenizer.split("a   b"), ElementsAre("a", "  ", " b"));
  EXPECT_THAT(tokenizer.split("a \n\n b"), ElementsAre("a", " \n\n", " b"));
  EXPECT_THAT(tokenizer.split("\t\tb  "), ElementsAre("\t", "\t", "b", "  "));
  EXPECT_THAT(tokenizer.split("d\xC3\xA9j\xC3\xA0 vu"), ElementsAre("d\xC3\xA9j\xC3\xA0", " vu"));
  EXPECT_THAT(tokenizer.split("we'll'd've"), ElementsAre("we", "'ll", "'d", "'ve"));
}

TEST(PreTokenizer, BehaviorsOfMatches) {
  std::string text = "The-final--countdown";
  auto split = [&](Behavior behavior, bool inverted = false) {
    return PieceTokenizer({regexStep("-", behavior, inverted)}).split(text);
  };
  EXPECT_THAT(split(Behavior::Removed), ElementsAre("The", "final", "countdown"));
  EXPECT_THAT(split(Behavior::Isolated), ElementsAre("The", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(split(Behavior::MergedWithPrevious), ElementsAre("The-", "final-", "-", "countdown"));
  EXPECT_THAT(split(Behavior::MergedWithNext), ElementsAre("The", "-final", "-", "-countdown"));
  EXPECT_THAT(split(Behavior::Contiguous), ElementsAre("The", "-", "final", "--", "countdown"));
  EXPECT_THAT(split(Behavior::Removed, true), ElementsAre("-", "-", "-"));
}

TEST(PreTokenizer, Digits) {
  PreStep digits;
  digits.kind = PreStep::Kind::Digits;
  EXPECT_THAT(PieceTokenizer({digits}).split("ab12c3"), ElementsAre("ab", "1", "2", "c", "3"));
  // Superscripts and Arabic-Indic digits are numeric, too.
  EXPECT_THAT(PieceTokenizer({digits}).split("x\xC2\xB2\xD9\xA3"),
              ElementsAre("x", "\xC2\xB2", "\xD9\xA3"));
  digits.individualDigits = false;
  EXPECT_THAT(PieceTokenizer({digits}).split("ab12c3"), ElementsAre("ab", "12", "c", "3"));
}

TEST(PreTokenizer, MetaspaceBeginsAPieceAtEveryMarker) {
  PreStep metaspace;
  metaspace.kind = PreStep::Kind::Metaspace;
  std::string m = kMarker;
  EXPECT_THAT(PieceTokenizer({metaspace}).split(m + "a" + m + m + "b" + m),
              ElementsAre(m + "a", m, m + "b", m));
}

TEST(PreTokenizer, StepsFollowOneAnother) {
  PreStep digits;
  digits.kind = PreStep::Kind::Digits;
  EXPECT_THAT(PieceTokenizer({digits, byteLevelSpec().preTokenizers[0]}).split("a 12 b"),
              ElementsAre("a", " ", "1", "2", " b"));
  EXPECT_THAT(PieceTokenizer({regexStep("b"), regexStep("a+")}).split("aabaac"),
              ElementsAre("aa", "b", "aa", "c"));
}

TEST(PreTokenizer, LlamaPattern) {
  PieceTokenizer tokenizer({regexStep(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
      "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")});
  EXPECT_THAT(tokenizer.split("I'M (here) 12345\n\n x"),
              ElementsAre("I", "'M", " (", "here", ")", " ", "123", "45", "\n\n", " x"));
}

TEST(PreTokenizer, EmptyMatchesCutWithoutTakingText) {
  EXPECT_THAT(PieceTokenizer({regexStep("(?=b)")}).split("aababb"),
              ElementsAre("aa", "ba", "b", "b"));
  EXPECT_THAT(PieceTokenizer({regexStep("x*")}).split("axb"), ElementsAre("a", "x", "b"));
  EXPECT_THAT(PieceTokenizer({regexStep("")}).split("\xC3\xA9z"), ElementsAre("\xC3\xA9", "z"));
}

TEST(PreTokenizer, PatternsThatRunAwayEndInAnError) {
  std::string text(100000, 'a');
  for (const char *pattern :
       {"(a+)+$b", "(a|a)*[bc]", "(?:a*)*[^a]", "a*a*a*a*a*[bc]", "(?=(a+)+$)[bc]", "(a?){30}[bc]z",
        "(?:a|b|ab)*?[cd]", "(.*)(.*)(.*)(.*)[xy]", "(?<=a)a*[bc]", "(?R)|a", "(a(?1)?)*[bc]"}) {
    TokenizerSpec spec = byteLevelSpec();
    spec.preTokenizers = {regexStep(pattern)};
    auto tokenizer = Tokenizer::create(spec, "test.json");
    if (!tokenizer.ok())
      continue; // refused outright
    auto begin = std::chrono::steady_clock::now();
    auto ids = (*tokenizer)->encode(text, {});
    std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    if (ids.ok()) {
      EXPECT_EQ(decodeOrDie(**tokenizer, *ids), text) << pattern;
    } else {
      EXPECT_THAT(
          std::string(ids.status().message()),
          HasSubstr("test.json: preTokenizers[0]: expected a pattern that splits the text in "
                    "a bounded number of steps"))
          << pattern;
    }
    EXPECT_LT(seconds.count(), 60) << pattern;
  }
}

TEST(PreTokenizer, RefusesPatternsWhoseWorkCannotBeCounted) {
  auto refusal = [](const char *pattern) {
    TokenizerSpec spec = byteLevelSpec();
    spec.preTokenizers = {regexStep(pattern)};
    return errorOf(spec);
  };
  EXPECT_THAT(refusal("(a*)\\1"), HasSubstr("expected a pattern without back references"));
  EXPECT_THAT(refusal("[ab]{60000}c"), HasSubstr("expected repeat counts of at most 1024"));
  EXPECT_THAT(refusal("[ab]{2,60000}c"), HasSubstr("expected repeat counts of at most 1024"));
  EXPECT_THAT(refusal("\\d{60000}"), HasSubstr("expected repeat counts of at most 1024"));
  EXPECT_THAT(refusal("\\\\x{60000}"), HasSubstr("expected repeat counts of at most 1024"));
  EXPECT_THAT(refusal("\\Q\\x{\\Ea{60000}b}"), HasSubstr("expected repeat counts of at most 1024"));
  EXPECT_THAT(refusal("((a{1000}){1000}){1000}"), HasSubstr("too large"));
  EXPECT_THAT(refusal("\\C"), HasSubstr("expected a regular expression"));
}

TEST(PreTokenizer, CodePointsInBracesAreNoRepeatCounts) {
  EXPECT_THAT(PieceTokenizer({regexStep("[\\x{4E00}-\\x{9FA5}]+")}).split("a\xE6\x88\x91"),
              ElementsAre("a", "\xE6\x88\x91"));
}

TEST(PreTokenizer, HonestPatternsStayFarBelowTheLimit) {
  TokenizerSpec spec = byteLevelSpec();
  spec.preTokenizers = {regexStep(
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+"
      "[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+")};
  auto tokenizer = createOrDie(spec);
  for (const std::string &unit : {"a", " ", "1", "\n", "'", " a", "\xC3\xA9", ". ", "  x"}) {
    std::string text;
    while (text.size() < 500000)
      text += unit;
    EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, text)), text) << unit;
  }
}

} // namespace
} // namespace stc
