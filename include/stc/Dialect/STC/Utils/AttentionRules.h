// Which layers of a model get which attention pattern, as text.
#ifndef STC_DIALECT_STC_UTILS_ATTENTIONRULES_H
#define STC_DIALECT_STC_UTILS_ATTENTIONRULES_H

#include "stc/Compress/AttentionPattern.h"

#include "llvm/ADT/ArrayRef.h"

#include <string>
#include <vector>

namespace stc {

/// A layer (layers.0, layers.1 ...) gets the pattern of the first rule that matches its name.
struct AttentionRule {
  std::string match; // a glob pattern
  AttentionPattern pattern;
};

/// Parses one pattern for all layers ("strided:64"), or rules with semicolons between them
/// ("layers.0=none;*=strided:64"). Errors: what is no glob pattern or no attention pattern.
absl::StatusOr<std::vector<AttentionRule>> parseAttentionRules(absl::string_view text);
/// The text that parses to these rules: "none" where they change nothing.
std::string attentionRulesText(llvm::ArrayRef<AttentionRule> rules);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_ATTENTIONRULES_H
