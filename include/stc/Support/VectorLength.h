// How long this processor's vectors of variable length are.
#ifndef STC_SUPPORT_VECTORLENGTH_H
#define STC_SUPPORT_VECTORLENGTH_H

#include <cstdint>

namespace stc {

/// Bits of the SVE vectors of this thread and those it starts, as the operating system has set them;
/// 0 where there are none (other architectures have none).
int64_t sveVectorBits();

} // namespace stc

#endif // STC_SUPPORT_VECTORLENGTH_H
