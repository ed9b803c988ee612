// One HTTP request of libevent's and its answer.
#ifndef STC_LIB_RUNTIME_SERVE_EXCHANGE_H
#define STC_LIB_RUNTIME_SERVE_EXCHANGE_H

#include "stc/Runtime/Serve/HttpServer.h"

#include <string>

struct bufferevent;
struct evhttp_connection;
struct evhttp_request;

namespace stc {

/// Answers a request, or nobody once its client has left. For the server's thread alone.
class Exchange {
public:
  /// Who is told what becomes of it.
  class Watcher {
  public:
    virtual ~Watcher() = default;
    /// The connection closes before the answer is complete.
    virtual void onLeft() = 0;
    /// Nothing is left to do: the whole answer was sent, or nobody is there to get it.
    virtual void onComplete() = 0;
  };
  /// `watcher` and `options` must outlive it, the former up to `onComplete`.
  Exchange(evhttp_request *request, const HttpOptions &options, Watcher &watcher);
  Exchange(const Exchange &) = delete;
  Exchange &operator=(const Exchange &) = delete;

  /// The whole answer.
  void send(const HttpAnswer &answer);
  /// An answer in pieces, server-sent events.
  void begin();
  void write(const std::string &piece);
  void end();
  /// The client has left, as `onLeft` says, or is to be left: nothing is sent any more.
  void close();

private:
  evhttp_connection *connection() const;
  bufferevent *stream() const;
  void addHeader(const char *name, const std::string &value);
  void addCors();
  void setTimeouts(int readSeconds);
  void release();
  void leave();
  static void closed(evhttp_connection *connection, void *self);
  static void sent(evhttp_request *request, void *self);

  evhttp_request *request; // null: answered, or gone with its connection
  const HttpOptions &options;
  Watcher &watcher;
  bool isAnswered = false; // and not yet all sent
};

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_EXCHANGE_H
