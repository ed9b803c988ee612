// Reads the model of a tokenizer.json: vocabulary, merges or scores, and the added tokens.
#include "TokenizerJsonModel.h"

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace stc {

namespace {

using TokenType = TokenizerSpec::TokenType;

/// Fills `spec.tokens` from `model.vocab` (texts with their ids, or for Unigram the texts and
/// scores in the order of their ids) and `added_tokens`. The ids must be 0, 1, 2 ... without gaps,
/// so their number is known before any id is believed.
class VocabularyReader {
public:
  VocabularyReader(const JsonNode &root, TokenizerSpec &spec) : root(root), spec(spec) {}

  absl::Status read() {
    JsonNode vocabulary = root["model"]["vocab"], added = root["added_tokens"];
    STC_ASSIGN_OR_RETURN(size_t addedCount, added.arraySize());
    bool scored = spec.kind == TokenizerSpec::Kind::Unigram;
    STC_RETURN_IF_ERROR(scored ? nameScored(vocabulary) : nameNumbered(vocabulary));
    for (size_t i = 0; i < addedCount; ++i) {
      JsonNode content = added[i]["content"];
      if (!content.present() || !content.get().isString())
        return content.error("a string");
      if (!content.get().string.empty())
        ids.try_emplace(content.get().string, -1);
    }
    spec.tokens.resize(ids.size());
    used.resize(ids.size());
    if (scored)
      placeScored(vocabulary.get().array);
    else
      for (const JsonValue::Member &member : vocabulary.get().object)
        STC_RETURN_IF_ERROR(place(member.first, vocabulary.child(member)));
    for (size_t i = 0; i < addedCount; ++i)
      STC_RETURN_IF_ERROR(readAdded(added[i]));
    return absl::OkStatus();
  }

  TokenIds ids;

private:
  absl::Status nameNumbered(const JsonNode &vocabulary) {
    STC_RETURN_IF_ERROR(vocabulary.checkObject());
    for (const JsonValue::Member &member : vocabulary.get().object)
      ids.try_emplace(member.first, -1);
    return absl::OkStatus();
  }

  absl::Status nameScored(const JsonNode &vocabulary) {
    if (!vocabulary.present() || !vocabulary.get().isArray())
      return vocabulary.error("an array of pairs of a token and its score");
    for (size_t i = 0; i < vocabulary.get().array.size(); ++i) {
      const JsonValue &entry = vocabulary.get().array[i];
      if (!entry.isArray() || entry.array.size() != 2 || !entry.array[0].isString() ||
          !entry.array[1].isNumber())
        return vocabulary[i].error("a pair of a token and its score");
      if (!ids.try_emplace(entry.array[0].string, -1).second)
        return vocabulary[i].error("a token of its own",
                                   absl::StrCat("'", printable(entry.array[0].string), "' again"));
    }
    return absl::OkStatus();
  }

  void placeScored(const std::vector<JsonValue> &entries) {
    for (size_t id = 0; id < entries.size(); ++id) {
      const std::string &text = entries[id].array[0].string;
      used[id] = true;
      ids[text] = int64_t(id);
      spec.tokens[id].text = text;
      spec.tokens[id].score = float(entries[id].array[1].number);
    }
  }

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

/// What only BPE models have.
absl::Status readBpe(const JsonNode &model, TokenizerSpec &spec) {
  for (absl::string_view name : {"continuing_subword_prefix", "end_of_word_suffix"})
    if (model[name].present() &&
        !(model[name].get().isString() && model[name].get().string.empty()))
      return model[name].error("null or an empty string");
  JsonNode dropout = model["dropout"];
  if (dropout.present() && !(dropout.get().isNumber() && dropout.get().number == 0))
    return dropout.error("null: encoding has to be repeatable");
  STC_ASSIGN_OR_RETURN(spec.ignoreMerges, model["ignore_merges"].toBool(false));
  STC_ASSIGN_OR_RETURN(spec.fuseUnknown, model["fuse_unk"].toBool(false));
  return readMerges(model["merges"], spec);
}

/// The id of the unknown token: named by its text, or for Unigram by its id; -1 for null.
absl::StatusOr<int64_t> readUnknown(const JsonNode &model, const TokenizerSpec &spec,
                                    const TokenIds &ids) {
  JsonNode unknown = model[spec.kind == TokenizerSpec::Kind::Unigram ? "unk_id" : "unk_token"];
  if (!unknown.present())
    return int64_t(-1);
  if (spec.kind == TokenizerSpec::Kind::Unigram) {
    STC_ASSIGN_OR_RETURN(int64_t id, unknown.toInteger());
    if (id < 0 || id >= int64_t(spec.tokens.size()))
      return unknown.error(absl::StrCat("an id below ", spec.tokens.size()));
    return id;
  }
  STC_ASSIGN_OR_RETURN(std::string text, unknown.toString());
  auto found = ids.find(text);
  if (found == ids.end())
    return unknown.error("a token of model.vocab");
  return found->second;
}

} // namespace

absl::Status readModelKind(const JsonNode &model, TokenizerSpec &spec) {
  STC_RETURN_IF_ERROR(model.checkObject());
  spec.kind = TokenizerSpec::Kind::SentencePiece;
  if (model.type() == "Unigram") {
    spec.kind = TokenizerSpec::Kind::Unigram;
    spec.fuseUnknown = true;
    return absl::OkStatus();
  }
  if (model.type() == "WordPiece") {
    spec.kind = TokenizerSpec::Kind::WordPiece;
    spec.stripPrefixSpaceOnDecode = true;
    if (model["continuing_subword_prefix"].present()) {
      STC_ASSIGN_OR_RETURN(spec.continuationPrefix, model["continuing_subword_prefix"].toString());
    }
    if (model["max_input_chars_per_word"].present()) {
      STC_ASSIGN_OR_RETURN(spec.longestWord, model["max_input_chars_per_word"].toInteger());
    }
    return absl::OkStatus();
  }
  // Files of the first versions leave the type out; only BPE has merges.
  if (model.type() != "BPE" && (model["type"].present() || !model["merges"].present()))
    return model["type"].error("a model BPE, WordPiece or Unigram (WordLevel is not supported)");
  return absl::OkStatus();
}

absl::Status readModel(const JsonNode &root, TokenizerSpec &spec, TokenIds &ids) {
  JsonNode model = root["model"];
  STC_ASSIGN_OR_RETURN(spec.byteFallback, model["byte_fallback"].toBool(false));
  bool bpe = spec.kind == TokenizerSpec::Kind::SentencePiece ||
             spec.kind == TokenizerSpec::Kind::ByteLevelBpe;
  if (bpe)
    STC_RETURN_IF_ERROR(readBpe(model, spec));
  VocabularyReader reader(root, spec);
  STC_RETURN_IF_ERROR(reader.read());
  ids = std::move(reader.ids);
  if (spec.byteFallback)
    STC_RETURN_IF_ERROR(markByteTokens(model["vocab"], spec));
  STC_ASSIGN_OR_RETURN(spec.unknown, readUnknown(model, spec, ids));
  if (spec.unknown >= 0)
    spec.tokens[size_t(spec.unknown)].type = TokenType::Unknown;
  return absl::OkStatus();
}

} // namespace stc
