// The few types and numbers of NVIDIA's driver interface that the runtime uses, so that it builds
// without that vendor's headers. Names follow the driver's, without their prefix.
#ifndef STC_RUNTIME_GPU_CUDATYPES_H
#define STC_RUNTIME_GPU_CUDATYPES_H

namespace stc::cuda {

using Device = int;
using Address = unsigned long long;
using Context = struct OpaqueContext *;
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
  InvalidPtx = 218,
  UnsupportedPtxVersion = 222,
  NotFound = 500,
  IllegalAddress = 700,
  LaunchFailed = 719,
  CooperativeLaunchTooLarge = 720,
};

enum DeviceAttribute : int {
  MaxThreadsPerBlock = 1,
  MultiprocessorCount = 16,
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  ConcurrentManagedAccess = 89,
  CooperativeLaunch = 95,
  MaxSharedMemoryPerBlockOptin = 97,
};

enum MemoryAdvice : int { SetPreferredLocation = 3, SetAccessedBy = 5 };

enum FunctionAttribute : int {
  FunctionMaxThreadsPerBlock = 0,
  FunctionRegisters = 4,
  FunctionMaxDynamicSharedBytes = 8,
};

enum JitOption : int { JitErrorLogBuffer = 5, JitErrorLogBufferSize = 6 };

} // namespace stc::cuda

#endif // STC_RUNTIME_GPU_CUDATYPES_H
