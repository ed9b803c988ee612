// Turns the merges of a specification into a table from pairs of ids to joined ids.
#include "BpeModel.h"

#include "absl/strings/str_cat.h"

namespace stc {

absl::Status MergeTable::build(const TokenizerSpec &spec, const Vocabulary &vocabulary,
                               const std::string &file) {
  auto findPart = [&](absl::string_view text) {
    int32_t id = vocabulary.findMergeable(text);
    return id >= 0 ? id : vocabulary.findAny(text);
  };
  joins.reserve(spec.merges.size());
  for (size_t rank = 0; rank < spec.merges.size(); ++rank) {
    const auto &[left, right] = spec.merges[rank];
    std::string whole = absl::StrCat(left, right);
    int32_t leftId = findPart(left), rightId = findPart(right);
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
