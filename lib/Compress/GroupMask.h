// Which weights of one N:M group stay.
#ifndef STC_COMPRESS_GROUPMASK_H
#define STC_COMPRESS_GROUPMASK_H

#include "stc/Compress/Prune.h"

namespace stc {

/// A group of `count` <= kMaxPatternGroup consecutive positions of one row.
struct WeightGroup {
  int64_t count;
  const float *weights; // as they are now
  const float *factor;  // the group's part of R, upper triangular
  int64_t stride;       // between rows of R
  const float *losses;  // what removing a weight of 1 costs, by position
};

/// Marks the `kept` weights that stay (1), so that removing the others one after the other, each
/// made up for by later ones of the group, costs least: the best choice in groups of up to 8, one
/// that no exchange of two weights improves in groups of up to 16, and the largest losses alone in
/// longer ones.
void chooseGroupMask(const WeightGroup &group, int64_t kept, uint8_t *keep);

} // namespace stc

#endif // STC_COMPRESS_GROUPMASK_H
