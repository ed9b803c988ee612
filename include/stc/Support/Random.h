// A small seeded random generator (xoshiro256**) whose sequence is the same everywhere.
#ifndef STC_SUPPORT_RANDOM_H
#define STC_SUPPORT_RANDOM_H

#include <cstdint>

namespace stc {

/// xoshiro256** 1.0 (Blackman and Vigna 2018), seeded through splitmix64.
class Random {
public:
  explicit Random(uint64_t seed);
  uint64_t next();
  /// Uniform in [0, 1).
  double uniform();
  /// Standard normal (Box-Muller).
  double normal();

private:
  uint64_t state[4];
};

} // namespace stc

#endif // STC_SUPPORT_RANDOM_H
