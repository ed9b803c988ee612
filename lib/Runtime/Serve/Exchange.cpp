// What libevent has to be told while a request waits for its answer.
#include "Exchange.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <sys/time.h>

namespace stc {

namespace {

/// Of what a client sends before its answer is there (a further request), so much is read.
constexpr size_t kMostAhead = 64 << 10;

/// HTTP wants words beside the number; libevent knows those of most.
const char *reasonOf(int status) {
  switch (status) {
  case 200:
    return "OK";
  case 204:
    return "No Content";
  case 401:
    return "Unauthorized";
  case 415:
    return "Unsupported Media Type";
  default:
    return nullptr;
  }
}

evbuffer *bufferOf(const std::string &text) {
  evbuffer *buffer = evbuffer_new();
  evbuffer_add(buffer, text.data(), text.size());
  return buffer;
}

} // namespace

Exchange::Exchange(evhttp_request *request, const HttpOptions &options, Watcher &watcher)
    : request(request), options(options), watcher(watcher) {
  // Reading goes on, as it is how the end of a connection is seen; but what a client sends before
  // its answer is there stays in the buffer, as libevent expects nothing now. And a client that
  // waits is silent.
  bufferevent_data_cb onWritten = nullptr;
  bufferevent_event_cb onEvent = nullptr;
  void *argument = nullptr;
  bufferevent_getcb(stream(), nullptr, &onWritten, &onEvent, &argument);
  bufferevent_setcb(stream(), nullptr, onWritten, onEvent, argument);
  bufferevent_setwatermark(stream(), EV_READ, 0, kMostAhead);
  bufferevent_enable(stream(), EV_READ);
  setTimeouts(0);
  evhttp_connection_set_closecb(connection(), closed, this);
}

evhttp_connection *Exchange::connection() const { return evhttp_request_get_connection(request); }

bufferevent *Exchange::stream() const { return evhttp_connection_get_bufferevent(connection()); }

void Exchange::addHeader(const char *name, const std::string &value) {
  evhttp_add_header(evhttp_request_get_output_headers(request), name, value.c_str());
}

void Exchange::addCors() {
  if (options.corsOrigin.empty())
    return;
  addHeader("Access-Control-Allow-Origin", options.corsOrigin);
  if (options.corsOrigin != "*")
    addHeader("Vary", "Origin");
}

void Exchange::setTimeouts(int readSeconds) {
  timeval reading{readSeconds, 0}, writing{options.timeoutSeconds, 0};
  bufferevent_set_timeouts(stream(), readSeconds > 0 ? &reading : nullptr, &writing);
}

/// The answer is about to be given; what is still to be sent of it is libevent's affair.
void Exchange::release() {
  isAnswered = true;
  evhttp_request_set_on_complete_cb(request, sent, this);
}

/// The connection is as libevent had it, for the next request.
void Exchange::sent(evhttp_request *, void *self) {
  auto *exchange = static_cast<Exchange *>(self);
  evhttp_connection_set_closecb(exchange->connection(), nullptr, nullptr);
  bufferevent_setwatermark(exchange->stream(), EV_READ, 0, 0);
  exchange->setTimeouts(exchange->options.timeoutSeconds);
  exchange->request = nullptr;
  exchange->watcher.onComplete(); // the last: it may be the end of this exchange
}

void Exchange::closed(evhttp_connection *, void *self) {
  auto *exchange = static_cast<Exchange *>(self);
  if (exchange->isAnswered)
    exchange->leave(); // the request goes with its connection
  else
    exchange->watcher.onLeft();
}

/// libevent has freed a request that nobody waits for any more.
void Exchange::leave() {
  request = nullptr;
  watcher.onComplete();
}

void Exchange::send(const HttpAnswer &answer) {
  if (!request)
    return watcher.onComplete();
  bool isHeard = connection() != nullptr;
  if (answer.status != 204)
    addHeader("Content-Type", answer.contentType);
  for (const auto &[name, value] : answer.headers)
    addHeader(name.c_str(), value);
  addCors();
  if (isHeard)
    release();
  evbuffer *content = bufferOf(answer.body);
  evhttp_send_reply(request, answer.status, reasonOf(answer.status), content);
  evbuffer_free(content);
  if (!isHeard)
    leave();
}

void Exchange::begin() {
  if (!request)
    return;
  addHeader("Content-Type", "text/event-stream");
  addHeader("Cache-Control", "no-store");
  addCors();
  evhttp_send_reply_start(request, 200, reasonOf(200));
}

void Exchange::write(const std::string &piece) {
  if (!request || piece.empty()) // an empty chunk would end the answer
    return;
  evbuffer *content = bufferOf(piece);
  evhttp_send_reply_chunk(request, content);
  evbuffer_free(content);
}

void Exchange::end() {
  if (!request)
    return watcher.onComplete();
  bool isHeard = connection() != nullptr;
  if (isHeard)
    release();
  evhttp_send_reply_end(request);
  if (!isHeard)
    leave();
}

void Exchange::close() {
  // libevent frees a request that is still with its connection; one that it has parted from it is
  // freed where its answer ends.
  if (!request || !connection())
    return;
  evhttp_connection_set_closecb(connection(), nullptr, nullptr);
  evhttp_request_set_on_complete_cb(request, nullptr, nullptr);
  request = nullptr;
}

} // namespace stc
