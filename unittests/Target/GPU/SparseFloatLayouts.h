// Layouts of floats with masks that kernels of GPUs treat differently.
#ifndef STC_UNITTESTS_TARGET_GPU_SPARSEFLOATLAYOUTS_H
#define STC_UNITTESTS_TARGET_GPU_SPARSEFLOATLAYOUTS_H

#include "../CPU/MatmulCase.h"

#include <algorithm>

namespace stc {

/// Beside those of allLayouts.
inline std::vector<Layout> sparseFloatLayouts() {
  std::vector<Layout> layouts;
  for (ElementKind element : {ElementKind::F32, ElementKind::BF16, ElementKind::F16}) {
    layouts.push_back(makeLayout(LayoutKind::Bitmap, element));
    for (auto [n, m] : {std::pair<int64_t, int64_t>(1, 4), {2, 4}, {3, 4}, {3, 8}, {15, 16}})
      layouts.push_back(makeLayout(LayoutKind::NM, element, 0, n, m));
  }
  std::vector<Layout> others = allLayouts();
  layouts.erase(std::remove_if(layouts.begin(), layouts.end(),
                               [&](const Layout &layout) {
                                 return std::find(others.begin(), others.end(), layout) !=
                                        others.end();
                               }),
                layouts.end());
  return layouts;
}

} // namespace stc

#endif // STC_UNITTESTS_TARGET_GPU_SPARSEFLOATLAYOUTS_H
