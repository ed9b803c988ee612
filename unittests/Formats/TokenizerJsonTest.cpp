// tokenizer.json: every supported component, and what is refused.
#include "stc/Formats/TokenizerJson.h"

#include "../Support/TempFolder.h"
#include "../Tokenizer/TestSpecs.h"
#include "stc/Support/Json.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace stc {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using Rule = TokenizerSpec::PrefixRule;

std::vector<NormStep::Kind> normalizerKinds(const TokenizerSpec &spec) {
  std::vector<NormStep::Kind> kinds;
  for (const NormStep &step : spec.normalizers)
    kinds.push_back(step.kind);
  return kinds;
}

/// The text of a tokenizer.json, part by part.
struct JsonParts {
  std::string added = "[]", normalizer = "null", preTokenizer = "null", postProcessor = "null",
              decoder = "null", type = "\"BPE\"", unknown = "null",
              vocabulary = R"({"a":0,"b":1,"ab":2,"<s>":3,"</s>":4})", merges = R"(["a b"])",
              settings;

  std::string text() const {
    return absl::StrCat(R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)",
                        added, R"(,"normalizer":)", normalizer, R"(,"pre_tokenizer":)",
                        preTokenizer, R"(,"post_processor":)", postProcessor, R"(,"decoder":)",
                        decoder, R"(,"model":{"type":)", type, R"(,"unk_token":)", unknown,
                        settings, R"(,"vocab":)", vocabulary, R"(,"merges":)", merges, "}}");
  }
};

TokenizerSpec parseOrDie(const JsonParts &parts, const std::string &config = "") {
  auto spec = parseTokenizerJson(parts.text(), "tokenizer.json", config, "tokenizer_config.json");
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.ok() ? *spec : TokenizerSpec();
}

std::string refusal(const std::string &text, const std::string &config = "") {
  auto spec = parseTokenizerJson(text, "tokenizer.json", config, "tokenizer_config.json");
  if (spec.ok()) {
    auto tokenizer = Tokenizer::create(*spec, "tokenizer.json");
    EXPECT_FALSE(tokenizer.ok());
    return std::string(tokenizer.status().message());
  }
  return std::string(spec.status().message());
}
std::string refusal(const JsonParts &parts, const std::string &config = "") {
  return refusal(parts.text(), config);
}

const char *const byteLevelJson =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

/// All bytes and then `more`.
std::string byteVocabulary(const std::vector<std::string> &more = {}) {
  std::string text = "{";
  for (unsigned byte = 0; byte < 256; ++byte)
    absl::StrAppend(&text, byte ? "," : "", jsonQuote(standIn(byte)), ":", byte);
  int id = 256;
  for (const std::string &token : more)
    absl::StrAppend(&text, ",", jsonQuote(token), ":", id++);
  return text + "}";
}

JsonParts byteLevelParts() {
  JsonParts parts;
  parts.preTokenizer = parts.decoder = parts.postProcessor = byteLevelJson;
  parts.vocabulary = byteVocabulary({standIns("ab"), standIns(" a")});
  parts.merges = absl::StrCat("[\"a b\",\"", standIn(' '), " a\"]");
  return parts;
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

/// As bert-base-uncased's tokenizer.json, but for its size.
JsonParts bertParts() {
  JsonParts parts;
  parts.type = "\"WordPiece\"";
  parts.unknown = "\"[UNK]\"";
  parts.settings = R"(,"continuing_subword_prefix":"##","max_input_chars_per_word":100)";
  parts.vocabulary =
      R"({"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"un":4,"##aff":5,"##able":6,",":7,"cafe":8})";
  parts.added = R"([{"id":0,"content":"[PAD]","special":true,"normalized":false},
                    {"id":1,"content":"[UNK]","special":true,"normalized":false},
                    {"id":2,"content":"[CLS]","special":true,"normalized":false},
                    {"id":3,"content":"[SEP]","special":true,"normalized":false}])";
  parts.normalizer = R"({"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
                         "strip_accents":null,"lowercase":true})";
  parts.preTokenizer = R"({"type":"BertPreTokenizer"})";
  parts.decoder = R"({"type":"WordPiece","prefix":"##","cleanup":true})";
  parts.postProcessor = R"({"type":"TemplateProcessing","single":[
      {"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
      {"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[],"special_tokens":{
      "[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},
      "[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}})";
  return parts;
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

TEST(TokenizerJson, RefusesBadWordPiece) {
  JsonParts parts = bertParts();
  parts.unknown = "null";
  EXPECT_THAT(refusal(parts), HasSubstr("unknown: expected the unknown token"));
  parts.unknown = "\"none\"";
  EXPECT_THAT(refusal(parts), HasSubstr("model.unk_token: expected a token of model.vocab"));
  parts = bertParts();
  parts.settings = R"(,"max_input_chars_per_word":1e9)";
  EXPECT_THAT(refusal(parts), HasSubstr("max_input_chars_per_word: expected an integer"));
  parts.settings = R"(,"max_input_chars_per_word":100000000)";
  EXPECT_THAT(refusal(parts), HasSubstr("longestWord: expected 1 to 1024 characters"));
  parts.settings = R"(,"continuing_subword_prefix":7)";
  EXPECT_THAT(refusal(parts), HasSubstr("continuing_subword_prefix: expected a string, got 7"));
  parts = bertParts();
  parts.decoder = R"({"type":"WordPiece","prefix":"@@"})";
  EXPECT_THAT(refusal(parts), HasSubstr("decoder.prefix: expected '##', got '@@'"));
  parts.decoder = R"({"type":"Fuse"})";
  EXPECT_THAT(refusal(parts), HasSubstr("decoder.type: expected the decoder WordPiece"));
}

/// As T5's tokenizer.json, but for its size.
JsonParts t5Parts() {
  JsonParts parts;
  parts.type = "\"Unigram\"";
  parts.settings = R"(,"unk_id":2)";
  parts.vocabulary = "[[\"<pad>\",0.0],[\"</s>\",0],[\"<unk>\",0.0],[\"\xE2\x96\x81\",-2.0],"
                     "[\"\xE2\x96\x81"
                     "a\",-1.0],[\"a\",-1.5],[\"b\",-3.25]]";
  parts.merges = "null";
  parts.added = R"([{"id":0,"content":"<pad>","special":true},{"id":1,"content":"</s>",
      "special":true},{"id":2,"content":"<unk>","special":true},
      {"id":7,"content":"<extra_id_0>","special":true}])";
  parts.preTokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"WhitespaceSplit\"},"
                       "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
                       "\"add_prefix_space\":true}]}";
  parts.decoder = "{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\"}";
  parts.postProcessor = R"({"type":"TemplateProcessing","single":[
      {"Sequence":{"id":"A","type_id":0}},{"SpecialToken":{"id":"</s>","type_id":0}}],"pair":[],
      "special_tokens":{"</s>":{"id":"</s>","ids":[1],"tokens":["</s>"]}}})";
  std::string map = absl::Base64Escape(charsmapBytes({{"A", "a"}}));
  parts.normalizer = absl::StrCat(R"({"type":"Precompiled","precompiled_charsmap":")", map, "\"}");
  return parts;
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

TEST(TokenizerJson, RefusesBadUnigram) {
  auto refuse = [](const char *vocabulary) {
    JsonParts parts = t5Parts();
    parts.vocabulary = vocabulary;
    return refusal(parts);
  };
  EXPECT_THAT(refuse(R"({"a":0})"), HasSubstr("model.vocab: expected an array of pairs"));
  EXPECT_THAT(refuse(R"([["a"]])"),
              HasSubstr("model.vocab[0]: expected a pair of a token and its"));
  EXPECT_THAT(refuse(R"([["a","b"]])"), HasSubstr("model.vocab[0]: expected a pair"));
  EXPECT_THAT(refuse(R"([["a",-1],["a",-2]])"),
              HasSubstr("model.vocab[1]: expected a token of its own, got 'a' again"));
  EXPECT_THAT(refuse(R"([["a",-1e300]])"), HasSubstr("added_tokens[0].id"));
  JsonParts parts = t5Parts();
  parts.added = "[]";
  parts.postProcessor = "null";
  parts.vocabulary = R"([["a",0],["b",-1e300],["c",0]])";
  EXPECT_THAT(refusal(parts), HasSubstr("tokens[1]: expected a finite score"));
  parts = t5Parts();
  parts.settings = R"(,"unk_id":99)";
  EXPECT_THAT(refusal(parts), HasSubstr("model.unk_id: expected an id below 8, got 99"));
  parts = t5Parts();
  parts.normalizer = R"({"type":"Precompiled","precompiled_charsmap":"*"})";
  EXPECT_THAT(refusal(parts), HasSubstr("precompiled_charsmap: expected bytes in base64, got '*'"));
  parts.normalizer = R"({"type":"Precompiled","precompiled_charsmap":"QUJDRA=="})";
  EXPECT_THAT(refusal(parts), HasSubstr("normalizers[0]: expected a trie of whole units"));
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

TEST(TokenizerJson, RefusesNormalizersThatWouldSeeMarkedSpaces) {
  JsonParts parts;
  parts.normalizer = "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Replace\",\"pattern\":{"
                     "\"String\":\" \"},\"content\":\"\xE2\x96\x81\"},{\"type\":\"Strip\"}]}";
  EXPECT_THAT(refusal(parts),
              HasSubstr("normalizer.normalizers[1]: expected Prepend and Replace of "
                        "spaces as the last normalizers, got 'Strip'"));
}

TEST(TokenizerJson, RefusesUnknownComponents) {
  JsonParts parts = byteLevelParts();
  parts.normalizer = R"({"type":"ByteLevel"})";
  EXPECT_EQ(refusal(parts),
            "tokenizer.json: normalizer.type: expected a normalizer NFC, NFD, NFKC, NFKD, "
            "Lowercase, StripAccents, Strip, Nmt, Precompiled, BertNormalizer, Prepend, Replace or "
            "Sequence, got 'ByteLevel'");
  parts = byteLevelParts();
  parts.preTokenizer = R"({"type":"UnicodeScripts"})";
  EXPECT_THAT(refusal(parts), HasSubstr("pre_tokenizer.type: expected a pre-tokenizer ByteLevel"));
  parts = byteLevelParts();
  parts.decoder = R"({"type":"WordPiece"})";
  EXPECT_THAT(refusal(parts), HasSubstr("decoder.type: expected the decoder ByteLevel"));
  parts.preTokenizer = "null";
  EXPECT_THAT(refusal(parts), HasSubstr("decoder.type: expected a decoder ByteLevel, Replace"));
  parts.decoder = byteLevelJson;
  EXPECT_THAT(refusal(parts), HasSubstr("decoder.type: expected a decoder Replace"));
  parts = byteLevelParts();
  parts.postProcessor = R"({"type":"Other"})";
  EXPECT_THAT(refusal(parts), HasSubstr("post_processor.type: expected a post-processor"));
  for (const char *type : {"\"WordLevel\"", "7"}) {
    parts = byteLevelParts();
    parts.type = type;
    EXPECT_THAT(
        refusal(parts),
        StartsWith("tokenizer.json: model.type: expected a model BPE, WordPiece or Unigram"));
  }
  for (const char *type : {"\"Unigram\"", "\"WordPiece\""}) {
    parts = byteLevelParts();
    parts.type = type;
    EXPECT_THAT(refusal(parts), HasSubstr("pre_tokenizer: expected ByteLevel with the model BPE"));
  }
  parts = byteLevelParts();
  parts.settings = R"(,"end_of_word_suffix":"</w>")";
  EXPECT_THAT(refusal(parts), HasSubstr("model.end_of_word_suffix: expected null or an empty"));
  parts.settings = R"(,"dropout":0.1)";
  EXPECT_THAT(refusal(parts), HasSubstr("model.dropout: expected null"));
}

TEST(TokenizerJson, RefusesCombinationsWithoutMeaning) {
  JsonParts parts = byteLevelParts();
  parts.preTokenizer = absl::StrCat(R"({"type":"Sequence","pretokenizers":[)", byteLevelJson,
                                    R"(,{"type":"Digits"}]})");
  EXPECT_THAT(refusal(parts), HasSubstr("expected ByteLevel as the last pre-tokenizer"));
  parts.preTokenizer = R"({"type":"Sequence","pretokenizers":[{"type":"Digits"},
                          {"type":"ByteLevel","add_prefix_space":true}]})";
  EXPECT_THAT(refusal(parts), HasSubstr("expected false after another pre-tokenizer, got true"));
  parts.preTokenizer = "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Metaspace\","
                       "\"replacement\":\"\xE2\x96\x81\"},{\"type\":\"ByteLevel\","
                       "\"add_prefix_space\":false}]}";
  EXPECT_THAT(refusal(parts), HasSubstr("expected either ByteLevel or U+2581"));
}

TEST(TokenizerJson, RefusesForeignRegexSyntax) {
  auto refuse = [](const std::string &pattern) {
    JsonParts parts = byteLevelParts();
    parts.preTokenizer = absl::StrCat(R"({"type":"Split","pattern":{"Regex":)", jsonQuote(pattern),
                                      R"(},"behavior":"Isolated","invert":false})");
    parts.decoder = "null";
    return refusal(parts);
  };
  EXPECT_THAT(refuse("[\\p{L}&&[^a]]"), HasSubstr("expected a pattern without sets inside sets"));
  EXPECT_THAT(refuse("[a[bc]]"), HasSubstr("expected a pattern without sets inside sets"));
  EXPECT_THAT(refuse("\\h+"), HasSubstr("expected a pattern without \\h"));
  EXPECT_THAT(refuse("(unclosed"), HasSubstr("expected a regular expression"));
  JsonParts parts = byteLevelParts();
  parts.preTokenizer = R"({"type":"Split","pattern":{"Regex":"[[:alpha:]\\[\\]&]|[]a]|[^]b]+"},
                          "behavior":"Isolated"})";
  parts.decoder = "null";
  EXPECT_TRUE(createOrDie(parseOrDie(parts)));
  parts.preTokenizer = R"({"type":"Split","pattern":{"Regex":"a"},"behavior":"Other"})";
  EXPECT_THAT(refusal(parts), HasSubstr("pre_tokenizer.behavior: expected Isolated, Removed"));
}

TEST(TokenizerJson, RefusesBadIds) {
  auto refuse = [](const char *vocabulary) {
    JsonParts parts;
    parts.vocabulary = vocabulary;
    parts.merges = "[]";
    return refusal(parts);
  };
  EXPECT_EQ(refuse(R"({"a":0,"b":2})"),
            "tokenizer.json: model.vocab.b: expected ids 0 to 1 without gaps, got 2");
  EXPECT_EQ(refuse(R"({"a":0,"b":0})"),
            "tokenizer.json: model.vocab.b: expected an id of its own, got 0, which 'a' has");
  EXPECT_THAT(refuse(R"({"a":-1})"), HasSubstr("expected ids 0 to 0 without gaps, got -1"));
  EXPECT_THAT(refuse(R"({"a":4294967296})"), HasSubstr("got 4294967296"));
  EXPECT_THAT(refuse(R"({"a":1.5})"), HasSubstr("model.vocab.a: expected an integer, got 1.5"));
  EXPECT_THAT(refuse(R"({"a":"0"})"), HasSubstr("expected an integer, got '0'"));
  EXPECT_THAT(refuse(R"({"a":0,"a":1})"), HasSubstr("tokenizer.json"));
  EXPECT_THAT(refuse("[]"), HasSubstr("model.vocab: expected an object"));
  EXPECT_THAT(refuse("{}"), HasSubstr("expected between 1 and 2^31 - 1 tokens, got 0"));
}

TEST(TokenizerJson, RefusesBadAddedTokens) {
  auto refuse = [](const char *added) {
    JsonParts parts = byteLevelParts();
    parts.added = added;
    return refusal(parts);
  };
  EXPECT_THAT(refuse(R"([{"id":300,"content":"x1"}])"),
              HasSubstr("added_tokens[0].id: expected ids 0 to 258 without gaps, got 300"));
  EXPECT_THAT(refuse(R"([{"id":5,"content":"x1"}])"), HasSubstr("expected an id of its own"));
  EXPECT_THAT(refuse(R"([{"id":5,"content":"a"}])"),
              HasSubstr("added_tokens[0].id: expected 97, the id of 'a' in model.vocab, got 5"));
  EXPECT_THAT(refuse(R"([{"id":258,"content":"x"},{"id":258,"content":"x"}])"),
              HasSubstr("expected 120, the id of 'x'"));
  EXPECT_THAT(refuse(R"([{"id":258,"content":"xy"},{"id":258,"content":"xy"}])"),
              HasSubstr("added_tokens[1]: expected an added token of its own"));
  EXPECT_THAT(refuse(R"([{"id":258}])"), HasSubstr("added_tokens[0].content: expected a string"));
  EXPECT_THAT(refuse(R"([{"content":"xy"}])"), HasSubstr("id: expected an integer, got nothing"));
  EXPECT_THAT(refuse(R"({"id":258})"), HasSubstr("added_tokens: expected an array"));
  EXPECT_THAT(refuse(R"([7])"), HasSubstr("added_tokens[0].content: expected a string"));
  EXPECT_THAT(refuse(R"([{"id":258,"content":"xy","special":1}])"),
              HasSubstr("special: expected true or false, got 1"));
}

TEST(TokenizerJson, RefusesBadMerges) {
  auto refuse = [](const char *merges) {
    JsonParts parts = byteLevelParts();
    parts.merges = merges;
    return refusal(parts);
  };
  EXPECT_THAT(refuse(R"(["a zz"])"), HasSubstr("merges[0]: expected a merge of two tokens into a "
                                               "third, got 'zz', which is no token"));
  EXPECT_THAT(refuse(R"(["ab"])"), HasSubstr("model.merges[0]: expected two tokens"));
  EXPECT_THAT(refuse(R"(["a b c"])"), HasSubstr("model.merges[0]: expected two tokens"));
  EXPECT_THAT(refuse(R"([["a"]])"), HasSubstr("model.merges[0]: expected two tokens"));
  EXPECT_THAT(refuse(R"([["a",1]])"), HasSubstr("model.merges[0]: expected two tokens"));
  EXPECT_THAT(refuse(R"([1])"), HasSubstr("model.merges[0]: expected two tokens"));
  EXPECT_THAT(refuse(R"({"a":1})"), HasSubstr("model.merges: expected an array"));
}

TEST(TokenizerJson, RefusesMalformedByteTokens) {
  JsonParts parts;
  parts.settings = R"(,"byte_fallback":true)";
  parts.vocabulary = R"({"<0x-1>":0})";
  parts.merges = "[]";
  EXPECT_EQ(refusal(parts),
            "tokenizer.json: model.vocab: expected byte tokens <0x00> to <0xFF>, got '<0x-1>'");
  parts.vocabulary = R"({"<0xaB>":0,"<0xAB>":1})";
  EXPECT_THAT(refusal(parts), HasSubstr("expected one token for each byte"));
}

TEST(TokenizerJson, RefusesBadUtf8AndBrokenJson) {
  JsonParts parts;
  parts.vocabulary = "{\"\xC3(\":0}";
  EXPECT_THAT(refusal(parts), StartsWith("tokenizer.json"));
  std::string text = byteLevelParts().text();
  for (size_t length = 0; length < text.size(); length += 7)
    EXPECT_FALSE(parseTokenizerJson(text.substr(0, length), "t.json").ok());
  EXPECT_THAT(refusal(std::string("[]")), HasSubstr("expected an object"));
  EXPECT_THAT(refusal(std::string(R"({"model":[]})")), HasSubstr("model: expected an object"));
  EXPECT_THAT(refusal(std::string("{}")), HasSubstr("model: expected an object, got nothing"));
}

TEST(TokenizerJson, RefusesBadSpecialTokens) {
  JsonParts parts = byteLevelParts();
  parts.unknown = "\"<unk>\"";
  EXPECT_THAT(refusal(parts), HasSubstr("model.unk_token: expected a token of model.vocab"));
  parts = byteLevelParts();
  EXPECT_THAT(refusal(parts, R"({"bos_token":"nope"})"),
              HasSubstr("tokenizer_config.json: bos_token: expected a token of the vocabulary"));
  EXPECT_THAT(refusal(parts, R"({"eos_token":{"content":7}})"),
              HasSubstr("eos_token.content: expected a token of the vocabulary, got 7"));
  EXPECT_THAT(refusal(parts, R"({"add_bos_token":true})"),
              HasSubstr("bos: expected a token id below 258, got none"));
  EXPECT_THAT(refusal(parts, "[]"), HasSubstr("tokenizer_config.json: "));
  auto withTemplate = [&](const std::string &single, const std::string &ids) {
    parts.postProcessor = absl::StrCat(R"({"type":"TemplateProcessing","single":)", single,
                                       R"(,"special_tokens":{"x":{"id":"x","ids":)", ids, "}}}");
    return refusal(parts);
  };
  std::string x = R"({"SpecialToken":{"id":"x"}})", text = R"({"Sequence":{"id":"A"}})";
  EXPECT_THAT(withTemplate("[" + x + "]", "[1,2]"), HasSubstr("expected an array of one id"));
  EXPECT_THAT(withTemplate("[" + x + "," + x + "]", "[1]"),
              HasSubstr("expected at most one token"));
  EXPECT_THAT(withTemplate("[" + text + "," + text + "]", "[1]"), HasSubstr("the text once"));
  EXPECT_THAT(withTemplate("[" + x + "]", "[999]"),
              HasSubstr("bos: expected a token id below 258, got 999"));
  EXPECT_THAT(withTemplate("[7]", "[1]"), HasSubstr("expected a string, got nothing"));
}

TEST(TokenizerJson, DamageDoesNoHarm) {
  const std::string texts[] = {byteLevelParts().text(), bertParts().text(), t5Parts().text()};
  Random random(9);
  for (int round = 0; round < 4500; ++round) {
    std::string damaged = texts[round % 3];
    for (int i = 0; i < 3; ++i)
      damaged[random.next() % damaged.size()] = char(random.next());
    auto spec = parseTokenizerJson(damaged, "t.json");
    if (!spec.ok())
      continue;
    auto tokenizer = Tokenizer::create(*spec, "t.json");
    if (tokenizer.ok())
      (void)(*tokenizer)->encode("ab a", {}).ok();
  }
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
