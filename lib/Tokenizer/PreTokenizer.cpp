// Pre-tokenization: every step first marks matches, then its behavior decides where to cut.
#include "PreTokenizer.h"

#include "Unicode.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

using Config = TokenizerSpec::PreTokenizer;
constexpr size_t kMostSteps = 32;

/// GPT-2's pattern: contractions, words, numbers and other characters, each with the space before.
constexpr absl::string_view kGpt2Pattern = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+"
                                           "| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

void appendCharacterSpans(absl::string_view text, std::vector<RegexSpan> &spans) {
  for (size_t at = 0; at < text.size();) {
    Utf8Char next = decodeUtf8(text, at);
    bool numeric = isNumeric(next.codePoint);
    // Characters that do not match form one span, matches one each.
    if (!numeric && !spans.empty() && !spans.back().isMatch)
      spans.back().end += next.length;
    else
      spans.push_back({at, at + next.length, numeric});
    at += next.length;
  }
}

void appendMarkerSpans(absl::string_view text, std::vector<RegexSpan> &spans) {
  for (size_t at = 0; at < text.size();) {
    size_t marker = text.find(kSpaceMarker, at);
    if (marker == absl::string_view::npos)
      marker = text.size();
    if (at < marker)
      spans.push_back({at, marker, false});
    if (marker < text.size())
      spans.push_back({marker, marker + kSpaceMarker.size(), true});
    at = std::min(text.size(), marker + kSpaceMarker.size());
  }
}

/// Turns matches and the text between them into pieces.
void applyBehavior(absl::string_view text, const std::vector<RegexSpan> &spans,
                   Config::Behavior behavior, std::vector<absl::string_view> &pieces) {
  using Behavior = Config::Behavior;
  for (size_t i = 0; i < spans.size(); ++i) {
    size_t begin = spans[i].begin, end = spans[i].end;
    auto joinNext = [&] { end = spans[++i].end; };
    auto nextIs = [&](bool match) { return i + 1 < spans.size() && spans[i + 1].isMatch == match; };
    switch (behavior) {
    case Behavior::Isolated:
      break;
    case Behavior::Removed:
      if (spans[i].isMatch)
        continue;
      break;
    case Behavior::Contiguous:
      while (nextIs(spans[i].isMatch))
        joinNext();
      break;
    case Behavior::MergedWithPrevious:
      if (!spans[i].isMatch && nextIs(true))
        joinNext();
      break;
    case Behavior::MergedWithNext:
      if (spans[i].isMatch && nextIs(false))
        joinNext();
      break;
    }
    pieces.push_back(text.substr(begin, end - begin));
  }
}

} // namespace

absl::StatusOr<PreTokenizerChain> PreTokenizerChain::create(const TokenizerSpec &spec,
                                                            const std::string &file) {
  if (spec.preTokenizers.size() > kMostSteps)
    return formatError({file, "preTokenizers", {}}, absl::StrCat("at most ", kMostSteps, " steps"),
                       absl::StrCat(spec.preTokenizers.size()));
  PreTokenizerChain chain;
  for (const Config &config : spec.preTokenizers) {
    Step step{config, {}};
    if (config.kind == Config::Kind::Regex || config.kind == Config::Kind::ByteLevelGpt2) {
      absl::string_view pattern =
          config.kind == Config::Kind::Regex ? absl::string_view(config.pattern) : kGpt2Pattern;
      ErrorSite site{file, absl::StrCat("preTokenizers[", chain.steps.size(), "]"), {}};
      STC_ASSIGN_OR_RETURN(step.regex, Regex::compile(pattern, site));
    }
    chain.steps.push_back(std::move(step));
  }
  return chain;
}

absl::Status PreTokenizerChain::split(absl::string_view text, RegexBudget &budget,
                                      std::vector<absl::string_view> &pieces) const {
  pieces.assign(1, text);
  std::vector<absl::string_view> before;
  std::vector<RegexSpan> spans;
  for (const Step &step : steps) {
    before.swap(pieces);
    pieces.clear();
    for (absl::string_view piece : before) {
      spans.clear();
      Config::Behavior behavior = Config::Behavior::Isolated;
      switch (step.config.kind) {
      case Config::Kind::Regex:
        behavior = step.config.behavior;
        [[fallthrough]];
      case Config::Kind::ByteLevelGpt2:
        STC_RETURN_IF_ERROR(step.regex->findSpans(piece, budget, spans));
        break;
      case Config::Kind::Digits:
        appendCharacterSpans(piece, spans);
        if (!step.config.individualDigits)
          behavior = Config::Behavior::Contiguous;
        break;
      case Config::Kind::Metaspace:
        appendMarkerSpans(piece, spans);
        behavior = Config::Behavior::MergedWithNext;
        break;
      }
      if (step.config.kind == Config::Kind::Regex && step.config.inverted)
        for (RegexSpan &span : spans)
          span.isMatch = !span.isMatch;
      applyBehavior(piece, spans, behavior, pieces);
    }
  }
  return absl::OkStatus();
}

} // namespace stc
