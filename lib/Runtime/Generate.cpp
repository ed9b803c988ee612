// The generation loop: prompt in, tokens out, one at a time, until something ends the text.
#include "stc/Runtime/Generate.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>

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

bool isStopped(const GenerateOptions &options) {
  return options.stop && options.stop->load(std::memory_order_relaxed);
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

absl::StatusOr<GenerateResult> generate(Session &session, Sampler &sampler,
                                        absl::Span<const int32_t> prompt,
                                        const GenerateOptions &options,
                                        absl::FunctionRef<absl::Status(int32_t token)> emit) {
  GenerateResult result;
  int64_t room = session.maxContext() - session.position();
  if (prompt.empty())
    return formatError({"", "prompt", {}}, "at least one token", "none");
  // Checked here for the whole prompt: a long one is read in several calls below.
  if (int64_t(prompt.size()) > room)
    return formatError({"", "prompt", {}},
                       absl::StrCat("at most ", session.maxContext(),
                                    " tokens (the context this model was compiled for)"),
                       absl::StrCat(session.position() + int64_t(prompt.size())));

  Clock::time_point start = Clock::now();
  size_t chunk = size_t(session.owner().settings().prefillChunk);
  absl::Span<const int32_t> rest = prompt;
  for (; rest.size() > chunk; rest.remove_prefix(chunk)) {
    STC_RETURN_IF_ERROR(session.prefill(rest.subspan(0, chunk)));
    if (isStopped(options)) {
      result.reason = StopReason::Stopped;
      return result;
    }
  }
  STC_ASSIGN_OR_RETURN(absl::Span<const float> logits, session.feed(rest));
  sampler.observe(prompt);
  result.promptTokens = int64_t(prompt.size());
  result.promptSeconds = secondsSince(start);

  start = Clock::now();
  const std::vector<int32_t> ends = endTokens(session.owner(), options);
  std::vector<float> scores;
  while (result.tokens < options.maxTokens) {
    if (isStopped(options)) {
      result.reason = StopReason::Stopped;
      break;
    }
    if (options.done && *options.done) {
      result.reason = StopReason::Done;
      break;
    }
    if (!result.unread.empty()) {
      if (session.position() == session.maxContext()) {
        result.reason = StopReason::ContextFull;
        break;
      }
      STC_ASSIGN_OR_RETURN(logits, session.decode(result.unread.front()));
      result.unread.clear();
    }
    if (options.grammar) {
      bool complete = options.grammar->isComplete();
      if (!complete) {
        STC_ASSIGN_OR_RETURN(bool any, options.grammar->apply(logits, ends, scores));
        complete = !any;
      }
      if (complete) {
        result.reason = StopReason::EndOfText;
        break;
      }
      logits = scores;
    }
    STC_ASSIGN_OR_RETURN(int32_t token, sampler.sample(logits));
    if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
      result.reason = StopReason::EndOfText;
      break;
    }
    if (options.grammar)
      STC_RETURN_IF_ERROR(options.grammar->accept(token));
    result.unread.push_back(token);
    ++result.tokens;
    STC_RETURN_IF_ERROR(emit(token));
  }
  result.decodeSeconds = secondsSince(start);
  return result;
}

} // namespace stc
