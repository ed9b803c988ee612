// The model of a tokenizer.json: what kind it is, and its vocabulary.
#ifndef STC_LIB_FORMATS_TOKENIZERJSONMODEL_H
#define STC_LIB_FORMATS_TOKENIZERJSONMODEL_H

#include "JsonNode.h"

#include "stc/Tokenizer/Tokenizer.h"

#include "absl/container/flat_hash_map.h"

namespace stc {

/// Tokens by text; the keys belong to the document.
using TokenIds = absl::flat_hash_map<absl::string_view, int64_t>;

/// Reads `model.type` and what belongs to the kind alone. BPE counts as SentencePiece until the
/// pre-tokenizer says that it works on bytes.
absl::Status readModelKind(const JsonNode &model, TokenizerSpec &spec);

/// Reads `model` and `added_tokens` of the document `root`, whose kind is known by now.
absl::Status readModel(const JsonNode &root, TokenizerSpec &spec, TokenIds &ids);

} // namespace stc

#endif // STC_LIB_FORMATS_TOKENIZERJSONMODEL_H
