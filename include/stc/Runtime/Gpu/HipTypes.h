// The few types and numbers of AMD's HIP that the runtime uses, so that it builds without that
// vendor's headers. Names follow HIP's, without their prefix; results have CUDA's numbers.
#ifndef STC_RUNTIME_GPU_HIPTYPES_H
#define STC_RUNTIME_GPU_HIPTYPES_H

#include <cstddef>

namespace stc::hip {

/// Pointers of a device, as numbers: functions of C take both alike where both have 64 bits.
using Address = unsigned long long;
using Module = struct OpaqueModule *;
using Function = struct OpaqueFunction *;
using Stream = struct OpaqueStream *;
using Event = struct OpaqueEvent *;

/// What every call returns; numbers that are not listed are possible.
enum Result : int {
  Success = 0,
  InvalidValue = 1,
  OutOfMemory = 2,
  NoDevice = 100,
  InvalidImage = 200,
  NoBinaryForGpu = 209,
  NotFound = 500,
  IllegalAddress = 700,
  LaunchFailed = 719,
  CooperativeLaunchTooLarge = 720,
};

enum MemoryAdvice : int { SetPreferredLocation = 3, SetAccessedBy = 5 };

enum FunctionAttribute : int { FunctionMaxThreadsPerBlock = 0, FunctionRegisters = 4 };

/// What hipGetDevicePropertiesR0600 fills in: of ROCm 6's structure, which its name stands for, the
/// members that are used, each at its place, and room for more than it has.
struct DeviceProperties {
  char name[256];
  char skipped0[32];
  size_t totalGlobalMem;
  size_t sharedMemPerBlock;
  char skipped1[84];
  int multiProcessorCount;
  char skipped2[284];
  int concurrentManagedAccess;
  char skipped3[8];
  int cooperativeLaunch;
  char skipped4[468];
  char gcnArchName[256]; // "gfx90a:sramecc+:xnack-"
  char skipped5[2680];
};
static_assert(offsetof(DeviceProperties, totalGlobalMem) == 288);
static_assert(offsetof(DeviceProperties, multiProcessorCount) == 388);
static_assert(offsetof(DeviceProperties, concurrentManagedAccess) == 676);
static_assert(offsetof(DeviceProperties, cooperativeLaunch) == 688);
static_assert(offsetof(DeviceProperties, gcnArchName) == 1160);

} // namespace stc::hip

#endif // STC_RUNTIME_GPU_HIPTYPES_H
