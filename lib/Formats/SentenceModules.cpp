// The files that sentence-transformers puts beside a checkpoint: how hidden states become a vector.
#include "SentenceModules.h"

#include "JsonNode.h"
#include "stc/Support/File.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <sys/stat.h>

namespace stc {

namespace {

constexpr uint64_t kLargestConfig = 1 << 20;

bool exists(const std::string &path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

absl::StatusOr<JsonValue> readJson(const std::string &file) {
  STC_ASSIGN_OR_RETURN(std::string text, readFile(file, kLargestConfig));
  return parseJson(text, file);
}

/// Ways of pooling, by the switches that turn them on.
constexpr struct {
  absl::string_view key;
  std::optional<Pooling> pooling; // nothing: not supported
} kSwitches[] = {
    {"pooling_mode_cls_token", Pooling::First}, {"pooling_mode_mean_tokens", Pooling::Mean},
    {"pooling_mode_max_tokens", Pooling::Max},  {"pooling_mode_lasttoken", Pooling::Last},
    {"pooling_mode_mean_sqrt_len_tokens", {}},  {"pooling_mode_weightedmean_tokens", {}},
};

absl::Status readPooling(const std::string &file, ModelConfig &config) {
  STC_ASSIGN_OR_RETURN(JsonValue json, readJson(file));
  JsonNode root(&json, file);
  STC_RETURN_IF_ERROR(root.checkObject());
  int64_t found = 0;
  for (const auto &known : kSwitches) {
    STC_ASSIGN_OR_RETURN(bool isOn, root[known.key].toBool(false));
    if (!isOn)
      continue;
    if (!known.pooling)
      return root[known.key].error("false (cls, mean, max and last tokens are supported)", "true");
    config.pooling = *known.pooling;
    ++found;
  }
  if (found != 1)
    return root.error("one pooling_mode_* that is true", absl::StrCat(found));
  return absl::OkStatus();
}

/// The folder of a module, which must be in the checkpoint's.
absl::StatusOr<std::string> folderOf(const JsonNode &module) {
  STC_ASSIGN_OR_RETURN(std::string path, module["path"].toString());
  if (path.empty() || absl::StartsWith(path, ".") || absl::StrContains(path, '/'))
    return module["path"].error("the name of a folder");
  return path;
}

} // namespace

absl::Status readSentenceModules(const std::string &folder, ModelConfig &config) {
  std::string base = absl::StrCat(folder, absl::EndsWith(folder, "/") ? "" : "/");
  std::string file = absl::StrCat(base, "modules.json");
  std::string usual = absl::StrCat(base, "1_Pooling/config.json");
  if (!exists(file))
    return exists(usual) ? readPooling(usual, config) : absl::OkStatus();
  STC_ASSIGN_OR_RETURN(JsonValue json, readJson(file));
  JsonNode root(&json, file);
  STC_ASSIGN_OR_RETURN(size_t count, root.arraySize());
  config.normalizedVectors = false;
  for (size_t i = 0; i < count; ++i) {
    JsonNode module = root[i];
    STC_RETURN_IF_ERROR(module.checkObject());
    absl::string_view type = module.type();
    // "sentence_transformers.models.Pooling"
    absl::string_view kind = type.substr(type.rfind('.') + 1);
    if (kind == "Pooling") {
      STC_ASSIGN_OR_RETURN(std::string own, folderOf(module));
      STC_RETURN_IF_ERROR(readPooling(absl::StrCat(base, own, "/config.json"), config));
    } else if (kind == "Normalize") {
      config.normalizedVectors = true;
    } else if (kind != "Transformer") {
      return module["type"].error("a module Transformer, Pooling or Normalize");
    }
  }
  return absl::OkStatus();
}

} // namespace stc
