// The generation loop: prompt in, tokens out, one at a time, until something ends the text.
#include "stc/Runtime/Generate.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace stc {

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// The tokens that end the text.
std::vector<int32_t> endTokens(const Model &model, const GenerateOptions &options) {
  if (options.ignoreEndOfText)
    return {};
  std::vector<int32_t> ends = options.endTokens;
  for (int64_t token : model.settings().eosTokens)
    ends.push_back(int32_t(token));
  return ends;
}

/// Takes the chance from tokens that the model is said not to write.
void suppress(absl::Span<const int64_t> tokens, std::vector<float> &scores) {
  for (int64_t token : tokens)
    if (token >= 0 && size_t(token) < scores.size())
      scores[size_t(token)] = -std::numeric_limits<float>::infinity();
}

} // namespace

absl::StatusOr<std::vector<int32_t>> encodePrompt(const Tokenizer &tokenizer,
                                                  absl::string_view text) {
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer.encode(text, {}));
  const TokenizerSpec &rules = tokenizer.spec();
  // A text that goes on must not carry an end mark.
  if (rules.addEos && !ids.empty() && ids.back() == rules.eos)
    ids.pop_back();
  if (ids.empty() && rules.bos >= 0)
    ids.push_back(int32_t(rules.bos));
  if (ids.empty())
    return formatError({"", "prompt", {}},
                       "at least one character (this model has no token to begin with)", "none");
  return ids;
}

Generation::Generation(Session &session, Sampler &sampler, absl::Span<const int32_t> prompt,
                       GenerateOptions options)
    : session(session), sampler(sampler), prompt(prompt.begin(), prompt.end()),
      options(std::move(options)), ends(endTokens(session.owner(), this->options)),
      since(Clock::now()) {}

absl::StatusOr<std::unique_ptr<Generation>> Generation::create(Session &session, Sampler &sampler,
                                                               absl::Span<const int32_t> prompt,
                                                               GenerateOptions options) {
  int64_t room = session.maxContext() - session.position();
  if (prompt.empty())
    return formatError({"", "prompt", {}}, "at least one token", "none");
  // Checked here for the whole prompt: a long one is read in several turns.
  if (int64_t(prompt.size()) > room)
    return formatError({"", "prompt", {}},
                       absl::StrCat("at most ", session.maxContext(),
                                    " tokens (the context this model was compiled for)"),
                       absl::StrCat(session.position() + int64_t(prompt.size())));
  return std::unique_ptr<Generation>(new Generation(session, sampler, prompt, std::move(options)));
}

bool Generation::isStopped() const {
  return options.stop && options.stop->load(std::memory_order_relaxed);
}

/// Ends the text: nothing is to come.
bool Generation::end(StopReason reason) {
  outcome.reason = reason;
  return false;
}

absl::StatusOr<bool> Generation::advance(Emit emit) {
  if (promptRead < prompt.size()) {
    STC_ASSIGN_OR_RETURN(bool more, readPrompt());
    if (!more || promptRead < prompt.size())
      return more;
  }
  absl::StatusOr<bool> more =
      outcome.tokens < options.maxTokens ? chooseToken(emit) : end(StopReason::TokenLimit);
  outcome.decodeSeconds = secondsSince(since);
  return more;
}

absl::StatusOr<bool> Generation::readPrompt() {
  size_t chunk = size_t(session.owner().settings().prefillChunk);
  auto rest = absl::MakeConstSpan(prompt).subspan(promptRead);
  if (rest.size() > chunk) {
    STC_RETURN_IF_ERROR(session.prefill(rest.first(chunk)));
    promptRead += chunk;
    return isStopped() ? end(StopReason::Stopped) : true;
  }
  STC_ASSIGN_OR_RETURN(modelLogits, session.feed(rest));
  sampler.observe(prompt);
  promptRead = prompt.size();
  outcome.promptTokens = int64_t(prompt.size());
  outcome.promptSeconds = secondsSince(since);
  since = Clock::now();
  return true;
}

/// The logits without the chances of tokens that the model is said not to write.
absl::Span<const float> Generation::possibleLogits() {
  const ModelSettings &settings = session.owner().settings();
  bool isFirst = outcome.tokens == 0 && !settings.firstSuppressedTokens.empty();
  if (settings.suppressedTokens.empty() && !isFirst)
    return modelLogits;
  possible.assign(modelLogits.begin(), modelLogits.end());
  suppress(settings.suppressedTokens, possible);
  if (isFirst)
    suppress(settings.firstSuppressedTokens, possible);
  return possible;
}

absl::StatusOr<bool> Generation::chooseToken(Emit emit) {
  if (isStopped())
    return end(StopReason::Stopped);
  if (options.done && *options.done)
    return end(StopReason::Done);
  if (!outcome.unread.empty()) {
    if (session.position() == session.maxContext())
      return end(StopReason::ContextFull);
    STC_ASSIGN_OR_RETURN(modelLogits, session.decode(outcome.unread.front()));
    outcome.unread.clear();
  }
  absl::Span<const float> choice = possibleLogits();
  if (options.grammar) {
    bool complete = options.grammar->isComplete();
    if (!complete) {
      STC_ASSIGN_OR_RETURN(bool any, options.grammar->apply(choice, ends, allowed));
      complete = !any;
    }
    if (complete)
      return end(StopReason::EndOfText);
    choice = allowed;
  }
  STC_ASSIGN_OR_RETURN(int32_t token, sampler.sample(choice));
  if (std::find(ends.begin(), ends.end(), token) != ends.end())
    return end(StopReason::EndOfText);
  if (options.grammar)
    STC_RETURN_IF_ERROR(options.grammar->accept(token));
  outcome.unread.push_back(token);
  ++outcome.tokens;
  STC_RETURN_IF_ERROR(emit(token));
  return outcome.tokens < options.maxTokens ? true : end(StopReason::TokenLimit);
}

absl::StatusOr<GenerateResult> generate(Session &session, Sampler &sampler,
                                        absl::Span<const int32_t> prompt,
                                        const GenerateOptions &options, Generation::Emit emit) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Generation> generation,
                       Generation::create(session, sampler, prompt, options));
  while (true) {
    STC_ASSIGN_OR_RETURN(bool more, generation->advance(emit));
    if (!more)
      return generation->result();
  }
}

} // namespace stc
