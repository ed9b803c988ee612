// The text form of budgets.
#include "stc/Dialect/STC/Utils/Budget.h"

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include <cmath>

namespace stc {

static constexpr std::pair<absl::string_view, Budget::Quantity> kForms[] = {
    {"kl<=", Budget::Quantity::Divergence},
    {"cosine<=", Budget::Quantity::Cosine},
    {"ppl<=", Budget::Quantity::Perplexity},
    {"bytes<=", Budget::Quantity::Bytes},
    {"tokens/s>=", Budget::Quantity::Speed}};

std::string Budget::strWith(double value) const {
  for (auto [form, candidate] : kForms)
    if (candidate == quantity)
      return quantity == Quantity::Bytes ? absl::StrFormat("%s%.0f", form, value)
                                         : absl::StrFormat("%s%.4g", form, value);
  return "";
}

absl::Status Budget::check(bool isEncoder) const {
  if (quantity == Quantity::Bytes || (quantity == Quantity::Cosine) == isEncoder)
    return absl::OkStatus();
  return formatError({"", "budget", {}},
                     isEncoder ? "cosine<=X or bytes<=B for an encoder, which has vectors and "
                                 "predicts no tokens"
                               : "kl<=X, ppl<=R, bytes<=B or tokens/s>=T for a model that predicts "
                                 "tokens",
                     str());
}

/// A positive number, for bytes perhaps with K, M or G behind it.
static bool parseLimit(absl::string_view text, Budget::Quantity quantity, double &limit) {
  double unit = 1;
  if (quantity == Budget::Quantity::Bytes)
    for (auto [suffix, scale] : {std::pair("K", 1e3), std::pair("M", 1e6), std::pair("G", 1e9)})
      if (absl::ConsumeSuffix(&text, suffix)) {
        unit = scale;
        break;
      }
  double least = quantity == Budget::Quantity::Perplexity ? 1 : 0;
  if (text.find_first_not_of("0123456789.eE+-") != text.npos || !absl::SimpleAtod(text, &limit))
    return false;
  limit *= unit;
  return std::isfinite(limit) && limit > least;
}

absl::StatusOr<Budget> parseBudget(absl::string_view text, absl::string_view objective) {
  Budget budget;
  const auto *form = std::begin(kForms);
  while (form != std::end(kForms) && !absl::StartsWith(text, form->first))
    ++form;
  if (form == std::end(kForms) ||
      !parseLimit(text.substr(form->first.size()), form->second, budget.limit))
    return formatError({"", "budget", {}},
                       "kl<=X, ppl<=R with R > 1 (below 2: relative to the source), bytes<=B (K, M "
                       "or G behind it), tokens/s>=T, or cosine<=X of an encoder",
                       printable(text, 60));
  budget.quantity = form->second;
  if (budget.limitsLoss()) {
    if (objective == "size")
      budget.objective = Budget::Objective::Size;
    else if (!objective.empty() && objective != "speed")
      return formatError({"", "objective", {}},
                         absl::StrCat("speed or size beside ", form->first, "X"),
                         printable(objective, 40));
    return budget;
  }
  budget.objective = Budget::Objective::Quality;
  if (!objective.empty() && objective != "quality")
    return formatError({"", "objective", {}}, absl::StrCat("quality beside ", form->first, "X"),
                       printable(objective, 40));
  return budget;
}

} // namespace stc
