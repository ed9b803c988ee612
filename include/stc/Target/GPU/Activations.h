// What the activations of many tokens become before GPUs multiply weights by them.
#ifndef STC_TARGET_GPU_ACTIVATIONS_H
#define STC_TARGET_GPU_ACTIVATIONS_H

#include "absl/strings/string_view.h"

#include <optional>

namespace stc {

enum class ActivationChoice {
  Exact,   // as far as weights promise
  Rounded, // once, to 16 bits
  /// int8 with one scale for each token, where weights have scales of rows; else as Exact.
  PerToken,
};

/// "exact", "rounded" or "per-token".
inline absl::string_view activationsName(ActivationChoice activations) {
  return activations == ActivationChoice::Exact     ? "exact"
         : activations == ActivationChoice::Rounded ? "rounded"
                                                    : "per-token";
}

/// What a name says; nothing for other texts.
inline std::optional<ActivationChoice> parseActivations(absl::string_view name) {
  for (ActivationChoice each :
       {ActivationChoice::Exact, ActivationChoice::Rounded, ActivationChoice::PerToken})
    if (activationsName(each) == name)
      return each;
  return std::nullopt;
}

} // namespace stc

#endif // STC_TARGET_GPU_ACTIVATIONS_H
