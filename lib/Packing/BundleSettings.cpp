// Model settings as `key = value` lines.
#include "BundleFormat.h"
#include "stc/Support/ImageSettings.h"
#include "stc/Support/Pooling.h"

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include <algorithm>
#include <limits>

namespace stc {

namespace {

constexpr int64_t kMaxInt32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMaxCount = int64_t(1) << 20;
constexpr int64_t kMaxSize = int64_t(1) << 60;
constexpr size_t kMaxTokens = 1024; // in a list

struct StringField {
  absl::string_view key;
  std::string ModelSettings::*member;
};
constexpr StringField kStrings[] = {
    {"name", &ModelSettings::name},        {"architecture", &ModelSettings::architecture},
    {"recipe", &ModelSettings::recipe},    {"chat_template", &ModelSettings::chatTemplate},
    {"kv_cache", &ModelSettings::kvCache}, {"pooling", &ModelSettings::pooling},
    {"image", &ModelSettings::image},
};

struct NumberField {
  absl::string_view key;
  int64_t ModelSettings::*member;
  int64_t lowest, highest;
};
constexpr NumberField kNumbers[] = {
    {"vocab_size", &ModelSettings::vocabSize, 1, kMaxInt32},
    {"hidden_size", &ModelSettings::hiddenSize, 1, kMaxInt32},
    {"layers", &ModelSettings::layers, 1, kMaxCount},
    {"kv_heads", &ModelSettings::kvHeads, 1, kMaxCount},
    {"head_dim", &ModelSettings::headDim, 1, kMaxCount},
    {"max_context", &ModelSettings::maxContext, 16, kMaxInt32},
    {"prefill_chunk", &ModelSettings::prefillChunk, 1, kMaxInt32},
    {"arena_bytes", &ModelSettings::arenaBytes, 0, kMaxSize},
    {"gpu_prefill_chunk", &ModelSettings::gpuPrefillChunk, 0, kMaxInt32},
    {"gpu_arena_bytes", &ModelSettings::gpuArenaBytes, 0, kMaxSize},
    {"key_cache_bytes", &ModelSettings::keyCacheBytes, 0, kMaxSize},
    {"value_cache_bytes", &ModelSettings::valueCacheBytes, 0, kMaxSize},
    {"weight_bytes_per_token", &ModelSettings::weightBytesPerToken, 0, kMaxSize},
    {"activation_ops_per_token", &ModelSettings::activationOpsPerToken, 0, kMaxSize},
    {"bos_token", &ModelSettings::bosToken, -1, kMaxInt32},
    {"encoder_context", &ModelSettings::encoderContext, 0, kMaxInt32},
    {"feature_size", &ModelSettings::featureSize, 0, kMaxCount},
    {"label_logits", &ModelSettings::labelLogits, 0, kMaxInt32},
    {"decoder_start", &ModelSettings::decoderStart, -1, kMaxInt32},
    {"normalize", &ModelSettings::normalize, 0, 1},
};
/// Token ids. One that is not needed is left out when empty.
struct ListField {
  absl::string_view key;
  std::vector<int64_t> ModelSettings::*member;
  int64_t lowest;
  bool isNeeded;
};
constexpr ListField kLists[] = {
    {"eos_tokens", &ModelSettings::eosTokens, 0, true},
    {"suppressed_tokens", &ModelSettings::suppressedTokens, 0, false},
    {"first_suppressed_tokens", &ModelSettings::firstSuppressedTokens, 0, false},
    {"forced_tokens", &ModelSettings::forcedTokens, -1, false},
    {"language_tokens", &ModelSettings::languageTokens, 0, false},
};
constexpr absl::string_view kFingerprintKey = "code_fingerprint";
constexpr absl::string_view kKindKey = "kind";

bool isKnown(absl::string_view key) {
  auto matches = [&](const auto &field) { return field.key == key; };
  return key == kFingerprintKey || key == kKindKey ||
         std::any_of(std::begin(kLists), std::end(kLists), matches) ||
         std::any_of(std::begin(kStrings), std::end(kStrings), matches) ||
         std::any_of(std::begin(kNumbers), std::end(kNumbers), matches);
}

bool isKey(absl::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == text.npos;
}

bool isOneLine(absl::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) { return uint8_t(c) < 0x20; });
}

/// Only the way StrCat writes a number reads back: no sign, blank or zero too many.
bool parseNumber(absl::string_view text, int64_t &value) {
  return absl::SimpleAtoi(text, &value) && absl::StrCat(value) == text;
}

/// Numbers with commas between them.
bool parseTokens(absl::string_view text, const ListField &field, std::vector<int64_t> &tokens) {
  if (text.empty())
    return field.isNeeded;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    int64_t token = 0;
    if (tokens.size() == kMaxTokens || !parseNumber(part, token) || token < field.lowest ||
        token > kMaxInt32)
      return false;
    tokens.push_back(token);
  }
  return true;
}

/// A quoted string of which Utf8SafeCEscape is the one spelling.
bool parseString(absl::string_view text, std::string &value) {
  if (text.size() < 2 || text.front() != '"' || text.back() != '"')
    return false;
  absl::string_view inside = text.substr(1, text.size() - 2);
  return absl::CUnescape(inside, &value) && absl::Utf8SafeCEscape(value) == inside;
}

/// Collects the lines of the text and hands out each key's value once.
class Lines {
public:
  Lines(absl::string_view text, const ErrorSite &site) : text(text), site(site) {}

  absl::Status read() {
    size_t at = 0;
    while (at < text.size()) {
      size_t end = text.find('\n', at);
      absl::string_view line = text.substr(at, end - at);
      size_t split = line.find(" = ");
      absl::string_view key = line.substr(0, split);
      if (end == text.npos || split == line.npos || !isKey(key) || !isOneLine(line))
        return error(line, at, "a line `key = value`", line);
      if (!values.emplace(std::string(key), Value{line.substr(split + 3), at}).second)
        return error(key, at, "each key once", "it again");
      at = end + 1;
    }
    return absl::OkStatus();
  }

  bool has(absl::string_view key) const { return values.count(std::string(key)) != 0; }

  /// Parses the value of `key` with `parse`, which says whether it liked it.
  template <typename Parse>
  absl::Status take(absl::string_view key, absl::string_view expected, Parse parse) {
    auto found = values.find(std::string(key));
    if (found == values.end())
      return error(key, 0, expected, "no such key");
    if (!parse(found->second.text))
      return error(key, found->second.offset, expected, found->second.text);
    values.erase(found);
    return absl::OkStatus();
  }

  std::map<std::string, std::string> rest() const {
    std::map<std::string, std::string> result;
    for (const auto &[key, value] : values)
      result.emplace(key, std::string(value.text));
    return result;
  }

private:
  struct Value {
    absl::string_view text;
    size_t offset;
  };
  absl::Status error(absl::string_view key, size_t at, absl::string_view expected,
                     absl::string_view got) const {
    ErrorSite where = site;
    where.field = absl::StrCat(site.field, ": ", key.substr(0, 40));
    if (where.offset)
      *where.offset += at;
    return formatError(where, expected, got);
  }
  absl::string_view text;
  const ErrorSite &site;
  std::map<std::string, Value> values;
};

/// What a model reads and gives must be what its image settings say.
absl::Status checkImage(const ModelSettings &settings, const ErrorSite &site) {
  absl::StatusOr<ImageSettings> image = parseImageSettings(settings.image);
  if (image.ok() && settings.kind == ModelKind::Encoder &&
      settings.featureSize == image->patchNumbers() && image->positions() <= settings.maxContext &&
      settings.vocabSize == image->classTokens + 1 && image->classifiers <= image->classTokens &&
      settings.labelLogits == image->classifiers * int64_t(image->labels.size()))
    return absl::OkStatus();
  return formatError({site.file, absl::StrCat(site.field, ": image"), site.offset},
                     "settings of images as large as this encoder reads",
                     image.ok() ? "others" : std::string(image.status().message()));
}

} // namespace

ModelSettings ModelSettings::onGpu() const {
  ModelSettings own = *this;
  if (gpuPrefillChunk > 0) {
    own.prefillChunk = gpuPrefillChunk;
    own.arenaBytes = gpuArenaBytes;
  }
  return own;
}

absl::StatusOr<std::string> formatSettings(const ModelSettings &settings) {
  std::string text;
  auto line = [&](absl::string_view key, absl::string_view value) {
    absl::StrAppend(&text, key, " = ", value, "\n");
  };
  for (const StringField &field : kStrings)
    line(field.key, absl::StrCat("\"", absl::Utf8SafeCEscape(settings.*field.member), "\""));
  for (const NumberField &field : kNumbers)
    line(field.key, absl::StrCat(settings.*field.member));
  line(kKindKey, modelKindName(settings.kind));
  for (const ListField &field : kLists)
    if (field.isNeeded || !(settings.*field.member).empty())
      line(field.key, absl::StrJoin(settings.*field.member, ","));
  line(kFingerprintKey, absl::StrCat("0x", absl::Hex(settings.codeFingerprint, absl::kZeroPad16)));
  ErrorSite site{"", "settings", {}};
  for (const auto &[key, value] : settings.other) {
    if (!isKey(key) || isKnown(key) || !isOneLine(value))
      return formatError(site, "other keys of [a-z0-9_] with values of one line",
                         absl::StrCat(key, " = ", value));
    line(key, value);
  }
  // What the reader would refuse is an error now, while its cause can still be seen.
  STC_RETURN_IF_ERROR(parseSettings(text, site).status());
  return text;
}

absl::StatusOr<ModelSettings> parseSettings(absl::string_view text, const ErrorSite &site) {
  Lines lines(text, site);
  STC_RETURN_IF_ERROR(lines.read());
  ModelSettings settings;
  for (const StringField &field : kStrings)
    STC_RETURN_IF_ERROR(lines.take(field.key, "a quoted string", [&](absl::string_view value) {
      return parseString(value, settings.*field.member);
    }));
  for (const NumberField &field : kNumbers)
    STC_RETURN_IF_ERROR(lines.take(
        field.key, absl::StrCat("a number from ", field.lowest, " to ", field.highest),
        [&](absl::string_view value) {
          int64_t &number = settings.*field.member;
          return parseNumber(value, number) && number >= field.lowest && number <= field.highest;
        }));
  STC_RETURN_IF_ERROR(
      lines.take(kKindKey, "decoder, encoder or encoder-decoder", [&](absl::string_view value) {
        std::optional<ModelKind> kind = parseModelKind(value);
        settings.kind = kind.value_or(settings.kind);
        return kind.has_value();
      }));
  if (settings.kind == ModelKind::Encoder ? !parsePooling(settings.pooling)
                                          : !settings.pooling.empty())
    return formatError({site.file, absl::StrCat(site.field, ": pooling"), site.offset},
                       "mean, cls, last or max for an encoder, and nothing for another model",
                       absl::StrCat("'", printable(settings.pooling), "'"));
  bool hasRows = settings.kind == ModelKind::Encoder && settings.featureSize > 0;
  if (!settings.image.empty() || hasRows || settings.labelLogits > 0)
    STC_RETURN_IF_ERROR(checkImage(settings, site));
  if (settings.maxContext % 16 != 0)
    return formatError({site.file, absl::StrCat(site.field, ": max_context"), site.offset},
                       "a multiple of 16", absl::StrCat(settings.maxContext));
  for (const ListField &field : kLists)
    if (field.isNeeded || lines.has(field.key))
      STC_RETURN_IF_ERROR(
          lines.take(field.key, "token ids with commas between them", [&](absl::string_view value) {
            return parseTokens(value, field, settings.*field.member);
          }));
  STC_RETURN_IF_ERROR(
      lines.take(kFingerprintKey, "0x and 16 hexadecimal digits", [&](absl::string_view value) {
        return absl::SimpleHexAtoi(value, &settings.codeFingerprint) &&
               absl::StrCat("0x", absl::Hex(settings.codeFingerprint, absl::kZeroPad16)) == value;
      }));
  settings.other = lines.rest();
  return settings;
}

} // namespace stc
