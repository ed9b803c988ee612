// eval: the perplexity of a text.
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Output.h"
#include "stc/Runtime/Perplexity.h"

#include "stc/Support/Progress.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace stc {

namespace {

constexpr int64_t defaultContext = 256;

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "eval",
      "",
      "Measure how well the model predicts a text (perplexity).",
      "The text is cut into consecutive windows of N tokens; each begins with the BOS token if\n"
      "the tokenizer adds one. Every token but a window's first is scored. A last, shorter\n"
      "window is left out unless it is the only one. With --json the keys are tokens (scored),\n"
      "perplexity and perplexity_stderr.",
      withModelOptions({{"--text", "", "FILE", "The text to predict."},
                        {"--tokens-file", "", "FILE",
                         "Token ids separated by commas or spaces, instead of a text."},
                        {"--context", "", "N",
                         "Tokens per window (default: 256, or the model's context if smaller)."},
                        {"--json", "", "", "Print one JSON object."},
                        {"--quiet", "", "", "Show no progress."}}),
      {"eval --text held-out.txt", "eval --text held-out.txt --context 128 --json"}};
  return spec;
}

absl::Status print(const PerplexitySums &sums, bool json) {
  if (!json)
    return printLine(absl::StrFormat("perplexity %.4f +- %.4f over %d tokens", sums.perplexity(),
                                     sums.standardError(), sums.tokens));
  JsonWriter writer;
  writer.beginObject();
  writer.integer("tokens", sums.tokens);
  writer.number("perplexity", sums.perplexity());
  writer.number("perplexity_stderr", sums.standardError());
  writer.endObject();
  return printLine(writer.text());
}

absl::StatusOr<std::vector<int32_t>> readTokens(const Model &model, const Args &args) {
  if (args.has("--tokens-file"))
    return readTokenFile(args.text("--tokens-file"));
  STC_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, model.requireTokenizer());
  STC_ASSIGN_OR_RETURN(std::string text, readFile(args.text("--text")));
  Tokenizer::EncodeOptions options;
  options.addSpecial = false; // every window gets its own BOS
  return tokenizer->encode(text, options);
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_RETURN_IF_ERROR(args.expectOneOf({"--text", "--tokens-file"}, true));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  int64_t maxContext = model->settings().maxContext;
  STC_ASSIGN_OR_RETURN(
      int64_t window,
      args.integer("--context", std::min(defaultContext, maxContext), 2, maxContext));
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, readTokens(*model, args));
  const Tokenizer *tokenizer = model->tokenizer();
  int64_t bos = tokenizer && tokenizer->spec().addBos ? tokenizer->spec().bos : -1;
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
  Progress progress("eval", tokens.size(),
                    args.has("--quiet") || args.has("--json") ? Progress::Mode::Quiet
                                                              : Progress::Mode::Auto);
  STC_ASSIGN_OR_RETURN(PerplexitySums sums,
                       measurePerplexity(*session, tokens, window, bos, [&](int64_t scored) {
                         progress.advance(uint64_t(scored));
                       }));
  progress.finish();
  return print(sums, args.has("--json"));
}

} // namespace

Command evalCommand() { return {&spec(), execute}; }

} // namespace stc
