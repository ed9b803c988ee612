// tokenize: text to one line of token ids.
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/Output.h"

#include "absl/strings/str_join.h"

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "tokenize",
      "",
      "Print the token ids of a text on one line.",
      "The ids are those that `run` would feed to the model for the same prompt. The text of\n"
      "special tokens (\"</s>\") is treated as ordinary text.",
      {{"--text", "", "TEXT", "The text."},
       {"--text-file", "", "FILE", "Read the text from a file."},
       {"--no-special", "", "", "Add no tokens that mark the beginning or end of a text."}},
      {"tokenize --text \"Once upon a time\"", "tokenize --text-file book.txt --no-special"}};
  return spec;
}

absl::Status tokenize(const Tokenizer &tokenizer, const Args &args) {
  STC_RETURN_IF_ERROR(args.expectOneOf({"--text", "--text-file"}, true));
  std::string text = args.text("--text");
  if (args.has("--text-file")) {
    STC_ASSIGN_OR_RETURN(text, readFile(args.text("--text-file")));
  }
  Tokenizer::EncodeOptions options;
  options.addSpecial = !args.has("--no-special");
  STC_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer.encode(text, options));
  return printLine(absl::StrJoin(ids, " "));
}

absl::Status execute(const CommandContext &context, const Args &args) {
  // Only the tokenizer is opened: no weight is read, and any processor will do.
  STC_RETURN_IF_ERROR(args.expectOneOf({"--text", "--text-file"}, true));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer, openTokenizer(context.bundlePath));
  return tokenize(*tokenizer, args);
}

} // namespace

Command tokenizeCommand() { return {&spec(), execute}; }

absl::Status tokenizeCommand(const Tokenizer &tokenizer, absl::Span<const std::string> args) {
  STC_ASSIGN_OR_RETURN(Args parsed, Args::parse(spec(), args));
  return tokenize(tokenizer, parsed);
}

} // namespace stc
