// Rotary frequencies of a model, with every scaling folded in.
#ifndef STC_LIB_IMPORT_ROPE_H
#define STC_LIB_IMPORT_ROPE_H

#include "stc/Formats/Checkpoint.h"

#include <vector>

namespace stc {

/// What a rotary table is made of.
struct Rotation {
  /// The angle per position of each of rotaryDim / 2 pairs.
  std::vector<double> inverseFrequencies;
  double scale = 1; // of cosines and sines
};

/// theta^(-2i / rotaryDim), changed as the configuration's scaling or the GGUF's factor tensor
/// says. `capacity` is the longest context that the model is compiled for: dynamic scaling takes it
/// for the length of the text, and longrope chooses its factors by it, so that keys that are in the
/// cache never have to be rotated anew. Errors: a factor tensor of the wrong length or with factors
/// that are not positive.
absl::StatusOr<Rotation> rotationOf(const Checkpoint &checkpoint, int64_t capacity);

/// That of layers with a window where they have their own theta.
Rotation localRotation(const ModelConfig &config);

} // namespace stc

#endif // STC_LIB_IMPORT_ROPE_H
