// How often a token reads each tensor of a bundle: what to keep close where memory is short.
#ifndef STC_PACKING_WEIGHTREADS_H
#define STC_PACKING_WEIGHTREADS_H

#include "stc/Packing/Bundle.h"

namespace stc {

/// The key of ModelSettings::other that keeps it.
constexpr const char *kWeightReadsKey = "weight_reads";

/// Writes shares, one for each tensor in the order of the records, as that key's value. A share is
/// the part of all tokens for which a tensor is read as a whole: 1 for most, 0 for one of which a
/// token takes a single row, less than 1 for experts. Runs of equal ones are "COUNT*SHARE", with
/// commas between them.
std::string formatWeightReads(absl::Span<const double> shares);

/// The shares of a bundle's tensors, one for each record; all 1 where the bundle says nothing.
/// Errors: a value that `formatWeightReads` does not write, or one for other records.
absl::StatusOr<std::vector<double>> weightReads(const Bundle &bundle);

/// The same of settings that belong to `records` tensors. `site` is where they were read.
absl::StatusOr<std::vector<double>> parseWeightReads(const ModelSettings &settings, size_t records,
                                                     const ErrorSite &site);

} // namespace stc

#endif // STC_PACKING_WEIGHTREADS_H
