// Tokens, characters, stop sequences: in this order.
#include "stc/Runtime/TextStream.h"

namespace stc {

TextStream::TextStream(const Tokenizer &tokenizer, bool midText, std::vector<std::string> stops)
    : tokenizer(tokenizer), decoder(tokenizer, midText), stops(std::move(stops)),
      strips(!midText && tokenizer.spec().stripPrefixSpaceOnDecode) {}

std::string TextStream::push(int32_t token) {
  // Vocabularies are padded to round sizes; such ids have no text.
  if (size_t(token) >= tokenizer.spec().tokens.size())
    return "";
  return show(stops.push(decoder.push(token)));
}

std::string TextStream::finish() {
  std::string rest = stops.push(decoder.finish());
  return show(rest + stops.finish());
}

std::string TextStream::show(std::string characters) {
  stopped = stops.found();
  all += characters;
  return characters;
}

} // namespace stc
