// The few types and numbers of OpenCL that the runtime uses, so that it builds without its headers.
// Names follow OpenCL's, without their prefix.
#ifndef STC_RUNTIME_GPU_OPENCLTYPES_H
#define STC_RUNTIME_GPU_OPENCLTYPES_H

#include <cstddef>
#include <cstdint>

namespace stc::opencl {

using Platform = struct OpaquePlatform *;
using Device = struct OpaqueDevice *;
using Context = struct OpaqueContext *;
using Queue = struct OpaqueQueue *;
using Program = struct OpaqueProgram *;
using Kernel = struct OpaqueKernel *;
using Event = struct OpaqueEvent *;

/// What every call returns; numbers that are not listed are possible.
enum Result : int32_t {
  Success = 0,
  DeviceNotFound = -1,
  OutOfResources = -5,
  OutOfHostMemory = -6,
  BuildProgramFailure = -11,
  InvalidValue = -30,
  InvalidBinary = -42,
  InvalidOperation = -59,
  PlatformNotFound = -1001, // of the loader: no driver is installed
};

enum DeviceInfo : uint32_t {
  DeviceType = 0x1000,
  MaxComputeUnits = 0x1002,
  MaxWorkGroupSize = 0x1004,
  MaxMemAllocSize = 0x1010,
  GlobalMemSize = 0x101F,
  LocalMemSize = 0x1023,
  EndianLittle = 0x1026,
  DeviceName = 0x102B,
  DriverVersion = 0x102D,
  DeviceVersion = 0x102F,
  DoubleFpConfig = 0x1032,
  AddressBits = 0x100D,
  SvmCapabilities = 0x1053,
  IlVersion = 0x105B,
};

enum : uint64_t { TypeCpu = 1 << 1, TypeGpu = 1 << 2, TypeAll = 0xFFFFFFFF };
constexpr uint64_t SvmCoarseGrain = 1;

enum BuildInfo : uint32_t { BuildLog = 0x1183 };
enum KernelExecInfo : uint32_t { SvmPointers = 0x11B6 };
enum KernelWorkGroupInfo : uint32_t { KernelWorkGroupSize = 0x11B0, KernelLocalMemSize = 0x11B2 };

} // namespace stc::opencl

#endif // STC_RUNTIME_GPU_OPENCLTYPES_H
