// How a text's hidden states become one vector.
#ifndef STC_SUPPORT_POOLING_H
#define STC_SUPPORT_POOLING_H

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

#include <cstdint>
#include <optional>
#include <vector>

namespace stc {

/// The mean of all tokens' states, the state of the first token or of the last, or the largest
/// number of each column (Reimers and Gurevych 2019, section 3).
enum class Pooling { Mean, First, Last, Max };

/// "mean", "cls", "last" or "max".
absl::string_view poolingName(Pooling pooling);

/// The pooling of that name; nothing for another.
std::optional<Pooling> parsePooling(absl::string_view name);

/// The vector of a text: `hidden` is [tokens][columns], with at least one token. Sums are made in
/// double.
std::vector<float> pool(absl::Span<const float> hidden, int64_t columns, Pooling pooling);

/// Scales `vector` to length 1; a vector of zeros stays as it is.
void normalize(absl::Span<float> vector);

/// How far two vectors of one size point apart: 1 - cosine, 0 where they point the same way, to the
/// precision of doubles even there. Where only one of them is zeros it is 1, where both are 0.
double cosineDistance(absl::Span<const float> a, absl::Span<const float> b);

} // namespace stc

#endif // STC_SUPPORT_POOLING_H
