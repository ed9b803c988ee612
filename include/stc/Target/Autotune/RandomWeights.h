// Valid packed matrices of random values, for measurements.
#ifndef STC_TARGET_AUTOTUNE_RANDOMWEIGHTS_H
#define STC_TARGET_AUTOTUNE_RANDOMWEIGHTS_H

#include "stc/Packing/Layout.h"

#include <vector>

namespace stc {

/// A packed rows x columns matrix. `density` is the share of weights that bitmap and block layouts
/// store (for blocks, of whole steps); other layouts store what they must.
std::vector<uint8_t> randomWeights(const Layout &layout, int64_t rows, int64_t columns,
                                   double density);

} // namespace stc

#endif // STC_TARGET_AUTOTUNE_RANDOMWEIGHTS_H
