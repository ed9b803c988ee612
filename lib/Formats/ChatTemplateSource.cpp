// Finds the chat template of a checkpoint.
#include "JsonNode.h"

#include "stc/Formats/Checkpoint.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <sys/stat.h>

namespace stc {

namespace {

constexpr uint64_t kLargestTemplate = 1 << 20, kLargestConfig = 64 << 20;

absl::Status checkSize(absl::string_view text, const ErrorSite &site) {
  if (text.size() <= kLargestTemplate)
    return absl::OkStatus();
  return formatError(site, absl::StrCat("at most ", kLargestTemplate, " bytes"),
                     absl::StrCat(text.size()));
}

/// A string, or a list of objects with a name and a template of which one is the default.
absl::StatusOr<std::string> readTemplates(const JsonNode &node) {
  if (!node.present())
    return std::string();
  if (node.get().isString())
    return node.get().string;
  if (!node.get().isArray())
    return node.error("a string, or a list of named templates");
  std::vector<std::string> names;
  for (size_t i = 0; i < node.get().array.size(); ++i) {
    STC_ASSIGN_OR_RETURN(std::string name, node[i]["name"].toString());
    if (name == "default")
      return node[i]["template"].toString();
    names.push_back(printable(name));
  }
  return node.error("one template called default", absl::StrJoin(names, ", "));
}

absl::StatusOr<std::string> readFolder(const std::string &folder) {
  std::string base = absl::StrCat(folder, absl::EndsWith(folder, "/") ? "" : "/");
  struct stat info;
  std::string file = absl::StrCat(base, "chat_template.jinja");
  if (stat(file.c_str(), &info) == 0)
    return readFile(file, kLargestTemplate);
  file = absl::StrCat(base, "tokenizer_config.json");
  if (stat(file.c_str(), &info) != 0)
    return std::string();
  STC_ASSIGN_OR_RETURN(std::string text, readFile(file, kLargestConfig));
  STC_ASSIGN_OR_RETURN(JsonValue json, parseJson(text, file));
  JsonNode config(&json, file);
  STC_RETURN_IF_ERROR(config.checkObject());
  STC_ASSIGN_OR_RETURN(std::string chat, readTemplates(config["chat_template"]));
  STC_RETURN_IF_ERROR(checkSize(chat, {file, "chat_template", {}}));
  return chat;
}

} // namespace

absl::StatusOr<std::string> Checkpoint::loadChatTemplate() const {
  if (!gguf) {
    struct stat info;
    bool folder = stat(sourcePath.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    size_t slash = sourcePath.rfind('/');
    return readFolder(folder                       ? sourcePath
                      : slash == std::string::npos ? "."
                                                   : sourcePath.substr(0, slash));
  }
  const GgufValue *value = gguf->find("tokenizer.chat_template");
  if (!value)
    return std::string();
  ErrorSite site{sourcePath, "tokenizer.chat_template", value->offset};
  if (value->type != GgufValue::Type::String)
    return formatError(site, "a string", "another type");
  STC_RETURN_IF_ERROR(checkSize(value->string, site));
  return std::string(value->string);
}

} // namespace stc
