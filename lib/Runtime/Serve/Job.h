// A request that the model answers, and the parts it comes in.
#ifndef STC_LIB_RUNTIME_SERVE_JOB_H
#define STC_LIB_RUNTIME_SERVE_JOB_H

#include "Constraints.h"
#include "Metrics.h"
#include "Prompts.h"

#include "stc/Runtime/Serve/HttpServer.h"
#include "stc/Runtime/TextMemory.h"

#include <chrono>

namespace stc {

/// What all requests have in common.
struct Served {
  Model &model;
  Metrics &metrics;
  std::unique_ptr<Prompts> prompts;
  Constraints constraints;
  bool quiet = true;
  int64_t answers = 0; // so far
};

/// A request as it came.
struct Arrival {
  HttpRequest request;
  std::shared_ptr<HttpReply> reply;
  std::chrono::steady_clock::time_point time;
  double secondsSince() const;
};

/// One text or vector, made in a slot turn by turn.
class JobPart {
public:
  virtual ~JobPart() = default;
  /// Takes a turn; false after the last.
  virtual absl::StatusOr<bool> advance() = 0;
};

/// For the scheduler's thread. A job begins its parts in their order, in as many slots as it gets.
class Job {
public:
  /// Reads a request to /v1/completions, /v1/chat/completions or /v1/embeddings. Errors: all that
  /// can be wrong about it before the model reads anything. `served` must outlive the job.
  static absl::StatusOr<std::unique_ptr<Job>> create(Served &served, Arrival arrival);
  virtual ~Job() = default;

  /// Whether a part waits for a slot, and the tokens that it begins with.
  virtual bool hasWaiting() const = 0;
  virtual absl::Span<const int32_t> nextBeginning() const { return {}; }
  /// Begins the next part in the memory of a slot, which outlives it, as the job does.
  virtual absl::StatusOr<std::unique_ptr<JobPart>> beginNext(TextMemory &memory) = 0;
  /// Completes the reply, once all parts are at their end.
  virtual void complete() = 0;
  /// Completes it with an error instead; no part goes on.
  void fail(const absl::Status &status);
  /// Whether nobody waits for it any more.
  bool isGone() const { return arrival.reply->gone(); }

protected:
  Job(Served &served, Arrival arrival) : served(served), arrival(std::move(arrival)) {}
  /// Counts the request as answered.
  void count(int status);

  Served &served;
  const Arrival arrival;
  bool hasBegun = false; // the reply, as a stream
};

/// Completes the reply of a request that becomes no job.
void refuse(const Served &served, const Arrival &arrival, const absl::Status &status);

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_JOB_H
