// Which options of a compilation a kind of model allows.
#ifndef STC_LIB_DRIVER_CHECKKIND_H
#define STC_LIB_DRIVER_CHECKKIND_H

#include "stc/Driver/Compile.h"

namespace stc {

/// An error, with what there is instead, for an option that is not there yet for a model of an
/// encoder and a decoder: whatever runs @forward on texts alone, or cuts layers.
absl::Status checkEncoderDecoder(const CompileOptions &options);
/// The same for a model that reads images: whatever needs texts, or another container of weights.
absl::Status checkVision(const CompileOptions &options);

} // namespace stc

#endif // STC_LIB_DRIVER_CHECKKIND_H
