// Normalization: steps that change characters one by one, and steps that see the whole text.
#include "Normalizer.h"

#include "Unicode.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

using Kind = TokenizerSpec::Normalizer::Kind;
constexpr size_t kMostSteps = 32;

/// The blocks BERT sets apart (bert.rs of huggingface/tokenizers, whose U+2B920 differs from the
/// U+2B820 of the original: its tokenizer.json files mean what it does).
bool isIdeograph(uint32_t c) {
  static constexpr std::pair<uint32_t, uint32_t> blocks[] = {
      {0x4E00, 0x9FFF},   {0x3400, 0x4DBF},   {0x20000, 0x2A6DF}, {0x2A700, 0x2B73F},
      {0x2B740, 0x2B81F}, {0x2B920, 0x2CEAF}, {0xF900, 0xFAFF},   {0x2F800, 0x2FA1F}};
  return std::any_of(std::begin(blocks), std::end(blocks),
                     [c](const auto &block) { return c >= block.first && c <= block.second; });
}

void appendClean(std::string &text, uint32_t c) {
  bool space = isWhiteSpace(c);
  if (c == 0 || c == 0xFFFD || (isControl(c) && c != '\t' && c != '\n' && c != '\r'))
    return;
  appendUtf8(text, space ? uint32_t(' ') : c);
}

/// The Nmt normalizer of huggingface/tokenizers, after SentencePiece's nmt_nfkc rules.
void appendNmt(std::string &text, uint32_t c) {
  bool dropped = (c >= 0x1 && c <= 0x8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F ||
                 c == 0x8F || c == 0x9F;
  bool space = c == 0x9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
               (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 ||
               c == 0xFEFF || c == 0xFFFD;
  if (!dropped)
    appendUtf8(text, space ? uint32_t(' ') : c);
}

/// What a step that looks at single characters makes of one.
void appendCharacter(std::string &text, Kind kind, uint32_t c) {
  switch (kind) {
  case Kind::Lowercase:
    return appendLowercase(text, c);
  case Kind::DropMarks:
    return isMark(c) ? void() : appendUtf8(text, c);
  case Kind::DropNonspacingMarks:
    return isNonspacingMark(c) ? void() : appendUtf8(text, c);
  case Kind::CleanText:
    return appendClean(text, c);
  case Kind::Nmt:
    return appendNmt(text, c);
  case Kind::IsolateIdeographs:
    if (isIdeograph(c))
      text += ' ';
    appendUtf8(text, c);
    if (isIdeograph(c))
      text += ' ';
    return;
  default:
    return appendUtf8(text, c);
  }
}

std::string mapCharacters(absl::string_view text, Kind kind) {
  std::string result;
  result.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    if (next.length == 0) {
      result += text[at++];
      continue;
    }
    appendCharacter(result, kind, next.codePoint);
    at += next.length;
  }
  return result;
}

size_t leadingSpace(absl::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    Utf8Char next = decodeUtf8(text, at);
    if (next.length == 0 || !isWhiteSpace(next.codePoint))
      break;
    at += next.length;
  }
  return at;
}

/// Where the white space at the end of `text` begins.
size_t trailingSpace(absl::string_view text) {
  size_t end = 0; // of the last character that stays
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    at += std::max<size_t>(1, next.length);
    if (next.length == 0 || !isWhiteSpace(next.codePoint))
      end = at;
  }
  return end;
}

} // namespace

absl::StatusOr<NormalizerChain> NormalizerChain::create(const TokenizerSpec &spec,
                                                        const std::string &file) {
  if (spec.normalizers.size() > kMostSteps)
    return formatError({file, "normalizers", {}}, absl::StrCat("at most ", kMostSteps, " steps"),
                       absl::StrCat(spec.normalizers.size()));
  NormalizerChain chain;
  chain.file = file;
  for (const TokenizerSpec::Normalizer &config : spec.normalizers) {
    Step step{config, {}, {}};
    ErrorSite site{file, absl::StrCat("normalizers[", chain.steps.size(), "]"), {}};
    if (config.kind == Kind::Replace) {
      STC_ASSIGN_OR_RETURN(step.regex, Regex::compile(config.pattern, site));
    }
    if (config.kind == Kind::Charsmap) {
      STC_ASSIGN_OR_RETURN(step.charsmap, Charsmap::create(config.content, site));
      step.config.content.clear(); // the map has its own copy
    }
    chain.steps.push_back(std::move(step));
  }
  return chain;
}

/// One pass over one text.
class NormalizerChain::Run {
public:
  Run(const NormalizerChain &chain, absl::string_view text, RegexBudget &budget)
      : chain(chain), budget(budget), limit((size_t(1) << 20) + 64 * text.size()), text(text) {}

  absl::StatusOr<std::string> apply() {
    for (const Step &step : chain.steps) {
      STC_RETURN_IF_ERROR(apply(step));
      STC_RETURN_IF_ERROR(checkSize(text));
    }
    return std::move(text);
  }

private:
  absl::Status apply(const Step &step) {
    switch (step.config.kind) {
    case Kind::Nfc:
      text = toNormalizationForm(text, NormalizationForm::Nfc);
      return absl::OkStatus();
    case Kind::Nfd:
      text = toNormalizationForm(text, NormalizationForm::Nfd);
      return absl::OkStatus();
    case Kind::Nfkc:
      text = toNormalizationForm(text, NormalizationForm::Nfkc);
      return absl::OkStatus();
    case Kind::Nfkd:
      text = toNormalizationForm(text, NormalizationForm::Nfkd);
      return absl::OkStatus();
    case Kind::StripLeft:
      text.erase(0, leadingSpace(text));
      return absl::OkStatus();
    case Kind::StripRight:
      text.resize(trailingSpace(text));
      return absl::OkStatus();
    case Kind::Replace:
      return replace(step);
    case Kind::Charsmap:
      return applyCharsmap(step);
    default:
      text = mapCharacters(text, step.config.kind);
      return absl::OkStatus();
    }
  }

  absl::Status replace(const Step &step) {
    std::string result;
    std::vector<RegexSpan> spans;
    for (size_t at = 0; at < text.size();) {
      bool valid;
      absl::string_view stretch = absl::string_view(text).substr(at);
      stretch = stretch.substr(0, utf8StretchLength(text, at, valid));
      at += stretch.size();
      if (!valid) {
        absl::StrAppend(&result, stretch);
        continue;
      }
      spans.clear();
      STC_RETURN_IF_ERROR(step.regex->findSpans(stretch, budget, spans));
      for (const RegexSpan &span : spans) {
        absl::StrAppend(&result, span.isMatch ? absl::string_view(step.config.content)
                                              : stretch.substr(span.begin, span.end - span.begin));
        STC_RETURN_IF_ERROR(checkSize(result));
      }
    }
    text = std::move(result);
    return absl::OkStatus();
  }

  absl::Status applyCharsmap(const Step &step) {
    std::string result;
    result.reserve(text.size());
    for (size_t at = 0; at < text.size();) {
      Charsmap::Match match = step.charsmap->find(text, at);
      size_t length = match.length;
      if (length > 0) {
        absl::StrAppend(&result, match.replacement);
        STC_RETURN_IF_ERROR(checkSize(result));
      } else {
        length = std::max<size_t>(1, decodeUtf8(text, at).length);
        result.append(text, at, length);
      }
      at += length;
    }
    text = std::move(result);
    return absl::OkStatus();
  }

  absl::Status checkSize(const std::string &result) const {
    if (result.size() <= limit)
      return absl::OkStatus();
    return formatError({chain.file, "normalizers", {}},
                       absl::StrCat("at most ", limit, " bytes of normalized text"), "more");
  }

  const NormalizerChain &chain;
  RegexBudget &budget;
  size_t limit;
  std::string text;
};

absl::StatusOr<std::string> NormalizerChain::apply(absl::string_view text,
                                                   RegexBudget &budget) const {
  return Run(*this, text, budget).apply();
}

} // namespace stc
