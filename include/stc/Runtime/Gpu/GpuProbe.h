// What a GPU's memory can do, measured.
#ifndef STC_RUNTIME_GPU_GPUPROBE_H
#define STC_RUNTIME_GPU_GPUPROBE_H

#include "stc/Runtime/Gpu/GpuDevice.h"

namespace stc {

/// Bytes read and written per second while the device copies a buffer of 1 GiB, or as much as fits
/// into half of the memory that is free: the median of ten.
absl::StatusOr<double> measureGpuBandwidth(GpuDevice &device);

/// Bytes per second that the device reads of this machine's memory: of copies of 32 MiB, or as much
/// as fits into half of the memory that is free, the median of five.
absl::StatusOr<double> measureHostBandwidth(GpuDevice &device);

} // namespace stc

#endif // STC_RUNTIME_GPU_GPUPROBE_H
