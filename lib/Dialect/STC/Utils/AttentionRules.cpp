// Which layers of a model get which attention pattern, as text.
#include "stc/Dialect/STC/Utils/AttentionRules.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/GlobPattern.h"

namespace stc {

absl::StatusOr<std::vector<AttentionRule>> parseAttentionRules(absl::string_view text) {
  std::vector<AttentionRule> rules;
  for (absl::string_view part : absl::StrSplit(text, ';')) {
    AttentionRule &rule = rules.emplace_back();
    size_t equals = part.rfind('=');
    bool hasMatch = equals != part.npos;
    rule.match = hasMatch ? std::string(part.substr(0, equals)) : "*";
    // A cap keeps nested braces from expanding without end.
    auto glob = llvm::GlobPattern::create(rule.match, /*MaxSubPatterns=*/1024);
    if (!glob || rule.match.empty()) {
      std::string why = glob ? "nothing" : llvm::toString(glob.takeError());
      return formatError({"", "attention", {}},
                         "a pattern of layer names (layers.0) before =", printable(why));
    }
    STC_ASSIGN_OR_RETURN(rule.pattern,
                         AttentionPattern::parse(hasMatch ? part.substr(equals + 1) : part));
  }
  return rules;
}

std::string attentionRulesText(llvm::ArrayRef<AttentionRule> rules) {
  if (llvm::all_of(rules, [](const AttentionRule &rule) {
        return rule.pattern.kind == AttentionPattern::Kind::None;
      }))
    return "none";
  if (rules.size() == 1 && rules[0].match == "*")
    return rules[0].pattern.str();
  return absl::StrJoin(rules, ";", [](std::string *out, const AttentionRule &rule) {
    absl::StrAppend(out, rule.match, "=", rule.pattern.str());
  });
}

} // namespace stc
