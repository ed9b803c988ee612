// The components of a tokenizer.json around its model: what comes before, after and on the way
// back.
#ifndef STC_LIB_FORMATS_TOKENIZERJSONPIPELINE_H
#define STC_LIB_FORMATS_TOKENIZERJSONPIPELINE_H

#include "JsonNode.h"

#include "stc/Tokenizer/Tokenizer.h"

namespace stc {

/// Reads `normalizer`, `pre_tokenizer` and `decoder` of the document `root` into `spec`, whose kind
/// becomes ByteLevelBpe where the pre-tokenizer works on bytes. Components without an equivalent
/// are errors that name the supported ones.
absl::Status readTokenizerPipeline(const JsonNode &root, TokenizerSpec &spec);

/// Reads `post_processor`: the ids put before and after a text. Returns whether it says anything
/// about them.
absl::StatusOr<bool> readPostProcessor(const JsonNode &root, TokenizerSpec &spec);

// What the parts of the pipeline share.

inline constexpr absl::string_view kMarkerText = "\xE2\x96\x81"; // U+2581

/// Appends the components of `node`, with sequences taken apart; `list` is the member that holds
/// the parts of a sequence.
absl::Status flattenSequence(const JsonNode &node, absl::string_view list,
                             std::vector<JsonNode> &parts);
/// Fails unless `node` is the string `text`.
absl::Status expectText(const JsonNode &node, absl::string_view text);
/// A pattern of tokenizer.json, `{"Regex": ...}` or `{"String": ...}`, for PCRE2. Syntax that means
/// something else to PCRE2 is refused.
absl::StatusOr<std::string> readPattern(const JsonNode &node);
/// Reads `normalizer`.
absl::Status readNormalizer(const JsonNode &root, TokenizerSpec &spec);

} // namespace stc

#endif // STC_LIB_FORMATS_TOKENIZERJSONPIPELINE_H
