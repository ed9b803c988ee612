// Texts of tokenizer.json for tests, to be changed part by part.
#ifndef STC_UNITTESTS_FORMATS_TOKENIZERJSONPARTS_H
#define STC_UNITTESTS_FORMATS_TOKENIZERJSONPARTS_H

#include "../Tokenizer/TestSpecs.h"
#include "stc/Formats/TokenizerJson.h"
#include "stc/Support/Json.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace stc {

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

inline TokenizerSpec parseOrDie(const JsonParts &parts, const std::string &config = "") {
  auto spec = parseTokenizerJson(parts.text(), "tokenizer.json", config, "tokenizer_config.json");
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.ok() ? *spec : TokenizerSpec();
}

inline std::string refusal(const std::string &text, const std::string &config = "") {
  auto spec = parseTokenizerJson(text, "tokenizer.json", config, "tokenizer_config.json");
  if (spec.ok()) {
    auto tokenizer = Tokenizer::create(*spec, "tokenizer.json");
    EXPECT_FALSE(tokenizer.ok());
    return std::string(tokenizer.status().message());
  }
  return std::string(spec.status().message());
}
inline std::string refusal(const JsonParts &parts, const std::string &config = "") {
  return refusal(parts.text(), config);
}

inline constexpr const char *byteLevelJson =
    R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})";

/// All bytes and then `more`.
inline std::string byteVocabulary(const std::vector<std::string> &more = {}) {
  std::string text = "{";
  for (unsigned byte = 0; byte < 256; ++byte)
    absl::StrAppend(&text, byte ? "," : "", jsonQuote(standIn(byte)), ":", byte);
  int id = 256;
  for (const std::string &token : more)
    absl::StrAppend(&text, ",", jsonQuote(token), ":", id++);
  return text + "}";
}

inline JsonParts byteLevelParts() {
  JsonParts parts;
  parts.preTokenizer = parts.decoder = parts.postProcessor = byteLevelJson;
  parts.vocabulary = byteVocabulary({standIns("ab"), standIns(" a")});
  parts.merges = absl::StrCat("[\"a b\",\"", standIn(' '), " a\"]");
  return parts;
}

/// As bert-base-uncased's tokenizer.json, but for its size.
inline JsonParts bertParts() {
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

/// As T5's tokenizer.json, but for its size.
inline JsonParts t5Parts() {
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

} // namespace stc

#endif // STC_UNITTESTS_FORMATS_TOKENIZERJSONPARTS_H
