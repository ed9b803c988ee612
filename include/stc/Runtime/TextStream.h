// Generated tokens as text that can be shown, up to a stop sequence.
#ifndef STC_RUNTIME_TEXTSTREAM_H
#define STC_RUNTIME_TEXTSTREAM_H

#include "stc/Runtime/StopSequences.h"
#include "stc/Tokenizer/StreamDecoder.h"

#include <string>
#include <vector>

namespace stc {

/// Takes tokens one at a time and hands out whole characters, before the first stop sequence.
class TextStream {
public:
  /// `tokenizer` must outlive it. `midText`: the tokens continue a text.
  TextStream(const Tokenizer &tokenizer, bool midText, std::vector<std::string> stops);
  /// What can be shown after one more token; often nothing.
  std::string push(int32_t token);
  /// What was held back when the tokens end.
  std::string finish();
  /// All that was handed out.
  const std::string &shown() const { return all; }
  /// Whether a space before the first token will be dropped, for GrammarConstraint::restart.
  bool stripsSpace() const { return strips; }
  /// Whether a stop sequence came, for GenerateOptions::done.
  const bool *done() const { return &stopped; }

private:
  std::string show(std::string characters);
  const Tokenizer &tokenizer;
  StreamDecoder decoder;
  StopSequences stops;
  std::string all;
  bool stopped = false, strips = false;
};

} // namespace stc

#endif // STC_RUNTIME_TEXTSTREAM_H
