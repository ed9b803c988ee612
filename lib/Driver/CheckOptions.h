// Checks of options, before minutes of work.
#ifndef STC_LIB_DRIVER_CHECKOPTIONS_H
#define STC_LIB_DRIVER_CHECKOPTIONS_H

#include "stc/Dialect/STC/Utils/AttentionRules.h"
#include "stc/Driver/Compile.h"

namespace stc {

/// Errors unless the specifications can be read, and there is calibration text where a method needs
/// it.
absl::Status checkMethods(const CompileOptions &options);

/// Errors unless what --emit names can be written of the targets and of what is done to the model,
/// the attention patterns of `rules` among it.
absl::Status checkEmit(const CompileOptions &options, llvm::ArrayRef<AttentionRule> rules);

} // namespace stc

#endif // STC_LIB_DRIVER_CHECKOPTIONS_H
