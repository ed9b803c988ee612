// Which learned bias belongs to a distance between two positions.
#ifndef STC_DIALECT_STC_UTILS_ATTENTIONBIAS_H
#define STC_DIALECT_STC_UTILS_ATTENTIONBIAS_H

#include <cstdint>

namespace stc {

/// T5's bucket of a key that lies `distance` positions behind its query (before it: negative), of
/// `buckets` in all (Raffel et al. 2020, section 2.1): half of those of a direction are for one
/// distance each, the others grow by equal factors up to `maxDistance`, which the last one and all
/// beyond share. With `bothDirections` the second half of the buckets is for keys behind the query;
/// without, such keys count as distance 0.
int64_t relativeBucket(int64_t distance, int64_t buckets, int64_t maxDistance, bool bothDirections);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_ATTENTIONBIAS_H
