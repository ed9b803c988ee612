// Writing a text together with the model, line by line, on a terminal.
#include "Interactive.h"

#include "LineInput.h"
#include "TextOutput.h"

#include "absl/strings/str_cat.h"

#include <cstdio>
#include <optional>

namespace stc {

namespace {

/// The text so far, turn by turn.
class Conversation {
public:
  Conversation(Session &session, const SamplerOptions &sampling, const GenerateOptions &options,
               uint64_t seed, std::vector<std::string> stops)
      : session(session), model(session.owner()), sampler(sampling, seed), options(options),
        stops(std::move(stops)) {}

  absl::Status turn(const std::string &line) {
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> prompt, encode(line));
    if (session.position() + int64_t(prompt.size()) >= session.maxContext()) {
      std::fprintf(stderr, "(the context of %lld tokens is full: beginning a new text)\n",
                   static_cast<long long>(session.maxContext()));
      restart();
      STC_ASSIGN_OR_RETURN(prompt, encode(line));
    }
    TextOutput output(model, false, true, stops);
    options.done = output.done();
    if (options.grammar)
      options.grammar->restart(output.stripsSpace());
    absl::StatusOr<GenerateResult> result = generate(
        session, sampler, prompt, options, [&](int32_t token) { return output.token(token); });
    if (!result.ok()) {
      // The text is in an unknown state (a line too long, say): the next turn begins anew.
      std::fprintf(stderr, "error: %s\n", std::string(result.status().message()).c_str());
      restart();
      return absl::OkStatus();
    }
    unread = result->unread;
    return output.finish();
  }

private:
  absl::StatusOr<std::vector<int32_t>> encode(const std::string &line) {
    const Tokenizer &tokenizer = *model.tokenizer();
    if (session.position() == 0)
      return encodePrompt(tokenizer, line);
    Tokenizer::EncodeOptions encoding;
    encoding.addSpecial = false;
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids,
                         tokenizer.encode(absl::StrCat("\n", line), encoding));
    ids.insert(ids.begin(), unread.begin(), unread.end());
    return ids;
  }

  void restart() {
    session.reset();
    unread.clear();
  }

  Session &session;
  Model &model;
  Sampler sampler;
  GenerateOptions options;
  std::vector<std::string> stops;
  std::vector<int32_t> unread;
};

} // namespace

absl::Status runInteractive(Model &model, const SamplerOptions &sampling, GenerateOptions options,
                            uint64_t seed, std::vector<std::string> stops) {
  STC_RETURN_IF_ERROR(model.requireTokenizer().status());
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(model));
  InterruptGuard guard(false);
  options.stop = &InterruptGuard::flag();
  Conversation conversation(*session, sampling, options, seed, std::move(stops));
  std::fprintf(stderr,
               "%s: type the beginning of a text and the model continues it. Ctrl-C ends its turn, "
               "Ctrl-D quits.\n",
               printable(model.settings().name).c_str());
  Output terminal;
  while (true) {
    InterruptGuard::flag() = false;
    STC_RETURN_IF_ERROR(terminal.write("> "));
    STC_RETURN_IF_ERROR(terminal.flush());
    std::optional<std::string> line = readLine();
    if (!line) {
      STC_RETURN_IF_ERROR(terminal.write("\n"));
      return terminal.flush();
    }
    STC_RETURN_IF_ERROR(conversation.turn(*line));
  }
}

} // namespace stc
