// Rotations that spread outliers over all channels, as fast as they can be applied.
#ifndef STC_COMPRESS_HADAMARD_H
#define STC_COMPRESS_HADAMARD_H

#include <cstdint>
#include <vector>

namespace stc {

/// The orthonormal Q = B S: random signs S, then B of equal Hadamard blocks on the diagonal over
/// the square root of their size (QuaRot, Ashkboos et al. 2024). A block is the largest one that
/// divides the size among 2^k, 12 * 2^k and 20 * 2^k; for an odd size it is 1, and Q is signs only.
class HadamardRotation {
public:
  /// `size` >= 1 channels. The same seed gives the same signs everywhere.
  HadamardRotation(int64_t size, uint64_t seed);

  int64_t size() const { return int64_t(signs.size()); }
  /// Rows of a Hadamard block.
  int64_t block() const { return base * power; }

  /// W [rows][size] = W Q^T in place, so that (W Q^T) (Q x) = W x; or, inverse, W Q.
  void rotateColumns(int64_t rows, float *values, bool inverse = false) const;
  /// W [size][columns] = Q W in place, so that its outputs are Q y; or, inverse, Q^T W.
  void rotateRows(int64_t columns, float *values, bool inverse = false) const;

private:
  void transform(float *values, int64_t width, bool inverse) const;

  std::vector<float> signs; // times 1 / sqrt(block)
  int64_t base, power;      // a block is the product of matrices of these sizes
  std::vector<float> baseMatrix;
};

} // namespace stc

#endif // STC_COMPRESS_HADAMARD_H
