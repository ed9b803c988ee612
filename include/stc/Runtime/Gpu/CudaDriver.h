// NVIDIA's driver, found when the program runs: one table of functions, and its errors as
// sentences.
#ifndef STC_RUNTIME_GPU_CUDADRIVER_H
#define STC_RUNTIME_GPU_CUDADRIVER_H

#include "stc/Runtime/Gpu/CudaTypes.h"
#include "stc/Runtime/Gpu/GpuDriver.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include <cstddef>
#include <string>

namespace stc {

// Every function: the name in the table, the symbol in the library (the version of the interface
// whose types are those of CudaTypes.h), the parameters.
#define STC_CUDA_FUNCTIONS(F)                                                                      \
  F(init, cuInit, (unsigned flags))                                                                \
  F(driverGetVersion, cuDriverGetVersion, (int *version))                                          \
  F(getErrorName, cuGetErrorName, (cuda::Result result, const char **name))                        \
  F(getErrorString, cuGetErrorString, (cuda::Result result, const char **text))                    \
  F(deviceGetCount, cuDeviceGetCount, (int *count))                                                \
  F(deviceGet, cuDeviceGet, (cuda::Device * device, int ordinal))                                  \
  F(deviceGetName, cuDeviceGetName, (char *name, int length, cuda::Device device))                 \
  F(deviceGetAttribute, cuDeviceGetAttribute,                                                      \
    (int *value, cuda::DeviceAttribute attribute, cuda::Device device))                            \
  F(deviceTotalMem, cuDeviceTotalMem_v2, (size_t * bytes, cuda::Device device))                    \
  F(primaryContextRetain, cuDevicePrimaryCtxRetain,                                                \
    (cuda::Context * context, cuda::Device device))                                                \
  F(primaryContextRelease, cuDevicePrimaryCtxRelease_v2, (cuda::Device device))                    \
  F(contextSetCurrent, cuCtxSetCurrent, (cuda::Context context))                                   \
  F(memAlloc, cuMemAlloc_v2, (cuda::Address * address, size_t bytes))                              \
  F(memFree, cuMemFree_v2, (cuda::Address address))                                                \
  F(memAllocManaged, cuMemAllocManaged, (cuda::Address * address, size_t bytes, unsigned flags))   \
  F(memAdvise, cuMemAdvise,                                                                        \
    (cuda::Address address, size_t bytes, cuda::MemoryAdvice advice, cuda::Device device))         \
  F(memPrefetchAsync, cuMemPrefetchAsync,                                                          \
    (cuda::Address address, size_t bytes, cuda::Device device, cuda::Stream stream))               \
  F(memGetInfo, cuMemGetInfo_v2, (size_t * free, size_t * total))                                  \
  F(memHostAlloc, cuMemHostAlloc, (void **memory, size_t bytes, unsigned flags))                   \
  F(memFreeHost, cuMemFreeHost, (void *memory))                                                    \
  F(memsetD8Async, cuMemsetD8Async,                                                                \
    (cuda::Address address, unsigned char value, size_t bytes, cuda::Stream stream))               \
  F(memcpyHtoDAsync, cuMemcpyHtoDAsync_v2,                                                         \
    (cuda::Address to, const void *from, size_t bytes, cuda::Stream stream))                       \
  F(memcpyDtoHAsync, cuMemcpyDtoHAsync_v2,                                                         \
    (void *to, cuda::Address from, size_t bytes, cuda::Stream stream))                             \
  F(memcpyDtoDAsync, cuMemcpyDtoDAsync_v2,                                                         \
    (cuda::Address to, cuda::Address from, size_t bytes, cuda::Stream stream))                     \
  F(streamCreate, cuStreamCreate, (cuda::Stream * stream, unsigned flags))                         \
  F(streamSynchronize, cuStreamSynchronize, (cuda::Stream stream))                                 \
  F(streamDestroy, cuStreamDestroy_v2, (cuda::Stream stream))                                      \
  F(eventCreate, cuEventCreate, (cuda::Event * event, unsigned flags))                             \
  F(eventRecord, cuEventRecord, (cuda::Event event, cuda::Stream stream))                          \
  F(eventSynchronize, cuEventSynchronize, (cuda::Event event))                                     \
  F(eventElapsedTime, cuEventElapsedTime,                                                          \
    (float *milliseconds, cuda::Event start, cuda::Event end))                                     \
  F(eventDestroy, cuEventDestroy_v2, (cuda::Event event))                                          \
  F(moduleLoadData, cuModuleLoadDataEx,                                                            \
    (cuda::Module * module, const void *image, unsigned options, cuda::JitOption *names,           \
     void **values))                                                                               \
  F(moduleUnload, cuModuleUnload, (cuda::Module module))                                           \
  F(moduleGetFunction, cuModuleGetFunction,                                                        \
    (cuda::Function * function, cuda::Module module, const char *name))                            \
  F(functionSetAttribute, cuFuncSetAttribute,                                                      \
    (cuda::Function function, cuda::FunctionAttribute attribute, int value))                       \
  F(functionGetAttribute, cuFuncGetAttribute,                                                      \
    (int *value, cuda::FunctionAttribute attribute, cuda::Function function))                      \
  F(occupancy, cuOccupancyMaxActiveBlocksPerMultiprocessor,                                        \
    (int *blocks, cuda::Function function, int threads, size_t shared))                            \
  F(launchCooperative, cuLaunchCooperativeKernel,                                                  \
    (cuda::Function function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,     \
     unsigned blockY, unsigned blockZ, unsigned shared, cuda::Stream stream, void **parameters))

/// The driver's functions. Each returns a cuda::Result, which `check` turns into a status.
struct CudaDriver {
#define STC_CUDA_MEMBER(member, symbol, parameters) cuda::Result(*member) parameters = nullptr;
  STC_CUDA_FUNCTIONS(STC_CUDA_MEMBER)
#undef STC_CUDA_MEMBER
  /// Their names in the library.
  struct Symbols {
#define STC_CUDA_SYMBOL(member, symbol, parameters) static constexpr const char *member = #symbol;
    STC_CUDA_FUNCTIONS(STC_CUDA_SYMBOL)
#undef STC_CUDA_SYMBOL
  };

  // What DriverDevice knows them by.
  using Result = cuda::Result;
  using Address = cuda::Address;
  using Module = cuda::Module;
  using Function = cuda::Function;
  using Stream = cuda::Stream;
  using Event = cuda::Event;
  using MemoryAdvice = cuda::MemoryAdvice;
  static constexpr Result success = cuda::Success;
  static constexpr auto functionMaxThreadsPerBlock = cuda::FunctionMaxThreadsPerBlock;
  static constexpr auto functionRegisters = cuda::FunctionRegisters;

  /// Finds libcuda.so.1, or the library that the environment variable STC_CUDA_LIBRARY names, and
  /// starts it. Errors: NotFound where there is no driver or it has no device; else what the driver
  /// says, or a function that it lacks.
  static absl::StatusOr<CudaDriver> load();
  /// The devices there are.
  absl::StatusOr<int> deviceCount() const;
  /// The newest CUDA that the driver supports: "12.4".
  absl::StatusOr<std::string> version() const;
  /// An error for anything but success. `site` is the device in words, `call` the function.
  absl::Status check(const std::string &site, const char *call, cuda::Result result) const;
  /// The driver's words: "CUDA_ERROR_NO_DEVICE: no CUDA-capable device is detected".
  std::string describe(cuda::Result result) const;
};

/// CudaDriver::load, for devices whoever made them.
absl::StatusOr<std::unique_ptr<GpuDriver>> loadCudaDriver();

} // namespace stc

#endif // STC_RUNTIME_GPU_CUDADRIVER_H
