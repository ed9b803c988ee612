// Texts that end the model's turn, found although they come in pieces.
#ifndef STC_RUNTIME_STOPSEQUENCES_H
#define STC_RUNTIME_STOPSEQUENCES_H

#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace stc {

/// Hands on a text piece by piece up to the first stop sequence, which itself is dropped with all
/// that follows. What may be the beginning of one is held back until it is decided.
class StopSequences {
public:
  /// Empty sequences are ignored.
  explicit StopSequences(std::vector<std::string> sequences);
  /// Takes the next piece and returns what can be shown now.
  std::string push(absl::string_view piece);
  /// What was held back when the text ended without a stop sequence.
  std::string finish();
  /// Whether a sequence was found.
  bool found() const { return stopped; }

private:
  std::vector<std::string> sequences;
  std::string pending;
  bool stopped = false;
};

} // namespace stc

#endif // STC_RUNTIME_STOPSEQUENCES_H
