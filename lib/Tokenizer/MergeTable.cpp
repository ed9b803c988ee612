// Turns the merges of a specification into a table from pairs of ids to joined ids.
#include "BpeModel.h"

#include "absl/strings/str_cat.h"

namespace stc {

absl::Status MergeTable::build(const TokenizerSpec &spec, const Vocabulary &vocabulary,
                               const std::string &file) {
  joins.reserve(spec.merges.size());
  std::string whole;
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto &[left, right] = spec.merges[rank];
    whole.assign(left).append(right);
    int32_t leftId = vocabulary.findAny(left), rightId = vocabulary.findAny(right);
    if (leftId < 0 || rightId < 0 || vocabulary.findAny(whole) < 0) {
      absl::string_view missing = leftId < 0 ? left : rightId < 0 ? right : whole;
      return formatError({file, absl::StrCat("merges[", rank, "]"), {}},
                         "a merge of two tokens into a third",
                         absl::StrCat("'", printable(missing), "', which is no token"));
    }
    int32_t wholeId = vocabulary.findMergeable(whole);
    if (wholeId >= 0)
      joins.try_emplace(key(leftId, rightId), BpeJoin{uint32_t(rank), wholeId});
  }
  return absl::OkStatus();
}

} // namespace stc
