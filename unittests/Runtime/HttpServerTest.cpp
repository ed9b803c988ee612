// The server on real sockets: whole answers, streams, clients that leave, and its end.
#include "stc/Runtime/Serve/HttpServer.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

#include <arpa/inet.h>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <netinet/in.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace stc {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// A connection to a port of this machine.
class Client {
public:
  explicit Client(int port) : handle(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(uint16_t(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval patience{20, 0};
    setsockopt(handle, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    EXPECT_EQ(connect(handle, reinterpret_cast<sockaddr *>(&address), sizeof(address)), 0);
  }
  ~Client() { leave(); }
  void leave() {
    if (handle >= 0)
      close(handle);
    handle = -1;
  }
  void send(const std::string &text) {
    EXPECT_EQ(::send(handle, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size()));
  }
  /// What comes up to `end`, or until the server closes.
  std::string read(const std::string &end = "") {
    std::string text;
    char byte;
    while ((end.empty() || !absl::EndsWith(text, end)) && recv(handle, &byte, 1, 0) == 1)
      text += byte;
    return text;
  }
  /// All that comes until the server closes.
  std::string readAll() {
    std::string text, piece(1 << 16, 0);
    for (ssize_t got; (got = recv(handle, piece.data(), piece.size(), 0)) > 0;)
      text.append(piece, 0, size_t(got));
    return text;
  }

private:
  int handle;
};

std::string get(const std::string &path) {
  return absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n");
}

/// A server on a thread of its own. Requests for /now are answered at once with what they were; all
/// others are kept.
class HttpServerTest : public testing::Test {
protected:
  void SetUp() override {
    HttpOptions options;
    options.port = 0;
    options.mostBodyBytes = 1000;
    options.corsOrigin = corsOrigin();
    auto listening = HttpServer::listen(options);
    ASSERT_TRUE(listening.ok()) << listening.status();
    server = *std::move(listening);
    std::string address = server->address();
    port = std::stoi(address.substr(address.rfind(':') + 1));
    thread = std::thread([this] {
      server->run([this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
        if (request.path == "/now")
          return reply->send({200, absl::StrCat(request.method, "|", request.contentType, "|",
                                                request.authorization, "|", request.body)});
        std::lock_guard<std::mutex> lock(mutex);
        kept = std::move(reply);
        changed.notify_all();
      });
    });
  }
  void TearDown() override { end(); }
  virtual std::string corsOrigin() const { return ""; }
  void end() {
    server->stop();
    if (thread.joinable())
      thread.join();
  }
  /// The reply of the request that was kept.
  std::shared_ptr<HttpReply> reply() {
    std::unique_lock<std::mutex> lock(mutex);
    changed.wait(lock, [this] { return kept != nullptr; });
    return std::move(kept);
  }
  static bool waitUntilGone(const HttpReply &reply) {
    for (int i = 0; i < 2000 && !reply.gone(); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return reply.gone();
  }

  std::unique_ptr<HttpServer> server;
  int port = 0;
  std::thread thread;
  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<HttpReply> kept;
};

TEST_F(HttpServerTest, AnswersWhole) {
  Client client(port);
  client.send("POST /now?x=1 HTTP/1.1\r\nHost: x\r\nContent-Type: a/b\r\nAuthorization: me\r\n"
              "Content-Length: 4\r\n\r\nbody");
  std::string answer = client.read("body");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(answer, EndsWith("\r\n\r\nPOST|a/b|me|body"));
  client.send("DELETE /now HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read(), EndsWith("\r\n\r\nOTHER|||"));
}

TEST_F(HttpServerTest, StreamsFromOtherThreads) {
  Client client(port);
  client.send(get("/later"));
  std::shared_ptr<HttpReply> answer = reply();
  answer->begin();
  answer->write("data: 1\n\n");
  EXPECT_THAT(client.read("data: 1\n\n"), HasSubstr("Content-Type: text/event-stream"));
  answer->write(""); // which would end the answer if it were sent
  answer->write("data: 2\n\n");
  answer->end();
  EXPECT_THAT(client.read("\r\n0\r\n\r\n"), HasSubstr("data: 2\n\n"));
  client.send(get("/now"));
  EXPECT_THAT(client.read("GET|||"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, RequestsAheadOfTheirTurnWait) {
  Client client(port);
  client.send(get("/later"));
  std::shared_ptr<HttpReply> answer = reply();
  client.send(get("/now"));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(answer->gone());
  answer->send({404, "first"});
  EXPECT_THAT(client.read("first"), StartsWith("HTTP/1.1 404"));
  EXPECT_THAT(client.read("GET|||"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, KnowsWhoHasLeft) {
  for (bool streams : {false, true}) {
    Client client(port);
    client.send(get("/later"));
    std::shared_ptr<HttpReply> answer = reply();
    if (streams) {
      answer->begin();
      answer->write("x");
      client.read("x");
    }
    EXPECT_FALSE(answer->gone());
    client.leave();
    EXPECT_TRUE(waitUntilGone(*answer));
    // To nobody.
    if (streams) {
      answer->write("y");
      answer->end();
    } else {
      answer->send({200, "y"});
    }
  }
  Client other(port);
  other.send(get("/now"));
  EXPECT_THAT(other.read("GET|||"), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, ItsEndLeavesRepliesThatGoNowhere) {
  Client waiting(port), left(port), streaming(port);
  waiting.send(get("/later"));
  std::shared_ptr<HttpReply> first = reply();
  streaming.send(get("/later"));
  std::shared_ptr<HttpReply> second = reply();
  second->begin();
  second->write("x");
  streaming.read("x");
  left.send(get("/later"));
  std::shared_ptr<HttpReply> third = reply();
  left.leave();
  EXPECT_TRUE(waitUntilGone(*third));
  end();
  EXPECT_TRUE(first->gone() && second->gone());
  first->send({200, "y"});
  second->write("y");
  second->end();
  server.reset();
  third->send({200, "y"});
  EXPECT_EQ(waiting.read(), "");
  EXPECT_THAT(streaming.read(), testing::Not(HasSubstr("y")));
  SetUp(); // for the end of the test
}

TEST_F(HttpServerTest, WhatIsNoRequestIsAnsweredAsAllOthers) {
  struct {
    std::string text;
    int status;
    std::string body;
  } cases[] = {
      {"GET\r\n\r\n", 400, "request: expected HTTP/1.1 with at most 16384 bytes of headers"},
      {"BREW /now HTTP/1.1\r\n\r\n", 501, "method: expected GET or POST, got another method"},
      {"POST /now HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", 413,
       "body: expected at most 1000 bytes"},
      {"POST /now HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 413, "body: expected"},
      {"POST /now HTTP/1.1\r\nExpect: wonders\r\nContent-Length: 1\r\n\r\n", 417,
       "Expect: expected 100-continue"},
  };
  for (const auto &one : cases) {
    Client client(port);
    client.send(get("/now"));
    client.read("GET|||");
    client.send(one.text);
    std::string answer = client.read();
    EXPECT_THAT(answer, StartsWith(absl::StrCat("HTTP/1.1 ", one.status, " "))) << one.text;
    EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: application/json\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(answer, HasSubstr("\r\n\r\n{\"error\": {\"message\": \"" + one.body));
    EXPECT_THAT(answer, testing::Not(HasSubstr("HTML")));
    size_t body = answer.find("\r\n\r\n") + 4;
    EXPECT_THAT(answer, HasSubstr(absl::StrCat("Content-Length: ", answer.size() - body, "\r\n")));
  }
  // Right behind a good one, whose answer may still wait to be sent.
  Client client(port);
  client.send(get("/now") + "GET\r\n\r\n");
  std::string both = client.read();
  EXPECT_THAT(both, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(both, HasSubstr("GET|||HTTP/1.1 400 "));
}

class HttpServerOfPagesTest : public HttpServerTest {
protected:
  std::string corsOrigin() const override { return "https://example.org"; }
};

TEST_F(HttpServerOfPagesTest, PagesOfTheOriginMayAsk) {
  Client client(port);
  client.send("OPTIONS /later HTTP/1.1\r\nHost: x\r\nOrigin: https://example.org\r\n"
              "Access-Control-Request-Headers: authorization,content-type\r\n\r\n");
  std::string answer = client.read("\r\n\r\n");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 204 No Content\r\n"));
  EXPECT_THAT(answer, HasSubstr("Access-Control-Allow-Origin: https://example.org\r\n"));
  EXPECT_THAT(answer, HasSubstr("Access-Control-Allow-Methods: GET, POST, OPTIONS\r\n"));
  EXPECT_THAT(answer, HasSubstr("Access-Control-Allow-Headers: authorization,content-type\r\n"));
  client.send(get("/now"));
  EXPECT_THAT(client.read("GET|||"),
              HasSubstr("Access-Control-Allow-Origin: https://example.org\r\n"));
  client.send(get("/later"));
  std::shared_ptr<HttpReply> stream = reply();
  stream->begin();
  stream->write("x");
  stream->end();
  EXPECT_THAT(client.read("0\r\n\r\n"), HasSubstr("Vary: Origin\r\n"));
  Client other(port);
  other.send("GET\r\n\r\n");
  EXPECT_THAT(other.read(), HasSubstr("\r\nAccess-Control-Allow-Origin: https://example.org\r\n"));
}

TEST_F(HttpServerTest, AnswersCarryTheirHeaders) {
  Client client(port);
  client.send(get("/a%20b%2Fc?d"));
  reply()->send({503, "busy", "text/plain", {{"Retry-After", "7"}}});
  std::string answer = client.read("busy");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 503 "));
  EXPECT_THAT(answer, HasSubstr("\r\nContent-Type: text/plain\r\n"));
  EXPECT_THAT(answer, HasSubstr("\r\nRetry-After: 7\r\n"));
}

/// A server that ends by signals, with what it was told.
struct Ending {
  explicit Ending(int graceSeconds) {
    HttpOptions options;
    options.port = 0;
    server = *HttpServer::listen(options);
    server->endOnSignals(graceSeconds, [this](bool atOnce) {
      (atOnce ? now : soon) = true;
      if (atOnce && kept && answersAtTheEnd)
        kept->send({503, "ends"});
    });
    port = std::stoi(server->address().substr(server->address().rfind(':') + 1));
    thread = std::thread([this] {
      server->run([this](HttpRequest request, std::shared_ptr<HttpReply> reply) {
        kept = std::move(reply);
        asked = true;
      });
      ended = true;
    });
  }
  ~Ending() { thread.join(); }
  static void wait(const std::atomic<bool> &event) {
    for (int i = 0; i < 2000 && !event; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    EXPECT_TRUE(event);
  }
  std::unique_ptr<HttpServer> server;
  int port = 0;
  std::shared_ptr<HttpReply> kept;
  bool answersAtTheEnd = true;
  std::atomic<bool> soon{false}, now{false}, ended{false}, asked{false};
  std::thread thread;
};

TEST(HttpServerEnding, WaitsForReplies) {
  Ending ending(60);
  Client client(ending.port);
  client.send(get("/"));
  Ending::wait(ending.asked);
  kill(getpid(), SIGTERM);
  Ending::wait(ending.soon);
  EXPECT_FALSE(ending.ended || ending.now);
  // Larger than what is sent at once: all of it comes.
  std::string large(8 << 20, 'x');
  ending.kept->send({200, large + "end"});
  std::string answer = client.readAll();
  EXPECT_EQ(answer.size() - answer.find("\r\n\r\n"), large.size() + 7);
  Ending::wait(ending.ended);
  EXPECT_FALSE(ending.now);
}

TEST(HttpServerEnding, ASecondSignalOrTheTimeEndsReplies) {
  for (int grace : {60, 1, 0}) {
    Ending ending(grace);
    Client client(ending.port);
    client.send(get("/"));
    Ending::wait(ending.asked);
    kill(getpid(), SIGINT);
    Ending::wait(ending.soon);
    if (grace == 60)
      kill(getpid(), SIGINT);
    EXPECT_THAT(client.read("ends"), StartsWith("HTTP/1.1 503 "));
    Ending::wait(ending.ended);
  }
}

TEST(HttpServerEnding, NobodyIsWaitedForInTheEnd) {
  Ending ending(0);
  ending.answersAtTheEnd = false;
  Client client(ending.port);
  client.send(get("/"));
  Ending::wait(ending.asked);
  kill(getpid(), SIGINT);
  Ending::wait(ending.ended);
  EXPECT_TRUE(ending.kept->gone());
}

TEST_F(HttpServerTest, RefusesWhatIsTooLarge) {
  Client body(port), header(port);
  body.send("POST /now HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n\r\n");
  EXPECT_THAT(body.read("\r\n"), StartsWith("HTTP/1.1 413"));
  header.send(absl::StrCat("GET /now HTTP/1.1\r\nHost: x\r\nX: ", std::string(20000, 'a'), "\r\n"));
  EXPECT_THAT(header.read("\r\n"), StartsWith("HTTP/1.1 400"));
}

TEST_F(HttpServerTest, AddressesThatCannotBeBound) {
  HttpOptions options;
  options.port = port;
  std::string taken(HttpServer::listen(options).status().message());
  EXPECT_EQ(taken, absl::StrCat("serve: expected an address to listen on, other than 127.0.0.1:",
                                port, ", got Address already in use"));
  options.host = "no such host";
  EXPECT_THAT(std::string(HttpServer::listen(options).status().message()),
              StartsWith("serve: --host: expected an address of this machine, got no such host ("));
}

} // namespace
} // namespace stc
