// What calibration keeps of a linear operation's inputs: their second moments, summed over tokens.
#ifndef STC_COMPRESS_SECONDMOMENTS_H
#define STC_COMPRESS_SECONDMOMENTS_H

#include "stc/Support/Error.h"

#include "absl/types/span.h"

#include <cstdint>
#include <vector>

namespace stc {

/// H = sum over tokens of x x^T for the inputs x of y = W x, and sums per input channel (column of
/// W). The result depends on the sequence of tokens only, not on how `add` gets them or on the
/// number of threads.
class SecondMoments {
public:
  explicit SecondMoments(int64_t columns);

  /// Adds inputs [tokens][columns]. Errors: a size that is no multiple of columns, or an input that
  /// is not finite (named by token and channel) or whose square exceeds f32; then nothing of this
  /// call is added.
  absl::Status add(absl::Span<const float> inputs);

  int64_t columns() const { return width; }
  int64_t tokens() const { return tokenCount; }
  /// H, symmetric, [columns][columns]. Folds in what `add` has buffered, so the first call after
  /// an `add` must not run beside another.
  absl::Span<const float> matrix() const;
  /// Per channel, in double: sums of squares (the diagonal of H), of magnitudes and of values, and
  /// the largest magnitude.
  absl::Span<const double> squares() const { return squareSums; }
  absl::Span<const double> magnitudes() const { return magnitudeSums; }
  absl::Span<const double> sums() const { return valueSums; }
  absl::Span<const float> largest() const { return largestMagnitudes; }
  /// Channels that were zero for every token: H says nothing of their weights.
  int64_t deadInputs() const;
  /// The mean of H's diagonal, what damping is relative to; 1 if all inputs are dead.
  double meanDiagonal() const;

  /// The moments of the same inputs with channel j divided by divisors[j] (finite, not zero), as
  /// scales folded into what comes before make them.
  void divideInputs(absl::Span<const float> divisors);

  /// Bytes that `deserialize` takes back: the same numbers in the machine's byte order, about
  /// 2 * columns^2 bytes.
  std::vector<uint8_t> serialize() const;
  /// Errors: bytes that `serialize` did not write, of another size, or not finite.
  static absl::StatusOr<SecondMoments> deserialize(absl::Span<const uint8_t> bytes);

private:
  void fold() const;

  int64_t width, tokenCount = 0;
  // Tokens are folded into H many at a time; that happens late, and then within matrix().
  mutable std::vector<float> gram, buffered;
  mutable bool symmetric = true;
  std::vector<double> squareSums, magnitudeSums, valueSums;
  std::vector<float> largestMagnitudes;
};

/// C = sum over tokens of y x^T: what a linear operation should give (a teacher's output, [rows])
/// against the inputs it really gets (a student's, [columns]).
class CrossMoments {
public:
  CrossMoments(int64_t rows, int64_t columns);

  /// Adds outputs [tokens][rows] and inputs [tokens][columns]. Errors as SecondMoments::add.
  absl::Status add(absl::Span<const float> outputs, absl::Span<const float> inputs);

  int64_t rows() const { return height; }
  int64_t columns() const { return width; }
  int64_t tokens() const { return tokenCount; }
  /// C, [rows][columns].
  absl::Span<const float> matrix() const { return products; }
  /// Per output, in double: the sum of squares over tokens. sum of squares - 2 w c^T + w H w^T is
  /// the squared error of a row w.
  absl::Span<const double> squares() const { return squareSums; }

private:
  int64_t height, width, tokenCount = 0;
  std::vector<float> products;
  std::vector<double> squareSums;
};

} // namespace stc

#endif // STC_COMPRESS_SECONDMOMENTS_H
