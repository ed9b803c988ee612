// The binary form: it comes back the same, and no damage to it does any harm.
#include "TestSpecs.h"

#include <cstring>

namespace stc {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

void expectSameSpec(const TokenizerSpec &a, const TokenizerSpec &b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.prefixRule, b.prefixRule);
  ASSERT_EQ(a.tokens.size(), b.tokens.size());
  for (size_t i = 0; i < a.tokens.size(); ++i) {
    const TokenizerSpec::Token &x = a.tokens[i], &y = b.tokens[i];
    EXPECT_EQ(x.text, y.text);
    EXPECT_EQ(x.type, y.type);
    EXPECT_EQ(x.score, y.score);
    EXPECT_EQ(std::make_tuple(x.leftStrip, x.rightStrip, x.normalized, x.singleWord),
              std::make_tuple(y.leftStrip, y.rightStrip, y.normalized, y.singleWord));
  }
  EXPECT_EQ(a.merges, b.merges);
  ASSERT_EQ(a.preTokenizers.size(), b.preTokenizers.size());
  for (size_t i = 0; i < a.preTokenizers.size(); ++i) {
    const PreStep &x = a.preTokenizers[i], &y = b.preTokenizers[i];
    EXPECT_EQ(std::make_tuple(x.kind, x.pattern, x.individualDigits, x.behavior, x.inverted),
              std::make_tuple(y.kind, y.pattern, y.individualDigits, y.behavior, y.inverted));
  }
  ASSERT_EQ(a.normalizers.size(), b.normalizers.size());
  for (size_t i = 0; i < a.normalizers.size(); ++i) {
    const NormStep &x = a.normalizers[i], &y = b.normalizers[i];
    EXPECT_EQ(std::tie(x.kind, x.pattern, x.content), std::tie(y.kind, y.pattern, y.content));
  }
  EXPECT_EQ(std::tie(a.continuationPrefix, a.longestWord),
            std::tie(b.continuationPrefix, b.longestWord));
  EXPECT_EQ(std::make_tuple(a.addPrefixSpace, a.escapeSpaces, a.byteFallback, a.cleanUpOnDecode,
                            a.ignoreMerges, a.stripPrefixSpaceOnDecode, a.fuseUnknown, a.addBos,
                            a.addEos, a.bos, a.eos, a.unknown),
            std::make_tuple(b.addPrefixSpace, b.escapeSpaces, b.byteFallback, b.cleanUpOnDecode,
                            b.ignoreMerges, b.stripPrefixSpaceOnDecode, b.fuseUnknown, b.addBos,
                            b.addEos, b.bos, b.eos, b.unknown));
}

/// Something in every field.
TokenizerSpec fullSpec() {
  TokenizerSpec spec = byteLevelSpec({{"a", "b"}, {"ab", "c"}});
  spec.tokens.push_back(makeToken("<end>", TokenType::Control));
  spec.tokens.back().leftStrip = spec.tokens.back().normalized = true;
  spec.tokens.push_back(makeToken("[u]", TokenType::UserDefined, -1.5f));
  spec.tokens.back().rightStrip = spec.tokens.back().singleWord = true;
  PreStep step;
  step.pattern = "\\p{N}";
  step.behavior = PreStep::Behavior::MergedWithNext;
  step.inverted = true;
  step.individualDigits = false;
  spec.preTokenizers.push_back(step);
  spec.bos = spec.eos = 258;
  spec.addBos = spec.cleanUpOnDecode = spec.ignoreMerges = true;
  spec.normalizers = {{NormStep::Kind::Nfc, "", ""},
                      {NormStep::Kind::Replace, "x+", "y"},
                      {NormStep::Kind::Charsmap, "", charsmapBytes({{"q", "k"}})}};
  spec.continuationPrefix = "@@";
  spec.longestWord = 7;
  spec.prefixRule = TokenizerSpec::PrefixRule::FirstUnlessPresent;
  return spec;
}

TEST(Serialize, ComesBackTheSame) {
  for (const TokenizerSpec &spec : {fullSpec(), sentencePieceSpec({kMarker, "a", kMarker + "a"}),
                                    byteLevelSpec(), wordPieceSpec({"a", "##b", "##c", "1"}),
                                    unigramSpec({{kMarker, -1.f}, {"abc", -2.f}, {"a", -3.f}})}) {
    auto tokenizer = createOrDie(spec);
    std::string bytes = tokenizer->serialize();
    auto again = Tokenizer::parse(bytes, "model");
    ASSERT_TRUE(again.ok()) << again.status();
    expectSameSpec((*again)->spec(), spec);
    EXPECT_EQ((*again)->serialize(), bytes);
    EXPECT_EQ(encodePlain(**again, "abc a 1<end>", true),
              encodePlain(*tokenizer, "abc a 1<end>", true));
  }
}

TEST(Serialize, IsCompact) {
  std::string bytes = createOrDie(byteLevelSpec({{"a", "b"}}))->serialize();
  EXPECT_LT(bytes.size(), 257u * 5);
}

TEST(Serialize, EveryTruncationIsAnError) {
  std::string bytes = createOrDie(fullSpec())->serialize();
  for (size_t length = 0; length < bytes.size(); ++length) {
    // A copy of exactly this size, so that sanitizers see any read past it.
    std::vector<char> copy(bytes.begin(), bytes.begin() + long(length));
    auto parsed = Tokenizer::parse(absl::string_view(copy.data(), copy.size()), "model");
    ASSERT_FALSE(parsed.ok()) << length;
    EXPECT_THAT(std::string(parsed.status().message()), StartsWith("model: "));
  }
  EXPECT_FALSE(Tokenizer::parse(bytes + "x", "model").ok());
}

TEST(Serialize, BitFlipsDoNoHarm) {
  for (const TokenizerSpec &spec : {fullSpec(), sentencePieceSpec({kMarker, "a", kMarker + "a"}),
                                    wordPieceSpec({"a", "##bc", "1"}),
                                    unigramSpec({{kMarker, -1.f}, {"abc", -2.f}, {"a", -3.f}})}) {
    std::string bytes = createOrDie(spec)->serialize();
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      std::string flipped = bytes;
      flipped[bit / 8] = char(flipped[bit / 8] ^ 1 << bit % 8);
      auto parsed = Tokenizer::parse(flipped, "model");
      if (!parsed.ok())
        continue;
      // What still parses is a tokenizer like any other.
      auto ids = (*parsed)->encode("abc <end>1\xFF", {true, true});
      if (ids.ok())
        EXPECT_TRUE((*parsed)->decode(*ids, true).ok());
    }
  }
}

TEST(Serialize, RandomBytesDoNoHarm) {
  Random random(6);
  std::string good = createOrDie(fullSpec())->serialize();
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = good.substr(0, 5 + random.next() % 20);
    for (size_t i = 0; i < 100; ++i)
      bytes += char(random.next());
    (void)Tokenizer::parse(bytes, "model").ok();
  }
}

TEST(Serialize, ClaimsAreNotBelieved) {
  std::string head = createOrDie(byteLevelSpec())->serialize().substr(0, 5);
  // kind, rule, switches, three ids, prefix and longest word, then 2^31 tokens that are not there.
  std::string bytes = head + std::string(8, '\0') + "\xFF\xFF\xFF\xFF\x07" +
                      "\x01"
                      "a"
                      "\x00";
  auto parsed = Tokenizer::parse(bytes, "model");
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()),
              HasSubstr("tokens @0xd: expected a number of at most"));
}

TEST(Serialize, MergesThatStandForMuchTextAreRefused) {
  // A few bytes must not stand for many copies of a long text.
  TokenizerSpec spec = byteLevelSpec({{"a", "b"}});
  std::string longText(10000, 'a');
  spec.tokens.push_back(makeToken(longText));
  spec.tokens.push_back(makeToken(longText + longText));
  spec.merges.insert(spec.merges.end(), 1000, {longText, longText});
  auto parsed = Tokenizer::parse(createOrDie(spec)->serialize(), "model");
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()),
              HasSubstr("expected merges of tokens that are mostly short"));
  spec.merges.resize(10);
  EXPECT_TRUE(Tokenizer::parse(createOrDie(spec)->serialize(), "model").ok());
}

} // namespace
} // namespace stc
