// Generated tokens on standard output as they come: text, or ids.
#ifndef STC_LIB_RUNTIME_COMMANDS_TEXTOUTPUT_H
#define STC_LIB_RUNTIME_COMMANDS_TEXTOUTPUT_H

#include "stc/Runtime/Generate.h"
#include "stc/Runtime/Output.h"
#include "stc/Runtime/StopSequences.h"
#include "stc/Tokenizer/StreamDecoder.h"

#include <atomic>
#include <memory>
#include <string>

namespace stc {

/// Prints each token at once. Without a tokenizer only ids can be printed.
class TextOutput {
public:
  /// `midText`: the tokens continue a text that was printed before. The text ends before the first
  /// of `stops`.
  TextOutput(const Model &model, bool ids, bool midText, std::vector<std::string> stops = {});
  absl::Status text(absl::string_view text);
  absl::Status token(int32_t token);
  /// Ends the text with a newline.
  absl::Status finish();
  /// What the tokens were printed as.
  const std::string &shown() const { return answer; }
  /// Whether a space before the first token will be dropped, for GrammarConstraint::restart.
  bool stripsSpace() const { return strips; }
  /// Whether a stop sequence came, for GenerateOptions::done.
  const bool *done() const { return &stopped; }

private:
  absl::Status show(absl::string_view characters);
  const Model &model;
  Output output;
  std::unique_ptr<StreamDecoder> decoder; // null: ids
  StopSequences stops;
  std::string answer;
  bool first = true, stopped = false, strips = false;
};

/// One line on standard error about what a text took.
void printSummary(const GenerateResult &result, int64_t maxContext, uint64_t seed,
                  int64_t reusedTokens = 0);

/// While it lives, the first Ctrl-C sets the flag instead of ending the process. With `once` a
/// second one ends it as usual; without, each only sets the flag.
class InterruptGuard {
public:
  explicit InterruptGuard(bool once);
  ~InterruptGuard();
  static std::atomic<bool> &flag();
};

} // namespace stc

#endif // STC_LIB_RUNTIME_COMMANDS_TEXTOUTPUT_H
