// serve: answer requests over HTTP.
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/Output.h"
#include "stc/Runtime/Serve/HttpServer.h"
#include "stc/Runtime/Serve/OpenAiService.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstdlib>

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "serve",
      "",
      "Answer requests over HTTP, as OpenAI's API has them.",
      "Says where it listens, and answers there until Ctrl-C:\n"
      "  GET  /health, /metrics, /v1/models\n"
      "  POST /v1/completions, /v1/chat/completions   (decoders; of encoder-decoders the former)\n"
      "  POST /v1/embeddings                          (encoders)\n"
      "Up to --parallel texts are written at once, a token of each in turn; further requests "
      "wait.\n"
      "A text that begins like one before is not read again that far. A client that leaves ends "
      "its\n"
      "text. Ctrl-C or SIGTERM lets texts that are being written come to their end; a second one\n"
      "does not.\n"
      "\n"
      "Whoever reaches the address can use the model: --api-key asks for a key, and for "
      "encryption\n"
      "a proxy has to stand in front.",
      withModelOptions(
          {{"--host", "", "HOST", "The address to listen on (default: 127.0.0.1)."},
           {"--port", "", "P", "The port; 0: any that is free (default: 8080)."},
           {"--parallel", "", "N",
            "Texts to write at once, each with a KV cache of its own (default: 4 on processors, "
            "or\n"
            "what there is memory for; 1 on a GPU)."},
           {"--queue", "", "N",
            "Requests that may wait for their turn; more are answered 503 (default: 256)."},
           {"--api-key", "", "KEY",
            "Answer only requests with `Authorization: Bearer KEY` (default: environment variable\n"
            "STC_API_KEY, else all)."},
           {"--cors", "", "ORIGIN",
            "Let web pages of this origin read answers, as `https://example.org`; *: of all."},
           {"--timeout", "", "SECONDS",
            "Close connections that send and take nothing for so long, unless they wait for an\n"
            "answer (default: 30)."},
           {"--grace", "", "SECONDS",
            "How long texts may go on after Ctrl-C or SIGTERM (default: 10)."},
           {"--quiet", "", "", "No summary of every text on standard error."}}),
      {"serve", "serve --port 9000 --threads 8 --parallel 8",
       "serve --host 0.0.0.0 --api-key SECRET --cors https://example.org"}};
  return spec;
}

/// An origin as browsers name it: it becomes a header.
absl::StatusOr<std::string> readOrigin(const Args &args) {
  std::string origin = args.text("--cors");
  bool isUrl = absl::StartsWith(origin, "http://") || absl::StartsWith(origin, "https://");
  bool isWord =
      std::all_of(origin.begin(), origin.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (args.has("--cors") && origin != "*" && (!isUrl || !isWord || absl::EndsWith(origin, "/")))
    return args.error("--cors", "* or an origin as https://example.org, without a path",
                      origin.empty() ? "an empty one" : printable(origin));
  return origin;
}

absl::Status execute(const CommandContext &context, const Args &args) {
  HttpOptions http;
  http.host = args.text("--host", http.host);
  if (http.host.empty())
    return args.error("--host", "an address", "an empty one");
  STC_ASSIGN_OR_RETURN(int64_t port, args.integer("--port", http.port, 0, 65535));
  STC_ASSIGN_OR_RETURN(int64_t timeout, args.integer("--timeout", http.timeoutSeconds, 1, 86400));
  http.port = int(port);
  http.timeoutSeconds = int(timeout);
  STC_ASSIGN_OR_RETURN(http.corsOrigin, readOrigin(args));
  ServiceOptions options;
  const char *key = std::getenv("STC_API_KEY");
  options.apiKey = args.text("--api-key", key ? key : "");
  if (args.has("--api-key") && options.apiKey.empty())
    return args.error("--api-key", "a key", "an empty one");
  options.quiet = args.has("--quiet");
  STC_ASSIGN_OR_RETURN(options.parallel, args.integer("--parallel", 0, 1, 1024));
  STC_ASSIGN_OR_RETURN(int64_t queue,
                       args.integer("--queue", int64_t(options.mostWaiting), 1, 1'000'000));
  options.mostWaiting = size_t(queue);
  STC_ASSIGN_OR_RETURN(int64_t grace, args.integer("--grace", 10, 0, 86400));
  // The address first: that it is taken is known at once, and a model may take long to open.
  STC_ASSIGN_OR_RETURN(std::unique_ptr<HttpServer> server, HttpServer::listen(http));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<OpenAiService> service,
                       OpenAiService::create(*model, options));
  server->endOnSignals(int(grace), [&](bool atOnce) { service->end(atOnce); });
  STC_RETURN_IF_ERROR(printLine(absl::StrCat("listening on ", server->address())));
  server->run([&](HttpRequest request, std::shared_ptr<HttpReply> reply) {
    service->handle(std::move(request), std::move(reply));
  });
  return absl::OkStatus();
}

} // namespace

Command serveCommand() { return {&spec(), execute}; }

} // namespace stc
