// HTTP/1.1 on libevent: requests in, answers out, in one piece or as a stream of events.
#ifndef STC_RUNTIME_SERVE_HTTPSERVER_H
#define STC_RUNTIME_SERVE_HTTPSERVER_H

#include "stc/Support/Error.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace stc {

/// A whole request.
struct HttpRequest {
  std::string method;                     // "GET", "POST" or "OTHER"
  std::string path;                       // decoded, without a query
  std::string contentType, authorization; // values of these headers, or empty
  std::string body;
};

/// A whole answer.
struct HttpAnswer {
  int status = 200;
  std::string body;
  std::string contentType = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {}; // further ones
};

/// Where the answer to one request goes: `send` alone, or `begin`, any number of `write` and `end`.
/// Calls may come from any thread and never wait for the client.
class HttpReply {
public:
  virtual ~HttpReply() = default;
  virtual void send(HttpAnswer answer) = 0;
  /// Begins a stream of server-sent events with status 200.
  virtual void begin() = 0;
  virtual void write(std::string piece) = 0;
  virtual void end() = 0;
  /// Becomes true when nobody waits for the answer any more: the client has closed the connection,
  /// or the server ends.
  const std::atomic<bool> &gone() const { return isGone; }

protected:
  std::atomic<bool> isGone{false};
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;         // 0: any that is free
  int timeoutSeconds = 30; // that a client may be silent within a request, or between two
  size_t mostHeaderBytes = 16 << 10, mostBodyBytes = 8 << 20;
  /// Pages of which origin a browser lets read answers (CORS): one, "*" for all, empty for none.
  std::string corsOrigin = "";
};

/// One thread, on which `run` is called, reads all requests and writes all answers. What is no
/// HTTP, or too long, is answered in the form of OpenAI's errors.
class HttpServer {
public:
  /// Binds the address, so that clients can connect from now on. Errors: a host that is no address
  /// of this machine, a port that is taken.
  static absl::StatusOr<std::unique_ptr<HttpServer>> listen(const HttpOptions &options);
  virtual ~HttpServer() = default;
  /// "http://127.0.0.1:8080", with the port that was bound.
  virtual std::string address() const = 0;
  /// From now on SIGINT and SIGTERM end `run`, one that comes before it too. With the first one
  /// nobody can connect any more and `ending(false)` is called; `run` returns when all replies are
  /// complete. `graceSeconds` later, or with the next signal, `ending(true)` is called, and `run`
  /// returns a second after that at the latest. Both calls are on the thread of `run`.
  using Ending = std::function<void(bool atOnce)>;
  virtual void endOnSignals(int graceSeconds, Ending ending) = 0;
  /// Gives every request to `handle`, on this thread, until a signal or `stop` ends it. Replies
  /// that are open then are gone.
  using Handler = std::function<void(HttpRequest request, std::shared_ptr<HttpReply> reply)>;
  virtual void run(const Handler &handle) = 0;
  /// Ends `run`, from any thread.
  virtual void stop() = 0;
};

} // namespace stc

#endif // STC_RUNTIME_SERVE_HTTPSERVER_H
