// Rotary frequencies of a model, with every scaling folded in.
#ifndef STC_LIB_IMPORT_ROPE_H
#define STC_LIB_IMPORT_ROPE_H

#include "stc/Formats/Checkpoint.h"

#include <vector>

namespace stc {

/// The angle per position of each of head_dim / 2 pairs: theta^(-2i / head_dim), changed as the
/// configuration's scaling or the GGUF's factor tensor says. Errors: an odd head_dim, a factor
/// tensor of the wrong length or with factors that are not positive.
absl::StatusOr<std::vector<double>> inverseFrequencies(const Checkpoint &checkpoint);

} // namespace stc

#endif // STC_LIB_IMPORT_ROPE_H
