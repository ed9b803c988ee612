// Chooses the weights of an N:M group by what removing the others together costs.
#include "GroupMask.h"

#include "Masks.h"

#include <cmath>

namespace stc {

namespace {

constexpr int64_t kExhaustive = 8, kExchange = 16;
/// Rounds of exchanges at most; nearly all groups need fewer.
constexpr int kRounds = 4;

/// A group's part of the factor close together.
struct Pass {
  int64_t count;
  float weights[kExchange], inverses[kExchange], losses[kExchange], later[kExchange][kExchange];

  explicit Pass(const WeightGroup &group) : count(group.count) {
    for (int64_t i = 0; i < count; ++i) {
      weights[i] = group.weights[i];
      inverses[i] = 1 / group.factor[i * group.stride + i];
      losses[i] = group.losses[i];
      for (int64_t j = i + 1; j < count; ++j)
        later[i][j] = group.factor[i * group.stride + j];
    }
  }

  /// The loss of removing all but the weights in `keep`, one bit each; given up beyond `limit`.
  float loss(uint32_t keep, float limit) const {
    float current[kExchange], sum = 0;
    for (int64_t i = 0; i < count; ++i)
      current[i] = weights[i];
    for (int64_t i = 0; i < count && sum < limit; ++i) {
      if (keep >> i & 1)
        continue;
      sum += current[i] * current[i] * losses[i];
      float change = current[i] * inverses[i];
      for (int64_t j = i + 1; j < count; ++j)
        current[j] -= change * later[i][j];
    }
    return sum;
  }

  uint32_t exhaust(int64_t kept) const {
    float least = INFINITY;
    uint32_t best = 0;
    for (uint32_t keep = 0; keep < uint32_t(1) << count; ++keep) {
      if (__builtin_popcount(keep) != kept)
        continue;
      float sum = loss(keep, least);
      // Nothing is less than a loss that overflowed, but some choice there must be.
      if (sum < least || best == 0) {
        least = sum;
        best = keep;
      }
    }
    return best;
  }

  uint32_t exchange(uint32_t keep) const {
    float least = loss(keep, INFINITY);
    for (int round = 0; round < kRounds; ++round) {
      bool better = false;
      for (int64_t in = 0; in < count; ++in)
        for (int64_t out = 0; out < count && !(keep >> in & 1); ++out) {
          if (!(keep >> out & 1))
            continue;
          uint32_t other = keep ^ (uint32_t(1) << in | uint32_t(1) << out);
          float sum = loss(other, least);
          if (sum < least) {
            least = sum;
            keep = other;
            better = true;
          }
        }
      if (!better)
        break;
    }
    return keep;
  }
};

} // namespace

void chooseGroupMask(const WeightGroup &group, int64_t kept, uint8_t *keep) {
  int64_t count = group.count;
  int32_t keys[kMaxPatternGroup];
  for (int64_t i = 0; i < count; ++i)
    keys[i] = magnitudeKey(group.weights[i] * group.weights[i] * group.losses[i]);
  uint32_t chosen = 0;
  for (int64_t i = 0; i < count; ++i) {
    int64_t before = 0;
    for (int64_t j = 0; j < count; ++j)
      before += j < i ? keys[j] >= keys[i] : keys[j] > keys[i];
    keep[i] = before < kept;
    chosen |= count <= kExchange ? uint32_t(keep[i]) << i : 0;
  }
  if (kept >= count || count > kExchange)
    return;
  Pass pass(group);
  chosen = count <= kExhaustive ? pass.exhaust(kept) : pass.exchange(chosen);
  for (int64_t i = 0; i < count; ++i)
    keep[i] = chosen >> i & 1;
}

} // namespace stc
