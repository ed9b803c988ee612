// How a text's hidden states become one vector.
#include "stc/Support/Pooling.h"

#include <algorithm>
#include <cmath>

namespace stc {

absl::string_view poolingName(Pooling pooling) {
  switch (pooling) {
  case Pooling::Mean:
    return "mean";
  case Pooling::First:
    return "cls";
  case Pooling::Last:
    return "last";
  case Pooling::Max:
    return "max";
  }
  return "";
}

std::optional<Pooling> parsePooling(absl::string_view name) {
  for (Pooling pooling : {Pooling::Mean, Pooling::First, Pooling::Last, Pooling::Max})
    if (poolingName(pooling) == name)
      return pooling;
  return std::nullopt;
}

static std::vector<float> meanOfRows(absl::Span<const float> hidden, size_t columns) {
  std::vector<double> sums(columns);
  for (size_t i = 0; i < hidden.size(); ++i)
    sums[i % columns] += double(hidden[i]);
  double rows = double(hidden.size()) / double(columns);
  std::vector<float> means;
  for (double sum : sums)
    means.push_back(float(sum / rows));
  return means;
}

static std::vector<float> largestOfRows(absl::Span<const float> hidden, size_t columns) {
  std::vector<float> largest(hidden.begin(), hidden.begin() + long(columns));
  for (size_t i = columns; i < hidden.size(); ++i)
    largest[i % columns] = std::max(largest[i % columns], hidden[i]);
  return largest;
}

std::vector<float> pool(absl::Span<const float> hidden, int64_t columns, Pooling pooling) {
  auto size = size_t(columns);
  auto copy = [](absl::Span<const float> row) {
    return std::vector<float>(row.begin(), row.end());
  };
  switch (pooling) {
  case Pooling::Mean:
    return meanOfRows(hidden, size);
  case Pooling::First:
    return copy(hidden.first(size));
  case Pooling::Last:
    return copy(hidden.last(size));
  case Pooling::Max:
    return largestOfRows(hidden, size);
  }
  return {};
}

void normalize(absl::Span<float> vector) {
  double squares = 0;
  for (float value : vector)
    squares += double(value) * double(value);
  if (squares == 0)
    return;
  for (float &value : vector)
    value = float(double(value) / std::sqrt(squares));
}

double cosineDistance(absl::Span<const float> a, absl::Span<const float> b) {
  double squaresOfA = 0, squaresOfB = 0, squares = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    squaresOfA += double(a[i]) * double(a[i]);
    squaresOfB += double(b[i]) * double(b[i]);
  }
  if (squaresOfA == 0 || squaresOfB == 0)
    return squaresOfA == squaresOfB ? 0 : 1;
  // Half the squared distance of the ends, which cancels nothing.
  double lengthOfA = std::sqrt(squaresOfA), lengthOfB = std::sqrt(squaresOfB);
  for (size_t i = 0; i < a.size(); ++i) {
    double apart = double(a[i]) / lengthOfA - double(b[i]) / lengthOfB;
    squares += apart * apart;
  }
  return squares / 2;
}

} // namespace stc
