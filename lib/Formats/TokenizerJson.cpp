// Reads tokenizer.json and the settings of its neighbour tokenizer_config.json.
#include "stc/Formats/TokenizerJson.h"

#include "TokenizerJsonModel.h"
#include "TokenizerJsonPipeline.h"

#include "stc/Support/File.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <sys/stat.h>

namespace stc {

namespace {

constexpr uint64_t kLargestFile = uint64_t(1) << 28;

/// The id of a token named by tokenizer_config.json, as text or as an object; -1 for null.
absl::StatusOr<int64_t> readNamedToken(const JsonNode &config, absl::string_view key,
                                       const TokenIds &ids) {
  JsonNode node = config[key];
  if (!node.present())
    return int64_t(-1);
  JsonNode text = node.get().isObject() ? node["content"] : node;
  if (!text.present() || !text.get().isString())
    return text.error("a token of the vocabulary");
  auto found = ids.find(text.get().string);
  if (found == ids.end())
    return text.error("a token of the vocabulary");
  return found->second;
}

absl::Status readConfig(const JsonNode &config, bool templateSays, const TokenIds &ids,
                        TokenizerSpec &spec) {
  STC_RETURN_IF_ERROR(config.checkObject());
  if (spec.bos < 0) {
    STC_ASSIGN_OR_RETURN(spec.bos, readNamedToken(config, "bos_token", ids));
  }
  if (spec.eos < 0) {
    STC_ASSIGN_OR_RETURN(spec.eos, readNamedToken(config, "eos_token", ids));
  }
  if (templateSays)
    return absl::OkStatus();
  // These classes add BOS unless told otherwise.
  std::string className;
  if (config["tokenizer_class"].present()) {
    STC_ASSIGN_OR_RETURN(className, config["tokenizer_class"].toString());
  }
  bool likeLlama = absl::StartsWith(className, "Llama") ||
                   absl::StartsWith(className, "CodeLlama") || absl::StartsWith(className, "Gemma");
  STC_ASSIGN_OR_RETURN(spec.addBos, config["add_bos_token"].toBool(likeLlama && spec.bos >= 0));
  STC_ASSIGN_OR_RETURN(spec.addEos, config["add_eos_token"].toBool(false));
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<TokenizerSpec> parseTokenizerJson(absl::string_view text, const std::string &file,
                                                 absl::string_view config,
                                                 const std::string &configFile) {
  STC_ASSIGN_OR_RETURN(JsonValue json, parseJson(text, file));
  JsonNode root(&json, file);
  STC_RETURN_IF_ERROR(root.checkObject());
  TokenizerSpec spec;
  TokenIds ids; // its keys point into `json`
  STC_RETURN_IF_ERROR(readModelKind(root["model"], spec));
  STC_RETURN_IF_ERROR(readTokenizerPipeline(root, spec));
  STC_RETURN_IF_ERROR(readModel(root, spec, ids));
  STC_ASSIGN_OR_RETURN(bool templateSays, readPostProcessor(root, spec));
  if (config.empty())
    return spec;
  STC_ASSIGN_OR_RETURN(JsonValue configJson, parseJson(config, configFile));
  STC_RETURN_IF_ERROR(readConfig(JsonNode(&configJson, configFile), templateSays, ids, spec));
  return spec;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizerJson(const std::string &path) {
  STC_ASSIGN_OR_RETURN(std::string text, readFile(path, kLargestFile));
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  std::string configFile = absl::StrCat(folder, "tokenizer_config.json"), config;
  struct stat info;
  if (stat(configFile.c_str(), &info) == 0) {
    STC_ASSIGN_OR_RETURN(config, readFile(configFile, kLargestFile));
  }
  STC_ASSIGN_OR_RETURN(TokenizerSpec spec, parseTokenizerJson(text, path, config, configFile));
  text = {}; // large, and not needed while the tables are built
  return Tokenizer::create(std::move(spec), path);
}

} // namespace stc
