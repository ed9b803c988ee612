// xoshiro256** with splitmix64 seeding: a small generator whose sequence is the same everywhere.
#include "stc/Support/Random.h"

#include <cmath>

namespace stc {

namespace {

uint64_t rotateLeft(uint64_t value, int count) { return value << count | value >> (64 - count); }

} // namespace

Random::Random(uint64_t seed) {
  for (uint64_t &word : state) {
    seed += 0x9E3779B97F4A7C15;
    uint64_t mixed = (seed ^ seed >> 30) * 0xBF58476D1CE4E5B9;
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB;
    word = mixed ^ mixed >> 31;
  }
}

uint64_t Random::next() {
  uint64_t result = rotateLeft(state[1] * 5, 7) * 9;
  uint64_t shifted = state[1] << 17;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = rotateLeft(state[3], 45);
  return result;
}

double Random::uniform() { return double(next() >> 11) * 0x1p-53; }

double Random::normal() {
  constexpr double twoPi = 6.283185307179586476925;
  double radius = std::sqrt(-2 * std::log(1 - uniform())); // 1 - u is never 0
  return radius * std::cos(twoPi * uniform());
}

} // namespace stc
