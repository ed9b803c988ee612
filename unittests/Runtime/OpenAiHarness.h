// A service on the fake model without a socket: requests in, kept replies out.
#ifndef STC_UNITTESTS_RUNTIME_OPENAIHARNESS_H
#define STC_UNITTESTS_RUNTIME_OPENAIHARNESS_H

#include "FakeModel.h"

#include "stc/Runtime/Serve/OpenAiService.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <condition_variable>
#include <mutex>

namespace stc::test {

/// Keeps what it is told.
class KeptReply : public HttpReply {
public:
  void send(HttpAnswer answer) override {
    headers = std::move(answer.headers);
    type = answer.contentType;
    finish(answer.status, std::move(answer.body));
  }
  void begin() override {
    std::lock_guard<std::mutex> lock(mutex);
    streamed = true;
  }
  void write(std::string piece) override {
    std::unique_lock<std::mutex> lock(mutex);
    pieces += piece;
    // The client that leaves does so at once.
    if (leavesAtFirst)
      isGone = true;
  }
  void end() override { finish(200, ""); }
  void leave() { isGone = true; }
  /// Waits for the end, and returns the body.
  std::string body() {
    std::unique_lock<std::mutex> lock(mutex);
    done.wait(lock, [this] { return isDone; });
    return pieces;
  }
  int status = 0;
  std::string type;
  std::vector<std::pair<std::string, std::string>> headers;
  bool streamed = false, leavesAtFirst = false;

private:
  void finish(int given, std::string text) {
    std::lock_guard<std::mutex> lock(mutex);
    status = given;
    pieces += text;
    isDone = true;
    done.notify_all();
  }
  std::mutex mutex;
  std::condition_variable done;
  std::string pieces;
  bool isDone = false;
};

inline HttpRequest post(const std::string &path, const std::string &body) {
  return {"POST", path, "application/json", "", body};
}

inline std::unique_ptr<OpenAiService> serve(Model &model, const ServiceOptions &options = {}) {
  auto service = OpenAiService::create(model, options);
  EXPECT_TRUE(service.ok()) << service.status();
  return *std::move(service);
}

struct Answer {
  int status;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

inline Answer ask(OpenAiService &service, HttpRequest request) {
  auto reply = std::make_shared<KeptReply>();
  service.handle(std::move(request), reply);
  std::string body = reply->body();
  return {reply->status, body, reply->headers};
}

inline Answer complete(OpenAiService &service, const std::string &fields) {
  return ask(service, post("/v1/completions", absl::StrCat("{", fields, "}")));
}

/// What greedy decoding gives after `text`, in which no two bytes are one token; every byte of no
/// ASCII character is one that cannot be shown.
inline std::string greedyText(const std::string &text, size_t count) {
  std::vector<int32_t> ids = {fakeBos};
  for (char c : text)
    ids.push_back(int32_t(uint8_t(c)));
  std::string answer;
  for (size_t i = 0; i < count; ++i) {
    ids.push_back(expectedGreedy(ids));
    if (ids.back() >= fakeBos)
      break;
    answer += ids.back() < 128   ? std::string(1, char(ids.back()))
              : ids.back() < 256 ? "\xEF\xBF\xBD"
                                 : "?";
  }
  return answer;
}

/// The text of a completion, as JSON has it.
inline std::string textOf(const std::string &body) {
  size_t begin = body.find("\"text\": ");
  return body.substr(begin, body.find(", \"logprobs\"") - begin);
}

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_OPENAIHARNESS_H
