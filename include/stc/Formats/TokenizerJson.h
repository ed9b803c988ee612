// Tokenizers of Hugging Face checkpoints: tokenizer.json and tokenizer_config.json.
#ifndef STC_FORMATS_TOKENIZERJSON_H
#define STC_FORMATS_TOKENIZERJSON_H

#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// Reads the text of a tokenizer.json, called `file` in errors. `config` is the text of the
/// tokenizer_config.json beside it, or empty; it names BOS and EOS and says whether they are added
/// where the post-processor of tokenizer.json does not.
absl::StatusOr<TokenizerSpec> parseTokenizerJson(absl::string_view text, const std::string &file,
                                                 absl::string_view config = {},
                                                 const std::string &configFile = {});

/// Loads the tokenizer.json at `path`, with the tokenizer_config.json of its folder if there is
/// one.
absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizerJson(const std::string &path);

} // namespace stc

#endif // STC_FORMATS_TOKENIZERJSON_H
