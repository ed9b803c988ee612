// Tokenizers stored in the metadata of a GGUF file.
#ifndef STC_FORMATS_TOKENIZERGGUF_H
#define STC_FORMATS_TOKENIZERGGUF_H

#include "stc/Formats/GgufWriter.h"
#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// Whether the file carries a vocabulary (the key `tokenizer.ggml.model`).
bool hasTokenizer(const GgufFile &file);

/// The specification in the `tokenizer.ggml.*` keys: model `llama` (SentencePiece with scores),
/// `gpt2` (byte-level BPE with merges; `tokenizer.ggml.pre` chooses the pattern), `bert`
/// (WordPiece, uncased unless `normalizer.lowercase` says otherwise) or `t5` (Unigram).
absl::StatusOr<TokenizerSpec> parseTokenizerGguf(const GgufFile &file);

/// The tokenizer those keys define.
absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizerGguf(const GgufFile &file);

/// SentencePiece's `remove_extra_whitespaces`: no spaces at the ends, single ones inside.
std::vector<TokenizerSpec::Normalizer> trimmingSteps();

/// Adds those keys for a tokenizer, with unused tokens up to `vocabSize`. `file` names the
/// tokenizer in errors: SentencePiece whose merges no scores express or that splits text before
/// merging, byte-level BPE with a pattern GGUF has no name for, WordPiece and Unigram with other
/// normalizers than BERT's and SentencePiece's. Not kept, as GGUF has no keys for it: NFC
/// normalization of BPE, spaces that added tokens strip, and prefix spaces that depend on the text.
absl::Status addTokenizer(const TokenizerSpec &spec, int64_t vocabSize, const std::string &file,
                          GgufMetadata &metadata);

} // namespace stc

#endif // STC_FORMATS_TOKENIZERGGUF_H
