// OpenAI's API on a model: paths, requests that take turns, texts and vectors.
#ifndef STC_RUNTIME_SERVE_OPENAISERVICE_H
#define STC_RUNTIME_SERVE_OPENAISERVICE_H

#include "stc/Runtime/Model.h"
#include "stc/Runtime/Serve/HttpServer.h"

#include <memory>
#include <string>

namespace stc {

struct ServiceOptions {
  std::string apiKey; // empty: everybody may ask
  bool quiet = true;  // no line on standard error for every text
  /// Texts in the making at once, each with a KV cache of its own. 0: four on processors, or as
  /// many as there is memory for, and one on a GPU. Encoders need no more than one.
  int64_t parallel = 0;
  size_t mostWaiting = 256; // requests that wait for their turn; more are turned away
};

/// Answers /health, /metrics and /v1/models at once. Texts and vectors are made by a thread of its
/// own, which gives all that are in the making a turn each, a token at a time. A text goes on in
/// the KV cache that begins the same, and what it has in common with that is not read again.
class OpenAiService {
public:
  /// `model` must outlive the service. Errors: a model without a tokenizer, or one that neither
  /// writes texts for texts nor turns texts into vectors; memory.
  static absl::StatusOr<std::unique_ptr<OpenAiService>> create(Model &model,
                                                               const ServiceOptions &options);
  /// Drops what waits, and what is being written: its client should be gone.
  virtual ~OpenAiService() = default;
  /// Takes a request, from one thread. The reply comes now, or later from another thread; none if
  /// it is gone.
  virtual void handle(HttpRequest request, std::shared_ptr<HttpReply> reply) = 0;
  /// From the same thread: refuses all requests that wait or come from now on, and those that have
  /// texts in the making, if `atOnce`; these come to their ends otherwise.
  virtual void end(bool atOnce) = 0;
};

} // namespace stc

#endif // STC_RUNTIME_SERVE_OPENAISERVICE_H
