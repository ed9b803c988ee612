// libevent's own answers to what is no request, in the form of all others.
#ifndef STC_LIB_RUNTIME_SERVE_ERRORPAGES_H
#define STC_LIB_RUNTIME_SERVE_ERRORPAGES_H

#include "stc/Runtime/Serve/HttpServer.h"

struct bufferevent;
struct event_base;

namespace stc {

/// A new connection's stream, on which the pages of HTML that libevent answers bad requests with
/// are replaced by JSON before they are sent. `options` must outlive it.
bufferevent *newConnectionStream(event_base *base, const HttpOptions &options);

/// `page`, libevent's answer with its headers, as JSON.
std::string errorInJson(const std::string &page, const HttpOptions &options);

} // namespace stc

#endif // STC_LIB_RUNTIME_SERVE_ERRORPAGES_H
