// Writes a tokenizer as the `tokenizer.ggml.*` metadata of a GGUF file.
#include "PreTokenizerFamilies.h"

#include "stc/Formats/TokenizerGguf.h"

#include "absl/container/flat_hash_map.h"
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

void addTokens(const TokenizerSpec &spec, size_t count, GgufMetadata &metadata) {
  std::vector<std::string> texts;
  std::vector<int32_t> types;
  for (const TokenizerSpec::Token &token : spec.tokens) {
    texts.push_back(token.text);
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
  bool byteLevel = spec.kind == TokenizerSpec::Kind::ByteLevelBpe;
  metadata.addText(key("model"), byteLevel ? "gpt2" : "llama");
  addTokens(spec, count, metadata);
  STC_RETURN_IF_ERROR(byteLevel ? addByteLevel(spec, file, metadata)
                                : addSentencePiece(spec, file, count, metadata));
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
