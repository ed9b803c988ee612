// Convolutions over rows as products with one matrix.
#include "stc/Runtime/Unfold.h"

namespace stc {

std::vector<float> unfoldRows(absl::Span<const float> rows, int64_t columns, int64_t stride) {
  constexpr int64_t kernel = 3;
  int64_t count = int64_t(rows.size()) / columns, results = (count + stride - 1) / stride;
  std::vector<float> unfolded(size_t(results * columns * kernel));
  for (int64_t t = 0; t < results; ++t)
    for (int64_t k = 0; k < kernel; ++k) {
      int64_t source = stride * t + k - 1;
      if (source < 0 || source >= count)
        continue;
      for (int64_t c = 0; c < columns; ++c)
        unfolded[size_t((t * columns + c) * kernel + k)] = rows[size_t(source * columns + c)];
    }
  return unfolded;
}

} // namespace stc
