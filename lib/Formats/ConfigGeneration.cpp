// Reader of what a generation_config.json says about the choice of tokens.
#include "ConfigReader.h"

namespace stc {

namespace {

constexpr size_t kMostTokens = 1024; // of a list

absl::Status checkToken(const ConfigReader &reader, absl::string_view key, int64_t token,
                        const ModelConfig &config) {
  if (token >= 0 && token < config.vocabSize)
    return absl::OkStatus();
  return reader.error(key, absl::StrCat("token ids from 0 to ", config.vocabSize - 1),
                      absl::StrCat(token));
}

/// A list of tokens, which replaces what `tokens` was.
absl::Status readTokens(const ConfigReader &reader, absl::string_view key,
                        const ModelConfig &config, std::vector<int64_t> &tokens) {
  const JsonValue *value = reader.find(key);
  if (!value)
    return absl::OkStatus();
  if (!value->isArray() || value->array.size() > kMostTokens)
    return reader.error(key, absl::StrCat("a list of up to ", kMostTokens, " token ids"),
                        value->isArray() ? absl::StrCat(value->array.size())
                                         : ConfigReader::describe(*value));
  tokens.clear();
  STC_RETURN_IF_ERROR(reader.integers(key, tokens));
  for (int64_t token : tokens)
    STC_RETURN_IF_ERROR(checkToken(reader, key, token, config));
  return absl::OkStatus();
}

/// [position, token] of every position behind the first; a language that only the sound says is
/// null.
absl::Status readForced(const ConfigReader &reader, ModelConfig &config) {
  constexpr absl::string_view key = "forced_decoder_ids";
  const JsonValue *value = reader.find(key);
  if (!value)
    return absl::OkStatus();
  auto error = [&](const JsonValue &got) {
    return reader.error(key, "a list of [position, token], the positions 1, 2, 3...",
                        got.isArray() ? "another list" : ConfigReader::describe(got));
  };
  if (!value->isArray() || value->array.size() > kMostTokens)
    return error(*value);
  config.forcedTokens.clear();
  for (const JsonValue &pair : value->array) {
    if (!pair.isArray() || pair.array.size() != 2 || !pair.array[0].isInteger() ||
        pair.array[0].integer != int64_t(config.forcedTokens.size()) + 1)
      return error(pair);
    const JsonValue &token = pair.array[1];
    // Of what nothing says, a language is all that Whisper has.
    if (token.isNull() && config.forcedTokens.empty()) {
      config.forcedTokens.push_back(-1);
      continue;
    }
    if (!token.isInteger())
      return error(token);
    STC_RETURN_IF_ERROR(checkToken(reader, key, token.integer, config));
    config.forcedTokens.push_back(token.integer);
  }
  return absl::OkStatus();
}

/// The tokens of Whisper's languages, as newer files list them.
absl::Status readLanguages(const ConfigReader &reader, ModelConfig &config) {
  constexpr absl::string_view key = "lang_to_id";
  const JsonValue *value = reader.find(key);
  if (!value)
    return absl::OkStatus();
  if (!value->isObject() || value->object.size() > kMostTokens)
    return reader.error(key, "an object of languages and their tokens",
                        ConfigReader::describe(*value));
  config.languageTokens.clear();
  for (const JsonValue::Member &member : value->object) {
    if (!member.second.isInteger())
      return reader.error(key, "token ids", ConfigReader::describe(member.second));
    STC_RETURN_IF_ERROR(checkToken(reader, key, member.second.integer, config));
    config.languageTokens.push_back(member.second.integer);
  }
  return absl::OkStatus();
}

} // namespace

absl::Status readGeneration(const ConfigReader &reader, ModelConfig &config) {
  if (config.kind == ModelKind::Encoder)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(readTokens(reader, "suppress_tokens", config, config.suppressedTokens));
  STC_RETURN_IF_ERROR(
      readTokens(reader, "begin_suppress_tokens", config, config.firstSuppressedTokens));
  if (config.featureSize == 0)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(readForced(reader, config));
  return readLanguages(reader, config);
}

} // namespace stc
