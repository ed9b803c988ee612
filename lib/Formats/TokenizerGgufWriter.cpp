// Writes a tokenizer as the `tokenizer.ggml.*` metadata of a GGUF file.
#include "BertPipeline.h"
#include "PreTokenizerFamilies.h"

#include "stc/Formats/TokenizerGguf.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace stc {

namespace {

using TokenType = TokenizerSpec::TokenType;

std::string key(absl::string_view name) { return absl::StrCat("tokenizer.ggml.", name); }

int32_t typeCode(TokenType type) {
  switch (type) {
  case TokenType::Normal:
    return 1;
  case TokenType::Unknown:
    return 2;
  case TokenType::Control:
    return 3;
  case TokenType::UserDefined:
    return 4;
  case TokenType::Unused:
    return 5;
  case TokenType::Byte:
    return 6;
  }
  return 1;
}

/// Scores that make a SentencePiece tokenizer merge what ranked merges do. It joins any two
/// neighbours whose text is a token, the best score first; so each way to split a token must be a
/// merge, and no other token's merge may rank between those of one token.
class MergeScores {
public:
  MergeScores(const TokenizerSpec &spec, const std::string &file) : spec(spec), file(file) {}

  absl::StatusOr<std::vector<float>> compute() {
    std::vector<float> scores(spec.tokens.size());
    for (size_t i = 0; i < spec.tokens.size(); ++i)
      if (spec.tokens[i].type == TokenType::Normal)
        ids[spec.tokens[i].text] = i;
    std::vector<size_t> merges(spec.tokens.size());
    size_t last = spec.tokens.size();
    for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
      const auto &[left, right] = spec.merges[rank];
      auto found = ids.find(absl::StrCat(left, right));
      if (found == ids.end())
        return error(absl::StrCat(left, right));
      size_t id = found->second;
      if (merges[id]++ == 0)
        scores[id] = -float(rank);
      else if (last != id)
        return error(spec.tokens[id].text);
      last = id;
    }
    for (const auto &[text, id] : ids)
      if (countSplits(text) != merges[id])
        return error(text);
    return scores;
  }

private:
  /// In how many ways a token is two tokens.
  size_t countSplits(absl::string_view text) const {
    size_t count = 0;
    for (size_t at = 1; at < text.size(); ++at)
      count += ids.contains(text.substr(0, at)) && ids.contains(text.substr(at));
    return count;
  }
  absl::Status error(absl::string_view token) const {
    return formatError({file, "model.merges", {}},
                       "merges that follow from one score for each token, as GGUF stores them",
                       absl::StrCat("others for '", printable(token, 40), "'"));
  }

  const TokenizerSpec &spec;
  const std::string &file;
  absl::flat_hash_map<absl::string_view, size_t> ids;
};

absl::Status addSentencePiece(const TokenizerSpec &spec, const std::string &file, size_t count,
                              GgufMetadata &metadata) {
  if (!spec.escapeSpaces || !spec.byteFallback || !spec.preTokenizers.empty())
    return formatError({file, "tokenizer", {}},
                       "byte-level BPE, or SentencePiece with byte fallback and without "
                       "pre-tokenization, as GGUF has them",
                       "another tokenizer");
  std::vector<float> scores(spec.tokens.size());
  for (size_t i = 0; i < scores.size(); ++i)
    scores[i] = spec.tokens[i].score;
  if (!spec.merges.empty()) {
    STC_ASSIGN_OR_RETURN(scores, MergeScores(spec, file).compute());
  }
  scores.resize(count);
  metadata.addReals(key("scores"), scores);
  metadata.addFlag(key("add_space_prefix"), spec.addPrefixSpace);
  return absl::OkStatus();
}

absl::Status addByteLevel(const TokenizerSpec &spec, const std::string &file,
                          GgufMetadata &metadata) {
  const PreTokenizerFamily *family = findPreTokenizerFamily(spec);
  if (!family || spec.addPrefixSpace)
    return formatError({file, "pre_tokenizer", {}},
                       "one that GGUF has a name for (gpt-2, llama-bpe, qwen2 ...)",
                       family ? "add_prefix_space" : "another");
  metadata.addText(key("pre"), family->names.front());
  std::vector<std::string> merges;
  for (const auto &[left, right] : spec.merges)
    merges.push_back(absl::StrCat(left, " ", right));
  metadata.addTexts(key("merges"), merges);
  return absl::OkStatus();
}

bool sameNormalizers(const std::vector<TokenizerSpec::Normalizer> &a,
                     const std::vector<TokenizerSpec::Normalizer> &b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto &x, const auto &y) {
    return x.kind == y.kind && x.pattern == y.pattern && x.content == y.content;
  });
}

absl::Status addWordPiece(const TokenizerSpec &spec, const std::string &file,
                          GgufMetadata &metadata) {
  std::optional<BertNormalization> rules = findBertNormalization(spec.normalizers);
  std::vector<TokenizerSpec::PreTokenizer> steps = bertPreTokenizers();
  bool same = std::equal(steps.begin(), steps.end(), spec.preTokenizers.begin(),
                         spec.preTokenizers.end(), samePreTokenizer);
  if (!rules || !rules->cleanText || !rules->isolateIdeographs || !same ||
      spec.continuationPrefix != "##" || spec.longestWord != 100)
    return formatError({file, "tokenizer", {}}, "WordPiece as BERT has it, which GGUF stands for",
                       "another normalizer, pre-tokenizer, prefix or longest word");
  metadata.addFlag(key("normalizer.lowercase"), rules->lowercase);
  metadata.addFlag(key("normalizer.strip_accents"), rules->stripAccents);
  return absl::OkStatus();
}

absl::Status addUnigram(const TokenizerSpec &spec, const std::string &file, size_t count,
                        GgufMetadata &metadata) {
  using Normalizer = TokenizerSpec::Normalizer;
  std::vector<Normalizer> rest = spec.normalizers;
  bool mapped = false;
  if (!rest.empty() && rest.front().kind == Normalizer::Kind::Charsmap) {
    GgufValue map;
    map.type = GgufValue::Type::Array;
    map.elementType = GgufValue::Type::U8;
    for (char byte : rest.front().content)
      map.integers.push_back(uint8_t(byte));
    metadata.add(key("precompiled_charsmap"), std::move(map));
    rest.erase(rest.begin());
    mapped = true;
  }
  bool trims = sameNormalizers(rest, trimmingSteps());
  // SentencePiece's rules make spaces of all white space, so that words are what spaces divide.
  bool byWords = spec.addPrefixSpace && spec.prefixRule == TokenizerSpec::PrefixRule::EveryWord;
  // Pieces that GGUF's Unigram never joins need no splitting before.
  bool splits =
      std::any_of(spec.preTokenizers.begin(), spec.preTokenizers.end(), [](const auto &step) {
        return step.kind != TokenizerSpec::PreTokenizer::Kind::Metaspace;
      });
  if ((!trims && !rest.empty()) || (byWords && !mapped) || splits || !spec.escapeSpaces ||
      !spec.fuseUnknown)
    return formatError({file, "tokenizer", {}},
                       "Unigram with precompiled rules and U+2581 for spaces, as GGUF has it",
                       "another normalizer or pre-tokenizer");
  std::vector<float> scores(count);
  for (size_t i = 0; i < spec.tokens.size(); ++i)
    scores[i] = spec.tokens[i].score;
  metadata.addReals(key("scores"), scores);
  metadata.addFlag(key("add_space_prefix"), spec.addPrefixSpace);
  metadata.addFlag(key("remove_extra_whitespaces"), trims || byWords);
  return absl::OkStatus();
}

/// A token's text as GGUF writes it: WordPiece marks the tokens that begin a word.
std::string storedText(const TokenizerSpec &spec, const TokenizerSpec::Token &token) {
  absl::string_view text = token.text;
  if (spec.kind != TokenizerSpec::Kind::WordPiece || token.type != TokenType::Normal ||
      (absl::StartsWith(text, "[") && absl::EndsWith(text, "]") && text.size() > 1))
    return token.text;
  if (absl::StartsWith(text, spec.continuationPrefix))
    return std::string(text.substr(spec.continuationPrefix.size()));
  return absl::StrCat("\xE2\x96\x81", text);
}

void addTokens(const TokenizerSpec &spec, size_t count, GgufMetadata &metadata) {
  std::vector<std::string> texts;
  std::vector<int32_t> types;
  for (const TokenizerSpec::Token &token : spec.tokens) {
    texts.push_back(storedText(spec, token));
    types.push_back(typeCode(token.type));
  }
  // An embedding table may have more rows than there are tokens.
  for (size_t i = texts.size(); i < count; ++i) {
    texts.push_back(absl::StrCat("[PAD", i, "]"));
    types.push_back(typeCode(TokenType::Unused));
  }
  metadata.addTexts(key("tokens"), texts);
  metadata.addIntegers(key("token_type"), types);
}

} // namespace

absl::Status addTokenizer(const TokenizerSpec &spec, int64_t vocabSize, const std::string &file,
                          GgufMetadata &metadata) {
  size_t count = size_t(vocabSize);
  if (spec.tokens.size() > count)
    return formatError({file, "tokenizer", {}}, absl::StrCat("at most ", count, " tokens"),
                       absl::StrCat(spec.tokens.size()));
  static constexpr absl::string_view models[] = {"gpt2", "llama", "bert", "t5"}; // by kind
  metadata.addText(key("model"), models[size_t(spec.kind)]);
  addTokens(spec, count, metadata);
  switch (spec.kind) {
  case TokenizerSpec::Kind::ByteLevelBpe:
    STC_RETURN_IF_ERROR(addByteLevel(spec, file, metadata));
    break;
  case TokenizerSpec::Kind::SentencePiece:
    STC_RETURN_IF_ERROR(addSentencePiece(spec, file, count, metadata));
    break;
  case TokenizerSpec::Kind::WordPiece:
    STC_RETURN_IF_ERROR(addWordPiece(spec, file, metadata));
    break;
  case TokenizerSpec::Kind::Unigram:
    STC_RETURN_IF_ERROR(addUnigram(spec, file, count, metadata));
    break;
  }
  for (auto [name, id] : {std::pair<absl::string_view, int64_t>{"bos_token_id", spec.bos},
                          {"eos_token_id", spec.eos},
                          {"unknown_token_id", spec.unknown}})
    if (id >= 0)
      metadata.addNumber(key(name), uint32_t(id));
  metadata.addFlag(key("add_bos_token"), spec.addBos);
  metadata.addFlag(key("add_eos_token"), spec.addEos);
  return absl::OkStatus();
}

} // namespace stc
