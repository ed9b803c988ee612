// Requests of OpenAI's API, read strictly: what is not known or cannot be done is said, not
// ignored.
#ifndef STC_RUNTIME_SERVE_OPENAIREQUESTS_H
#define STC_RUNTIME_SERVE_OPENAIREQUESTS_H

#include "stc/Chat/ChatTemplate.h"
#include "stc/Runtime/Sampler.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace stc {

/// A text, or its tokens.
using TextOrTokens = std::variant<std::string, std::vector<int32_t>>;

/// What /v1/completions and /v1/chat/completions ask for.
struct TextRequest {
  bool isChat = false;
  std::string model;                 // empty: whichever there is
  std::vector<TextOrTokens> prompts; // of a completion, at least one
  std::vector<ChatMessage> messages; // of a chat, at least one
  int64_t choices = 1;               // texts for every prompt
  SamplerOptions sampling;
  std::optional<uint64_t> seed; // of the first choice of a prompt; those behind it have the next
  std::optional<int64_t> maxTokens;
  bool echoes = false; // the prompt stands before the text
  /// How likely the tokens were, each with so many of the most likely ones.
  std::optional<int64_t> logProbs;
  std::vector<std::string> stops;
  /// What the text has to follow: nothing, any JSON value, or a grammar in the notation of
  /// Grammar::parse.
  bool isJson = false;
  std::string grammar;
  bool streams = false, streamsUsage = false;
  bool reusesPrompt = true; // "cache_prompt"
};

/// What /v1/embeddings asks for.
struct EmbeddingRequest {
  std::string model;
  std::vector<TextOrTokens> inputs; // at least one
  bool isBase64 = false;
};

/// Read the body of a request. Errors are InvalidArgument: no JSON, fields of another type or out
/// of range, fields that are not known, and what is known but cannot be done. They name the field,
/// also for errorAnswer (OpenAiResponses.h).
absl::StatusOr<TextRequest> parseTextRequest(absl::string_view body, bool isChat);
absl::StatusOr<EmbeddingRequest> parseEmbeddingRequest(absl::string_view body);

/// An error about a field of a request: `expected` and `got` as formatError has them. `code` is
/// OpenAI's short name of the error, if it has one.
absl::Status requestError(const std::string &field, absl::string_view expected,
                          absl::string_view got, absl::string_view code = "");
/// `status` with OpenAI's name of the field and of the error, where they are not empty.
absl::Status withErrorNames(absl::Status status, absl::string_view field, absl::string_view code);
/// These names.
struct ErrorNames {
  std::string field, code;
};
ErrorNames errorNames(const absl::Status &status);

} // namespace stc

#endif // STC_RUNTIME_SERVE_OPENAIREQUESTS_H
