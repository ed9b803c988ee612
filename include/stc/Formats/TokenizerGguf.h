// Tokenizers stored in the metadata of a GGUF file.
#ifndef STC_FORMATS_TOKENIZERGGUF_H
#define STC_FORMATS_TOKENIZERGGUF_H

#include "stc/Formats/Gguf.h"
#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// Whether the file carries a vocabulary (the key `tokenizer.ggml.model`).
bool hasTokenizer(const GgufFile &file);

/// The specification in the `tokenizer.ggml.*` keys: model `llama` (SentencePiece with scores) or
/// `gpt2` (byte-level BPE with merges; `tokenizer.ggml.pre` chooses the pattern).
absl::StatusOr<TokenizerSpec> parseTokenizerGguf(const GgufFile &file);

/// The tokenizer those keys define.
absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizerGguf(const GgufFile &file);

} // namespace stc

#endif // STC_FORMATS_TOKENIZERGGUF_H
