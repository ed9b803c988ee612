// tokenizer.json: every supported component.
#include "TokenizerJsonParts.h"

#include "../Support/TempFolder.h"

#include "absl/strings/str_cat.h"

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using Rule = TokenizerSpec::PrefixRule;

std::vector<NormStep::Kind> normalizerKinds(const TokenizerSpec &spec) {
  std::vector<NormStep::Kind> kinds;
  for (const NormStep &step : spec.normalizers)
    kinds.push_back(step.kind);
  return kinds;
}

TEST(TokenizerJson, ReadsByteLevel) {
  JsonParts parts = byteLevelParts();
  parts.added = R"([{"id":258,"content":"<|end|>","special":true,"normalized":false}])";
  auto tokenizer = createOrDie(
      parseOrDie(parts, R"({"eos_token":"<|end|>","bos_token":{"content":"<|end|>"}})"));
  EXPECT_EQ(tokenizer->spec().kind, TokenizerSpec::Kind::ByteLevelBpe);
  EXPECT_EQ(tokenizer->spec().bos, 258);
  EXPECT_EQ(tokenizer->spec().eos, 258);
  EXPECT_FALSE(tokenizer->spec().addBos);
  EXPECT_THAT(encodePlain(*tokenizer, "ab a"), ElementsAre(256, 257));
  EXPECT_THAT(encodePlain(*tokenizer, "ab<|end|>", true), ElementsAre(256, 258));
  EXPECT_EQ(decodeOrDie(*tokenizer, {256, 257, 258}), "ab a");
}

TEST(TokenizerJson, MergesMayBePairs) {
  JsonParts parts = byteLevelParts();
  parts.merges = R"([["a","b"]])";
  EXPECT_THAT(parseOrDie(parts).merges, ElementsAre(testing::Pair("a", "b")));
  parts.merges = R"(["#version: 0.2","a b"])";
  EXPECT_THAT(parseOrDie(parts).merges, ElementsAre(testing::Pair("a", "b")));
}

TEST(TokenizerJson, ReadsTheLlama3Shape) {
  JsonParts parts = byteLevelParts();
  parts.settings = R"(,"ignore_merges":true)";
  parts.preTokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":
      "(?i:'s|'t)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+|\\s+"},
      "behavior":"Isolated","invert":false},{"type":"ByteLevel","add_prefix_space":false,
      "trim_offsets":true,"use_regex":false}]})";
  parts.added = R"([{"id":258,"content":"<|begin|>","special":true,"normalized":false}])";
  parts.postProcessor = R"({"type":"Sequence","processors":[{"type":"ByteLevel"},
      {"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<|begin|>","type_id":0}},
      {"Sequence":{"id":"A","type_id":0}}],"pair":[],"special_tokens":{"<|begin|>":
      {"id":"<|begin|>","ids":[258],"tokens":["<|begin|>"]}}}]})";
  auto tokenizer = createOrDie(parseOrDie(parts));
  EXPECT_TRUE(tokenizer->spec().ignoreMerges);
  EXPECT_TRUE(tokenizer->spec().addBos);
  EXPECT_EQ(tokenizer->spec().bos, 258);
  ASSERT_EQ(tokenizer->spec().preTokenizers.size(), 1u);
  EXPECT_THAT(*tokenizer->encode("ab a", {}), ElementsAre(258, 256, 257));
}

TEST(TokenizerJson, ReadsTheQwen2Shape) {
  JsonParts parts = byteLevelParts();
  parts.normalizer = R"({"type":"NFC"})";
  EXPECT_EQ(normalizerKinds(parseOrDie(parts)), std::vector{NormStep::Kind::Nfc});
  parts.normalizer = R"({"type":"Sequence","normalizers":[{"type":"NFC"}]})";
  EXPECT_EQ(normalizerKinds(parseOrDie(parts)), std::vector{NormStep::Kind::Nfc});
}

TEST(TokenizerJson, ReadsTheStarcoderShape) {
  JsonParts parts = byteLevelParts();
  parts.preTokenizer = absl::StrCat(R"({"type":"Sequence","pretokenizers":[{"type":"Digits",
      "individual_digits":true},)",
                                    byteLevelJson, "]}");
  TokenizerSpec spec = parseOrDie(parts);
  ASSERT_EQ(spec.preTokenizers.size(), 2u);
  EXPECT_EQ(spec.preTokenizers[0].kind, PreStep::Kind::Digits);
  EXPECT_TRUE(spec.preTokenizers[0].individualDigits);
  EXPECT_EQ(spec.preTokenizers[1].kind, PreStep::Kind::ByteLevelGpt2);
}

TEST(TokenizerJson, ReadsTheLlama2Shape) {
  JsonParts parts;
  parts.vocabulary = "{\"<unk>\":0,\"<s>\":1,\"</s>\":2,\"<0x0A>\":3,\"\xE2\x96\x81\":4,\"a\":5,"
                     "\"\xE2\x96\x81"
                     "a\":6}";
  parts.merges = "[\"\xE2\x96\x81 a\"]";
  parts.unknown = "\"<unk>\"";
  parts.settings = R"(,"byte_fallback":true,"fuse_unk":true)";
  parts.added = R"([{"id":0,"content":"<unk>","special":true,"normalized":false},
                    {"id":1,"content":"<s>","special":true,"normalized":false},
                    {"id":2,"content":"</s>","special":true,"normalized":false}])";
  parts.normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":"
                     "\"\xE2\x96\x81\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
                     "\"content\":\"\xE2\x96\x81\"}]}";
  parts.decoder = "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{"
                  "\"String\":\"\xE2\x96\x81\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},"
                  "{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,"
                  "\"stop\":0}]}";
  TokenizerSpec spec = parseOrDie(parts, R"({"bos_token":"<s>","eos_token":"</s>",
                                             "add_bos_token":true})");
  EXPECT_EQ(spec.kind, TokenizerSpec::Kind::SentencePiece);
  EXPECT_TRUE(spec.byteFallback && spec.fuseUnknown && spec.escapeSpaces && spec.addPrefixSpace);
  EXPECT_TRUE(spec.addBos && spec.stripPrefixSpaceOnDecode);
  EXPECT_EQ(spec.prefixRule, Rule::Always);
  EXPECT_EQ(spec.unknown, 0);
  EXPECT_EQ(spec.tokens[0].type, TokenType::Unknown);
  EXPECT_EQ(spec.tokens[1].type, TokenType::Control);
  EXPECT_EQ(spec.tokens[3].type, TokenType::Byte);
  auto tokenizer = createOrDie(spec);
  EXPECT_THAT(*tokenizer->encode("a a\nzz", {}), ElementsAre(1, 6, 6, 3, 0));
  EXPECT_EQ(decodeOrDie(*tokenizer, {1, 6, 6, 3}), "a a\n");

  // The class adds BOS by itself when nothing is said.
  EXPECT_TRUE(
      parseOrDie(parts, R"({"bos_token":"<s>","tokenizer_class":"LlamaTokenizerFast"})").addBos);
  EXPECT_FALSE(
      parseOrDie(parts, R"({"bos_token":"<s>","tokenizer_class":"GPT2Tokenizer"})").addBos);
  EXPECT_FALSE(parseOrDie(parts, R"({"tokenizer_class":"LlamaTokenizer"})").addBos);
}

TEST(TokenizerJson, ReadsMetaspace) {
  JsonParts parts;
  parts.vocabulary = "{\"\xE2\x96\x81\":0,\"a\":1}";
  parts.merges = "[]";
  auto read = [&](const std::string &more) {
    parts.preTokenizer = parts.decoder =
        absl::StrCat("{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\"", more, "}");
    return parseOrDie(parts);
  };
  TokenizerSpec spec = read("");
  EXPECT_TRUE(spec.escapeSpaces && spec.addPrefixSpace && spec.stripPrefixSpaceOnDecode);
  EXPECT_EQ(spec.prefixRule, Rule::UnlessPresent);
  ASSERT_EQ(spec.preTokenizers.size(), 1u);
  EXPECT_EQ(spec.preTokenizers[0].kind, PreStep::Kind::Metaspace);
  spec = read(R"(,"prepend_scheme":"first","split":false)");
  EXPECT_EQ(spec.prefixRule, Rule::FirstUnlessPresent);
  EXPECT_TRUE(spec.preTokenizers.empty());
  EXPECT_FALSE(read(R"(,"prepend_scheme":"never")").addPrefixSpace);
  EXPECT_FALSE(read(R"(,"prepend_scheme":"never")").stripPrefixSpaceOnDecode);
  EXPECT_FALSE(read(R"(,"add_prefix_space":false)").addPrefixSpace);
  parts.preTokenizer = R"({"type":"Metaspace","replacement":"_"})";
  EXPECT_THAT(refusal(parts), HasSubstr("pre_tokenizer.replacement: expected '"));
}

TEST(TokenizerJson, ReadsSplitsAndPunctuation) {
  JsonParts parts = byteLevelParts();
  parts.preTokenizer = absl::StrCat(R"({"type":"Sequence","pretokenizers":[
      {"type":"Split","pattern":{"String":"a.b "},"behavior":"MergedWithPrevious","invert":true},
      {"type":"Punctuation","behavior":"Contiguous"},)",
                                    byteLevelJson, "]}");
  TokenizerSpec spec = parseOrDie(parts);
  ASSERT_EQ(spec.preTokenizers.size(), 3u);
  EXPECT_EQ(spec.preTokenizers[0].pattern, "a\\.b\\ ");
  EXPECT_EQ(spec.preTokenizers[0].behavior, PreStep::Behavior::MergedWithPrevious);
  EXPECT_TRUE(spec.preTokenizers[0].inverted);
  EXPECT_EQ(spec.preTokenizers[1].behavior, PreStep::Behavior::Contiguous);
  EXPECT_TRUE(createOrDie(spec));
}

TEST(TokenizerJson, ReadsAddedTokens) {
  JsonParts parts = byteLevelParts();
  parts.added = R"([{"id":258,"content":"<x>","special":false,"lstrip":true,"rstrip":true,
                     "single_word":true,"normalized":true},
                    {"id":97,"content":"a","special":true},{"id":0,"content":""}])";
  TokenizerSpec spec = parseOrDie(parts);
  ASSERT_EQ(spec.tokens.size(), 259u);
  const TokenizerSpec::Token &token = spec.tokens[258];
  EXPECT_EQ(token.type, TokenType::UserDefined);
  EXPECT_TRUE(token.leftStrip && token.rightStrip && token.singleWord && token.normalized);
  EXPECT_EQ(spec.tokens[97].type, TokenType::Control);
  EXPECT_FALSE(spec.tokens[97].normalized);
}

TEST(TokenizerJson, ReadsOtherPostProcessors) {
  JsonParts parts = byteLevelParts();
  parts.postProcessor = R"({"type":"RobertaProcessing","sep":["b",98],"cls":["a",97]})";
  TokenizerSpec spec = parseOrDie(parts, R"({"add_bos_token":false,"bos_token":"c"})");
  EXPECT_TRUE(spec.addBos && spec.addEos);
  EXPECT_EQ(spec.bos, 97);
  EXPECT_EQ(spec.eos, 98);
}

TEST(TokenizerJson, ReadsTheBertShape) {
  auto tokenizer = createOrDie(parseOrDie(bertParts()));
  EXPECT_THAT(*tokenizer->encode("Unaffable, caf\xC3\xA9 x", {}),
              ElementsAre(2, 4, 5, 6, 7, 8, 1, 3));
  EXPECT_EQ(decodeOrDie(*tokenizer, {2, 4, 5, 6, 7, 8, 3}), "unaffable, cafe");
  JsonParts cased = bertParts();
  cased.normalizer = R"({"type":"BertNormalizer","lowercase":false,"strip_accents":null})";
  EXPECT_THAT(encodePlain(*createOrDie(parseOrDie(cased)), "Un un caf\xC3\xA9"),
              ElementsAre(1, 4, 1));
}

TEST(TokenizerJson, ReadsTheT5Shape) {
  auto tokenizer = createOrDie(parseOrDie(t5Parts()));
  EXPECT_EQ(tokenizer->spec().kind, TokenizerSpec::Kind::Unigram);
  EXPECT_EQ(tokenizer->spec().tokens[6].score, -3.25f);
  EXPECT_THAT(*tokenizer->encode(" A\n\t ab xx", {}), ElementsAre(4, 4, 6, 3, 2, 1));
  EXPECT_EQ(decodeOrDie(*tokenizer, {4, 4, 6, 1}), "a ab");
  EXPECT_THAT(encodePlain(*tokenizer, "a<extra_id_0>a", true), ElementsAre(4, 7, 4));
  // As later versions of the file say it.
  JsonParts parts = t5Parts();
  parts.normalizer = R"({"type":"Sequence","normalizers":[{"type":"Lowercase"},
      {"type":"Strip","strip_left":false,"strip_right":true},
      {"type":"Replace","pattern":{"Regex":" {2,}"},"content":" "}]})";
  parts.preTokenizer = "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
                       "\"prepend_scheme\":\"always\"}";
  EXPECT_THAT(encodePlain(*createOrDie(parseOrDie(parts)), "A   ab  "), ElementsAre(4, 4, 6));
}

TEST(TokenizerJson, ReadsPreTokenizersOfWords) {
  JsonParts parts;
  parts.vocabulary = R"({"a":0,"b":1,"ab":2,".":3,"_":4})";
  auto encode = [&](const char *type) {
    parts.preTokenizer = absl::StrCat(R"({"type":")", type, "\"}");
    return encodePlain(*createOrDie(parseOrDie(parts)), "ab a\tb.ab_b");
  };
  // Without spaces; Whitespace also cuts at punctuation, which the underscore is not.
  EXPECT_THAT(encode("WhitespaceSplit"), ElementsAre(2, 0, 1, 3, 2, 4, 1));
  EXPECT_THAT(encode("Whitespace"), ElementsAre(2, 0, 1, 3, 2, 4, 1));
  parts.merges = R"(["a b","b ."])";
  parts.vocabulary = R"({"a":0,"b":1,"ab":2,".":3,"_":4,"b.":5})";
  EXPECT_THAT(encode("WhitespaceSplit"), ElementsAre(2, 0, 5, 2, 4, 1));
  EXPECT_THAT(encode("Whitespace"), ElementsAre(2, 0, 1, 3, 2, 4, 1));
  EXPECT_THAT(encode("BertPreTokenizer"), ElementsAre(2, 0, 1, 3, 2, 4, 1));
}

TEST(TokenizerJson, LoadsFilesWithTheirConfig) {
  TempFolder folder;
  std::string path = folder.write("tokenizer.json", byteLevelParts().text());
  auto tokenizer = loadTokenizerJson(path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->spec().bos, -1);
  folder.write("tokenizer_config.json", R"({"bos_token":"a","add_bos_token":true})");
  tokenizer = loadTokenizerJson(path);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status();
  EXPECT_EQ((*tokenizer)->spec().bos, 97);
  EXPECT_TRUE((*tokenizer)->spec().addBos);
  folder.write("tokenizer_config.json", "{");
  EXPECT_THAT(std::string(loadTokenizerJson(path).status().message()),
              HasSubstr("tokenizer_config.json"));
  EXPECT_FALSE(loadTokenizerJson(folder.path("none.json")).ok());
}

} // namespace
} // namespace stc
