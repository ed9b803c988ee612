// Normalization steps one by one, and rules that must not blow a text up.
#include "../../lib/Tokenizer/Normalizer.h"

#include "TestSpecs.h"

namespace stc {
namespace {

using testing::HasSubstr;
using Kind = NormStep::Kind;

absl::StatusOr<std::string> tryNormalize(const std::vector<NormStep> &steps,
                                         absl::string_view text) {
  TokenizerSpec spec;
  spec.normalizers = steps;
  STC_ASSIGN_OR_RETURN(NormalizerChain chain, NormalizerChain::create(spec, "test.json"));
  RegexBudget budget(text.size());
  return chain.apply(text, budget);
}

std::string normalize(const std::vector<NormStep> &steps, absl::string_view text) {
  auto result = tryNormalize(steps, text);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : "";
}
std::string normalize(Kind kind, absl::string_view text) {
  return normalize(std::vector<NormStep>{{kind, "", ""}}, text);
}
std::string refusal(const std::vector<NormStep> &steps, absl::string_view text = "a") {
  auto result = tryNormalize(steps, text);
  EXPECT_FALSE(result.ok());
  return std::string(result.status().message());
}

TEST(Normalizer, Forms) {
  // e with acute, the ligature fi, and a superscript two (UAX #15, figures 4 and 6).
  std::string composed = "\xC3\xA9\xEF\xAC\x81\xC2\xB2",
              decomposed = "e\xCC\x81\xEF\xAC\x81\xC2\xB2";
  EXPECT_EQ(normalize(Kind::Nfc, decomposed), composed);
  EXPECT_EQ(normalize(Kind::Nfd, composed), decomposed);
  EXPECT_EQ(normalize(Kind::Nfkc, decomposed), "\xC3\xA9"
                                               "fi2");
  EXPECT_EQ(normalize(Kind::Nfkd, composed), "e\xCC\x81"
                                             "fi2");
}

TEST(Normalizer, Case) {
  EXPECT_EQ(normalize(Kind::Lowercase, "A\xC3\x89\xD0\x91\xC3\x9F"), "a\xC3\xA9\xD0\xB1\xC3\x9F");
  EXPECT_EQ(normalize(Kind::Lowercase, "\xC4\xB0"), "i\xCC\x87"); // U+0130 becomes two
}

TEST(Normalizer, Marks) {
  // Combining acute (Mn), Devanagari vowel sign AA (Mc).
  std::string text = "e\xCC\x81\xE0\xA4\x95\xE0\xA4\xBE";
  EXPECT_EQ(normalize(Kind::DropNonspacingMarks, text), "e\xE0\xA4\x95\xE0\xA4\xBE");
  EXPECT_EQ(normalize(Kind::DropMarks, text), "e\xE0\xA4\x95");
}

TEST(Normalizer, CleanText) {
  // NUL, a control, a zero-width joiner and U+FFFD go; tab, newline and no-break space are spaces.
  std::string text = "a\tb\nc\xC2\xA0"
                     "d" +
                     std::string(1, '\0') +
                     "e\x01\xE2\x80\x8D\xEF\xBF\xBD"
                     "f";
  EXPECT_EQ(normalize(Kind::CleanText, text), "a b c def");
  // An unassigned code point is not a control character.
  EXPECT_EQ(normalize(Kind::CleanText, "\xF3\xA0\x82\x80"), "\xF3\xA0\x82\x80");
}

TEST(Normalizer, Nmt) {
  EXPECT_EQ(normalize(Kind::Nmt, "a\tb\x01"
                                 "c\xE2\x80\x8B"
                                 "d\x7F"),
            "a bc d");
}

TEST(Normalizer, IsolateIdeographs) {
  EXPECT_EQ(normalize(Kind::IsolateIdeographs, "a\xE4\xB8\xAD\xE6\x96\x87"
                                               "b\xE3\x81\x82"),
            "a \xE4\xB8\xAD  \xE6\x96\x87 b\xE3\x81\x82"); // hiragana stays
}

TEST(Normalizer, Strip) {
  EXPECT_EQ(normalize(Kind::StripLeft, " \xC2\xA0 a b "), "a b ");
  EXPECT_EQ(normalize(Kind::StripRight, " a b \xC2\xA0\n"), " a b");
  EXPECT_EQ(normalize(Kind::StripRight, "  "), "");
}

TEST(Normalizer, Replace) {
  EXPECT_EQ(normalize({{Kind::Replace, " {2,}", "_"}}, "a  b   c d"), "a_b_c d");
  EXPECT_EQ(normalize({{Kind::Replace, "``", "\""}, {Kind::Replace, "b", ""}}, "``ab``"), "\"a\"");
  EXPECT_THAT(refusal({{Kind::Replace, "(", ""}}), HasSubstr("normalizers[0]"));
}

TEST(Normalizer, MalformedBytesPass) {
  for (Kind kind : {Kind::Nfc, Kind::Lowercase, Kind::CleanText, Kind::Nmt, Kind::DropMarks})
    EXPECT_EQ(normalize(kind, "a\xFF\xC3z"), "a\xFF\xC3z");
  EXPECT_EQ(normalize({{Kind::Replace, "a", "b"}}, "a\xFFz"), "b\xFFz");
}

NormStep charsmap(const std::map<std::string, std::string> &rules) {
  return {Kind::Charsmap, "", charsmapBytes(rules)};
}

TEST(Normalizer, CharsmapTakesTheLongestRule) {
  NormStep step =
      charsmap({{"a", "1"}, {"ab", "2"}, {"abc", ""}, {"\xEF\xBC\xA1", "A"}, {"z", "zz"}});
  EXPECT_EQ(normalize({step}, "a ab abc abd \xEF\xBC\xA1z b"), "1 2  2d Azz b");
  EXPECT_EQ(normalize({step}, "\xFF"
                              "a\xEF\xBC"),
            "\xFF"
            "1\xEF\xBC");
}

TEST(Normalizer, CharsmapAgreesWithATable) {
  Random random(3);
  const char letters[] = "abcde";
  for (int round = 0; round < 50; ++round) {
    std::map<std::string, std::string> rules;
    for (int i = 0; i < 30; ++i) {
      std::string from;
      for (uint64_t n = 1 + random.next() % 4; n > 0; --n)
        from += letters[random.next() % 5];
      rules[from] = std::string(random.next() % 3, char('A' + i % 26));
    }
    std::string text, expected;
    for (int i = 0; i < 200; ++i)
      text += letters[random.next() % 5];
    for (size_t at = 0; at < text.size();) {
      size_t length = 4;
      while (length > 0 && !rules.count(text.substr(at, length)))
        --length;
      expected += length ? rules[text.substr(at, length)] : text.substr(at, 1);
      at += std::max<size_t>(1, std::min(length, text.size() - at));
    }
    ASSERT_EQ(normalize({charsmap(rules)}, text), expected);
  }
}

TEST(Normalizer, BadCharsmapsAreErrors) {
  auto refuse = [](const std::string &bytes) { return refusal({{Kind::Charsmap, "", bytes}}); };
  EXPECT_EQ(refuse("abc"), "test.json: normalizers[0]: expected normalization rules of at least 4 "
                           "bytes, got 3");
  EXPECT_THAT(refuse(std::string("\x08\0\0\0xxxx", 8)),
              HasSubstr("expected a trie of whole units in at most 4 bytes, got 8 bytes"));
  EXPECT_THAT(refuse(std::string("\x03\0\0\0xxx", 7)), HasSubstr("whole units"));
  EXPECT_THAT(refuse(std::string("\0\0\0\0x", 5)), HasSubstr("end with a zero byte"));
  EXPECT_THAT(refuse(std::string("\0\0\0\0\xFF\0", 6)), HasSubstr("UTF-8"));
}

TEST(Normalizer, DamagedCharsmapsDoNoHarm) {
  std::string bytes = charsmapBytes({{"a", "1"}, {"ab", "2"}, {"abc", "333"}});
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = char(flipped[bit / 8] ^ 1 << bit % 8);
    (void)tryNormalize({{Kind::Charsmap, "", flipped}}, "abcab\xFF"
                                                        "aXYZ")
        .ok();
  }
  for (size_t length = 0; length < bytes.size(); ++length)
    (void)tryNormalize({{Kind::Charsmap, "", bytes.substr(0, length)}}, "abcab").ok();
}

TEST(Normalizer, RefusesToBlowTextsUp) {
  std::string large(100000, 'x');
  EXPECT_EQ(normalize({{Kind::Replace, "a", large}}, "a").size(), large.size());
  EXPECT_THAT(
      refusal({{Kind::Replace, "a", large}, {Kind::Replace, "x", large}}),
      HasSubstr("test.json: normalizers: expected at most 1048640 bytes of normalized text"));
  EXPECT_THAT(refusal({charsmap({{"a", std::string(2 << 20, 'x')}})}),
              HasSubstr("at most 1048640"));
  EXPECT_THAT(refusal(std::vector<NormStep>(33, {Kind::Nfc, "", ""})),
              HasSubstr("at most 32 steps"));
}

} // namespace
} // namespace stc
