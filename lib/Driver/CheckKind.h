// Which options of a compilation a kind of model allows.
#ifndef STC_LIB_DRIVER_CHECKKIND_H
#define STC_LIB_DRIVER_CHECKKIND_H

#include "stc/Driver/Compile.h"

namespace stc {

/// An error, with what there is instead, for an option that is not there yet for a model of an
/// encoder and a decoder: whatever runs @forward on texts alone, or cuts layers, and GPUs.
absl::Status checkEncoderDecoder(const CompileOptions &options, bool isForGpu);

} // namespace stc

#endif // STC_LIB_DRIVER_CHECKKIND_H
