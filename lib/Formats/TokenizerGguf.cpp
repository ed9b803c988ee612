// Reads the `tokenizer.ggml.*` metadata of a GGUF file into a tokenizer specification.
#include "stc/Formats/TokenizerGguf.h"

#include "BertPipeline.h"
#include "PreTokenizerFamilies.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace stc {

namespace {

using TokenType = TokenizerSpec::TokenType;
using Type = GgufValue::Type;

constexpr absl::string_view kSpaceMark = "\xE2\x96\x81"; // U+2581

/// Reads single keys, each with its type checked.
class MetadataReader {
public:
  explicit MetadataReader(const GgufFile &file) : file(file) {}

  const GgufValue *find(absl::string_view key) const {
    return file.find(absl::StrCat("tokenizer.ggml.", key));
  }
  absl::Status error(absl::string_view key, absl::string_view expected,
                     absl::string_view got) const {
    ErrorSite site{file.path(), absl::StrCat("tokenizer.ggml.", key), {}};
    if (const GgufValue *value = find(key))
      site.offset = value->offset;
    return formatError(site, expected, got);
  }
  absl::StatusOr<std::string> text(absl::string_view key) const {
    const GgufValue *value = find(key);
    if (!value || value->type != Type::String)
      return error(key, "a string", value ? "another type" : "nothing");
    return std::string(value->string);
  }
  absl::StatusOr<bool> flag(absl::string_view key, bool fallback) const {
    const GgufValue *value = find(key);
    if (!value)
      return fallback;
    if (value->type != Type::Bool)
      return error(key, "a boolean", "another type");
    return value->integer != 0;
  }
  /// The id of a token below `count`; `fallback` if the key is absent.
  absl::StatusOr<int64_t> id(absl::string_view key, size_t count, int64_t fallback) const {
    const GgufValue *value = find(key);
    if (!value)
      return fallback < int64_t(count) ? fallback : int64_t(-1);
    if (value->type == Type::F32 || value->type == Type::F64 || value->type == Type::Bool ||
        value->type == Type::String || value->type == Type::Array)
      return error(key, "an integer", "another type");
    if (value->integer < 0 || value->integer >= int64_t(count))
      return error(key, absl::StrCat("a token id below ", count), absl::StrCat(value->integer));
    return value->integer;
  }
  /// An array of one of the element types given; nullptr if the key is absent.
  absl::StatusOr<const GgufValue *> array(absl::string_view key, std::initializer_list<Type> types,
                                          absl::string_view expected) const {
    const GgufValue *value = find(key);
    if (!value)
      return value;
    if (value->type == Type::Array)
      for (Type type : types)
        if (value->elementType == type)
          return value;
    return error(key, expected, "another type");
  }

private:
  const GgufFile &file;
};

/// Texts, scores and types of all tokens.
absl::Status readTokens(const MetadataReader &reader, TokenizerSpec &spec) {
  STC_ASSIGN_OR_RETURN(const GgufValue *tokens,
                       reader.array("tokens", {Type::String}, "an array of strings"));
  if (!tokens)
    return reader.error("tokens", "an array of strings", "nothing");
  size_t count = tokens->strings.size();
  spec.tokens.resize(count);
  for (size_t i = 0; i < count; ++i)
    spec.tokens[i].text = std::string(tokens->strings[i]);

  STC_ASSIGN_OR_RETURN(const GgufValue *scores,
                       reader.array("scores", {Type::F32}, "an array of f32"));
  bool needed =
      spec.kind == TokenizerSpec::Kind::SentencePiece || spec.kind == TokenizerSpec::Kind::Unigram;
  if (!scores && needed)
    return reader.error("scores", "an array of f32", "nothing");
  if (scores && scores->numbers.size() != count)
    return reader.error("scores", absl::StrCat(count, " scores, one for each token"),
                        absl::StrCat(scores->numbers.size()));
  for (size_t i = 0; scores && i < count; ++i)
    spec.tokens[i].score = float(scores->numbers[i]);

  STC_ASSIGN_OR_RETURN(
      const GgufValue *types,
      reader.array("token_type", {Type::I32, Type::U32, Type::U8, Type::I8}, "an array of i32"));
  if (types && types->integers.size() != count)
    return reader.error("token_type", absl::StrCat(count, " types, one for each token"),
                        absl::StrCat(types->integers.size()));
  static constexpr TokenType known[] = {
      TokenType::Normal,      TokenType::Normal, TokenType::Unknown, TokenType::Control,
      TokenType::UserDefined, TokenType::Unused, TokenType::Byte};
  for (size_t i = 0; types && i < count; ++i) {
    int64_t type = types->integers[i];
    if (type < 0 || type >= int64_t(std::size(known)))
      return reader.error("token_type", absl::StrCat("types 0 to 6 (token ", i, ")"),
                          absl::StrCat(type));
    spec.tokens[i].type = known[type];
  }
  return absl::OkStatus();
}

/// What files mean that do not say which tokens are special, by kind.
struct SpecialDefaults {
  int64_t bos = -1, eos = -1, unknown = -1;
  bool addBos = false, addEos = false;
};

/// The first of `keys` that is present; `fallback` if none is.
absl::StatusOr<int64_t> readId(const MetadataReader &reader,
                               std::initializer_list<absl::string_view> keys, size_t count,
                               int64_t fallback) {
  for (absl::string_view key : keys)
    if (reader.find(key))
      return reader.id(key, count, fallback);
  return fallback < int64_t(count) ? fallback : int64_t(-1);
}

/// Ids of the special tokens and whether they are added. Encoders call them CLS and SEP (the key is
/// misspelt in the format's definition).
absl::Status readSpecialIds(const MetadataReader &reader, const SpecialDefaults &defaults,
                            TokenizerSpec &spec) {
  size_t count = spec.tokens.size();
  STC_ASSIGN_OR_RETURN(spec.bos,
                       readId(reader, {"bos_token_id", "cls_token_id"}, count, defaults.bos));
  STC_ASSIGN_OR_RETURN(spec.eos,
                       readId(reader, {"eos_token_id", "seperator_token_id", "separator_token_id"},
                              count, defaults.eos));
  STC_ASSIGN_OR_RETURN(spec.unknown, readId(reader, {"unknown_token_id"}, count, defaults.unknown));
  STC_ASSIGN_OR_RETURN(spec.addBos, reader.flag("add_bos_token", defaults.addBos && spec.bos >= 0));
  STC_ASSIGN_OR_RETURN(spec.addEos, reader.flag("add_eos_token", defaults.addEos && spec.eos >= 0));
  if (reader.find("token_type"))
    return absl::OkStatus();
  // Without types, the special ids and the form of byte tokens tell.
  bool pieces =
      spec.kind == TokenizerSpec::Kind::SentencePiece || spec.kind == TokenizerSpec::Kind::Unigram;
  for (TokenizerSpec::Token &token : spec.tokens)
    if (pieces && parseByteToken(token.text) >= 0)
      token.type = TokenType::Byte;
  for (int64_t id : {spec.bos, spec.eos})
    if (id >= 0)
      spec.tokens[size_t(id)].type = TokenType::Control;
  if (spec.kind != TokenizerSpec::Kind::ByteLevelBpe && spec.unknown >= 0)
    spec.tokens[size_t(spec.unknown)].type = TokenType::Unknown;
  return absl::OkStatus();
}

absl::Status readSentencePiece(const MetadataReader &reader, TokenizerSpec &spec) {
  spec.kind = TokenizerSpec::Kind::SentencePiece;
  STC_RETURN_IF_ERROR(readTokens(reader, spec));
  STC_RETURN_IF_ERROR(readSpecialIds(reader, {1, 2, 0, true, false}, spec));
  STC_ASSIGN_OR_RETURN(spec.addPrefixSpace, reader.flag("add_space_prefix", true));
  spec.stripPrefixSpaceOnDecode = spec.addPrefixSpace;
  spec.escapeSpaces = spec.byteFallback = spec.fuseUnknown = true;
  return absl::OkStatus();
}

absl::Status readMerges(const MetadataReader &reader, TokenizerSpec &spec) {
  STC_ASSIGN_OR_RETURN(const GgufValue *merges,
                       reader.array("merges", {Type::String}, "an array of strings"));
  if (!merges)
    return reader.error("merges", "an array of strings", "nothing");
  spec.merges.reserve(merges->strings.size());
  for (size_t i = 0; i < merges->strings.size(); ++i) {
    absl::string_view merge = merges->strings[i];
    size_t space = merge.find(' ', 1);
    if (space == absl::string_view::npos)
      return reader.error("merges", absl::StrCat("two tokens with a space between (merge ", i, ")"),
                          absl::StrCat("'", printable(merge), "'"));
    spec.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  return absl::OkStatus();
}

absl::Status readByteLevel(const MetadataReader &reader, TokenizerSpec &spec) {
  spec.kind = TokenizerSpec::Kind::ByteLevelBpe;
  std::string pre = "default";
  if (reader.find("pre")) {
    STC_ASSIGN_OR_RETURN(pre, reader.text("pre"));
  }
  const PreTokenizerFamily *family = findPreTokenizerFamily(pre);
  if (!family) {
    std::vector<absl::string_view> first;
    for (const PreTokenizerFamily &candidate : preTokenizerFamilies())
      first.push_back(candidate.names.front());
    return reader.error("pre",
                        absl::StrCat("one of ", absl::StrJoin(first, ", "), " or a relative"),
                        absl::StrCat("'", printable(pre), "'"));
  }
  spec.preTokenizers = stepsOf(*family);
  spec.ignoreMerges = family->ignoreMerges;
  STC_RETURN_IF_ERROR(readTokens(reader, spec));
  STC_RETURN_IF_ERROR(readMerges(reader, spec));
  STC_RETURN_IF_ERROR(readSpecialIds(reader, {-1, -1, -1, family->addBos, false}, spec));
  // Some files name their end-of-text token here. A byte without a token must not end the text.
  if (spec.unknown >= 0 && spec.tokens[size_t(spec.unknown)].type != TokenType::Unknown)
    spec.unknown = -1;
  return absl::OkStatus();
}

/// GGUF marks the tokens that begin a word (U+2581) instead of those inside one (##), and leaves
/// tokens in brackets as they are.
absl::Status readWordPiece(const MetadataReader &reader, TokenizerSpec &spec) {
  spec.kind = TokenizerSpec::Kind::WordPiece;
  STC_RETURN_IF_ERROR(readTokens(reader, spec));
  STC_RETURN_IF_ERROR(readSpecialIds(reader, {101, 102, 100, true, true}, spec));
  for (TokenizerSpec::Token &token : spec.tokens) {
    absl::string_view text = token.text;
    if (token.type != TokenType::Normal ||
        (absl::StartsWith(text, "[") && absl::EndsWith(text, "]") && text.size() > 1))
      continue;
    token.text = absl::StartsWith(text, kSpaceMark) ? std::string(text.substr(kSpaceMark.size()))
                                                    : absl::StrCat(spec.continuationPrefix, text);
  }
  BertNormalization rules;
  STC_ASSIGN_OR_RETURN(rules.lowercase, reader.flag("normalizer.lowercase", true));
  STC_ASSIGN_OR_RETURN(rules.stripAccents,
                       reader.flag("normalizer.strip_accents", rules.lowercase));
  spec.normalizers = bertNormalizers(rules);
  spec.preTokenizers = bertPreTokenizers();
  spec.stripPrefixSpaceOnDecode = spec.cleanUpOnDecode = true;
  return absl::OkStatus();
}

absl::Status readUnigram(const MetadataReader &reader, TokenizerSpec &spec) {
  spec.kind = TokenizerSpec::Kind::Unigram;
  STC_RETURN_IF_ERROR(readTokens(reader, spec));
  STC_RETURN_IF_ERROR(readSpecialIds(reader, {-1, 1, 2, true, true}, spec));
  STC_ASSIGN_OR_RETURN(spec.addPrefixSpace, reader.flag("add_space_prefix", true));
  spec.stripPrefixSpaceOnDecode = spec.addPrefixSpace;
  spec.escapeSpaces = spec.fuseUnknown = true;
  for (const TokenizerSpec::Token &token : spec.tokens)
    spec.byteFallback |= token.type == TokenType::Byte;
  STC_ASSIGN_OR_RETURN(
      const GgufValue *map,
      reader.array("precompiled_charsmap", {Type::U8, Type::I8}, "an array of bytes"));
  if (map && !map->integers.empty()) {
    std::string bytes;
    for (int64_t byte : map->integers)
      bytes += char(byte);
    spec.normalizers.push_back({TokenizerSpec::Normalizer::Kind::Charsmap, "", std::move(bytes)});
  }
  STC_ASSIGN_OR_RETURN(bool trim, reader.flag("remove_extra_whitespaces", false));
  if (trim)
    for (const TokenizerSpec::Normalizer &step : trimmingSteps())
      spec.normalizers.push_back(step);
  return absl::OkStatus();
}

} // namespace

std::vector<TokenizerSpec::Normalizer> trimmingSteps() {
  using Kind = TokenizerSpec::Normalizer::Kind;
  return {{Kind::Replace, "\\A +| +\\z", ""}, {Kind::Replace, " {2,}", " "}};
}

bool hasTokenizer(const GgufFile &file) { return file.find("tokenizer.ggml.model") != nullptr; }

absl::StatusOr<TokenizerSpec> parseTokenizerGguf(const GgufFile &file) {
  MetadataReader reader(file);
  STC_ASSIGN_OR_RETURN(std::string model, reader.text("model"));
  TokenizerSpec spec;
  if (model == "llama")
    STC_RETURN_IF_ERROR(readSentencePiece(reader, spec));
  else if (model == "gpt2")
    STC_RETURN_IF_ERROR(readByteLevel(reader, spec));
  else if (model == "bert")
    STC_RETURN_IF_ERROR(readWordPiece(reader, spec));
  else if (model == "t5")
    STC_RETURN_IF_ERROR(readUnigram(reader, spec));
  else
    return reader.error("model",
                        "llama (SentencePiece), gpt2 (byte-level BPE), bert (WordPiece) or t5 "
                        "(Unigram)",
                        absl::StrCat("'", printable(model), "'"));
  return spec;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizerGguf(const GgufFile &file) {
  STC_ASSIGN_OR_RETURN(TokenizerSpec spec, parseTokenizerGguf(file));
  return Tokenizer::create(std::move(spec), file.path());
}

} // namespace stc
