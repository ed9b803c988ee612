// How often a token reads each tensor, as runs of equal shares.
#include "stc/Packing/WeightReads.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace stc {

std::string formatWeightReads(absl::Span<const double> shares) {
  std::string text;
  for (size_t begin = 0, end; begin < shares.size(); begin = end) {
    for (end = begin; end < shares.size() && shares[end] == shares[begin];)
      ++end;
    absl::StrAppend(&text, text.empty() ? "" : ",", end - begin, "*", shares[begin]);
  }
  return text;
}

absl::StatusOr<std::vector<double>> parseWeightReads(const ModelSettings &settings, size_t records,
                                                     const ErrorSite &site) {
  auto found = settings.other.find(kWeightReadsKey);
  if (found == settings.other.end())
    return std::vector<double>(records, 1);
  ErrorSite where = site;
  where.field = absl::StrCat(site.field, ": ", kWeightReadsKey);
  std::vector<double> shares;
  for (absl::string_view run : absl::StrSplit(found->second, ',')) {
    std::pair<absl::string_view, absl::string_view> parts = absl::StrSplit(run, '*');
    uint64_t count = 0;
    double share = 0;
    if (!absl::SimpleAtoi(parts.first, &count) || !absl::SimpleAtod(parts.second, &share) ||
        !(share >= 0 && share <= 1))
      return formatError(where, "runs COUNT*SHARE of shares from 0 to 1", run);
    if (count > records - shares.size())
      return formatError(where, absl::StrCat("shares of ", records, " tensors"), "more");
    shares.insert(shares.end(), size_t(count), share);
  }
  if (shares.size() != records)
    return formatError(where, absl::StrCat("shares of ", records, " tensors"),
                       absl::StrCat(shares.size()));
  return shares;
}

absl::StatusOr<std::vector<double>> weightReads(const Bundle &bundle) {
  return parseWeightReads(bundle.settings(), bundle.records().size(),
                          {bundle.path(), "bundle settings", {}});
}

} // namespace stc
