// eval: the perplexity of a text, and how far the model is from a reference on it.
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Output.h"
#include "stc/Runtime/Perplexity.h"
#include "stc/Runtime/ReferenceLogits.h"

#include "stc/Packing/Bundle.h"

#include "stc/Support/Progress.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <algorithm>

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
      "perplexity and perplexity_stderr, and with --reference kl (of the reference from the "
      "model,\n"
      "in nats per token), kl_stderr, top1_agreement and top1_agreement_stderr.",
      withModelOptions(
          {{"--text", "", "FILE", "The text to predict."},
           {"--tokens-file", "", "FILE",
            "Token ids separated by commas or spaces, instead of a text."},
           {"--reference", "", "OTHER",
            "Another model's binary, which scores the same text beside this one, or\n"
            "what its --save-logits wrote."},
           {"--save-logits", "", "FILE",
            "Write the log-probabilities of every scored token (f16), for --reference."},
           {"--context", "", "N",
            "Tokens per window (default: 256, or the model's context if smaller)."},
           {"--json", "", "", "Print one JSON object."},
           {"--quiet", "", "", "Show no progress."}}),
      {"eval --text held-out.txt", "eval --text held-out.txt --context 128 --json",
       "eval --text held-out.txt --reference ./uncompressed",
       "eval --text held-out.txt --save-logits teacher.logits"}};
  return spec;
}

absl::Status print(const PerplexitySums &sums, const DivergenceSums *divergence, bool json) {
  if (!json) {
    STC_RETURN_IF_ERROR(
        printLine(absl::StrFormat("perplexity %.4f +- %.4f over %d tokens", sums.perplexity(),
                                  sums.standardError(), sums.tokens)));
    if (!divergence)
      return absl::OkStatus();
    return printLine(absl::StrFormat(
        "KL %.6f +- %.6f nats per token from the reference; same next token %.4f +- %.4f",
        divergence->mean(), divergence->standardError(), divergence->agreement(),
        divergence->agreementError()));
  }
  JsonWriter writer;
  writer.beginObject();
  writer.integer("tokens", sums.tokens);
  writer.number("perplexity", sums.perplexity());
  writer.number("perplexity_stderr", sums.standardError());
  if (divergence) {
    writer.number("kl", divergence->mean());
    writer.number("kl_stderr", divergence->standardError());
    writer.number("top1_agreement", divergence->agreement());
    writer.number("top1_agreement_stderr", divergence->agreementError());
  }
  writer.endObject();
  return printLine(writer.text());
}

/// What becomes of the logits beside perplexity.
class Comparison {
public:
  static absl::StatusOr<std::unique_ptr<Comparison>> create(Model &model, const Args &args,
                                                            LogitsHeader header);
  absl::Status add(absl::Span<const float> logits);
  absl::Status finish() { return writer ? writer->finish() : absl::OkStatus(); }
  const DivergenceSums *sums() const { return reader ? &divergence : nullptr; }

private:
  Comparison(Model &model, size_t vocabulary) : model(model), vocabulary(vocabulary) {}

  Model &model;
  size_t vocabulary;
  std::unique_ptr<LogitsWriter> writer;
  std::unique_ptr<LogitsReader> reader;
  DivergenceSums divergence;
  std::vector<float> own, others; // log-probabilities of some rows
};

absl::StatusOr<std::unique_ptr<Comparison>> Comparison::create(Model &model, const Args &args,
                                                               LogitsHeader header) {
  auto comparison = std::unique_ptr<Comparison>(new Comparison(model, size_t(header.vocabulary)));
  if (args.has("--reference")) {
    std::vector<std::string> arguments{"--context", absl::StrCat(header.context)};
    for (const char *name : {"--text", "--tokens-file", "--threads"})
      if (args.has(name)) {
        arguments.push_back(name);
        arguments.push_back(args.text(name));
      }
    STC_ASSIGN_OR_RETURN(comparison->reader,
                         LogitsReader::open(args.text("--reference"), arguments));
    STC_RETURN_IF_ERROR(
        comparison->reader->header().checkAgainst(header, args.text("--reference")));
  }
  if (args.has("--save-logits")) {
    STC_ASSIGN_OR_RETURN(comparison->writer,
                         LogitsWriter::create(args.text("--save-logits"), header));
  }
  return comparison;
}

absl::Status Comparison::add(absl::Span<const float> logits) {
  if (!writer && !reader)
    return absl::OkStatus();
  own.assign(logits.begin(), logits.end());
  auto rows = int64_t(logits.size() / vocabulary);
  std::vector<double> divergences{};
  std::vector<uint8_t> agrees{};
  if (reader) {
    others.resize(own.size());
    STC_RETURN_IF_ERROR(reader->read(absl::MakeSpan(others)));
    divergences.resize(size_t(rows));
    agrees.resize(size_t(rows));
  }
  model.pool().run([&](int64_t thread, int64_t threads) {
    for (int64_t row = thread; row < rows; row += threads) {
      auto ownRow = absl::MakeSpan(own).subspan(size_t(row) * vocabulary, vocabulary);
      logSoftmax(ownRow);
      if (!reader)
        continue;
      auto otherRow = absl::MakeSpan(others).subspan(size_t(row) * vocabulary, vocabulary);
      divergences[size_t(row)] = divergenceOf(otherRow, ownRow);
      agrees[size_t(row)] = std::max_element(ownRow.begin(), ownRow.end()) - ownRow.begin() ==
                            std::max_element(otherRow.begin(), otherRow.end()) - otherRow.begin();
    }
  });
  for (size_t row = 0; row < divergences.size(); ++row)
    divergence.add(divergences[row], agrees[row] != 0);
  return writer ? writer->write(own) : absl::OkStatus();
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
  LogitsHeader header;
  header.vocabulary = uint64_t(model->settings().vocabSize);
  header.context = uint64_t(window);
  header.rows = uint64_t(scoredTokens(tokens.size(), window, bos));
  header.tokensHash = hashBytes(absl::Span<const uint8_t>(
      reinterpret_cast<const uint8_t *>(tokens.data()), tokens.size() * sizeof(int32_t)));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Comparison> comparison,
                       Comparison::create(*model, args, header));
  Progress progress("eval", tokens.size(),
                    args.has("--quiet") || args.has("--json") ? Progress::Mode::Quiet
                                                              : Progress::Mode::Auto);
  STC_ASSIGN_OR_RETURN(
      PerplexitySums sums,
      measurePerplexity(
          *session, tokens, window, bos,
          [&](int64_t scored) { progress.advance(uint64_t(scored)); },
          [&](absl::Span<const float> logits) { return comparison->add(logits); }));
  progress.finish();
  STC_RETURN_IF_ERROR(comparison->finish());
  // Standard output is the stream of log-probabilities then.
  if (args.text("--save-logits") == "-")
    return absl::OkStatus();
  return print(sums, comparison->sums(), args.has("--json"));
}

} // namespace

Command evalCommand() { return {&spec(), execute}; }

} // namespace stc
