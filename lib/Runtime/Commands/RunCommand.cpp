// run: continue a prompt.
#include "Chat.h"
#include "EncoderInput.h"
#include "Interactive.h"
#include "TextOutput.h"

#include "stc/Grammar/JsonSchema.h"
#include "stc/Runtime/Commands.h"

#include "absl/strings/str_cat.h"

#include <unistd.h>

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "run",
      "",
      "Continue a text (on a terminal without a prompt: interactively).",
      "Prints the prompt and what the model makes of it, up to the end of the text, N tokens\n"
      "or the end of the context. Ctrl-C ends the text early. A token is chosen in this order:\n"
      "repeat penalty, temperature, top-k, top-p, min-p, then one random draw.\n"
      "\n"
      "With --chat every line of standard input is a message, written for the model by its chat\n"
      "template, and the model answers it; the conversation so far stays in its memory. With a\n"
      "prompt, that is the only message.\n"
      "\n"
      "The encoder of an encoder-decoder reads the prompt, and what its decoder writes is printed\n"
      "alone. Sound that is longer than Whisper reads at once (30 s) is read in windows one after\n"
      "another, each a text of its own, of which -n is the length.",
      withModelOptions(withEncoderOptions(
          {{"--prompt", "-p", "TEXT", "The beginning of the text."},
           {"--prompt-file", "", "FILE", "Read the prompt from a file."},
           {"--tokens", "", "IDS", "The prompt as token ids, separated by commas or spaces."},
           {"--max-tokens", "-n", "N",
            "Tokens to add (default: 128; of sound half of the decoder's context)."},
           {"--temperature", "", "T", "0: always the most likely token (default: 0.8)."},
           {"--top-k", "", "K", "Choose among the K most likely tokens; 0: all (default: 40)."},
           {"--top-p", "", "P",
            "Choose among the fewest tokens whose probabilities sum to P (default: 0.95)."},
           {"--min-p", "", "P",
            "Leave out tokens less than P times as likely as the best (default: 0)."},
           {"--repeat-penalty", "", "R",
            "Divide the logits of the last 64 tokens by R (default: 1, no penalty)."},
           {"--seed", "", "S",
            "Same seed, same text (default: a random one, shown in the summary)."},
           {"--stop", "", "TEXT",
            "End the text before TEXT, wherever it comes up (may be repeated).", true},
           {"--json", "", "", "Generate one JSON value."},
           {"--json-schema", "", "FILE", "Generate JSON that is valid under this schema."},
           {"--grammar", "", "FILE", "Generate a text of this grammar (in GBNF)."},
           {"--chat", "", "", "Hold a conversation, by the model's chat template."},
           {"--system", "", "TEXT", "What the model is told before the conversation (--chat)."},
           {"--ignore-eos", "", "", "Go on after an end-of-text token."},
           {"--print-tokens", "", "", "Print the ids of the added tokens instead of the text."},
           {"--no-echo", "", "", "Do not print the prompt."},
           {"--quiet", "", "", "No summary of times on standard error."}})),
      {"run -p \"Once upon a time\"", "run -p \"Once upon a time\" -n 200 --temperature 0",
       "run --prompt-file start.txt --top-p 0.9 --seed 7 --quiet",
       "run --tokens 1,403,407 --print-tokens",
       "run -p \"The captain as JSON: \" --json-schema captain.json --no-echo",
       "run --chat --system \"Answer briefly.\"",
       "run -p \"Q: Who wrote it?\\nA:\" --stop \"Q:\" --no-echo"}};
  return spec;
}

absl::StatusOr<SamplerOptions> readSampling(const Args &args) {
  SamplerOptions options;
  constexpr double large = 1e6;
  STC_ASSIGN_OR_RETURN(options.temperature,
                       args.number("--temperature", options.temperature, 0, large));
  STC_ASSIGN_OR_RETURN(options.topK, args.integer("--top-k", options.topK, 0, INT32_MAX));
  STC_ASSIGN_OR_RETURN(options.topP, args.number("--top-p", options.topP, 0, 1));
  STC_ASSIGN_OR_RETURN(options.minP, args.number("--min-p", options.minP, 0, 1));
  STC_ASSIGN_OR_RETURN(options.repeatPenalty,
                       args.number("--repeat-penalty", options.repeatPenalty, 1e-3, 1e3));
  return options;
}

absl::StatusOr<uint64_t> readSeed(const Args &args) {
  if (args.has("--seed")) {
    STC_ASSIGN_OR_RETURN(int64_t seed, args.integer("--seed", 0, 0, INT64_MAX));
    return uint64_t(seed);
  }
  return randomSeed();
}

/// The prompt as the user gave it: ids, and the text to print before the model's.
struct Prompt {
  std::vector<int32_t> ids;
  std::string text;
};

/// The text of --prompt or --prompt-file.
absl::StatusOr<std::string> readMessage(const Args &args) {
  if (args.has("--prompt-file"))
    return readFile(args.text("--prompt-file"));
  return args.text("--prompt");
}

absl::StatusOr<Prompt> readPrompt(const Model &model, const Args &args) {
  Prompt prompt;
  if (readsFeatures(args))
    return prompt;
  if (args.has("--tokens")) {
    STC_ASSIGN_OR_RETURN(prompt.ids, args.tokenIds("--tokens"));
    if (!args.has("--print-tokens")) {
      STC_RETURN_IF_ERROR(model.requireTokenizer().status());
      // A token outside the vocabulary is reported by the session, with its position.
      absl::StatusOr<std::string> text = model.tokenizer()->decode(prompt.ids);
      prompt.text = text.ok() ? *text : "";
    }
    return prompt;
  }
  STC_ASSIGN_OR_RETURN(prompt.text, readMessage(args));
  STC_ASSIGN_OR_RETURN(const Tokenizer *tokenizer, model.requireTokenizer());
  // An encoder reads a whole text, with the token that ends it.
  bool isWhole = model.settings().kind == ModelKind::EncoderDecoder;
  STC_ASSIGN_OR_RETURN(prompt.ids, isWhole ? tokenizer->encode(prompt.text, {})
                                           : encodePrompt(*tokenizer, prompt.text));
  return prompt;
}

/// The grammar that the text has to follow; null if no option asks for one.
absl::StatusOr<std::shared_ptr<const Grammar>> readGrammar(const Args &args) {
  if (args.has("--json"))
    return Grammar::json();
  if (args.has("--json-schema")) {
    std::string file = args.text("--json-schema");
    STC_ASSIGN_OR_RETURN(std::string schema, readFile(file));
    STC_ASSIGN_OR_RETURN(std::string text, grammarOfSchema(schema, file));
    return Grammar::parse(text, file);
  }
  if (!args.has("--grammar"))
    return std::shared_ptr<const Grammar>();
  STC_ASSIGN_OR_RETURN(std::string text, readFile(args.text("--grammar")));
  return Grammar::parse(text, args.text("--grammar"));
}

/// What options exclude each other.
absl::Status checkOptions(const Args &args) {
  STC_RETURN_IF_ERROR(
      args.expectOneOf({"--prompt", "--prompt-file", "--tokens", "--audio", "--features"}, false));
  STC_RETURN_IF_ERROR(args.expectOneOf({"--chat", "--tokens"}, false));
  STC_RETURN_IF_ERROR(args.expectOneOf({"--chat", "--print-tokens"}, false));
  STC_RETURN_IF_ERROR(args.expectOneOf({"--stop", "--print-tokens"}, false));
  STC_RETURN_IF_ERROR(args.expectOneOf({"--json", "--json-schema", "--grammar"}, false));
  if (args.has("--system") && !args.has("--chat"))
    return args.error("--system", "--chat beside it", "none");
  for (const std::string &stop : args.texts("--stop"))
    if (stop.empty())
      return args.error("--stop", "a text", "an empty one");
  return absl::OkStatus();
}

/// Adds what one window of sound took to what those before it took.
void addTo(GenerateResult &sum, const GenerateResult &own) {
  sum.reason = own.reason;
  sum.promptTokens += own.promptTokens;
  sum.tokens += own.tokens;
  sum.promptSeconds += own.promptSeconds;
  sum.decodeSeconds += own.decodeSeconds;
}

/// Prints what the model makes of a prompt, or of sound, window by window.
absl::Status continuePrompt(Model &model, const Args &args, const SamplerOptions &sampling,
                            GenerateOptions &options, GrammarConstraint *constraint,
                            uint64_t seed) {
  STC_ASSIGN_OR_RETURN(Prompt prompt, readPrompt(model, args));
  STC_ASSIGN_OR_RETURN(DecoderBeginning written, decoderBeginning(model, args));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Session> session, Session::create(model));
  EncoderInput input;
  if (!written.tokens.empty()) {
    STC_ASSIGN_OR_RETURN(input, EncoderInput::read(model, args, std::move(prompt.ids)));
    prompt = {};
    if (readsFeatures(args) && !args.has("--max-tokens"))
      options.maxTokens = model.settings().maxContext / 2;
  }
  bool ids = args.has("--print-tokens"), echo = !ids && !args.has("--no-echo");
  // After a prompt of nothing but BOS the text is only beginning.
  TextOutput output(model, ids, !prompt.text.empty(), args.texts("--stop"));
  InterruptGuard guard(true);
  options.stop = &InterruptGuard::flag();
  options.done = output.done();
  Sampler sampler(sampling, seed);
  bool begun = false;
  // The prompt is printed once it has been read, so that an error leaves nothing on the output.
  auto begin = [&]() -> absl::Status {
    if (begun || !echo)
      return absl::OkStatus();
    begun = true;
    return output.text(prompt.text);
  };
  GenerateResult result;
  for (size_t window = 0; window < input.windows(); ++window) {
    if (!written.tokens.empty()) {
      STC_RETURN_IF_ERROR(input.encode(*session, window));
      STC_RETURN_IF_ERROR(detectLanguage(*session, written, args.has("--quiet")));
      prompt.ids = written.tokens;
    }
    if (constraint)
      constraint->restart(output.stripsSpace());
    STC_ASSIGN_OR_RETURN(GenerateResult own,
                         generate(*session, sampler, prompt.ids, options, [&](int32_t token) {
                           STC_RETURN_IF_ERROR(begin());
                           return output.token(token);
                         }));
    addTo(result, own);
    if (own.reason == StopReason::Stopped || own.reason == StopReason::Done)
      break;
  }
  STC_RETURN_IF_ERROR(begin());
  STC_RETURN_IF_ERROR(output.finish());
  if (!args.has("--quiet"))
    printSummary(result, session->maxContext(), seed);
  return absl::OkStatus();
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_RETURN_IF_ERROR(checkOptions(args));
  bool prompted = args.has("--prompt") || args.has("--prompt-file") || args.has("--tokens") ||
                  readsFeatures(args);
  if (!prompted && !args.has("--chat") && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
    return formatError({"run", "", {}}, "--prompt, --prompt-file or --tokens",
                       "none of them, and no terminal to read from");
  STC_ASSIGN_OR_RETURN(SamplerOptions sampling, readSampling(args));
  STC_ASSIGN_OR_RETURN(uint64_t seed, readSeed(args));
  GenerateOptions options;
  STC_ASSIGN_OR_RETURN(options.maxTokens, args.integer("--max-tokens", 128, 0, INT32_MAX));
  options.ignoreEndOfText = args.has("--ignore-eos");
  STC_ASSIGN_OR_RETURN(std::shared_ptr<const Grammar> grammar, readGrammar(args));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  // A conversation is one text.
  bool isConversation = args.has("--chat") || !prompted;
  STC_RETURN_IF_ERROR(model->require(isConversation ? Ability::Continue : Ability::Write));
  std::unique_ptr<GrammarConstraint> constraint;
  if (grammar) {
    STC_ASSIGN_OR_RETURN(constraint, GrammarConstraint::create(std::move(grammar), *model));
    options.grammar = constraint.get();
  }
  if (args.has("--chat")) {
    ChatOptions chat;
    chat.system = args.text("--system");
    chat.stops = args.texts("--stop");
    chat.quiet = args.has("--quiet");
    if (prompted) {
      STC_ASSIGN_OR_RETURN(chat.message, readMessage(args));
    }
    return runChat(*model, chat, sampling, options, seed);
  }
  if (!prompted)
    return runInteractive(*model, sampling, options, seed, args.texts("--stop"));

  return continuePrompt(*model, args, sampling, options, constraint.get(), seed);
}

} // namespace

Command runCommand() { return {&spec(), execute}; }

} // namespace stc
