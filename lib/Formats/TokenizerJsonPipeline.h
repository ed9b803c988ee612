// The components of a tokenizer.json around its model: what comes before, after and on the way
// back.
#ifndef STC_LIB_FORMATS_TOKENIZERJSONPIPELINE_H
#define STC_LIB_FORMATS_TOKENIZERJSONPIPELINE_H

#include "JsonNode.h"

#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// Reads `normalizer`, `pre_tokenizer` and `decoder` of the document `root` into `spec`, its kind
/// included. Components without an equivalent are errors that name the supported ones.
absl::Status readTokenizerPipeline(const JsonNode &root, TokenizerSpec &spec);

/// Reads `post_processor`: the ids put before and after a text. Returns whether it says anything
/// about them.
absl::StatusOr<bool> readPostProcessor(const JsonNode &root, TokenizerSpec &spec);

} // namespace stc

#endif // STC_LIB_FORMATS_TOKENIZERJSONPIPELINE_H
