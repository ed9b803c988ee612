// How numbers become those of the key/value cache.
#ifndef STC_LIB_TARGET_GPU_CACHEUPDATE_H
#define STC_LIB_TARGET_GPU_CACHEUPDATE_H

#include "RowBuilder.h"

#include "stc/Packing/KVCache.h"

namespace stc::gpu {

/// An f32 number as a cache of floats stores it: f32, f16 within its finite range, or the bits of
/// an fp8 (i8).
Value toStoredFloat(RowBuilder &builder, KVElement element, Value x);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_CACHEUPDATE_H
