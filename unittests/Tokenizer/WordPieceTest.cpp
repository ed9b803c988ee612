// WordPiece: longest tokens first, whole words unknown, and BERT's way around it.
#include "TestSpecs.h"

#include "stc/Tokenizer/StreamDecoder.h"

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(WordPiece, TakesTheLongestTokenFirst) {
  // The example of google-research/bert's tokenization.py.
  auto tokenizer = createOrDie(wordPieceSpec({"un", "##aff", "##able", "##a", "##f", "u"}));
  EXPECT_THAT(encodeTexts(*tokenizer, "unaffable"), ElementsAre("un", "##aff", "##able"));
  EXPECT_THAT(encodeTexts(*tokenizer, "unaffa"), ElementsAre("un", "##aff", "##a"));
}

TEST(WordPiece, AWordWithoutACutIsUnknownAsAWhole) {
  auto tokenizer = createOrDie(wordPieceSpec({"a", "##b", "c"}));
  // "ca": c, but no ##a. Longest first does not go back: with "ab" known, "abc" is not a, ##bc.
  EXPECT_THAT(encodeTexts(*tokenizer, "ab ca xb c"),
              ElementsAre("a", "##b", "[UNK]", "[UNK]", "c"));
  tokenizer = createOrDie(wordPieceSpec({"a", "ab", "##bc"}));
  EXPECT_THAT(encodeTexts(*tokenizer, "abc"), ElementsAre("[UNK]"));
}

TEST(WordPiece, LongWordsAreUnknown) {
  TokenizerSpec spec = wordPieceSpec({"a", "##a"});
  spec.longestWord = 4;
  auto tokenizer = createOrDie(spec);
  EXPECT_EQ(encodePlain(*tokenizer, "aaaa").size(), 4u);
  EXPECT_THAT(encodeTexts(*tokenizer, "aaaaa"), ElementsAre("[UNK]"));
  // A huge word costs no more than its length.
  EXPECT_THAT(encodeTexts(*tokenizer, std::string(1 << 20, 'a')), ElementsAre("[UNK]"));
}

TEST(WordPiece, CutsAsBertDoes) {
  auto tokenizer = createOrDie(
      wordPieceSpec({"cafe", "i", "'", "m", ",", "!", "\xE4\xB8\xAD", "\xE6\x96\x87", "a", "b"}));
  EXPECT_THAT(encodeTexts(*tokenizer, " Caf\xC3\xA9\tI'M,\n!!"),
              ElementsAre("cafe", "i", "'", "m", ",", "!", "!"));
  EXPECT_THAT(encodeTexts(*tokenizer, "a\xE4\xB8\xAD\xE6\x96\x87"
                                      "b"),
              ElementsAre("a", "\xE4\xB8\xAD", "\xE6\x96\x87", "b"));
  EXPECT_THAT(*tokenizer->encode("A", {}), ElementsAre(1, 11, 2));
  EXPECT_THAT(*tokenizer->encode("", {}), ElementsAre(1, 2));
}

TEST(WordPiece, TextNeverBecomesASpecialToken) {
  auto tokenizer = createOrDie(wordPieceSpec({"[", "]", "cls", "sep"}));
  EXPECT_THAT(encodeTexts(*tokenizer, "[CLS][SEP]"), ElementsAre("[", "cls", "]", "[", "sep", "]"));
  EXPECT_THAT(encodeTexts(*tokenizer, "[CLS]", true), ElementsAre("[CLS]"));
}

TEST(WordPiece, MalformedBytesAreUnknown) {
  auto tokenizer = createOrDie(wordPieceSpec({"a", "##b"}));
  EXPECT_THAT(encodeTexts(*tokenizer, "ab\xFF\xFE"), ElementsAre("a", "##b", "[UNK]"));
}

TEST(WordPiece, DecodesWithCleanUp) {
  auto tokenizer = createOrDie(wordPieceSpec({"hello", "##s", ",", "wor", "##ld", "!", "'", "x"}));
  Ids ids = encodePlain(*tokenizer, "Hellos, world! ' x");
  EXPECT_EQ(decodeOrDie(*tokenizer, ids), "hellos, world! ' x");
  StreamDecoder decoder(*tokenizer);
  std::string text;
  for (int32_t id : ids)
    text += decoder.push(id);
  EXPECT_EQ(text + decoder.finish(), "hellos, world! ' x");
  TokenizerSpec spec = tokenizer->spec();
  spec.cleanUpOnDecode = false;
  EXPECT_EQ(decodeOrDie(*createOrDie(spec), ids), "hellos , world ! ' x");
}

TEST(WordPiece, RefusesBadSpecifications) {
  TokenizerSpec spec = wordPieceSpec({"a"});
  spec.unknown = -1;
  EXPECT_EQ(errorOf(spec),
            "test.json: unknown: expected the unknown token that WordPiece needs, got none");
  for (int64_t length : {int64_t(0), int64_t(-1), int64_t(1) << 40}) {
    spec = wordPieceSpec({"a"});
    spec.longestWord = length;
    EXPECT_THAT(errorOf(spec), HasSubstr("longestWord: expected 1 to 1024 characters"));
  }
}

/// The algorithm of tokenization.py, word by word on characters.
std::vector<std::string> cutSlowly(const TokenizerSpec &spec, const std::string &word) {
  std::vector<std::string> pieces;
  for (size_t begin = 0; begin < word.size();) {
    size_t end = word.size();
    std::string found;
    for (; end > begin && found.empty(); --end) {
      std::string text = (begin > 0 ? "##" : "") + word.substr(begin, end - begin);
      for (const TokenizerSpec::Token &token : spec.tokens)
        if (token.text == text)
          found = text;
    }
    if (found.empty())
      return {"[UNK]"};
    pieces.push_back(found);
    begin = end + 1;
  }
  return pieces;
}

TEST(WordPiece, AgreesWithTheDefinition) {
  Random random(4);
  for (int round = 0; round < 100; ++round) {
    std::vector<std::string> pieces;
    auto word = [&](uint64_t longest) {
      std::string text;
      for (uint64_t n = 1 + random.next() % longest; n > 0; --n)
        text += char('a' + random.next() % 3);
      return text;
    };
    for (int i = 0; i < 12; ++i)
      pieces.push_back((i % 2 ? "##" : "") + word(3));
    std::sort(pieces.begin(), pieces.end());
    pieces.erase(std::unique(pieces.begin(), pieces.end()), pieces.end());
    auto tokenizer = createOrDie(wordPieceSpec(pieces));
    for (int i = 0; i < 50; ++i) {
      std::string text = word(10);
      ASSERT_EQ(encodeTexts(*tokenizer, text), cutSlowly(tokenizer->spec(), text)) << text;
    }
  }
}

} // namespace
} // namespace stc
