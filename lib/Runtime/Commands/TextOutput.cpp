// Generated tokens on standard output as they come, and Ctrl-C that only ends the text.
#include "TextOutput.h"

#include "absl/strings/str_cat.h"

#include <csignal>

namespace stc {

TextOutput::TextOutput(const Model &model, bool ids, bool midText) : model(model) {
  if (!ids && model.tokenizer())
    decoder = std::make_unique<StreamDecoder>(*model.tokenizer(), midText);
}

absl::Status TextOutput::text(absl::string_view text) {
  STC_RETURN_IF_ERROR(output.write(text));
  return output.flush();
}

absl::Status TextOutput::token(int32_t token) {
  if (!decoder) {
    std::string id = absl::StrCat(first ? "" : " ", token);
    first = false;
    return text(id);
  }
  // Vocabularies are padded to round sizes; such ids have no text.
  if (size_t(token) >= model.tokenizer()->spec().tokens.size())
    return absl::OkStatus();
  std::string characters = decoder->push(token);
  return characters.empty() ? absl::OkStatus() : text(characters);
}

absl::Status TextOutput::finish() {
  return text(absl::StrCat(decoder ? decoder->finish() : "", "\n"));
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
