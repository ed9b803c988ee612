// From a request to a job, and errors of both.
#include "Job.h"

#include "EmbeddingJob.h"
#include "TextJob.h"

#include "stc/Runtime/Serve/OpenAiResponses.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace stc {

namespace {

/// Where the model lies is nothing a client is to know.
absl::Status withoutPath(const Model &model, const absl::Status &status) {
  absl::string_view message = status.message();
  absl::ConsumePrefix(&message, absl::StrCat(model.path(), ": "));
  ErrorNames names = errorNames(status);
  return withErrorNames(absl::Status(status.code(), message), names.field, names.code);
}

/// An answer to nobody is not what the status says.
int statusFor(const HttpReply &reply, int status) { return reply.gone() ? 499 : status; }

} // namespace

double Arrival::secondsSince() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - time).count();
}

absl::StatusOr<std::unique_ptr<Job>> Job::create(Served &served, Arrival arrival) {
  if (arrival.request.path == "/v1/embeddings")
    return EmbeddingJob::create(served, std::move(arrival));
  return TextJob::create(served, std::move(arrival));
}

void Job::count(int status) {
  served.metrics.countRequest(arrival.request.path, statusFor(*arrival.reply, status));
  served.metrics.countAnswer(arrival.secondsSince());
}

void Job::fail(const absl::Status &status) {
  if (!hasBegun)
    return refuse(served, arrival, status);
  absl::Status shown = withoutPath(served.model, status);
  count(errorAnswer(shown).status);
  arrival.reply->write(errorEvent(shown));
  arrival.reply->end();
}

void refuse(const Served &served, const Arrival &arrival, const absl::Status &status) {
  HttpAnswer answer = errorAnswer(withoutPath(served.model, status));
  served.metrics.countRequest(arrival.request.path, statusFor(*arrival.reply, answer.status));
  arrival.reply->send(std::move(answer));
}

} // namespace stc
