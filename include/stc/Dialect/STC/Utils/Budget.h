// Budgets: what a compressed model may lose, weigh, or must reach.
#ifndef STC_DIALECT_STC_UTILS_BUDGET_H
#define STC_DIALECT_STC_UTILS_BUDGET_H

#include "stc/Support/Error.h"

#include <string>

namespace stc {

/// A limit on one quantity, and what is made small within it.
struct Budget {
  enum class Quantity {
    Divergence, // KL(source || compressed), nats per token, at most
    Cosine,     // of an encoder: mean of 1 - cosine(source's vector, compressed one's), at most
    Perplexity, // at most; below 2 it is a ratio to the source's
    Bytes,      // of all stored weights, at most
    Speed,      // tokens per second of decoding, at least
  };
  enum class Objective { Quality, Size, Speed };

  Quantity quantity = Quantity::Divergence;
  double limit = 0;
  Objective objective = Objective::Speed;

  bool isRatio() const { return quantity == Quantity::Perplexity && limit < 2; }
  /// Whether the limit is one of loss, and not of bytes or time.
  bool limitsLoss() const { return quantity <= Quantity::Perplexity; }
  /// "kl<=0.02", with another limit if asked for.
  std::string str() const { return strWith(limit); }
  /// Errors where the model has no such quantity: an encoder has vectors, and all others predict and
  /// decode tokens.
  absl::Status check(bool isEncoder) const;
  std::string strWith(double value) const;
};

/// Parses `kl<=0.02`, `cosine<=0.001`, `ppl<=1.03`, `bytes<=4.2M` (K, M and G are powers of 1000) or `tokens/s>=50`,
/// and `speed`, `size` or `quality`. Without an objective, loss is limited for the sake of speed,
/// and bytes and speed are for the sake of quality. Errors: other forms, limits that are not
/// positive (a perplexity at most 1), and an objective that the budget leaves no room for.
absl::StatusOr<Budget> parseBudget(absl::string_view text, absl::string_view objective = "");

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_BUDGET_H
