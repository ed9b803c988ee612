// Translates Hugging Face pre-tokenizers, decoders and post-processors.
#include "TokenizerJsonPipeline.h"

#include "BertPipeline.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace stc {

namespace {

using Step = TokenizerSpec::PreTokenizer;
using Rule = TokenizerSpec::PrefixRule;

absl::StatusOr<Step::Behavior> readBehavior(const JsonNode &node) {
  static constexpr std::pair<absl::string_view, Step::Behavior> behaviors[] = {
      {"Isolated", Step::Behavior::Isolated},
      {"Removed", Step::Behavior::Removed},
      {"Contiguous", Step::Behavior::Contiguous},
      {"MergedWithPrevious", Step::Behavior::MergedWithPrevious},
      {"MergedWithNext", Step::Behavior::MergedWithNext}};
  STC_ASSIGN_OR_RETURN(std::string name, node.toString());
  for (const auto &[known, behavior] : behaviors)
    if (name == known)
      return behavior;
  return node.error("Isolated, Removed, Contiguous, MergedWithPrevious or MergedWithNext");
}

absl::StatusOr<Step> readSplit(const JsonNode &part) {
  Step step;
  STC_ASSIGN_OR_RETURN(step.pattern, readPattern(part["pattern"]));
  STC_ASSIGN_OR_RETURN(step.behavior, readBehavior(part["behavior"]));
  STC_ASSIGN_OR_RETURN(step.inverted, part["invert"].toBool(false));
  return step;
}

/// `words`: a WhitespaceSplit stands before.
absl::Status readMetaspace(const JsonNode &part, bool first, bool words, TokenizerSpec &spec) {
  STC_RETURN_IF_ERROR(expectText(part["replacement"], kMarkerText));
  if (!first && !words)
    return part.error("Metaspace as the first pre-tokenizer, or right after WhitespaceSplit",
                      "a later place");
  spec.escapeSpaces = true;
  std::string scheme = "always";
  if (part["prepend_scheme"].present()) {
    STC_ASSIGN_OR_RETURN(scheme, part["prepend_scheme"].toString());
  }
  STC_ASSIGN_OR_RETURN(bool prefix, part["add_prefix_space"].toBool(true));
  if (scheme != "always" && scheme != "first" && scheme != "never")
    return part["prepend_scheme"].error("always, first or never");
  if (words) {
    if (!prefix || scheme != "always")
      return part.error("the prefix always, as WhitespaceSplit stands before", scheme);
    spec.addPrefixSpace = true;
    spec.prefixRule = Rule::EveryWord;
  }
  // A Prepend normalizer has put the space there before Metaspace looks for one.
  if (prefix && scheme != "never" && !spec.addPrefixSpace) {
    spec.addPrefixSpace = true;
    spec.prefixRule = scheme == "first" ? Rule::FirstUnlessPresent : Rule::UnlessPresent;
  }
  STC_ASSIGN_OR_RETURN(bool split, part["split"].toBool(true));
  if (split)
    spec.preTokenizers.push_back(
        {Step::Kind::Metaspace, "", true, Step::Behavior::Isolated, false});
  return absl::OkStatus();
}

absl::Status readByteLevel(const JsonNode &part, bool first, bool last, TokenizerSpec &spec) {
  if (!last)
    return part.error("ByteLevel as the last pre-tokenizer", "another after it");
  if (spec.kind != TokenizerSpec::Kind::SentencePiece)
    return part.error("ByteLevel with the model BPE", "another model");
  spec.kind = TokenizerSpec::Kind::ByteLevelBpe;
  STC_ASSIGN_OR_RETURN(bool prefix, part["add_prefix_space"].toBool(true));
  if (prefix && !first)
    return part["add_prefix_space"].error("false after another pre-tokenizer");
  if (prefix) {
    spec.addPrefixSpace = true;
    spec.prefixRule = Rule::UnlessPresent;
  }
  STC_ASSIGN_OR_RETURN(bool regex, part["use_regex"].toBool(true));
  if (regex)
    spec.preTokenizers.push_back(
        {Step::Kind::ByteLevelGpt2, "", true, Step::Behavior::Isolated, false});
  return absl::OkStatus();
}

absl::Status readPreTokenizer(const JsonNode &root, TokenizerSpec &spec) {
  std::vector<JsonNode> parts;
  STC_RETURN_IF_ERROR(flattenSequence(root["pre_tokenizer"], "pretokenizers", parts));
  for (size_t i = 0; i < parts.size(); ++i) {
    const JsonNode &part = parts[i];
    if (part.type() == "ByteLevel") {
      STC_RETURN_IF_ERROR(readByteLevel(part, i == 0, i + 1 == parts.size(), spec));
    } else if (part.type() == "Metaspace") {
      bool words = i == 1 && parts[0].type() == "WhitespaceSplit";
      STC_RETURN_IF_ERROR(readMetaspace(part, i == 0, words, spec));
    } else if (part.type() == "WhitespaceSplit") {
      // Before Metaspace it is the rule for prefixes that does this, as the space is marked there.
      if (i > 0 || parts.size() == 1 || parts[1].type() != "Metaspace")
        spec.preTokenizers.push_back(whiteSpaceStep());
    } else if (part.type() == "Whitespace") {
      spec.preTokenizers.push_back({Step::Kind::Regex,
                                    "[\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}]+|"
                                    "[^\\s\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}]+",
                                    true, Step::Behavior::Removed, true});
    } else if (part.type() == "BertPreTokenizer") {
      for (const Step &step : bertPreTokenizers())
        spec.preTokenizers.push_back(step);
    } else if (part.type() == "Digits") {
      Step step;
      step.kind = Step::Kind::Digits;
      STC_ASSIGN_OR_RETURN(step.individualDigits, part["individual_digits"].toBool(false));
      spec.preTokenizers.push_back(step);
    } else if (part.type() == "Split") {
      STC_ASSIGN_OR_RETURN(Step step, readSplit(part));
      spec.preTokenizers.push_back(step);
    } else if (part.type() == "Punctuation") {
      Step step = punctuationStep();
      if (part["behavior"].present()) {
        STC_ASSIGN_OR_RETURN(step.behavior, readBehavior(part["behavior"]));
      }
      spec.preTokenizers.push_back(step);
    } else {
      return part["type"].error("a pre-tokenizer ByteLevel, Metaspace, Digits, Split, Punctuation, "
                                "Whitespace, WhitespaceSplit, BertPreTokenizer or Sequence");
    }
  }
  return absl::OkStatus();
}

absl::Status readDecoder(const JsonNode &root, TokenizerSpec &spec) {
  bool byteLevel = spec.kind == TokenizerSpec::Kind::ByteLevelBpe, fused = false;
  std::vector<JsonNode> parts;
  STC_RETURN_IF_ERROR(flattenSequence(root["decoder"], "decoders", parts));
  for (const JsonNode &part : parts) {
    absl::string_view type = part.type();
    if (spec.kind == TokenizerSpec::Kind::WordPiece) {
      if (type != "WordPiece")
        return part["type"].error("the decoder WordPiece, as the model is");
      STC_RETURN_IF_ERROR(expectText(part["prefix"], spec.continuationPrefix));
      STC_ASSIGN_OR_RETURN(spec.cleanUpOnDecode, part["cleanup"].toBool(true));
      continue;
    }
    if (byteLevel != (type == "ByteLevel"))
      return part["type"].error(byteLevel ? "the decoder ByteLevel, as the pre-tokenizer is"
                                          : "a decoder Replace, ByteFallback, Fuse, Strip, "
                                            "Metaspace or Sequence");
    if (type == "Replace") {
      STC_RETURN_IF_ERROR(expectText(part["pattern"]["String"], kMarkerText));
      STC_RETURN_IF_ERROR(expectText(part["content"], " "));
    } else if (type == "Fuse") {
      fused = true;
    } else if (type == "Strip") {
      STC_RETURN_IF_ERROR(expectText(part["content"], " "));
      STC_ASSIGN_OR_RETURN(int64_t start, part["start"].toInteger());
      STC_ASSIGN_OR_RETURN(int64_t stop, part["stop"].toInteger());
      if (!fused || start < 0 || start > 1 || stop != 0)
        return part.error("Strip of at most one space at the start, after Fuse",
                          absl::StrCat("start ", start, " and stop ", stop));
      spec.stripPrefixSpaceOnDecode = start == 1;
    } else if (type == "Metaspace") {
      STC_ASSIGN_OR_RETURN(bool prefix, part["add_prefix_space"].toBool(true));
      JsonNode scheme = part["prepend_scheme"];
      bool never = scheme.present() && scheme.get().string == "never";
      spec.stripPrefixSpaceOnDecode = prefix && !never;
    } else if (type != "ByteFallback" && type != "ByteLevel") {
      return part["type"].error(
          "a decoder ByteLevel, Replace, ByteFallback, Fuse, Strip, Metaspace or Sequence");
    }
  }
  return absl::OkStatus();
}

/// One special token of a template: `special_tokens` gives its id.
absl::StatusOr<int64_t> readTemplateToken(const JsonNode &processor, const JsonNode &piece) {
  STC_ASSIGN_OR_RETURN(std::string name, piece["id"].toString());
  JsonNode ids = processor["special_tokens"][name]["ids"];
  STC_ASSIGN_OR_RETURN(size_t count, ids.arraySize());
  if (count != 1)
    return ids.error("an array of one id");
  return ids[0].toInteger();
}

absl::Status readTemplate(const JsonNode &processor, TokenizerSpec &spec) {
  JsonNode single = processor["single"];
  STC_ASSIGN_OR_RETURN(size_t count, single.arraySize());
  bool afterText = false;
  spec.addBos = spec.addEos = false;
  for (size_t i = 0; i < count; ++i) {
    if (single[i]["Sequence"].present()) {
      if (afterText)
        return single.error("the text once", "twice");
      afterText = true;
      continue;
    }
    STC_ASSIGN_OR_RETURN(int64_t id, readTemplateToken(processor, single[i]["SpecialToken"]));
    bool &add = afterText ? spec.addEos : spec.addBos;
    if (add)
      return single.error("at most one token before and one after the text", "more");
    add = true;
    (afterText ? spec.eos : spec.bos) = id;
  }
  return absl::OkStatus();
}

/// `cls` and `sep` of the fixed processors: a pair of text and id.
absl::StatusOr<int64_t> readPairId(const JsonNode &node) {
  STC_ASSIGN_OR_RETURN(size_t count, node.arraySize());
  if (count != 2)
    return node.error("a pair of token and id");
  return node[1].toInteger();
}

} // namespace

absl::Status readTokenizerPipeline(const JsonNode &root, TokenizerSpec &spec) {
  STC_RETURN_IF_ERROR(readNormalizer(root, spec));
  bool escapes = spec.escapeSpaces;
  STC_RETURN_IF_ERROR(readPreTokenizer(root, spec));
  if (spec.kind == TokenizerSpec::Kind::ByteLevelBpe && (escapes || spec.escapeSpaces))
    return root["pre_tokenizer"].error("either ByteLevel or U+2581 for spaces", "both");
  return readDecoder(root, spec);
}

absl::StatusOr<bool> readPostProcessor(const JsonNode &root, TokenizerSpec &spec) {
  std::vector<JsonNode> parts;
  STC_RETURN_IF_ERROR(flattenSequence(root["post_processor"], "processors", parts));
  bool says = false;
  for (const JsonNode &part : parts) {
    if (part.type() == "ByteLevel")
      continue; // only about offsets
    if (part.type() == "TemplateProcessing") {
      STC_RETURN_IF_ERROR(readTemplate(part, spec));
    } else if (part.type() == "RobertaProcessing" || part.type() == "BertProcessing") {
      STC_ASSIGN_OR_RETURN(spec.bos, readPairId(part["cls"]));
      STC_ASSIGN_OR_RETURN(spec.eos, readPairId(part["sep"]));
      spec.addBos = spec.addEos = true;
    } else {
      return part["type"].error("a post-processor TemplateProcessing, ByteLevel, "
                                "RobertaProcessing, BertProcessing or Sequence");
    }
    says = true;
  }
  return says;
}

} // namespace stc
