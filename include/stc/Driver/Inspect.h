// What a checkpoint or model binary holds, weight by weight.
#ifndef STC_DRIVER_INSPECT_H
#define STC_DRIVER_INSPECT_H

#include "stc/Packing/Bundle.h"

#include <string>
#include <vector>

namespace stc {

/// The key of the settings that hold the attention patterns which were imposed on a model.
constexpr char kAttentionSetting[] = "attention";

/// True for a compiled model: an executable or a .weights file.
bool isModelBinary(const std::string &path);

/// The weights of a model binary (from its bundle) or of a checkpoint (as stored there).
absl::StatusOr<std::vector<WeightRecord>> inspectWeights(const std::string &path);

/// The attention patterns that were imposed when a model binary was made, as parseAttentionRules
/// takes them; "none" for others and for checkpoints.
absl::StatusOr<std::string> inspectAttention(const std::string &path);

/// A table for people, or one JSON object with total_bytes, bits_per_weight, attention and
/// layers[...].
std::string formatReport(const std::vector<WeightRecord> &records, const std::string &attention,
                         bool json);

} // namespace stc

#endif // STC_DRIVER_INSPECT_H
