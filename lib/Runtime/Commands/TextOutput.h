// Generated tokens on standard output as they come: text, or ids.
#ifndef STC_LIB_RUNTIME_COMMANDS_TEXTOUTPUT_H
#define STC_LIB_RUNTIME_COMMANDS_TEXTOUTPUT_H

#include "stc/Runtime/Generate.h"
#include "stc/Runtime/Output.h"
#include "stc/Runtime/TextStream.h"

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
  /// What the tokens were printed as; empty of ids.
  std::string shown() const { return stream ? stream->shown() : ""; }
  /// TextStream's.
  bool stripsSpace() const { return stream && stream->stripsSpace(); }
  /// The same; null of ids, which nothing stops.
  const bool *done() const { return stream ? stream->done() : nullptr; }

private:
  Output output;
  std::unique_ptr<TextStream> stream; // null: ids
  bool first = true;
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
