// eval: the perplexity of texts, and how far the model is from a reference on them.
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/Evaluation.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Output.h"

#include "stc/Support/Progress.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include <algorithm>
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
      "The encoder of an encoder-decoder reads the first half of a window, with the token that\n"
      "ends a text if the tokenizer adds one; the other half is what its decoder should write\n"
      "behind its start token.\n"
      "With --json the keys are tokens (scored), perplexity and perplexity_stderr; with\n"
      "--reference also kl (KL(reference || model) in nats per token, over the whole\n"
      "vocabulary), top1_agreement (the share of tokens where both expect the same next token\n"
      "most) and reference_perplexity. Each has its standard error beside it, as KEY_stderr.\n"
      "An encoder predicts nothing. Every window is a text, marked as the tokenizer does; the "
      "keys\n"
      "are texts, and with --reference cosine_distance: 1 - the cosine of the vectors that both\n"
      "models' command embed gives of a text, and cosine_distance_stderr.",
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

std::string printVectors(const EmbeddingEvaluation &result, bool compared, bool asJson) {
  const SampleMean &distances = result.distances;
  if (!asJson)
    return compared ? absl::StrFormat("cosine distance %.6g +- %.2g over %d texts",
                                      distances.mean(), distances.standardError(), result.texts)
                    : absl::StrFormat("%d texts", result.texts);
  JsonWriter json;
  json.beginObject();
  json.integer("texts", result.texts);
  if (compared) {
    json.number("cosine_distance", distances.mean());
    json.number("cosine_distance_stderr", distances.standardError());
  }
  json.endObject();
  return json.text();
}

/// How the windows of a text begin and end for this model.
absl::StatusOr<WindowForm> windowForm(const Model &model, const Args &args) {
  const ModelSettings &settings = model.settings();
  bool isPair = settings.kind == ModelKind::EncoderDecoder;
  WindowForm form;
  if (const Tokenizer *tokenizer = model.tokenizer()) {
    const TokenizerSpec &rules = tokenizer->spec();
    form.bos = rules.addBos ? rules.bos : -1;
    form.end = rules.addEos && settings.kind != ModelKind::Decoder ? rules.eos : -1;
  }
  if (isPair) {
    form.decoderStart = settings.decoderStart;
    if (settings.featureSize > 0 || form.decoderStart < 0)
      return formatError({model.path(), "model", {}},
                         "one that reads text, with a token that its decoder begins with",
                         settings.featureSize > 0 ? "one that reads sound" : "one without");
  }
  // The cache holds what either side reads.
  int64_t longest = settings.maxContext;
  if (isPair)
    longest = 2 * std::min(longest, settings.encoderContext);
  int64_t fewest = 2;
  for (form.length = fewest; form.ownTokens() < (isPair ? 2 : 1); ++form.length)
    ++fewest;
  STC_ASSIGN_OR_RETURN(
      form.length, args.integer("--context", std::min(defaultContext, longest), fewest, longest));
  return form;
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
  ModelKind kind = model->settings().kind;
  STC_ASSIGN_OR_RETURN(WindowForm form, windowForm(*model, args));
  STC_ASSIGN_OR_RETURN(std::vector<EvalText> texts, readTexts(*model, args));
  std::vector<EvalWindow> windows;
  for (const EvalText &text : texts) {
    STC_ASSIGN_OR_RETURN(std::vector<EvalWindow> own, cutWindows(text, form));
    windows.insert(windows.end(), own.begin(), own.end());
  }
  bool isEncoder = kind == ModelKind::Encoder;
  LogitsHeader header =
      describeLogits(isEncoder ? model->settings().hiddenSize : model->settings().vocabSize,
                     form.length, windows, kind);

  std::unique_ptr<LogitsReader> reference;
  if (args.has("--reference")) {
    STC_ASSIGN_OR_RETURN(reference, LogitsReader::open(args.text("--reference"),
                                                       referenceArguments(args, form.length)));
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
  auto advance = [&](int64_t scored) { progress.advance(uint64_t(scored)); };
  std::string printed;
  if (isEncoder) {
    STC_ASSIGN_OR_RETURN(
        EmbeddingEvaluation result,
        evaluateEmbeddings(*session, windows, reference.get(), writer.get(), advance));
    printed = printVectors(result, reference != nullptr, args.has("--json"));
  } else {
    STC_ASSIGN_OR_RETURN(Evaluation result,
                         evaluate(*session, windows, reference.get(), writer.get(), advance));
    printed = args.has("--json") ? printJson(result, reference != nullptr)
                                 : printText(result, reference != nullptr);
  }
  if (reference)
    STC_RETURN_IF_ERROR(reference->finish());
  if (writer)
    STC_RETURN_IF_ERROR(writer->finish());
  progress.finish();
  if (args.text("--save-logits") == "-")
    return absl::OkStatus(); // that was what standard output is for
  return printLine(printed);
}

} // namespace

Command evalCommand() { return {&spec(), execute}; }

} // namespace stc
