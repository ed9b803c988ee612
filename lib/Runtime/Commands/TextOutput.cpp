// Generated tokens on standard output as they come, and Ctrl-C that only ends the text.
#include "TextOutput.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <csignal>
#include <cstdio>

namespace stc {

TextOutput::TextOutput(const Model &model, bool ids, bool midText, std::vector<std::string> stops) {
  if (!ids && model.tokenizer())
    stream = std::make_unique<TextStream>(*model.tokenizer(), midText, std::move(stops));
}

absl::Status TextOutput::text(absl::string_view text) {
  STC_RETURN_IF_ERROR(output.write(text));
  return output.flush();
}

absl::Status TextOutput::token(int32_t token) {
  if (!stream) {
    std::string id = absl::StrCat(first ? "" : " ", token);
    first = false;
    return text(id);
  }
  std::string characters = stream->push(token);
  return characters.empty() ? absl::OkStatus() : text(characters);
}

absl::Status TextOutput::finish() { return text((stream ? stream->finish() : "") + "\n"); }

void printSummary(const GenerateResult &result, int64_t maxContext, uint64_t seed,
                  int64_t reusedTokens) {
  auto rate = [](int64_t tokens, double seconds) {
    return absl::StrFormat("%d tokens in %.2f s (%.1f/s)", tokens, seconds,
                           seconds > 0 ? double(tokens) / seconds : 0);
  };
  std::string reason;
  if (result.reason == StopReason::ContextFull)
    reason = absl::StrCat("; stopped: the context of ", maxContext, " tokens is full");
  std::string line =
      absl::StrCat("prompt ", rate(result.promptTokens, result.promptSeconds),
                   reusedTokens ? absl::StrCat(" after ", reusedTokens, " read before") : "",
                   "; text ", rate(result.tokens, result.decodeSeconds), "; seed ", seed, reason);
  std::fprintf(stderr, "%s\n", line.c_str());
}

static struct sigaction previousAction;

extern "C" void stcRuntimeOnInterrupt(int) {
  InterruptGuard::flag().store(true, std::memory_order_relaxed);
}

std::atomic<bool> &InterruptGuard::flag() {
  static std::atomic<bool> interrupted{false};
  return interrupted;
}

InterruptGuard::InterruptGuard(bool once) {
  flag() = false;
  struct sigaction action = {};
  action.sa_handler = stcRuntimeOnInterrupt;
  // No SA_RESTART: a read that waits for input is to return.
  action.sa_flags = once ? int(SA_RESETHAND) : 0;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &previousAction);
}

InterruptGuard::~InterruptGuard() { sigaction(SIGINT, &previousAction, nullptr); }

} // namespace stc
