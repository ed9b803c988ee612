// JSON schemas as grammars.
#ifndef STC_GRAMMAR_JSONSCHEMA_H
#define STC_GRAMMAR_JSONSCHEMA_H

#include "stc/Support/Error.h"

#include <string>

namespace stc {

/// The grammar (in the notation of Grammar::parse) of JSON texts that are valid under `schema`.
/// Every text of it is valid, but not every valid text is one of it: the members of an object come
/// in the order of `properties`, others are left out, and there is at most one blank or line break
/// between tokens. Known keywords: type, properties, required, additionalProperties, items,
/// minItems, maxItems, minLength, maxLength, enum, const, anyOf, oneOf, $ref within the document,
/// and those that only describe. Errors name the place: keywords that would be ignored, schemas
/// nothing is valid under, references to nothing, more than 64 levels of nesting.
absl::StatusOr<std::string> grammarOfSchema(absl::string_view schema, const std::string &file);

} // namespace stc

#endif // STC_GRAMMAR_JSONSCHEMA_H
