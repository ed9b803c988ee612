// tokenizer.json: what is refused.
#include "TokenizerJsonParts.h"

#include "absl/strings/str_cat.h"

namespace stc {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

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

} // namespace
} // namespace stc
