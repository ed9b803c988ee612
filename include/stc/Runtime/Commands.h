// The commands of a model binary: `books run`, `books bench` and the others.
#ifndef STC_RUNTIME_COMMANDS_H
#define STC_RUNTIME_COMMANDS_H

#include "stc/Runtime/Args.h"
#include "stc/Runtime/Model.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

/// What every command works with. The model is opened late, so that help pages and wrong command
/// lines need none.
struct CommandContext {
  std::string program; // the program's name, for help pages
  ModelCode code;
  std::string bundlePath; // the file that holds weights, tokenizer and settings
};

/// One command: its declaration, and what it does.
struct Command {
  const CommandSpec *spec;
  absl::Status (*execute)(const CommandContext &context, const Args &args);
};

Command benchCommand();
Command classifyCommand();
Command embedCommand();
Command evalCommand();
Command infoCommand();
Command logitsCommand();
Command runCommand();
Command serveCommand();
Command tokenizeCommand();

/// The declaration of a command, or null where there is none of that name.
const CommandSpec *findCommand(absl::string_view name);

/// The program: `args` without its name. Prints errors as one line and returns the exit status.
int modelMain(const CommandContext &context, absl::Span<const std::string> args);

/// Parses `args` for `spec`, answers --help, and otherwise calls `execute`. Returns the exit
/// status.
int runCommandLine(const std::string &program, const CommandSpec &spec,
                   absl::Span<const std::string> args,
                   absl::FunctionRef<absl::Status(const Args &args)> execute);

/// `tokenize ARGS...` on any tokenizer: prints one line of ids.
absl::Status tokenizeCommand(const Tokenizer &tokenizer, absl::Span<const std::string> args);

/// The options of every command that loads the model, to be appended to its own.
std::vector<Option> withModelOptions(std::vector<Option> own);
/// What they say.
absl::StatusOr<Model::Options> openOptions(const Args &args);
/// Opens the model as the options of `withModelOptions` say.
absl::StatusOr<std::unique_ptr<Model>> openModel(const CommandContext &context, const Args &args);

/// Whether checksums are compared: neither --no-verify nor STC_NO_VERIFY asks otherwise.
bool isVerifying(const Args &args);

/// The ids in a file of token ids (see parseTokenIds).
absl::StatusOr<std::vector<int32_t>> readTokenFile(const std::string &path);

} // namespace stc

#endif // STC_RUNTIME_COMMANDS_H
