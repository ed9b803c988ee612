// What measurements of kernels hold for.
#ifndef STC_TARGET_AUTOTUNE_CIRCUMSTANCE_H
#define STC_TARGET_AUTOTUNE_CIRCUMSTANCE_H

#include "stc/Target/CPU/TargetDescription.h"

#include <string>

namespace stc {

/// One line that identifies the processor, the code made for it and the threads that ran it:
/// what is measured under another one is not the same. `compiler` identifies the code generator.
std::string circumstanceOf(const cpu::TargetDescription &target, int threads,
                           const std::string &compiler);

/// Bytes that no cache of this machine holds: at least 128 MB, and four times the last cache.
int64_t streamedBytes();

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_CIRCUMSTANCE_H
