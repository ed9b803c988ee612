// A conversation on standard input and output, line by line.
#include "Chat.h"

#include "LineInput.h"
#include "TextOutput.h"

#include "stc/Runtime/ChatSession.h"

#include "absl/strings/str_cat.h"

#include <cstdio>
#include <unistd.h>

namespace stc {

namespace {

/// One message and its answer.
absl::Status takeTurn(ChatSession &session, Model &model, std::string message, Sampler &sampler,
                      GenerateOptions options, const ChatOptions &chat, uint64_t seed) {
  TextOutput output(model, false, false, chat.stops);
  options.done = output.done();
  if (options.grammar)
    options.grammar->restart(output.stripsSpace());
  STC_ASSIGN_OR_RETURN(ChatSession::Turn turn,
                       session.ask(std::move(message), sampler, options,
                                   [&](int32_t token) { return output.token(token); }));
  STC_RETURN_IF_ERROR(output.finish());
  session.addAnswer(output.shown());
  if (turn.forgottenMessages > 0)
    std::fprintf(stderr, "(the context is full: the oldest %lld messages were forgotten)\n",
                 static_cast<long long>(turn.forgottenMessages));
  if (!chat.quiet)
    printSummary(turn.result, model.settings().maxContext, seed, turn.reusedTokens);
  return absl::OkStatus();
}

} // namespace

absl::Status runChat(Model &model, const ChatOptions &chat, const SamplerOptions &sampling,
                     GenerateOptions options, uint64_t seed) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<ChatSession> session,
                       ChatSession::create(model, chat.system));
  Sampler sampler(sampling, seed);
  bool terminal = !chat.message && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
  InterruptGuard guard(!terminal);
  options.stop = &InterruptGuard::flag();
  if (chat.message)
    return takeTurn(*session, model, *chat.message, sampler, options, chat, seed);
  if (terminal)
    std::fprintf(stderr, "%s: type a message. Ctrl-C ends the answer, Ctrl-D quits.\n",
                 printable(model.settings().name).c_str());
  Output screen;
  while (true) {
    if (terminal) {
      InterruptGuard::flag() = false;
      STC_RETURN_IF_ERROR(screen.write("> "));
      STC_RETURN_IF_ERROR(screen.flush());
    }
    std::optional<std::string> line = readLine();
    if (!line)
      return terminal ? printLine("") : absl::OkStatus();
    absl::Status status = takeTurn(*session, model, *line, sampler, options, chat, seed);
    if (status.ok())
      continue;
    if (!terminal)
      return status;
    std::fprintf(stderr, "error: %s\n", std::string(status.message()).c_str());
  }
}

} // namespace stc
