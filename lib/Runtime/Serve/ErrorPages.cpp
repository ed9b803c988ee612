// libevent 2.1 answers what it cannot read before anyone is asked, in HTML. Such a page is the last
// thing it writes to a connection, so it is exchanged where it waits to be sent.
#include "ErrorPages.h"

#include "stc/Runtime/Serve/OpenAiRequests.h"
#include "stc/Runtime/Serve/OpenAiResponses.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

namespace stc {

namespace {

/// What no answer of ours has: they end with a bracket, a line break, or the length of a chunk.
constexpr absl::string_view kEndOfPage = "</BODY></HTML>\n";
constexpr const char *kTypeOfPage = "\r\nContent-Type: text/html";

/// What was expected of a request, by the status that says what was wrong.
absl::Status statusOf(int http, const HttpOptions &options) {
  if (http == 413)
    return requestError(
        "body",
        absl::StrCat("at most ", options.mostBodyBytes, " bytes (in whole chunks, if in chunks)"),
        "something else", "body_too_large");
  if (http == 501)
    return requestError("method", "GET or POST", "another method", "method_not_allowed");
  if (http == 417)
    return requestError("Expect", "100-continue or none", "another");
  return requestError(
      "request",
      absl::StrCat("HTTP/1.1 with at most ", options.mostHeaderBytes, " bytes of headers"),
      "something else", "bad_http");
}

bool endsWithPage(evbuffer *buffer) {
  size_t length = evbuffer_get_length(buffer);
  if (length < kEndOfPage.size())
    return false;
  evbuffer_ptr at;
  char tail[kEndOfPage.size()];
  return evbuffer_ptr_set(buffer, &at, length - kEndOfPage.size(), EVBUFFER_PTR_SET) == 0 &&
         evbuffer_copyout_from(buffer, &at, tail, sizeof(tail)) == ssize_t(sizeof(tail)) &&
         absl::string_view(tail, sizeof(tail)) == kEndOfPage;
}

/// Exchanges the page at the end of what is to be sent, if there is one.
void replacePage(evbuffer *buffer, const HttpOptions &options) {
  if (!endsWithPage(buffer))
    return;
  std::string waiting(evbuffer_get_length(buffer), '\0');
  evbuffer_copyout(buffer, waiting.data(), waiting.size());
  // Answers to requests before it may wait as well.
  size_t type = waiting.rfind(kTypeOfPage);
  size_t begin = type == std::string::npos ? type : waiting.rfind("HTTP/1.", type);
  if (begin == std::string::npos)
    return;
  waiting.replace(begin, std::string::npos, errorInJson(waiting.substr(begin), options));
  evbuffer_drain(buffer, evbuffer_get_length(buffer));
  evbuffer_add(buffer, waiting.data(), waiting.size());
}

/// Called whenever something was added to what is to be sent, or taken off.
void onChange(evbuffer *buffer, const evbuffer_cb_info *info, void *options) {
  if (info->n_added == 0)
    return;
  // libevent keeps the beginning from all but itself, which sends nothing while this is called.
  evbuffer_unfreeze(buffer, /*at_front=*/1);
  replacePage(buffer, *static_cast<const HttpOptions *>(options));
  evbuffer_freeze(buffer, /*at_front=*/1);
}

} // namespace

bufferevent *newConnectionStream(event_base *base, const HttpOptions &options) {
  bufferevent *stream = bufferevent_socket_new(base, -1, 0);
  if (stream)
    evbuffer_add_cb(bufferevent_get_output(stream), onChange, const_cast<HttpOptions *>(&options));
  return stream;
}

std::string errorInJson(const std::string &page, const HttpOptions &options) {
  std::string line = page.substr(0, page.find("\r\n"));
  // "HTTP/1.1 400 Bad Request"
  int http = 400;
  if (line.size() > 12)
    (void)absl::SimpleAtoi(absl::string_view(line).substr(9, 3), &http);
  std::string body = errorAnswer(statusOf(http, options)).body;
  std::string cors =
      options.corsOrigin.empty()
          ? ""
          : absl::StrCat("Access-Control-Allow-Origin: ", options.corsOrigin, "\r\n");
  return absl::StrCat(line, "\r\nContent-Type: application/json\r\nConnection: close\r\n", cors,
                      "Content-Length: ", body.size(), "\r\n\r\n", body);
}

} // namespace stc
