// Typed access to a config.json.
#ifndef STC_LIB_FORMATS_CONFIGREADER_H
#define STC_LIB_FORMATS_CONFIGREADER_H

#include "ConfigRules.h"

#include "stc/Support/Json.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

/// Typed access to the members of one JSON object. A missing member and null both mean "not given".
class ConfigReader {
public:
  ConfigReader(const JsonValue &json, const std::string &file, std::string prefix = "")
      : json(json), file(file), prefix(std::move(prefix)) {}

  const JsonValue *find(absl::string_view key) const {
    const JsonValue *value = json.find(key);
    return value && value->isNull() ? nullptr : value;
  }

  /// Of names separated by "|" the first that is given, or the first.
  absl::string_view given(absl::string_view names) const {
    for (absl::string_view rest = names; !rest.empty();) {
      absl::string_view name = rest.substr(0, rest.find('|'));
      if (find(name))
        return name;
      rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    }
    return names.substr(0, names.find('|'));
  }

  /// True when the key is present and not null, even where its value would be the default.
  bool isNull(absl::string_view key) const {
    const JsonValue *value = json.find(key);
    return value && value->isNull();
  }

  /// A reader of a member that is an object; `path` comes before its keys in errors.
  ConfigReader inner(const JsonValue &member, const std::string &path) const {
    return ConfigReader(member, file, prefix + path);
  }

  absl::Status error(absl::string_view key, absl::string_view expected,
                     absl::string_view got) const {
    return formatError({file, prefix + std::string(key), {}}, expected, got);
  }

  absl::Status integer(absl::string_view key, int64_t &out, bool required = false) const {
    const JsonValue *value = find(key);
    if (!value)
      return required ? error(key, "an integer", "none") : absl::OkStatus();
    if (!value->isInteger())
      return error(key, "an integer", describe(*value));
    out = value->integer;
    return absl::OkStatus();
  }

  absl::Status number(absl::string_view key, double &out, bool required = false) const {
    const JsonValue *value = find(key);
    if (!value)
      return required ? error(key, "a number", "none") : absl::OkStatus();
    if (!value->isNumber())
      return error(key, "a number", describe(*value));
    out = value->number;
    return absl::OkStatus();
  }

  absl::Status boolean(absl::string_view key, bool &out) const {
    const JsonValue *value = find(key);
    if (value && value->kind != JsonValue::Kind::Bool)
      return error(key, "true or false", describe(*value));
    if (value)
      out = value->boolean;
    return absl::OkStatus();
  }

  absl::Status numbers(absl::string_view key, std::vector<double> &out) const {
    const JsonValue *value = find(key);
    if (!value || !value->isArray())
      return error(key, "a list of numbers", value ? describe(*value) : "none");
    for (const JsonValue &element : value->array) {
      if (!element.isNumber())
        return error(key, "numbers", describe(element));
      out.push_back(element.number);
    }
    return absl::OkStatus();
  }

  absl::Status text(absl::string_view key, std::string &out) const {
    const JsonValue *value = find(key);
    if (value && !value->isString())
      return error(key, "a string", describe(*value));
    if (value)
      out = value->string;
    return absl::OkStatus();
  }

  /// One integer or a list of them.
  absl::Status integers(absl::string_view key, std::vector<int64_t> &out) const {
    const JsonValue *value = find(key);
    if (!value)
      return absl::OkStatus();
    if (!value->isArray())
      out.resize(1);
    if (!value->isArray())
      return integer(key, out[0]);
    for (const JsonValue &element : value->array) {
      if (!element.isInteger())
        return error(key, "integers", describe(element));
      out.push_back(element.integer);
    }
    return absl::OkStatus();
  }

  static std::string describe(const JsonValue &value) {
    switch (value.kind) {
    case JsonValue::Kind::Null:
      return "null";
    case JsonValue::Kind::Bool:
      return value.boolean ? "true" : "false";
    case JsonValue::Kind::Integer:
      return absl::StrCat(value.integer);
    case JsonValue::Kind::Double:
      return absl::StrCat(value.number);
    case JsonValue::Kind::String:
      return absl::StrCat("'", printable(value.string), "'");
    case JsonValue::Kind::Array:
      return "a list";
    case JsonValue::Kind::Object:
      return "an object";
    }
    return "something else";
  }

private:
  const JsonValue &json;
  const std::string &file;
  std::string prefix;
};

/// What the configuration of a model with an encoder says beside that of a decoder: T5's biases and
/// its kind of feed-forward block, and the token that the decoder begins with.
absl::Status readEncoderDecoder(const ConfigReader &reader, const ArchitectureRow &row,
                                ModelConfig &config);

/// Reads what a generation_config.json, or an old config.json of Whisper, says about the choice of
/// tokens: those that are not chosen, and what Whisper's decoder begins with. Vocabulary and kind
/// of `config` are known.
absl::Status readGeneration(const ConfigReader &reader, ModelConfig &config);

/// Compares a preprocessor_config.json with the spectrogram that is computed from sound
/// (stc/Runtime/LogMel.h): an error where it asks for another one.
absl::Status checkFeatureExtractor(const JsonValue &json, const std::string &file,
                                   const ModelConfig &config);

/// Each layer's kind as newer files list it, true for one with a window; empty where there is no
/// list.
absl::StatusOr<std::vector<bool>> readLayerTypes(const ConfigReader &reader, int64_t layers);

/// Reads what only encoders have: positions, token types, windows to both sides.
absl::Status readEncoder(const ConfigReader &reader, const ArchitectureRow &row,
                         ModelConfig &config);

/// Reads what only vision transformers have: sizes of images and patches, labels.
absl::Status readVision(const ConfigReader &reader, const ArchitectureRow &row,
                        ModelConfig &config);

/// Reads a preprocessor_config.json into the image settings of `config`, which hold the family's
/// defaults: how an image of any size becomes one that the model reads. Errors: an image processor
/// of another kind, another size in the end.
absl::Status readImageProcessor(const JsonValue &json, const std::string &file,
                                ModelConfig &config);

/// Reads the mixture of experts: how many there are, in which layers, and how they are chosen.
absl::Status readExperts(const ConfigReader &reader, const ArchitectureRow &row,
                         ModelConfig &config);

/// Reads the sizes of latent attention.
absl::Status readLatentAttention(const ConfigReader &reader, ModelConfig &config);

/// Errors unless the switch has the value that is supported.
absl::Status readFixed(const ConfigReader &reader, const FixedKey &fixed);

/// Reads theta, the rotated part of heads and the scaling, of old files and of new ones
/// (rope_parameters).
absl::Status readRope(const JsonValue &json, const ConfigReader &reader, const std::string &file,
                      const ArchitectureRow &row, ModelConfig &config);

} // namespace stc

#endif // STC_LIB_FORMATS_CONFIGREADER_H
