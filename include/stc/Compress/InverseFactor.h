// The factor of the inverse of damped second moments, from which optimal brain surgery reads how
// the remaining weights make up for one that changes.
#ifndef STC_COMPRESS_INVERSEFACTOR_H
#define STC_COMPRESS_INVERSEFACTOR_H

#include "stc/Compress/SecondMoments.h"

#include <string>
#include <vector>

namespace stc {

/// The upper triangular R with (H + damping I)^-1 = R^T R, the columns of H taken in `order`
/// (Frantar et al. 2023, "GPTQ"). R_pp^2 is the variance that position p keeps once all positions
/// before it are fixed; row p of R, over R_pp, is what a change of position p asks of later ones.
struct InverseFactor {
  int64_t columns = 0;
  std::vector<int64_t> order; // the column at each position; empty: as stored
  std::vector<float> factor;  // R [columns][columns], zeros below the diagonal
  double damping = 0;         // what was added to H's diagonal
  std::string note;           // empty, or one line: why damping is larger than wanted

  int64_t columnAt(int64_t position) const {
    return order.empty() ? position : order[size_t(position)];
  }
};

/// Columns by decreasing second moment (GPTQ's activation order) in units of `unit` consecutive
/// ones, which stay together so that groups of a pattern can still be chosen as one; a ragged last
/// unit stays last. Equal ones keep their order.
std::vector<int64_t> activationOrder(const SecondMoments &moments, int64_t unit = 1);

/// Factors the inverse. `damping` is relative to the mean of H's diagonal; where H is singular
/// despite it, it grows tenfold until the factor exists, with a note. One copy of H is all the
/// memory this takes beside H. Errors: H with values that are not finite; an order that is no
/// permutation.
absl::StatusOr<InverseFactor> factorInverse(const SecondMoments &moments, double damping = 0.01,
                                            std::vector<int64_t> order = {});

/// sqrt(tr(D H D^T) / tr(W H W^T)) with D = replacement - weights, both [rows][columns]: the
/// relative error of the outputs over the calibration tokens. 0 if W gives no output.
double outputError(const SecondMoments &moments, int64_t rows, absl::Span<const float> weights,
                   absl::Span<const float> replacement);

} // namespace stc

#endif // STC_COMPRESS_INVERSEFACTOR_H
