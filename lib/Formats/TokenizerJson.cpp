// Reads tokenizer.json: vocabulary, merges and added tokens, then the settings of its neighbour.
#include "stc/Formats/TokenizerJson.h"

#include "TokenizerJsonPipeline.h"

#include "stc/Support/File.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <sys/stat.h>

namespace stc {

namespace {

using TokenType = TokenizerSpec::TokenType;
using TokenIds = absl::flat_hash_map<absl::string_view, int64_t>;

constexpr uint64_t kLargestFile = uint64_t(1) << 28;

/// Fills `spec.tokens` from `model.vocab` and `added_tokens`. The ids must be 0, 1, 2 ... without
/// gaps, so their number is known before any id is believed.
class VocabularyReader {
public:
  VocabularyReader(const JsonNode &root, TokenizerSpec &spec) : root(root), spec(spec) {}

  absl::Status read() {
    JsonNode vocabulary = root["model"]["vocab"], added = root["added_tokens"];
    STC_RETURN_IF_ERROR(vocabulary.checkObject());
    STC_ASSIGN_OR_RETURN(size_t addedCount, added.arraySize());
    const std::vector<JsonValue::Member> &members = vocabulary.get().object;
    ids.reserve(members.size() + addedCount);
    for (const JsonValue::Member &member : members)
      ids.try_emplace(member.first, -1);
    for (size_t i = 0; i < addedCount; ++i) {
      JsonNode content = added[i]["content"];
      if (!content.present() || !content.get().isString())
        return content.error("a string");
      if (!content.get().string.empty())
        ids.try_emplace(content.get().string, -1);
    }
    spec.tokens.resize(ids.size());
    used.resize(ids.size());
    for (const JsonValue::Member &member : members)
      STC_RETURN_IF_ERROR(place(member.first, vocabulary.child(member)));
    for (size_t i = 0; i < addedCount; ++i)
      STC_RETURN_IF_ERROR(readAdded(added[i]));
    return absl::OkStatus();
  }

  TokenIds ids;

private:
  absl::Status place(const std::string &text, const JsonNode &node) {
    STC_ASSIGN_OR_RETURN(int64_t value, node.toInteger());
    if (value < 0 || value >= int64_t(used.size()))
      return node.error(absl::StrCat("ids 0 to ", used.size() - 1, " without gaps"));
    size_t id = size_t(value);
    if (used[id])
      return node.error("an id of its own",
                        absl::StrCat(id, ", which '", printable(spec.tokens[id].text), "' has"));
    used[id] = true;
    ids[text] = int64_t(id);
    spec.tokens[id].text = text;
    return absl::OkStatus();
  }

  absl::Status readAdded(const JsonNode &node) {
    const std::string &text = node["content"].get().string;
    if (text.empty())
      return absl::OkStatus();
    if (!seen.insert(text).second)
      return node.error("an added token of its own", absl::StrCat("'", printable(text), "' again"));
    JsonNode idNode = node["id"];
    STC_ASSIGN_OR_RETURN(int64_t id, idNode.toInteger());
    if (ids[text] < 0)
      STC_RETURN_IF_ERROR(place(text, idNode));
    else if (ids[text] != id)
      return idNode.error(
          absl::StrCat(ids[text], ", the id of '", printable(text), "' in model.vocab"));
    TokenizerSpec::Token &token = spec.tokens[size_t(id)];
    STC_ASSIGN_OR_RETURN(bool special, node["special"].toBool(false));
    token.type = special ? TokenType::Control : TokenType::UserDefined;
    STC_ASSIGN_OR_RETURN(token.leftStrip, node["lstrip"].toBool(false));
    STC_ASSIGN_OR_RETURN(token.rightStrip, node["rstrip"].toBool(false));
    STC_ASSIGN_OR_RETURN(token.singleWord, node["single_word"].toBool(false));
    STC_ASSIGN_OR_RETURN(token.normalized, node["normalized"].toBool(!special));
    return absl::OkStatus();
  }

  JsonNode root;
  TokenizerSpec &spec;
  std::vector<bool> used;
  absl::flat_hash_set<absl::string_view> seen;
};

absl::Status readMerges(const JsonNode &merges, TokenizerSpec &spec) {
  STC_ASSIGN_OR_RETURN(size_t count, merges.arraySize());
  spec.merges.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    const JsonValue &merge = merges.get().array[i];
    if (merge.isArray() && merge.array.size() == 2 && merge.array[0].isString() &&
        merge.array[1].isString()) {
      spec.merges.emplace_back(merge.array[0].string, merge.array[1].string);
      continue;
    }
    absl::string_view text = merge.string;
    size_t space = text.find(' ');
    if (merge.isString() && i == 0 && absl::StartsWith(text, "#version"))
      continue; // a header line kept from merges.txt
    if (!merge.isString() || space == absl::string_view::npos ||
        text.find(' ', space + 1) != absl::string_view::npos)
      return merges[i].error("two tokens with a space between, or an array of two");
    spec.merges.emplace_back(text.substr(0, space), text.substr(space + 1));
  }
  return absl::OkStatus();
}

/// Marks `<0x00>` to `<0xFF>` as byte tokens.
absl::Status markByteTokens(const JsonNode &vocabulary, TokenizerSpec &spec) {
  for (TokenizerSpec::Token &token : spec.tokens) {
    bool looksLikeOne = token.text.size() == 6 && absl::StartsWith(token.text, "<0x") &&
                        absl::EndsWith(token.text, ">");
    if (!looksLikeOne)
      continue;
    if (parseByteToken(token.text) < 0)
      return vocabulary.error("byte tokens <0x00> to <0xFF>",
                              absl::StrCat("'", printable(token.text), "'"));
    token.type = TokenType::Byte;
  }
  return absl::OkStatus();
}

absl::Status checkModelType(const JsonNode &model) {
  STC_RETURN_IF_ERROR(model.checkObject());
  // Files of the first versions leave the type out; only BPE has merges.
  if (model.type() != "BPE" && (model["type"].present() || !model["merges"].present()))
    return model["type"].error(
        "the model BPE (Unigram, WordPiece and WordLevel are not supported)");
  return absl::OkStatus();
}

absl::Status readModel(const JsonNode &root, TokenizerSpec &spec, TokenIds &ids) {
  JsonNode model = root["model"];
  for (absl::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (model[name].present() &&
        !(model[name].get().isString() && model[name].get().string.empty()))
      return model[name].error("null or an empty string");
  JsonNode dropout = model["dropout"];
  if (dropout.present() && !(dropout.get().isNumber() && dropout.get().number == 0))
    return dropout.error("null: encoding has to be repeatable");
  STC_ASSIGN_OR_RETURN(spec.byteFallback, model["byte_fallback"].toBool(false));
  STC_ASSIGN_OR_RETURN(spec.ignoreMerges, model["ignore_merges"].toBool(false));
  STC_ASSIGN_OR_RETURN(spec.fuseUnknown, model["fuse_unk"].toBool(false));

  VocabularyReader reader(root, spec);
  STC_RETURN_IF_ERROR(reader.read());
  ids = std::move(reader.ids);
  STC_RETURN_IF_ERROR(readMerges(model["merges"], spec));
  if (spec.byteFallback)
    STC_RETURN_IF_ERROR(markByteTokens(model["vocab"], spec));
  JsonNode unknown = model["unk_token"];
  if (unknown.present()) {
    STC_ASSIGN_OR_RETURN(std::string text, unknown.toString());
    auto found = ids.find(text);
    if (found == ids.end())
      return unknown.error("a token of model.vocab");
    spec.unknown = found->second;
    spec.tokens[size_t(found->second)].type = TokenType::Unknown;
  }
  return absl::OkStatus();
}

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
  STC_RETURN_IF_ERROR(checkModelType(root["model"]));
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
