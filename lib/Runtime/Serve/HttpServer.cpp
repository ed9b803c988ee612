// The server's thread owns all that is libevent's; replies of other threads come as messages.
#include "stc/Runtime/Serve/HttpServer.h"

#include "ErrorPages.h"
#include "Exchange.h"
#include "Mailbox.h"

#include "absl/strings/str_cat.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netdb.h>
#include <netinet/in.h>
#include <set>
#include <unistd.h>

namespace stc {

namespace {

/// The first address of the host that can be bound.
absl::StatusOr<int> bindSocket(const HttpOptions &options) {
  std::string port = absl::StrCat(options.port);
  addrinfo hints = {}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  if (int error = getaddrinfo(options.host.c_str(), port.c_str(), &hints, &found); error != 0)
    return formatError({"serve", "--host", {}}, "an address of this machine",
                       absl::StrCat(printable(options.host), " (", gai_strerror(error), ")"));
  int bound = -1, error = 0;
  for (addrinfo *entry = found; entry && bound < 0; entry = entry->ai_next) {
    bound = socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (bound >= 0 && evutil_make_listen_socket_reuseable(bound) == 0 &&
        bind(bound, entry->ai_addr, entry->ai_addrlen) == 0 && listen(bound, SOMAXCONN) == 0)
      break;
    error = errno;
    if (bound >= 0)
      close(bound);
    bound = -1;
  }
  freeaddrinfo(found);
  if (bound < 0)
    return formatError(
        {"serve", "", {}},
        absl::StrCat("an address to listen on, other than ", printable(options.host), ":", port),
        std::strerror(error));
  return bound;
}

/// The address a socket is bound to, as a URL.
std::string urlOf(int socket) {
  sockaddr_storage address = {};
  socklen_t length = sizeof(address);
  getsockname(socket, reinterpret_cast<sockaddr *>(&address), &length);
  char host[NI_MAXHOST], port[NI_MAXSERV];
  if (getnameinfo(reinterpret_cast<sockaddr *>(&address), length, host, sizeof(host), port,
                  sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
    return "";
  bool isV6 = address.ss_family == AF_INET6;
  return absl::StrCat("http://", isV6 ? "[" : "", host, isV6 ? "]" : "", ":", port);
}

/// Called where a client cannot be accepted, for want of descriptors: waits a moment instead of
/// trying in a circle.
void waitForDescriptors(evconnlistener *listener, void *) {
  evconnlistener_disable(listener);
  timeval moment{0, 100'000};
  event_base_once(
      evconnlistener_get_base(listener), -1, EV_TIMEOUT,
      [](evutil_socket_t, short, void *disabled) {
        evconnlistener_enable(static_cast<evconnlistener *>(disabled));
      },
      listener, &moment);
}

/// Where the path of a request leads, as text.
std::string pathOf(const evhttp_request *request) {
  const evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
  const char *path = uri ? evhttp_uri_get_path(uri) : nullptr;
  size_t length = 0;
  char *decoded = evhttp_uridecode(path ? path : "", /*decode_plus=*/0, &length);
  std::string text = decoded ? std::string(decoded, length) : "";
  std::free(decoded);
  return text;
}

std::string headerOf(evhttp_request *request, const char *name) {
  const char *value = evhttp_find_header(evhttp_request_get_input_headers(request), name);
  return value ? value : "";
}

const char *methodOf(const evhttp_request *request) {
  switch (evhttp_request_get_command(request)) {
  case EVHTTP_REQ_GET:
    return "GET";
  case EVHTTP_REQ_POST:
    return "POST";
  default:
    return "OTHER";
  }
}

HttpRequest readRequest(evhttp_request *source) {
  HttpRequest request;
  request.method = methodOf(source);
  request.path = pathOf(source);
  request.contentType = headerOf(source, "Content-Type");
  request.authorization = headerOf(source, "Authorization");
  evbuffer *body = evhttp_request_get_input_buffer(source);
  request.body.resize(evbuffer_get_length(body));
  evbuffer_copyout(body, request.body.data(), request.body.size());
  return request;
}

/// What a browser asks for before a page's script may send a request.
HttpAnswer preflightAnswer(evhttp_request *source) {
  HttpAnswer answer{204, ""};
  answer.headers = {{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                    {"Access-Control-Max-Age", "86400"}};
  if (std::string asked = headerOf(source, "Access-Control-Request-Headers"); !asked.empty())
    answer.headers.emplace_back("Access-Control-Allow-Headers", asked);
  return answer;
}

class EventServer : public HttpServer {
public:
  ~EventServer() override;
  absl::Status bind(const HttpOptions &wanted);
  std::string address() const override { return boundAddress; }
  void endOnSignals(int graceSeconds, Ending ending) override;
  void run(const Handler &handle) override;
  void stop() override {
    mailbox->post([this] { event_base_loopbreak(base); });
  }

private:
  class Reply;
  void receive(evhttp_request *source);
  void forget(Reply *reply);
  void endSoon();
  void endNow();

  HttpOptions options;
  event_base *base = nullptr;
  evhttp *http = nullptr;
  int listening = -1; // the listener's
  event *mail = nullptr, *timer = nullptr;
  std::array<event *, 2> signals = {};
  int grace = 0;
  Ending onEnd;
  enum class State { Open, EndsSoon, EndsNow } state = State::Open;
  std::shared_ptr<Mailbox> mailbox;
  std::set<Reply *> open; // whose answers are not complete
  const Handler *handler = nullptr;
  std::string boundAddress;
};

/// As other threads have it: messages to the exchange. The messages keep the reply alive.
class EventServer::Reply : public HttpReply,
                           public Exchange::Watcher,
                           public std::enable_shared_from_this<Reply> {
public:
  Reply(EventServer &server, evhttp_request *request)
      : server(server), mailbox(server.mailbox), exchange(request, server.options, *this) {}

  void send(HttpAnswer answer) override {
    mailbox->post(
        [self = shared_from_this(), answer = std::move(answer)] { self->exchange.send(answer); });
  }
  void begin() override {
    mailbox->post([self = shared_from_this()] { self->exchange.begin(); });
  }
  void write(std::string piece) override {
    mailbox->post(
        [self = shared_from_this(), piece = std::move(piece)] { self->exchange.write(piece); });
  }
  void end() override {
    mailbox->post([self = shared_from_this()] { self->exchange.end(); });
  }
  void onLeft() override {
    isGone.store(true, std::memory_order_relaxed);
    exchange.close();
  }
  void onComplete() override {
    std::shared_ptr<Reply> last = std::move(own);
    server.forget(this);
  }
  /// The server ends: whoever still waits gets nothing more.
  void abandon() {
    onLeft();
    exchange.end();
  }
  /// The connection refers to this reply until it is complete, whoever else drops it.
  void keep() { own = shared_from_this(); }

private:
  EventServer &server; // for its thread alone
  std::shared_ptr<Mailbox> mailbox;
  Exchange exchange;
  std::shared_ptr<Reply> own;
};

absl::Status EventServer::bind(const HttpOptions &wanted) {
  options = wanted;
  // What goes wrong on one connection is that client's affair.
  event_set_log_callback([](int, const char *) {});
  base = event_base_new();
  mailbox = Mailbox::create();
  if (!base || !mailbox)
    return formatError({"serve", "", {}}, "descriptors for a server", std::strerror(errno));
  STC_ASSIGN_OR_RETURN(listening, bindSocket(options));
  boundAddress = urlOf(listening);
  http = evhttp_new(base);
  evconnlistener *listener = evconnlistener_new(
      base, nullptr, nullptr, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, listening);
  evhttp_bind_listener(http, listener);
  evconnlistener_set_error_cb(listener, waitForDescriptors);
  evhttp_set_timeout(http, options.timeoutSeconds);
  evhttp_set_max_headers_size(http, ev_ssize_t(options.mostHeaderBytes));
  evhttp_set_max_body_size(http, ev_ssize_t(options.mostBodyBytes));
  evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                       EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS | EVHTTP_REQ_PATCH);
  evhttp_set_bevcb(
      http,
      [](event_base *base, void *self) {
        return newConnectionStream(base, static_cast<EventServer *>(self)->options);
      },
      this);
  evhttp_set_gencb(
      http,
      [](evhttp_request *request, void *self) {
        static_cast<EventServer *>(self)->receive(request);
      },
      this);
  mail = event_new(
      base, mailbox->descriptor(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void *self) {
        static_cast<EventServer *>(self)->mailbox->deliver();
      },
      this);
  event_add(mail, nullptr);
  return absl::OkStatus();
}

void EventServer::endOnSignals(int graceSeconds, Ending ending) {
  grace = graceSeconds;
  onEnd = std::move(ending);
  auto endFurther = [](evutil_socket_t, short, void *self) {
    auto *server = static_cast<EventServer *>(self);
    server->state == State::Open ? server->endSoon() : server->endNow();
  };
  timer = evtimer_new(base, endFurther, this);
  for (size_t i = 0; i < signals.size(); ++i) {
    signals[i] = evsignal_new(base, i == 0 ? SIGINT : SIGTERM, endFurther, this);
    event_add(signals[i], nullptr);
  }
}

void EventServer::endSoon() {
  state = State::EndsSoon;
  ::shutdown(listening, SHUT_RD); // refuses clients, those that wait to be accepted too
  onEnd(/*atOnce=*/false);
  timeval patience{grace, 0};
  if (open.empty())
    event_base_loopbreak(base);
  else if (grace > 0)
    event_add(timer, &patience);
  else
    endNow();
}

/// For the first time: those who wait are told. For the second: they are left.
void EventServer::endNow() {
  if (state == State::EndsNow) {
    event_base_loopbreak(base);
    return;
  }
  state = State::EndsNow;
  onEnd(/*atOnce=*/true);
  timeval second{1, 0};
  event_add(timer, &second);
}

void EventServer::forget(Reply *reply) {
  open.erase(reply);
  if (state != State::Open && open.empty())
    event_base_loopbreak(base);
}

void EventServer::receive(evhttp_request *source) {
  HttpRequest request = readRequest(source);
  bool isPreflight =
      !options.corsOrigin.empty() && evhttp_request_get_command(source) == EVHTTP_REQ_OPTIONS;
  auto reply = std::make_shared<Reply>(*this, source);
  reply->keep();
  open.insert(reply.get());
  if (isPreflight)
    reply->send(preflightAnswer(source));
  else
    (*handler)(std::move(request), reply);
}

void EventServer::run(const Handler &handle) {
  handler = &handle;
  event_base_dispatch(base);
  mailbox->close();
  for (Reply *reply : std::set<Reply *>(std::move(open)))
    reply->abandon();
  open.clear();
}

EventServer::~EventServer() {
  if (http)
    evhttp_free(http); // and the listener
  if (mail)
    event_free(mail);
  for (event *signal : {signals[0], signals[1], timer})
    if (signal)
      event_free(signal);
  if (base)
    event_base_free(base);
}

} // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::listen(const HttpOptions &options) {
  auto server = std::make_unique<EventServer>();
  STC_RETURN_IF_ERROR(server->bind(options));
  return std::unique_ptr<HttpServer>(std::move(server));
}

} // namespace stc
