// Creates tokenizers from specifications.
#include "stc/Tokenizer/Tokenizer.h"

#include "PipelineTokenizer.h"

namespace stc {

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::create(TokenizerSpec spec,
                                                             const std::string &file) {
  auto tokenizer = std::make_unique<PipelineTokenizer>(std::move(spec), file);
  STC_RETURN_IF_ERROR(tokenizer->build());
  return tokenizer;
}

} // namespace stc
