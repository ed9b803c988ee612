// Command lines: options declared as data, parsed strictly, explained by a help page.
#ifndef STC_RUNTIME_ARGS_H
#define STC_RUNTIME_ARGS_H

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace stc {

/// One option of a command.
struct Option {
  std::string name;     // "--prompt"
  std::string alias;    // "-p", or empty
  std::string value;    // what its value is called in the help ("TEXT"); empty: a switch
  std::string help;     // one sentence; newlines become lines of their own
  bool repeats = false; // whether it may be given several times
};

/// Everything a command's help page says and its parser accepts. `--help` is always understood.
struct CommandSpec {
  std::string name;      // "run"
  std::string arguments; // positional arguments as the usage line shows them ("MODEL"), or empty
  std::string summary;   // one line, for the list of commands
  std::string details;   // paragraphs of the help page, lines already broken
  std::vector<Option> options;
  std::vector<std::string> examples; // command lines without the program's name
  size_t minPositional = 0, maxPositional = 0;
};

/// A parsed command line. Getters check ranges; their errors name command and option.
class Args {
public:
  /// Accepts `--name value`, `--name=value` and `--` before positional arguments. Errors: an
  /// unknown option (the closest known one is named), a missing value, an option given twice that
  /// does not repeat, too few or too many positional arguments.
  static absl::StatusOr<Args> parse(const CommandSpec &spec, absl::Span<const std::string> args);

  bool has(const std::string &name) const { return values.count(name) > 0; }
  const std::vector<std::string> &positional() const { return positionals; }
  /// All values of an option, in the order they were given.
  std::vector<std::string> texts(const std::string &name) const;
  /// The (first) value as it was given, or `fallback`.
  std::string text(const std::string &name, const std::string &fallback = "") const;
  absl::StatusOr<int64_t> integer(const std::string &name, int64_t fallback, int64_t min,
                                  int64_t max) const;
  /// A finite number in [min, max].
  absl::StatusOr<double> number(const std::string &name, double fallback, double min,
                                double max) const;
  /// The value as a list of token ids (see parseTokenIds).
  absl::StatusOr<std::vector<int32_t>> tokenIds(const std::string &name) const;
  /// An error unless exactly one of `names` was given (`required`), or at most one (otherwise).
  absl::Status expectOneOf(absl::Span<const std::string> names, bool required) const;
  /// An error about this command's option `name`.
  absl::Status error(const std::string &name, absl::string_view expected,
                     absl::string_view got) const;

private:
  std::string command;
  std::map<std::string, std::vector<std::string>> values; // never empty ones
  std::vector<std::string> positionals;
};

/// Non-negative 32-bit ids separated by commas, spaces or newlines. `file` and `field` say where
/// the text is from; errors carry the offset.
absl::StatusOr<std::vector<int32_t>> parseTokenIds(absl::string_view text, const std::string &file,
                                                   const std::string &field);

/// The one of `known` that is fewest edits away from `word`, or empty if none is near.
std::string closestWord(absl::string_view word, absl::Span<const std::string> known);

/// The help page of a command of `program`.
std::string helpPage(const std::string &program, const CommandSpec &spec);

/// The overview of `program`: one line per command.
std::string helpOverview(const std::string &program, absl::string_view about,
                         absl::Span<const CommandSpec *const> commands);

} // namespace stc

#endif // STC_RUNTIME_ARGS_H
