// What belongs to a distance between two positions: a learned bias (T5), a slope (ALiBi).
#ifndef STC_DIALECT_STC_UTILS_ATTENTIONBIAS_H
#define STC_DIALECT_STC_UTILS_ATTENTIONBIAS_H

#include <cstdint>
#include <vector>

namespace stc {

/// T5's bucket of a key that lies `distance` positions behind its query (before it: negative), of
/// `buckets` in all (Raffel et al. 2020, section 2.1): half of those of a direction are for one
/// distance each, the others grow by equal factors up to `maxDistance`, which the last one and all
/// beyond share. With `bothDirections` the second half of the buckets is for keys behind the query;
/// without, such keys count as distance 0.
int64_t relativeBucket(int64_t distance, int64_t buckets, int64_t maxDistance, bool bothDirections);

/// Neighbouring distances [begin, end) with one bucket.
struct BucketRun {
  int64_t begin, end, bucket;
};

/// The distances from -`reach` to `reach` (0 without `bothDirections`) as runs, in order, with the
/// other parameters of relativeBucket. Distances before the first run have its bucket, as do those
/// behind the last one: of these two runs only the distance next to their neighbour is named.
std::vector<BucketRun> bucketRuns(int64_t buckets, int64_t maxDistance, bool bothDirections,
                                  int64_t reach);

/// The slopes of `heads` heads (Press et al. 2022, section 3): 2^-(r * i) for i = 1, 2, ... with
/// r = largest / n, where n is the number of heads. If it is no power of two, n is the power of two
/// below, and the other heads get every other slope of twice as many, from the first on. The
/// smallest slope is 2^-largest; `largest` is positive, and 8 in the paper.
std::vector<double> alibiSlopes(int64_t heads, double largest);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_ATTENTIONBIAS_H
