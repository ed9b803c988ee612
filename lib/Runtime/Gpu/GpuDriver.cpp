// The drivers that the runtime knows.
#include "stc/Runtime/Gpu/GpuDriver.h"

#include "stc/Runtime/Gpu/CudaDriver.h"
#include "stc/Runtime/Gpu/HipDriver.h"
#include "stc/Runtime/Gpu/OpenClDriver.h"

#include "absl/strings/match.h"

#include <algorithm>

namespace stc {

bool GpuDriverKind::takes(const StcGpuImage &image) const {
  return absl::StartsWith(image.target, targets);
}

absl::Span<const GpuDriverKind> gpuDriverKinds() {
  static constexpr GpuDriverKind kinds[] = {
      {"cuda", "nvptx-", loadCudaDriver},
      {"hip", "amdgpu-", loadHipDriver},
      {"opencl", "spirv64", loadOpenClDriver},
  };
  return kinds;
}

const GpuDriverKind *findGpuDriverKind(absl::string_view name) {
  absl::Span<const GpuDriverKind> kinds = gpuDriverKinds();
  auto found = std::find_if(kinds.begin(), kinds.end(),
                            [&](const GpuDriverKind &kind) { return name == kind.name; });
  return found == kinds.end() ? nullptr : &*found;
}

} // namespace stc
