// What belongs to a distance between two positions: a learned bias (T5), a slope (ALiBi).
#include "stc/Dialect/STC/Utils/AttentionBias.h"

#include <algorithm>
#include <cmath>

int64_t stc::relativeBucket(int64_t distance, int64_t buckets, int64_t maxDistance,
                            bool bothDirections) {
  int64_t first = 0;
  if (bothDirections) {
    buckets /= 2;
    if (distance > 0)
      first = buckets;
    distance = std::abs(distance);
  } else {
    distance = std::max<int64_t>(-distance, 0);
  }
  int64_t exact = buckets / 2;
  if (distance < exact)
    return first + distance;
  // In float32, as models were trained: a boundary may fall on either side.
  float steps = std::log(float(distance) / float(exact)) /
                float(std::log(double(maxDistance) / double(exact))) * float(buckets - exact);
  return first + std::min<int64_t>(exact + int64_t(steps), buckets - 1);
}

std::vector<stc::BucketRun> stc::bucketRuns(int64_t buckets, int64_t maxDistance,
                                            bool bothDirections, int64_t reach) {
  reach = std::min(reach, maxDistance);
  std::vector<BucketRun> runs;
  for (int64_t distance = -reach; distance <= (bothDirections ? reach : 0); ++distance) {
    int64_t bucket = relativeBucket(distance, buckets, maxDistance, bothDirections);
    if (runs.empty() || runs.back().bucket != bucket)
      runs.push_back({distance, distance, bucket});
    runs.back().end = distance + 1;
  }
  runs.front().begin = runs.front().end - 1;
  runs.back().end = runs.back().begin + 1;
  return runs;
}

std::vector<double> stc::alibiSlopes(int64_t heads, double largest) {
  int64_t whole = 1;
  while (2 * whole <= heads)
    whole *= 2;
  std::vector<double> slopes;
  for (int64_t i = 1; i <= whole; ++i)
    slopes.push_back(std::exp2(-largest * double(i) / double(whole)));
  for (int64_t i = 1; int64_t(slopes.size()) < heads; i += 2)
    slopes.push_back(std::exp2(-largest * double(i) / double(2 * whole)));
  return slopes;
}
