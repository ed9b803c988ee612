// Byte-level BPE: ranked merges, any bytes at all, and whole words taken as they are.
#include "TestSpecs.h"

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ByteLevelBpe, MergesByRankNotByLength) {
  // "bc" ranks first, so "abc" never becomes "ab" + "c".
  auto tokenizer = createOrDie(byteLevelSpec({{"b", "c"}, {"a", "b"}, {"a", "bc"}}));
  EXPECT_THAT(encodeTexts(*tokenizer, "abc"), ElementsAre("abc"));
  EXPECT_THAT(encodeTexts(*tokenizer, "abab"), ElementsAre("ab", "ab"));
  EXPECT_THAT(encodeTexts(*tokenizer, "abbc"), ElementsAre("ab", "bc"));
}

TEST(ByteLevelBpe, EqualPairsMergeFromTheLeft) {
  auto tokenizer = createOrDie(byteLevelSpec({{"a", "a"}}));
  EXPECT_THAT(encodeTexts(*tokenizer, "aaaaa"), ElementsAre("aa", "aa", "a"));
}

TEST(ByteLevelBpe, MergesStayInsidePreTokens) {
  auto tokenizer = createOrDie(byteLevelSpec({{"a", " "}, {" ", "b"}}));
  EXPECT_THAT(encodeTexts(*tokenizer, "a b"), ElementsAre("a", standIns(" b")));
}

TEST(ByteLevelBpe, AgreesWithTheDefinitionOnRandomText) {
  Random random(1);
  const std::string alphabet[] = {"a", "b", "c", "d", " ", "\xC3", "\xA9"};
  for (int round = 0; round < 30; ++round) {
    // Random merges over what earlier merges made.
    std::vector<std::string> parts(std::begin(alphabet), std::end(alphabet));
    std::vector<std::pair<std::string, std::string>> merges;
    std::map<std::pair<std::string, std::string>, int64_t> ranks;
    for (int i = 0; i < 40; ++i) {
      std::pair<std::string, std::string> merge{parts[random.next() % parts.size()],
                                                parts[random.next() % parts.size()]};
      std::string whole = merge.first + merge.second;
      if (std::find(parts.begin(), parts.end(), whole) != parts.end())
        continue;
      parts.push_back(whole);
      ranks.emplace(merge, int64_t(merges.size()));
      merges.push_back(merge);
    }
    TokenizerSpec spec = byteLevelSpec(merges);
    spec.preTokenizers.clear();
    auto tokenizer = createOrDie(spec);
    std::string text;
    for (size_t length = random.next() % 300; text.size() < length;)
      text += alphabet[random.next() % std::size(alphabet)];
    std::vector<std::string> bytes;
    // Without pre-tokenizers the whole text is one piece.
    for (char c : text)
      bytes.push_back(std::string(1, c));
    std::vector<std::string> expected;
    for (const std::string &symbol : mergeSlowly(bytes, [&](const auto &left, const auto &right) {
           auto found = ranks.find({left, right});
           return found == ranks.end() ? -1 : found->second;
         }))
      expected.push_back(standIns(symbol));
    ASSERT_EQ(encodeTexts(*tokenizer, text), expected) << round;
  }
}

TEST(ByteLevelBpe, RestoresEveryByteSequence) {
  Random random(2);
  auto tokenizer = createOrDie(byteLevelSpec({{"a", "b"}, {"\xC3", "\xA9"}, {" ", "a"}}));
  std::string all;
  for (unsigned byte = 0; byte < 256; ++byte)
    all += char(byte);
  EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, all)), all);
  for (int round = 0; round < 300; ++round) {
    std::string text = randomText(random, random.next() % 60, true);
    EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, text)), text);
  }
}

TEST(ByteLevelBpe, MalformedBytesDoNotChangeTheirNeighbours) {
  auto tokenizer = createOrDie(byteLevelSpec({{"a", "b"}}));
  EXPECT_THAT(encodeTexts(*tokenizer, "ab\xFF\xFE"
                                      "ab"),
              ElementsAre("ab", standIn(0xFF), standIn(0xFE), "ab"));
}

TEST(ByteLevelBpe, IgnoreMergesTakesWholeWords) {
  TokenizerSpec spec = byteLevelSpec({{"a", "b"}});
  spec.tokens.push_back(makeToken("abcd")); // no merges lead there
  spec.tokens.push_back(makeToken("dcba", TokenType::Control));
  EXPECT_THAT(encodeTexts(*createOrDie(spec), "abcd"), ElementsAre("ab", "c", "d"));
  spec.ignoreMerges = true;
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(encodeTexts(*tokenizer, "abcd"), ElementsAre("abcd"));
  EXPECT_THAT(encodeTexts(*tokenizer, "abcde"), ElementsAre("ab", "c", "d", "e"));
  // Text never turns into a control token.
  EXPECT_THAT(encodeTexts(*tokenizer, "dcba"), ElementsAre("d", "c", "b", "a"));
}

TEST(ByteLevelBpe, MergesNeverMakeControlTokens) {
  TokenizerSpec spec = byteLevelSpec({{"<", "s"}, {"<s", ">"}});
  spec.tokens.back().type = TokenType::Control;
  spec.preTokenizers.clear();
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(encodeTexts(*tokenizer, "<s>"), ElementsAre("<s", ">"));
  EXPECT_THAT(encodeTexts(*tokenizer, "<s>", true), ElementsAre("<s>"));
}

TEST(ByteLevelBpe, NeedsATokenOrAnUnknownTokenForEveryByte) {
  TokenizerSpec spec;
  spec.tokens = {makeToken("a"), makeToken("<unk>", TokenType::Unknown)};
  auto ids = createOrDie(spec)->encode("aba", {});
  ASSERT_FALSE(ids.ok());
  EXPECT_EQ(ids.status().message(), "test.json: text: expected bytes the vocabulary has tokens for,"
                                    " got byte 0x62 and no unknown token");
  spec.unknown = 1;
  EXPECT_THAT(encodePlain(*createOrDie(spec), "aba"), ElementsAre(0, 1, 0));
}

TEST(ByteLevelBpe, PrefixSpaceOnlyWhereNoneStands) {
  TokenizerSpec spec = byteLevelSpec({{" ", "a"}});
  spec.addPrefixSpace = true;
  spec.prefixRule = TokenizerSpec::PrefixRule::UnlessPresent;
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(encodeTexts(*tokenizer, "a a"), ElementsAre(standIns(" a"), standIns(" a")));
  EXPECT_THAT(encodeTexts(*tokenizer, " a"), ElementsAre(standIns(" a")));
}

TEST(ByteLevelBpe, NormalizesToNfc) {
  TokenizerSpec spec = byteLevelSpec();
  std::string decomposed = "e\xCC\x81", composed = "\xC3\xA9";
  EXPECT_EQ(encodePlain(*createOrDie(spec), decomposed).size(), 3u);
  spec.normalizers = {{NormStep::Kind::Nfc, "", ""}};
  auto tokenizer = createOrDie(spec);
  EXPECT_EQ(encodePlain(*tokenizer, decomposed), encodePlain(*tokenizer, composed));
  // Malformed bytes are left alone, and so are zero bytes.
  std::string mixed = decomposed + "\xFF" + std::string(1, '\0') + decomposed;
  EXPECT_EQ(decodeOrDie(*tokenizer, encodePlain(*tokenizer, mixed)),
            composed + "\xFF" + std::string(1, '\0') + composed);
}

TEST(ByteLevelBpe, LongPiecesTakeLittleTime) {
  // A quadratic algorithm would not come back from this.
  auto tokenizer = createOrDie(byteLevelSpec({{"a", "a"}, {"aa", "aa"}, {"aaaa", "aaaa"}}));
  Ids ids = encodePlain(*tokenizer, std::string(1 << 21, 'a'));
  EXPECT_EQ(ids.size(), size_t(1) << 18);
}

} // namespace
} // namespace stc
