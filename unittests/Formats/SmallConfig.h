// A small configuration of Hugging Face's, for tests that change some of it.
#ifndef STC_UNITTESTS_FORMATS_SMALLCONFIG_H
#define STC_UNITTESTS_FORMATS_SMALLCONFIG_H

#include "stc/Formats/Config.h"

#include <map>
#include <string>

namespace stc::test {

using Fields = std::map<std::string, std::string>;

/// A small valid Llama with some fields changed; an empty value leaves the field out.
inline std::string small(const Fields &changes) {
  Fields fields = {{"model_type", "\"llama\""},  {"hidden_size", "64"},
                   {"intermediate_size", "160"}, {"num_hidden_layers", "3"},
                   {"num_attention_heads", "4"}, {"num_key_value_heads", "2"},
                   {"vocab_size", "320"},        {"max_position_embeddings", "128"},
                   {"rms_norm_eps", "1e-5"},     {"hidden_act", "\"silu\""}};
  for (const auto &change : changes)
    fields[change.first] = change.second;
  std::string text;
  for (const auto &field : fields)
    if (!field.second.empty())
      text += (text.empty() ? "{\"" : ",\"") + field.first + "\":" + field.second;
  return text + "}";
}

inline absl::StatusOr<ModelConfig> parse(const std::string &text) {
  STC_ASSIGN_OR_RETURN(JsonValue json, parseJson(text, "config.json"));
  return parseHuggingFaceConfig(json, "config.json");
}

/// What parsing a small Llama with these changes says.
inline std::string errorOf(const Fields &changes) {
  auto config = parse(small(changes));
  return config.ok() ? "OK" : std::string(config.status().message());
}

} // namespace stc::test

#endif // STC_UNITTESTS_FORMATS_SMALLCONFIG_H
