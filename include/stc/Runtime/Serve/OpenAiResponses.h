// Answers of OpenAI's API as JSON, whole and as streams of events.
#ifndef STC_RUNTIME_SERVE_OPENAIRESPONSES_H
#define STC_RUNTIME_SERVE_OPENAIRESPONSES_H

#include "stc/Runtime/Generate.h"
#include "stc/Runtime/Serve/HttpServer.h"

#include <string>
#include <vector>

namespace stc {

/// What all parts of one answer have in common.
struct AnswerHead {
  std::string id;      // "cmpl-..." or "chatcmpl-..."
  std::string model;   // ModelSettings::name
  int64_t created = 0; // seconds since 1970
  bool isChat = false;
  bool streamsUsage = false; // events have a place for it
};

/// A token that could come at some place of a text, by its bytes, and the natural logarithm of its
/// probability; NaN where nothing stands before it.
struct LikelyToken {
  std::string bytes;
  double logProb = 0;
};

/// The one that came, and the most likely ones there.
struct WrittenToken : LikelyToken {
  std::vector<LikelyToken> likely;
  int64_t offset = 0; // the characters before it
};

/// One of the texts of an answer, or a piece of it.
struct Choice {
  int64_t index = 0;
  std::string text;
  std::string reason; // why it has ended; empty: it goes on
  bool hasLogProbs = false;
  std::vector<WrittenToken> tokens; // then
};

/// How many tokens a text took.
struct Usage {
  int64_t promptTokens = 0, completionTokens = 0;
  int64_t cachedTokens = 0; // of the prompt's those that were read before
};

/// "stop" or "length". `stopped`: a stop sequence came.
std::string finishReason(StopReason reason, bool stopped);

/// A whole completion or chat completion.
std::string textAnswer(const AnswerHead &head, absl::Span<const Choice> choices,
                       const Usage &usage);
/// Events of a stream, with their framing: the one before all text of a choice (empty for
/// completions), one with a piece of text, the last of a choice with the reason and no text, the
/// one with the usage, and the end of the stream.
std::string firstEvent(const AnswerHead &head, int64_t index);
std::string textEvent(const AnswerHead &head, const Choice &piece);
std::string lastEvent(const AnswerHead &head, const Choice &ended);
std::string usageEvent(const AnswerHead &head, const Usage &usage);
std::string endOfEvents();
/// An error in the middle of a stream.
std::string errorEvent(const absl::Status &status);

/// Vectors in the order of the inputs: numbers, or their little-endian float32 in base64.
std::string embeddingAnswer(const std::string &model,
                            const std::vector<std::vector<float>> &vectors, bool isBase64,
                            int64_t tokens);

/// The only model there is.
std::string modelList(const std::string &model, int64_t created);
std::string modelEntry(const std::string &model, int64_t created);

/// An error in OpenAI's shape, with its HTTP status: 400 for InvalidArgument, 401 for
/// Unauthenticated, 404 for NotFound, 405 for Unimplemented (the method), 415 for
/// FailedPrecondition (the content type), 503 for Unavailable, and 500 for all else.
HttpAnswer errorAnswer(const absl::Status &status);

} // namespace stc

#endif // STC_RUNTIME_SERVE_OPENAIRESPONSES_H
