// Generated tokens on standard output as they come: text, or ids.
#ifndef STC_LIB_RUNTIME_COMMANDS_TEXTOUTPUT_H
#define STC_LIB_RUNTIME_COMMANDS_TEXTOUTPUT_H

#include "stc/Runtime/Model.h"
#include "stc/Runtime/Output.h"
#include "stc/Tokenizer/StreamDecoder.h"

#include <atomic>
#include <memory>
#include <string>

namespace stc {

/// Prints each token at once. Without a tokenizer only ids can be printed.
class TextOutput {
public:
  /// `midText`: the tokens continue a text that was printed before.
  TextOutput(const Model &model, bool ids, bool midText);
  absl::Status text(absl::string_view text);
  absl::Status token(int32_t token);
  /// Ends the text with a newline.
  absl::Status finish();

private:
  const Model &model;
  Output output;
  std::unique_ptr<StreamDecoder> decoder; // null: ids
  bool first = true;
};

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
