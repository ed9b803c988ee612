// Floats of 8 bits (e4m3) in kernels.
#ifndef STC_TARGET_KERNELS_FLOAT8_H
#define STC_TARGET_KERNELS_FLOAT8_H

#include "stc/Target/Kernels/KernelBuilder.h"

namespace stc {

/// f32 from the bits (i8) of e4m3, divided by kFloat8Scale: what needs no instruction beyond f16's.
/// Vectors.
Value float8ToScaledF32(BaseKernelBuilder &builder, Value bits);

/// The bits (i8) of f32 as e4m3, as `floatToFloat8` makes them. Scalars and vectors.
Value toFloat8Bits(BaseKernelBuilder &builder, Value x);

} // namespace stc

#endif // STC_TARGET_KERNELS_FLOAT8_H
