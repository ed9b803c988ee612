// Counters, and their text.
#include "Metrics.h"

#include "absl/strings/str_cat.h"

namespace stc {

namespace {

/// A metric's description, which stands before its values.
void describe(std::string &text, const char *name, const char *type, const char *help) {
  absl::StrAppend(&text, "# HELP stc_", name, " ", help, "\n# TYPE stc_", name, " ", type, "\n");
}

template <typename Number>
void add(std::string &text, const char *name, const char *type, const char *help, Number value) {
  describe(text, name, type, help);
  absl::StrAppend(&text, "stc_", name, " ", value, "\n");
}

} // namespace

void Metrics::countRequest(const std::string &path, int status) {
  std::lock_guard<std::mutex> lock(mutex);
  ++requests[{path, status}];
}

void Metrics::countAnswer(double seconds) {
  std::lock_guard<std::mutex> lock(mutex);
  ++answers.count;
  answers.sum += seconds;
}

void Metrics::countFirstToken(double seconds) {
  std::lock_guard<std::mutex> lock(mutex);
  ++firstTokens.count;
  firstTokens.sum += seconds;
}

void Metrics::countText(const GenerateResult &result, int64_t cached) {
  std::lock_guard<std::mutex> lock(mutex);
  promptTokens += result.promptTokens;
  cachedTokens += cached;
  completionTokens += result.tokens;
  promptSeconds += result.promptSeconds;
  decodeSeconds += result.decodeSeconds;
}

void Metrics::countEmbedding(int64_t tokens) {
  std::lock_guard<std::mutex> lock(mutex);
  promptTokens += tokens;
}

std::string Metrics::text(const Gauges &gauges) const {
  std::lock_guard<std::mutex> lock(mutex);
  std::string text;
  describe(text, "requests_total", "counter",
           "Requests by path and HTTP status; 499: the client had left.");
  for (const auto &[key, count] : requests)
    absl::StrAppend(&text, "stc_requests_total{path=\"", key.first, "\",status=\"", key.second,
                    "\"} ", count, "\n");
  const char *counter = "counter", *gauge = "gauge";
  add(text, "prompt_tokens_total", counter, "Tokens of prompts that were read.", promptTokens);
  add(text, "cached_tokens_total", counter, "Tokens of prompts that had been read before.",
      cachedTokens);
  add(text, "completion_tokens_total", counter, "Tokens that were written.", completionTokens);
  add(text, "prompt_seconds_total", counter, "Time that texts took for their prompts.",
      promptSeconds);
  add(text, "completion_seconds_total", counter, "Time that texts took to be written.",
      decodeSeconds);
  describe(text, "request_seconds", "summary", "From a request for the model to its whole answer.");
  absl::StrAppend(&text, "stc_request_seconds_sum ", answers.sum, "\nstc_request_seconds_count ",
                  answers.count, "\n");
  describe(text, "first_token_seconds", "summary", "From a request to the first token of a text.");
  absl::StrAppend(&text, "stc_first_token_seconds_sum ", firstTokens.sum,
                  "\nstc_first_token_seconds_count ", firstTokens.count, "\n");
  add(text, "slots", gauge, "Texts that can be in the making at once.", gauges.slots);
  add(text, "slots_busy", gauge, "Texts that are in the making.", gauges.busy);
  add(text, "requests_waiting", gauge, "Requests that wait for a slot.", gauges.waiting);
  return text;
}

} // namespace stc
