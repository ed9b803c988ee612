// Strict JSON where simdjson, a shared library, cannot be linked: in model binaries.
#ifndef STC_GRAMMAR_STRICTJSON_H
#define STC_GRAMMAR_STRICTJSON_H

#include "stc/Support/Error.h"

#ifndef JSON_NOEXCEPTION
#define JSON_NOEXCEPTION 1
#endif
#include <nlohmann/json.hpp>

namespace stc {

/// Parses `text`, all of it. Errors, which name `site`: anything but one JSON value in UTF-8, more
/// than `maxDepth` levels of nesting, a key twice in one object.
absl::StatusOr<nlohmann::ordered_json> parseStrictJson(absl::string_view text,
                                                       const ErrorSite &site, int maxDepth);

} // namespace stc

#endif // STC_GRAMMAR_STRICTJSON_H
