// Tokens to text while they are being generated: only whole characters leave the decoder.
#ifndef STC_TOKENIZER_STREAMDECODER_H
#define STC_TOKENIZER_STREAMDECODER_H

#include "stc/Tokenizer/Tokenizer.h"

#include <string>

namespace stc {

/// Joins the bytes of tokens and hands them out as soon as they form whole UTF-8 characters. The
/// space that SentencePiece puts before a text is taken off, bytes that can no longer become a
/// character turn into U+FFFD, and control tokens add nothing. The text handed out in all equals
/// `Tokenizer::decode` of the same ids wherever that is valid UTF-8.
class StreamDecoder {
public:
  /// `tokenizer` must outlive the decoder. With `midText` the tokens continue a text that was
  /// already begun (a prompt), so a leading space is kept.
  explicit StreamDecoder(const Tokenizer &tokenizer, bool midText = false);
  /// Takes one token and returns the characters that are complete now (often none).
  std::string push(int32_t id);
  /// Ends the text: an unfinished character is returned as U+FFFD.
  std::string finish();

private:
  const Tokenizer &tokenizer;
  std::string pending; // the bytes of an unfinished character
  bool stripSpace;     // nothing was decoded yet and a leading space has to go
};

} // namespace stc

#endif // STC_TOKENIZER_STREAMDECODER_H
