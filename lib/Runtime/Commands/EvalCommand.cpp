// eval: the perplexity of texts, and how far the model is from a reference on them.
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/Evaluation.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Output.h"

#include "stc/Support/Progress.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <unistd.h>

namespace stc {

namespace {

constexpr int64_t defaultContext = 256;

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "eval",
      "",
      "Measure how well the model predicts a text, and how far it is from another model.",
      "The text is cut into consecutive windows of N tokens; each begins with the BOS token if\n"
      "the tokenizer adds one. Every token but a window's first is scored. A last, shorter\n"
      "window is left out unless it is the only one. Windows never cross files.\n"
      "With --json the keys are tokens (scored), perplexity and perplexity_stderr; with\n"
      "--reference also kl (KL(reference || model) in nats per token, over the whole\n"
      "vocabulary), top1_agreement (the share of tokens where both expect the same next token\n"
      "most) and reference_perplexity. Each has its standard error beside it, as KEY_stderr.",
      withModelOptions(
          {{"--text", "", "FILE", "The text to predict; several are evaluated as one.", true},
           {"--tokens-file", "", "FILE",
            "Token ids separated by commas or spaces, instead of a text.", true},
           {"--reference", "", "OTHER",
            "What to compare with: another model binary, which is run beside this one, or what\n"
            "its --save-logits wrote. It must read the same tokens."},
           {"--save-logits", "", "FILE",
            "Write the log-probabilities of the whole vocabulary for every scored token, for\n"
            "--reference: float16, 2 bytes x tokens x vocabulary. - is standard output."},
           {"--context", "", "N",
            "Tokens per window (default: 256, or the model's context if smaller)."},
           {"--json", "", "", "Print one JSON object."},
           {"--quiet", "", "", "Show no progress."}}),
      {"eval --text held-out.txt", "eval --text held-out.txt --context 128 --json",
       "eval --text held-out.txt --reference ./teacher",
       "eval --text held-out.txt --save-logits teacher.stcl"}};
  return spec;
}

std::string printJson(const Evaluation &result, bool compared) {
  JsonWriter json;
  json.beginObject();
  json.integer("tokens", result.model.losses.count());
  auto add = [&](const std::string &key, double value, double error) {
    json.number(key, value);
    json.number(key + "_stderr", error);
  };
  add("perplexity", result.model.value(), result.model.standardError());
  if (compared) {
    add("kl", result.divergences.mean(), result.divergences.standardError());
    add("top1_agreement", result.agreements.mean(), result.agreements.standardError());
    add("reference_perplexity", result.reference.value(), result.reference.standardError());
  }
  json.endObject();
  return json.text();
}

std::string printText(const Evaluation &result, bool compared) {
  std::string text = absl::StrFormat("perplexity %.4f +- %.4f over %d tokens", result.model.value(),
                                     result.model.standardError(), result.model.losses.count());
  if (compared)
    absl::StrAppendFormat(&text,
                          "\nreference  %.4f +- %.4f\n"
                          "KL         %.6f +- %.6f nats per token\n"
                          "same top-1 %.4f +- %.4f",
                          result.reference.value(), result.reference.standardError(),
                          result.divergences.mean(), result.divergences.standardError(),
                          result.agreements.mean(), result.agreements.standardError());
  return text;
}

absl::StatusOr<std::vector<EvalText>> readTexts(const Model &model, const Args &args) {
  std::vector<EvalText> texts;
  for (const std::string &path : args.texts("--tokens-file")) {
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, readTokenFile(path));
    texts.push_back({path, std::move(tokens)});
  }
  if (!texts.empty())
    return texts;
  STC_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, model.requireTokenizer());
  for (const std::string &path : args.texts("--text")) {
    STC_ASSIGN_OR_RETURN(std::string text, readFile(path));
    Tokenizer::EncodeOptions options;
    options.addSpecial = false; // every window gets its own BOS
    STC_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, tokenizer->encode(text, options));
    texts.push_back({path, std::move(tokens)});
  }
  return texts;
}

/// How another model binary is asked for the logits of the same tokens.
std::vector<std::string> referenceArguments(const Args &args, int64_t context) {
  std::vector<std::string> words{"eval", "--save-logits=-", "--quiet",
                                 absl::StrCat("--context=", context)};
  for (const char *name : {"--text", "--tokens-file", "--threads"})
    for (const std::string &value : args.texts(name))
      words.push_back(absl::StrCat(name, "=", value));
  if (args.has("--no-verify"))
    words.push_back("--no-verify");
  // A GPU asked for this model need not have code in the other: that one chooses for itself.
  if (args.text("--device") == "cpu")
    words.push_back("--device=cpu");
  return words;
}

/// Early, so that long work does not end in a failed write.
absl::Status checkOutput(const Args &args) {
  std::string path = args.text("--save-logits");
  if (path == "-" && isatty(STDOUT_FILENO))
    return args.error("--save-logits", "a file or a pipe", "a terminal");
  return path.empty() || path == "-" ? absl::OkStatus() : checkWritable(path);
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_RETURN_IF_ERROR(args.expectOneOf({"--text", "--tokens-file"}, true));
  STC_RETURN_IF_ERROR(checkOutput(args));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  STC_RETURN_IF_ERROR(model->require(Ability::Continue));
  int64_t maxContext = model->settings().maxContext;
  STC_ASSIGN_OR_RETURN(
      int64_t window,
      args.integer("--context", std::min(defaultContext, maxContext), 2, maxContext));
  STC_ASSIGN_OR_RETURN(std::vector<EvalText> texts, readTexts(*model, args));
  const Tokenizer *tokenizer = model->tokenizer();
  int64_t bos = tokenizer && tokenizer->spec().addBos ? tokenizer->spec().bos : -1;
  std::vector<EvalWindow> windows;
  for (const EvalText &text : texts) {
    STC_ASSIGN_OR_RETURN(std::vector<EvalWindow> own, cutWindows(text, window, bos));
    windows.insert(windows.end(), own.begin(), own.end());
  }
  LogitsHeader header = describeLogits(model->settings().vocabSize, window, windows);

  std::unique_ptr<LogitsReader> reference;
  if (args.has("--reference")) {
    STC_ASSIGN_OR_RETURN(
        reference, LogitsReader::open(args.text("--reference"), referenceArguments(args, window)));
    STC_RETURN_IF_ERROR(reference->check(header));
  }
  std::unique_ptr<LogitsWriter> writer;
  if (args.has("--save-logits")) {
    STC_ASSIGN_OR_RETURN(writer, LogitsWriter::create(args.text("--save-logits"), header));
  }

  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(*model));
  Progress progress("eval", header.rows,
                    args.has("--quiet") || args.has("--json") ? Progress::Mode::Quiet
                                                              : Progress::Mode::Auto);
  STC_ASSIGN_OR_RETURN(Evaluation result,
                       evaluate(*session, windows, reference.get(), writer.get(),
                                [&](int64_t scored) { progress.advance(uint64_t(scored)); }));
  if (reference)
    STC_RETURN_IF_ERROR(reference->finish());
  if (writer)
    STC_RETURN_IF_ERROR(writer->finish());
  progress.finish();
  if (args.text("--save-logits") == "-")
    return absl::OkStatus(); // that was what standard output is for
  return printLine(args.has("--json") ? printJson(result, reference != nullptr)
                                      : printText(result, reference != nullptr));
}

} // namespace

Command evalCommand() { return {&spec(), execute}; }

} // namespace stc
