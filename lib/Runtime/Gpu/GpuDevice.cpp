// Memory of a device, owned.
#include "stc/Runtime/Gpu/GpuDevice.h"

#include "stc/Support/Error.h"

namespace stc {

absl::StatusOr<GpuMemory> GpuMemory::allocate(GpuDevice &device, uint64_t bytes,
                                              absl::string_view what) {
  GpuMemory memory;
  STC_ASSIGN_OR_RETURN(memory.start, device.allocate(bytes, what));
  memory.device = &device;
  return memory;
}

GpuMemory::~GpuMemory() {
  if (device)
    device->release(start);
}

absl::StatusOr<PinnedMemory> PinnedMemory::allocate(GpuDevice &device, uint64_t bytes,
                                                    absl::string_view what) {
  PinnedMemory memory;
  STC_ASSIGN_OR_RETURN(memory.start, device.allocateHost(bytes, what));
  memory.device = &device;
  return memory;
}

PinnedMemory::~PinnedMemory() {
  if (device)
    device->releaseHost(start);
}

} // namespace stc
