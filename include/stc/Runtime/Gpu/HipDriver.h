// AMD's HIP runtime, found when the program runs: one table of functions, and its errors as
// sentences.
#ifndef STC_RUNTIME_GPU_HIPDRIVER_H
#define STC_RUNTIME_GPU_HIPDRIVER_H

#include "stc/Runtime/Gpu/GpuDriver.h"
#include "stc/Runtime/Gpu/HipTypes.h"

namespace stc {

// Every function: the name in the table, the symbol in the library, the parameters.
#define STC_HIP_FUNCTIONS(F)                                                                       \
  F(init, hipInit, (unsigned flags))                                                               \
  F(runtimeGetVersion, hipRuntimeGetVersion, (int *version))                                       \
  F(getDeviceCount, hipGetDeviceCount, (int *count))                                               \
  F(getDeviceProperties, hipGetDevicePropertiesR0600,                                              \
    (hip::DeviceProperties * properties, int device))                                              \
  F(setDevice, hipSetDevice, (int device))                                                         \
  F(memAlloc, hipMalloc, (hip::Address * address, size_t bytes))                                   \
  F(memFree, hipFree, (hip::Address address))                                                      \
  F(memAllocManaged, hipMallocManaged, (hip::Address * address, size_t bytes, unsigned flags))     \
  F(memAdvise, hipMemAdvise,                                                                       \
    (hip::Address address, size_t bytes, hip::MemoryAdvice advice, int device))                    \
  F(memPrefetchAsync, hipMemPrefetchAsync,                                                         \
    (hip::Address address, size_t bytes, int device, hip::Stream stream))                          \
  F(memGetInfo, hipMemGetInfo, (size_t * free, size_t * total))                                    \
  F(memHostAlloc, hipHostMalloc, (void **memory, size_t bytes, unsigned flags))                    \
  F(memFreeHost, hipHostFree, (void *memory))                                                      \
  F(memsetD8Async, hipMemsetD8Async,                                                               \
    (hip::Address address, unsigned char value, size_t bytes, hip::Stream stream))                 \
  F(memcpyHtoDAsync, hipMemcpyHtoDAsync,                                                           \
    (hip::Address to, const void *from, size_t bytes, hip::Stream stream))                         \
  F(memcpyDtoHAsync, hipMemcpyDtoHAsync,                                                           \
    (void *to, hip::Address from, size_t bytes, hip::Stream stream))                               \
  F(memcpyDtoDAsync, hipMemcpyDtoDAsync,                                                           \
    (hip::Address to, hip::Address from, size_t bytes, hip::Stream stream))                        \
  F(streamCreate, hipStreamCreateWithFlags, (hip::Stream * stream, unsigned flags))                \
  F(streamSynchronize, hipStreamSynchronize, (hip::Stream stream))                                 \
  F(streamDestroy, hipStreamDestroy, (hip::Stream stream))                                         \
  F(eventCreate, hipEventCreateWithFlags, (hip::Event * event, unsigned flags))                    \
  F(eventRecord, hipEventRecord, (hip::Event event, hip::Stream stream))                           \
  F(eventSynchronize, hipEventSynchronize, (hip::Event event))                                     \
  F(eventElapsedTime, hipEventElapsedTime,                                                         \
    (float *milliseconds, hip::Event start, hip::Event end))                                       \
  F(eventDestroy, hipEventDestroy, (hip::Event event))                                             \
  F(moduleLoadData, hipModuleLoadData, (hip::Module * module, const void *image))                  \
  F(moduleUnload, hipModuleUnload, (hip::Module module))                                           \
  F(moduleGetFunction, hipModuleGetFunction,                                                       \
    (hip::Function * function, hip::Module module, const char *name))                              \
  F(functionGetAttribute, hipFuncGetAttribute,                                                     \
    (int *value, hip::FunctionAttribute attribute, hip::Function function))                        \
  F(occupancy, hipModuleOccupancyMaxActiveBlocksPerMultiprocessor,                                 \
    (int *blocks, hip::Function function, int threads, size_t shared))                             \
  F(launchCooperative, hipModuleLaunchCooperativeKernel,                                           \
    (hip::Function function, unsigned gridX, unsigned gridY, unsigned gridZ, unsigned blockX,      \
     unsigned blockY, unsigned blockZ, unsigned shared, hip::Stream stream, void **parameters))

/// HIP's functions. Each returns a hip::Result, which `check` turns into a status.
struct HipDriver {
#define STC_HIP_MEMBER(member, symbol, parameters) hip::Result(*member) parameters = nullptr;
  STC_HIP_FUNCTIONS(STC_HIP_MEMBER)
#undef STC_HIP_MEMBER
  const char *(*getErrorName)(hip::Result result) = nullptr;
  const char *(*getErrorString)(hip::Result result) = nullptr;
  /// Their names in the library.
  struct Symbols {
#define STC_HIP_SYMBOL(member, symbol, parameters) static constexpr const char *member = #symbol;
    STC_HIP_FUNCTIONS(STC_HIP_SYMBOL)
#undef STC_HIP_SYMBOL
  };

  // What DriverDevice knows them by.
  using Result = hip::Result;
  using Address = hip::Address;
  using Module = hip::Module;
  using Function = hip::Function;
  using Stream = hip::Stream;
  using Event = hip::Event;
  using MemoryAdvice = hip::MemoryAdvice;
  static constexpr Result success = hip::Success;
  static constexpr auto functionMaxThreadsPerBlock = hip::FunctionMaxThreadsPerBlock;
  static constexpr auto functionRegisters = hip::FunctionRegisters;

  /// Finds libamdhip64.so, or the library that the environment variable STC_HIP_LIBRARY names, and
  /// starts it. Errors: NotFound where there is none or it has no device; else what HIP says, or a
  /// function that it lacks.
  static absl::StatusOr<HipDriver> load();
  /// The devices there are.
  absl::StatusOr<int> deviceCount() const;
  /// HIP's version: "6.2".
  absl::StatusOr<std::string> version() const;
  /// An error for anything but success. `site` is the device in words, `call` the function.
  absl::Status check(const std::string &site, const char *call, hip::Result result) const;
  /// HIP's words: "hipErrorNoDevice: no ROCm-capable device is detected".
  std::string describe(hip::Result result) const;
};

/// HipDriver::load, for devices whoever made them.
absl::StatusOr<std::unique_ptr<GpuDriver>> loadHipDriver();

} // namespace stc

#endif // STC_RUNTIME_GPU_HIPDRIVER_H
