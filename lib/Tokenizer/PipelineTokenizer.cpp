// The order of steps from text to ids: split at added tokens, normalize, pre-tokenize, and hand
// the pieces to the model.
//
// Text that is not well-formed UTF-8 is taken as it is: its malformed bytes become pre-tokens of
// their own, or single characters for SentencePiece, and end up as byte tokens, so that decoding
// gives back the very same bytes.
#include "PipelineTokenizer.h"

#include "Unicode.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace stc {

namespace {

/// Symbols count bytes in 32 bits, and a space grows to three bytes when it is escaped.
constexpr size_t kLongestText = size_t(1) << 29;
constexpr size_t kLongestCachedPiece = 64;
constexpr size_t kMostCachedPieces = 1 << 16;

} // namespace

/// What one call of `encode` works with.
struct PipelineTokenizer::EncodeState {
  EncodeState(size_t textSize, absl::string_view mark) : mark(mark), budget(textSize) {}
  absl::string_view mark; // to be dropped
  std::vector<int32_t> ids;
  RegexBudget budget;
  SubwordScratch scratch;
  std::vector<absl::string_view> pieces;
  /// Where in `ids` the tokens of a piece seen before begin, and how many they are. Words repeat
  /// so much that this is most of the speed. The keys point into the text of one fragment.
  absl::flat_hash_map<absl::string_view, std::pair<size_t, size_t>> seen;
};

absl::Status PipelineTokenizer::checkIds() const {
  size_t count = specification.tokens.size();
  if (count == 0 || count > size_t(INT32_MAX))
    return formatError({file, "tokens", {}}, "between 1 and 2^31 - 1 tokens", absl::StrCat(count));
  auto check = [&](const char *name, int64_t id, bool needed) {
    if (id < -1 || id >= int64_t(count) || (needed && id < 0))
      return formatError({file, name, {}}, absl::StrCat("a token id below ", count),
                         id == -1 ? "none" : absl::StrCat(id));
    return absl::OkStatus();
  };
  STC_RETURN_IF_ERROR(check("bos", specification.bos, specification.addBos));
  STC_RETURN_IF_ERROR(check("eos", specification.eos, specification.addEos));
  return check("unknown", specification.unknown, false);
}

absl::Status PipelineTokenizer::buildMatchers() {
  using Type = TokenizerSpec::TokenType;
  for (size_t id = 0; id < specification.tokens.size(); ++id) {
    const TokenizerSpec::Token &token = specification.tokens[id];
    if (token.type != Type::Control && token.type != Type::Unknown &&
        token.type != Type::UserDefined)
      continue;
    // What is looked for in normalized text has to be normalized just so, prefix space included.
    absl::string_view text = token.text;
    if (token.normalized) {
      RegexBudget budget(token.text.size());
      STC_ASSIGN_OR_RETURN(std::string normalized, normalize(token.text, budget));
      text = normalizedTexts.emplace_back(std::move(normalized));
    }
    auto add = [&](Matchers &matchers) {
      return (token.normalized ? matchers.normalized : matchers.raw)
          .add(text, int32_t(id), token, file);
    };
    STC_RETURN_IF_ERROR(add(allSpecial));
    if (token.type == Type::UserDefined)
      STC_RETURN_IF_ERROR(add(userDefined));
  }
  for (Matchers *matchers : {&allSpecial, &userDefined}) {
    matchers->raw.finish();
    matchers->normalized.finish();
  }
  return absl::OkStatus();
}

absl::Status PipelineTokenizer::build() {
  STC_RETURN_IF_ERROR(checkIds());
  STC_RETURN_IF_ERROR(vocabulary.build(specification, file));
  STC_ASSIGN_OR_RETURN(normalizers, NormalizerChain::create(specification, file));
  STC_ASSIGN_OR_RETURN(preTokenizers, PreTokenizerChain::create(specification, file));
  auto create = [this] {
    switch (specification.kind) {
    case TokenizerSpec::Kind::ByteLevelBpe:
      return createByteLevelBpe(specification, vocabulary, file);
    case TokenizerSpec::Kind::SentencePiece:
      return createSentencePieceBpe(specification, vocabulary, file);
    case TokenizerSpec::Kind::WordPiece:
      return createWordPiece(specification, vocabulary, file);
    case TokenizerSpec::Kind::Unigram:
      break;
    }
    return createUnigram(specification, vocabulary, file);
  };
  STC_ASSIGN_OR_RETURN(model, create());
  return buildMatchers();
}

absl::StatusOr<std::string> PipelineTokenizer::normalize(absl::string_view text,
                                                         RegexBudget &budget) const {
  STC_ASSIGN_OR_RETURN(std::string result, normalizers.apply(text, budget));
  if (specification.addPrefixSpace &&
      specification.prefixRule == TokenizerSpec::PrefixRule::Always && !result.empty())
    result.insert(0, 1, ' ');
  // Spaces between words have to be told from markers until the words are marked.
  bool marked = specification.addPrefixSpace &&
                specification.prefixRule == TokenizerSpec::PrefixRule::EveryWord;
  return specification.escapeSpaces && !marked ? escapeSpaces(result) : result;
}

std::string PipelineTokenizer::markWords(absl::string_view text) const {
  std::string marked;
  bool inWord = false;
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    size_t length = std::max<size_t>(1, next.length);
    bool space = next.length > 0 && isWhiteSpace(next.codePoint);
    if (!space && !inWord && !absl::StartsWith(text.substr(at), kSpaceMarker))
      absl::StrAppend(&marked, kSpaceMarker);
    if (!space)
      absl::StrAppend(&marked, text.substr(at, length));
    inWord = !space;
    at += length;
  }
  return marked;
}

absl::StatusOr<std::vector<int32_t>> PipelineTokenizer::encode(absl::string_view text,
                                                               const EncodeOptions &options) const {
  if (text.size() > kLongestText)
    return formatError({file, "text", {}}, absl::StrCat("at most ", kLongestText, " bytes"),
                       absl::StrCat(text.size()));
  EncodeState state(text.size(), options.mark);
  if (options.addSpecial && specification.addBos)
    state.ids.push_back(int32_t(specification.bos));
  const Matchers &matchers = options.parseSpecial ? allSpecial : userDefined;
  std::vector<TextFragment> fragments;
  matchers.raw.split(text, fragments);
  for (const TextFragment &fragment : fragments) {
    if (fragment.id >= 0)
      state.ids.push_back(fragment.id);
    else
      STC_RETURN_IF_ERROR(encodeFragment(text.substr(fragment.begin, fragment.end - fragment.begin),
                                         fragment.begin == 0, matchers, state));
  }
  if (options.addSpecial && specification.addEos)
    state.ids.push_back(int32_t(specification.eos));
  return std::move(state.ids);
}

absl::Status PipelineTokenizer::encodeFragment(absl::string_view text, bool first,
                                               const Matchers &matchers, EncodeState &state) const {
  STC_ASSIGN_OR_RETURN(std::string normalized, normalize(text, state.budget));
  std::vector<TextFragment> fragments;
  matchers.normalized.split(normalized, fragments);
  for (const TextFragment &fragment : fragments) {
    if (fragment.id >= 0) {
      state.ids.push_back(fragment.id);
      continue;
    }
    absl::string_view part =
        absl::string_view(normalized).substr(fragment.begin, fragment.end - fragment.begin);
    STC_RETURN_IF_ERROR(encodeNormalized(part, first && fragment.begin == 0, state));
  }
  return absl::OkStatus();
}

absl::Status PipelineTokenizer::encodeNormalized(absl::string_view text, bool first,
                                                 EncodeState &state) const {
  using Rule = TokenizerSpec::PrefixRule;
  std::string prefixed, unmarked;
  if (!state.mark.empty()) {
    unmarked = absl::StrReplaceAll(text, {{state.mark, ""}});
    text = unmarked;
  }
  absl::string_view space = specification.escapeSpaces ? kSpaceMarker : " ";
  bool wanted = specification.addPrefixSpace &&
                (specification.prefixRule == Rule::UnlessPresent ||
                 (specification.prefixRule == Rule::FirstUnlessPresent && first));
  if (wanted && !absl::StartsWith(text, space)) {
    prefixed = absl::StrCat(space, text);
    text = prefixed;
  } else if (specification.addPrefixSpace && specification.prefixRule == Rule::EveryWord) {
    prefixed = markWords(text);
    text = prefixed;
  }
  // The pieces remembered point into a text that lives only as long as this call.
  state.seen.clear();
  if (preTokenizers.empty())
    return encodeStretch(text, state);
  for (size_t at = 0; at < text.size();) {
    bool valid;
    absl::string_view stretch = text.substr(at, utf8StretchLength(text, at, valid));
    at += stretch.size();
    if (!valid) {
      STC_RETURN_IF_ERROR(model->encode(stretch, state.scratch, state.ids));
      continue;
    }
    STC_RETURN_IF_ERROR(preTokenizers.split(stretch, state.budget, state.pieces));
    for (absl::string_view piece : state.pieces)
      STC_RETURN_IF_ERROR(encodeStretch(piece, state));
  }
  return absl::OkStatus();
}

absl::Status PipelineTokenizer::encodeStretch(absl::string_view text, EncodeState &state) const {
  if (!model->splitsBeforeSpaceMarker())
    return encodePiece(text, state);
  size_t begin = 0;
  for (size_t at = text.find(kSpaceMarker); at != absl::string_view::npos;
       at = text.find(kSpaceMarker, at + kSpaceMarker.size())) {
    if (at == begin || absl::EndsWith(text.substr(0, at), kSpaceMarker))
      continue;
    STC_RETURN_IF_ERROR(encodePiece(text.substr(begin, at - begin), state));
    begin = at;
  }
  return begin < text.size() ? encodePiece(text.substr(begin), state) : absl::OkStatus();
}

absl::Status PipelineTokenizer::encodePiece(absl::string_view piece, EncodeState &state) const {
  if (piece.size() > kLongestCachedPiece)
    return model->encode(piece, state.scratch, state.ids);
  if (auto found = state.seen.find(piece); found != state.seen.end()) {
    auto [begin, count] = found->second;
    for (size_t i = begin; i < begin + count; ++i) {
      int32_t id = state.ids[i]; // a copy, because push_back may move the ids
      state.ids.push_back(id);
    }
    return absl::OkStatus();
  }
  size_t begin = state.ids.size();
  STC_RETURN_IF_ERROR(model->encode(piece, state.scratch, state.ids));
  if (state.seen.size() < kMostCachedPieces)
    state.seen.try_emplace(piece, begin, state.ids.size() - begin);
  return absl::OkStatus();
}

absl::StatusOr<std::string> PipelineTokenizer::decode(absl::Span<const int32_t> ids,
                                                      bool keepSpecial) const {
  using Type = TokenizerSpec::TokenType;
  std::string text;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || size_t(ids[i]) >= vocabulary.size())
      return formatError({file, absl::StrCat("ids[", i, "]"), {}},
                         absl::StrCat("a token id below ", vocabulary.size()),
                         absl::StrCat(ids[i]));
    const TokenizerSpec::Token &token = specification.tokens[size_t(ids[i])];
    bool special = token.type == Type::Control || token.type == Type::Unknown;
    absl::StrAppend(&text, keepSpecial && special ? token.text : vocabulary.piece(ids[i]));
  }
  if (specification.stripPrefixSpaceOnDecode && absl::StartsWith(text, " "))
    text.erase(0, 1);
  return text;
}

std::string PipelineTokenizer::piece(int32_t id) const {
  if (id < 0 || size_t(id) >= vocabulary.size())
    return {};
  return std::string(vocabulary.piece(id));
}

} // namespace stc
