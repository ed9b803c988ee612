// What nlohmann::json lets pass is caught while it parses.
#include "stc/Grammar/StrictJson.h"

#include "absl/strings/str_cat.h"

#include <set>
#include <vector>

namespace stc {

absl::StatusOr<nlohmann::ordered_json> parseStrictJson(absl::string_view text,
                                                       const ErrorSite &site, int maxDepth) {
  using Json = nlohmann::ordered_json;
  // Of equal keys only the last would be seen.
  std::vector<std::set<std::string>> keys;
  std::string twice;
  bool deep = false; // those who visit a value do so recursively
  auto watch = [&](int depth, Json::parse_event_t event, Json &value) {
    deep |= depth > maxDepth;
    if (event == Json::parse_event_t::object_start)
      keys.emplace_back();
    else if (event == Json::parse_event_t::object_end)
      keys.pop_back();
    else if (event == Json::parse_event_t::key &&
             !keys.back().insert(value.get<std::string>()).second)
      twice = value.get<std::string>();
    return true;
  };
  Json document = Json::parse(text.begin(), text.end(), watch, false);
  if (document.is_discarded())
    return formatError(site, "JSON", "something else");
  if (deep)
    return formatError(site, absl::StrCat("at most ", maxDepth, " levels of nesting"), "more");
  if (!twice.empty())
    return formatError(site, "every key once", absl::StrCat("'", printable(twice), "' again"));
  return document;
}

} // namespace stc
