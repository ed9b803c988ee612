// What vision transformers read, as options of commands.
#ifndef STC_LIB_RUNTIME_COMMANDS_IMAGEINPUT_H
#define STC_LIB_RUNTIME_COMMANDS_IMAGEINPUT_H

#include "stc/Runtime/Args.h"
#include "stc/Runtime/Model.h"

namespace stc {

/// The option --image.
Option imageOption(bool repeats);

/// The normalized pixels of an image file, as the model's settings say. Errors: a model that reads
/// no images, a file that cannot be read or holds no image (see decodeImage).
absl::StatusOr<std::vector<float>> readImage(const Model &model, const std::string &path);

/// Pixels that are normalized already: a .npy file of float32 [channels, height, width], or
/// [1, channels, height, width], as transformers' pixel_values. Errors: another shape or model.
absl::StatusOr<std::vector<float>> readPixels(const Model &model, const std::string &path);

} // namespace stc

#endif // STC_LIB_RUNTIME_COMMANDS_IMAGEINPUT_H
