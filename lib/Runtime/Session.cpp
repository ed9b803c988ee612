// One text being read and written by a model: chunks, bounds and positions.
#include "stc/Runtime/Session.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

absl::StatusOr<std::unique_ptr<Session>> Session::create(Model &model) {
  std::unique_ptr<Session> session(new Session(model));
  STC_ASSIGN_OR_RETURN(session->executor, model.createExecutor());
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

absl::Status Session::prefill(absl::Span<const int32_t> tokens) {
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  int64_t start = length;
  size_t chunk = size_t(model.settings().prefillChunk);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    absl::Span<const int32_t> part = tokens.subspan(at, chunk);
    if (absl::Status status = executor->prefill(part, length); !status.ok()) {
      length = start;
      return status;
    }
    length += int64_t(part.size());
  }
  return absl::OkStatus();
}

absl::StatusOr<absl::Span<const float>> Session::decode(int32_t token) {
  STC_RETURN_IF_ERROR(model.require(Ability::Continue));
  STC_RETURN_IF_ERROR(checkTokens({&token, 1}));
  STC_ASSIGN_OR_RETURN(absl::Span<const float> logits, executor->decode(token, length));
  ++length;
  return logits;
}

absl::StatusOr<absl::Span<const float>> Session::feed(absl::Span<const int32_t> tokens) {
  if (tokens.empty())
    return formatError({"", "prompt", {}}, "at least one token", "none");
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  int64_t start = length;
  STC_RETURN_IF_ERROR(prefill(tokens.subspan(0, tokens.size() - 1)));
  absl::StatusOr<absl::Span<const float>> logits = decode(tokens.back());
  if (!logits.ok())
    length = start;
  return logits;
}

absl::Status Session::scoreChunk(int64_t first, int64_t count, LogitsSink sink) {
  int64_t rowsAtOnce = TextSizes(model.settings()).scoreRows;
  for (int64_t row = 0; row < count; row += rowsAtOnce) {
    int64_t rows = std::min(rowsAtOnce, count - row);
    STC_ASSIGN_OR_RETURN(absl::Span<const float> logits,
                         executor->score(row, rows, length - count + row));
    STC_RETURN_IF_ERROR(sink(first + row, logits));
  }
  return absl::OkStatus();
}

absl::Status Session::score(absl::Span<const int32_t> tokens, LogitsSink sink) {
  STC_RETURN_IF_ERROR(model.require(Ability::Continue));
  STC_RETURN_IF_ERROR(checkTokens(tokens));
  int64_t start = length;
  size_t chunk = size_t(model.settings().prefillChunk);
  for (size_t at = 0; at < tokens.size(); at += chunk) {
    absl::Span<const int32_t> part = tokens.subspan(at, chunk);
    absl::Status status = executor->prefill(part, length);
    if (status.ok()) {
      length += int64_t(part.size());
      status = scoreChunk(int64_t(at), int64_t(part.size()), sink);
    }
    if (!status.ok()) {
      length = start;
      return status;
    }
  }
  return absl::OkStatus();
}

} // namespace stc
