// Which path is answered how, and by whom.
#include "stc/Runtime/Serve/OpenAiService.h"

#include "Scheduler.h"

#include "stc/Runtime/Memory.h"
#include "stc/Runtime/Serve/OpenAiResponses.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <ctime>

namespace stc {

namespace {

constexpr absl::string_view kModels = "/v1/models";
constexpr int64_t kUsualSlots = 4;

/// Whether both are equal, in a time that tells nothing about where they are not.
bool areEqual(absl::string_view given, absl::string_view secret) {
  unsigned difference = given.size() == secret.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i)
    difference |= unsigned(uint8_t(given[i]) ^ uint8_t(secret[i % secret.size()]));
  return difference == 0;
}

absl::Status checkJson(const std::string &contentType) {
  // Other types may come from forms of any web page that a browser on this machine shows.
  if (absl::StartsWith(absl::AsciiStrToLower(contentType), "application/json"))
    return absl::OkStatus();
  return absl::FailedPreconditionError(
      formatError({"", "Content-Type", {}}, "application/json",
                  contentType.empty() ? "none" : printable(contentType, 40))
          .message());
}

enum class Route { None, Health, Metrics, Models, Model, Work };

Route routeOf(const std::string &path) {
  if (path == "/health")
    return Route::Health;
  if (path == "/metrics")
    return Route::Metrics;
  if (path == kModels)
    return Route::Models;
  if (absl::StartsWith(path, absl::StrCat(kModels, "/")))
    return Route::Model;
  bool isWork =
      path == "/v1/completions" || path == "/v1/chat/completions" || path == "/v1/embeddings";
  return isWork ? Route::Work : Route::None;
}

const char *methodOf(Route route) { return route == Route::Work ? "POST" : "GET"; }

/// The memory of as many texts as asked for, or as is usual where they run.
absl::StatusOr<std::vector<std::unique_ptr<TextMemory>>> createMemories(Model &model,
                                                                        int64_t wanted) {
  bool isEncoder = model.settings().kind == ModelKind::Encoder; // which keeps nothing of a text
  int64_t usual = isEncoder || model.gpu() ? 1 : kUsualSlots;
  if (wanted > 0 && isEncoder)
    wanted = 1;
  int64_t count = wanted > 0 ? wanted : usual;
  if (!model.gpu()) {
    // A usual number of long contexts may be more than this machine has memory for.
    uint64_t weights = model.contents().weights().size(),
             text = TextSizes(model.settings()).total();
    uint64_t room = totalMemoryBytes() - std::min(totalMemoryBytes(), weights);
    int64_t fitting = int64_t(std::min<uint64_t>(room / std::max<uint64_t>(text, 1), INT32_MAX));
    if (wanted > 1 && fitting < wanted)
      return formatError({"serve", "--parallel", {}},
                         absl::StrCat("at most ", std::max<int64_t>(fitting, 1),
                                      " texts at once, of ", text, " bytes each on this machine"),
                         absl::StrCat(wanted));
    count = std::max<int64_t>(1, std::min(count, fitting));
  }
  std::vector<std::unique_ptr<TextMemory>> memories;
  for (int64_t i = 0; i < count; ++i) {
    STC_ASSIGN_OR_RETURN(memories.emplace_back(), TextMemory::create(model));
  }
  return memories;
}

class Service : public OpenAiService {
public:
  Service(Model &model, const ServiceOptions &options, std::unique_ptr<Prompts> prompts,
          std::vector<std::unique_ptr<TextMemory>> memories)
      : options(options), served{model, metrics, std::move(prompts), Constraints(model),
                                 options.quiet},
        scheduler(served, std::move(memories), options.mostWaiting) {}
  void handle(HttpRequest request, std::shared_ptr<HttpReply> reply) override;
  void end(bool atOnce) override {
    isEnding = true;
    scheduler.end(atOnce);
  }

private:
  absl::Status check(const HttpRequest &request, Route route) const;
  absl::StatusOr<HttpAnswer> answer(const HttpRequest &request, Route route) const;
  absl::Status pass(HttpRequest request, std::shared_ptr<HttpReply> reply);

  const ServiceOptions options;
  const int64_t started = int64_t(std::time(nullptr));
  bool isEnding = false;
  Metrics metrics;
  Served served; // for the scheduler's thread, but for the model's settings
  Scheduler scheduler;
};

/// What can be wrong about a request whatever its body is.
absl::Status Service::check(const HttpRequest &request, Route route) const {
  if (route != Route::Health && !options.apiKey.empty()) {
    absl::string_view key = request.authorization;
    if (!absl::ConsumePrefix(&key, "Bearer ") || !areEqual(key, options.apiKey))
      return withErrorNames(
          absl::UnauthenticatedError("Authorization: expected Bearer and this server's API key"),
          "", "invalid_api_key");
  }
  if (route == Route::None)
    return absl::NotFoundError(
        formatError({"", "path", {}},
                    "/health, /metrics, /v1/models, /v1/completions, /v1/chat/completions or "
                    "/v1/embeddings",
                    printable(request.path))
            .message());
  if (request.method != methodOf(route))
    return absl::UnimplementedError(
        formatError({"", printable(request.path), {}}, methodOf(route), "another method")
            .message());
  return route == Route::Work ? checkJson(request.contentType) : absl::OkStatus();
}

/// Of all routes but those that the model works for.
absl::StatusOr<HttpAnswer> Service::answer(const HttpRequest &request, Route route) const {
  const std::string &name = served.model.settings().name;
  switch (route) {
  case Route::Health:
    return HttpAnswer{200, "{\"status\": \"ok\"}"};
  case Route::Metrics:
    return HttpAnswer{200, metrics.text(scheduler.gauges()),
                      "text/plain; version=0.0.4; charset=utf-8"};
  case Route::Models:
    return HttpAnswer{200, modelList(name, started)};
  default:
    break;
  }
  absl::string_view asked = request.path;
  if (absl::ConsumePrefix(&asked, absl::StrCat(kModels, "/")) && asked == name)
    return HttpAnswer{200, modelEntry(name, started)};
  return withErrorNames(
      absl::NotFoundError(formatError({"", "model", {}}, name, printable(asked)).message()),
      "model", "model_not_found");
}

absl::Status Service::pass(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  if (isEnding)
    return absl::UnavailableError("the server ends");
  Arrival arrival{std::move(request), std::move(reply), std::chrono::steady_clock::now()};
  if (scheduler.add(std::move(arrival)))
    return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the model is busy, and ", options.mostWaiting, " requests wait for it"));
}

void Service::handle(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  Route route = routeOf(request.path);
  const std::string label = route == Route::None    ? "other"
                            : route == Route::Model ? std::string(kModels)
                                                    : request.path;
  absl::Status status = check(request, route);
  HttpAnswer whole;
  if (status.ok() && route == Route::Work) {
    status = pass(std::move(request), reply);
    if (status.ok())
      return; // the scheduler's thread replies
  } else if (status.ok()) {
    absl::StatusOr<HttpAnswer> given = answer(request, route);
    status = given.status();
    if (status.ok())
      whole = *std::move(given);
  }
  if (!status.ok())
    whole = errorAnswer(status);
  if (whole.status == 405)
    whole.headers.emplace_back("Allow", methodOf(route));
  metrics.countRequest(label, whole.status);
  reply->send(std::move(whole));
}

} // namespace

absl::StatusOr<std::unique_ptr<OpenAiService>>
OpenAiService::create(Model &model, const ServiceOptions &options) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Prompts> prompts, Prompts::create(model));
  STC_ASSIGN_OR_RETURN(std::vector<std::unique_ptr<TextMemory>> memories,
                       createMemories(model, options.parallel));
  return std::unique_ptr<OpenAiService>(
      new Service(model, options, std::move(prompts), std::move(memories)));
}

} // namespace stc
