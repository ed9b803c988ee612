// Attention for tests: its text, its caches, and what is right.
#ifndef STC_UNITTESTS_TARGET_CPU_ATTENTIONCASE_H
#define STC_UNITTESTS_TARGET_CPU_ATTENTIONCASE_H

#include "KernelHarness.h"
#include "stc/Packing/KVCache.h"

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include <cmath>
#include <functional>

namespace stc {

/// So that GoogleTest prints parameters by what they are.
inline void PrintTo(KVElement element, std::ostream *out) { *out << kvElementName(element); }

struct AttentionShape {
  int64_t heads, kvHeads, headDim, window, sinks;
  double softCap = 0;
  bool toEnd = false;                    // not causal
  bool sinkLogits = false;               // random ones
  bool slopes = false;                   // ALiBi's
  int64_t buckets = 0, biasDistance = 0; // of a random bias

  std::string str() const {
    return absl::StrCat("heads", heads, "of", kvHeads, "x", headDim, "window", window, "sinks",
                        sinks, softCap ? absl::StrCat("cap", softCap) : "", toEnd ? "toEnd" : "",
                        sinkLogits ? "logits" : "", slopes ? "slopes" : "",
                        buckets ? absl::StrCat("buckets", buckets, "within", biasDistance) : "");
  }
  double slope(int64_t head) const { return std::exp2(-8.0 * double(head + 1) / double(heads)); }
};

inline void PrintTo(const AttentionShape &shape, std::ostream *out) { *out << shape.str(); }

/// Positions of the cache: four blocks, the last in part.
constexpr int64_t kAttentionCapacity = 208;

/// A packed.attention, for a number of tokens or "?", as text.
struct AttentionProblem {
  AttentionShape shape;
  KVElement element;
  std::string tokens;

  std::string cacheType() const;
  std::string parameters() const;
  std::string body() const;
};

/// What runs a kernel with the parameters of an AttentionProblem.
using AttentionRunner = std::function<void(std::vector<Argument>)>;

/// Fails the test unless attention of `tokens` tokens from `position` on is right for random keys
/// and values of up to `spread` and 1. `guard`: where buffers meet a page that must not be touched.
/// An end lies anywhere in the cache, also before the tokens.
void checkAttention(const AttentionShape &shape, KVElement element, const AttentionRunner &run,
                    int64_t position, int64_t tokens, float spread, Guard guard = Guard::After);

} // namespace stc

#endif // STC_UNITTESTS_TARGET_CPU_ATTENTIONCASE_H
