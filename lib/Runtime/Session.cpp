// One text being read and written by a model: chunks, bounds and the calls into generated code.
#include "stc/Runtime/Session.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

namespace {

/// Scores are handed out in blocks of rows of about this size, however large the vocabulary.
constexpr int64_t scoreBufferBytes = 16 << 20;

} // namespace

absl::StatusOr<std::unique_ptr<Session>> Session::create(Model &model) {
  const ModelSettings &s = model.settings();
  std::unique_ptr<Session> session(new Session(model));
  STC_ASSIGN_OR_RETURN(session->arena, Memory::allocate(uint64_t(s.arenaBytes), "scratch space"));
  STC_ASSIGN_OR_RETURN(session->keyCache,
                       Memory::allocate(uint64_t(s.keyCacheBytes), "the KV cache"));
  STC_ASSIGN_OR_RETURN(session->valueCache,
                       Memory::allocate(uint64_t(s.valueCacheBytes), "the KV cache"));
  uint64_t chunk = uint64_t(std::min(s.prefillChunk, s.maxContext));
  STC_ASSIGN_OR_RETURN(session->hidden,
                       Memory::allocate(4 * chunk * uint64_t(s.hiddenSize), "the hidden states"));
  session->scoreRows = std::clamp<int64_t>(scoreBufferBytes / (4 * s.vocabSize), 1, int64_t(chunk));
  STC_ASSIGN_OR_RETURN(
      session->logits,
      Memory::allocate(4 * uint64_t(session->scoreRows) * uint64_t(s.vocabSize), "the logits"));
  return session;
}

absl::Status Session::checkTokens(absl::Span<const int32_t> tokens) const {
  int64_t vocabulary = model.settings().vocabSize;
  if (int64_t(tokens.size()) > maxContext() - length)
    return formatError(
        {"", "prompt", {}},
        absl::StrCat("at most ", maxContext(), " tokens (the context this model was compiled for)"),
        absl::StrCat(length + int64_t(tokens.size())));
  for (size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= vocabulary)
      return formatError({"", absl::StrCat("token ", i), {}},
                         absl::StrCat("an id from 0 to ", vocabulary - 1), absl::StrCat(tokens[i]));
  return absl::OkStatus();
}

StcFrame Session::frame(absl::Span<const int32_t> tokens) {
  StcFrame frame = {};
  frame.weights = model.contents().weights().data();
  frame.arena = arena.data();
  frame.key_cache = keyCache.data();
  frame.value_cache = valueCache.data();
  frame.tokens = tokens.data();
  frame.n_tokens = int64_t(tokens.size());
  frame.position = length;
  frame.hidden = hidden.floats();
  frame.logits = logits.floats();
  frame.sync = model.pool().sync();
  return frame;
}

void Session::call(StcFunction function, const StcFrame &frame) {
  model.pool().run([&](int64_t thread, int64_t threads) { function(&frame, thread, threads); });
}

absl::Status Session::prefill(absl::Span<const int32_t> tokens) {
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  size_t chunk = size_t(model.settings().prefillChunk);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    absl::Span<const int32_t> part = tokens.subspan(at, chunk);
    call(model.variant().prefill, frame(part));
    length += int64_t(part.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> Session::decode(int32_t token) {
  absl::Span<const int32_t> one(&token, 1);
  STC_RETURN_IF_ERROR(checkTokens(one));
  call(model.variant().decode, frame(one));
  ++length;
  return absl::MakeConstSpan(logits.floats(), size_t(model.settings().vocabSize));
}

absl::StatusOr<absl::Span<const float>> Session::feed(absl::Span<const int32_t> tokens) {
  if (tokens.empty())
    return formatError({"", "prompt", {}}, "at least one token", "none");
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  STC_RETURN_IF_ERROR(prefill(tokens.subspan(0, tokens.size() - 1)));
  return decode(tokens.back());
}

absl::Status Session::scoreChunk(int64_t first, int64_t count, LogitsSink sink) {
  const ModelSettings &s = model.settings();
  for (int64_t row = 0; row < count; row += scoreRows) {
    StcFrame block = frame({});
    block.n_tokens = std::min(scoreRows, count - row);
    block.position = length - count + row;
    block.hidden += row * s.hiddenSize;
    call(model.variant().score, block);
    STC_RETURN_IF_ERROR(sink(
        first + row, absl::MakeConstSpan(logits.floats(), size_t(block.n_tokens * s.vocabSize))));
  }
  return absl::OkStatus();
}

absl::Status Session::score(absl::Span<const int32_t> tokens, LogitsSink sink) {
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  int64_t start = length;
  size_t chunk = size_t(model.settings().prefillChunk);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    absl::Span<const int32_t> part = tokens.subspan(at, chunk);
    call(model.variant().prefill, frame(part));
    length += int64_t(part.size());
    absl::Status status = scoreChunk(int64_t(at), int64_t(part.size()), sink);
    if (!status.ok()) {
      length = start;
      return status;
    }
  }
  return absl::OkStatus();
}

} // namespace stc
