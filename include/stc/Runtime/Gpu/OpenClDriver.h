// OpenCL, found when the program runs: one table of functions, its devices, and its errors as
// sentences.
#ifndef STC_RUNTIME_GPU_OPENCLDRIVER_H
#define STC_RUNTIME_GPU_OPENCLDRIVER_H

#include "stc/Runtime/Gpu/GpuDriver.h"
#include "stc/Runtime/Gpu/OpenClTypes.h"

#include <string>
#include <vector>

namespace stc {

// Every function of OpenCL 2.1 that the runtime calls: the name in the table, the symbol in the
// library, what it returns, the parameters.
#define STC_OPENCL_FUNCTIONS(F)                                                                    \
  F(getPlatformIds, clGetPlatformIDs, opencl::Result,                                              \
    (uint32_t entries, opencl::Platform * platforms, uint32_t * count))                            \
  F(getDeviceIds, clGetDeviceIDs, opencl::Result,                                                  \
    (opencl::Platform platform, uint64_t type, uint32_t entries, opencl::Device * devices,         \
     uint32_t * count))                                                                            \
  F(getDeviceInfo, clGetDeviceInfo, opencl::Result,                                                \
    (opencl::Device device, uint32_t info, size_t bytes, void *value, size_t *size))               \
  F(createContext, clCreateContext, opencl::Context,                                               \
    (const intptr_t *properties, uint32_t devices, const opencl::Device *device,                   \
     void (*notify)(const char *, const void *, size_t, void *), void *data,                       \
     opencl::Result *result))                                                                      \
  F(releaseContext, clReleaseContext, opencl::Result, (opencl::Context context))                   \
  F(createQueue, clCreateCommandQueueWithProperties, opencl::Queue,                                \
    (opencl::Context context, opencl::Device device, const uint64_t *properties,                   \
     opencl::Result *result))                                                                      \
  F(releaseQueue, clReleaseCommandQueue, opencl::Result, (opencl::Queue queue))                    \
  F(createProgramWithIl, clCreateProgramWithIL, opencl::Program,                                   \
    (opencl::Context context, const void *bytes, size_t size, opencl::Result *result))             \
  F(buildProgram, clBuildProgram, opencl::Result,                                                  \
    (opencl::Program program, uint32_t devices, const opencl::Device *device, const char *options, \
     void (*notify)(opencl::Program, void *), void *data))                                         \
  F(getProgramBuildInfo, clGetProgramBuildInfo, opencl::Result,                                    \
    (opencl::Program program, opencl::Device device, uint32_t info, size_t bytes, void *value,     \
     size_t *size))                                                                                \
  F(releaseProgram, clReleaseProgram, opencl::Result, (opencl::Program program))                   \
  F(createKernel, clCreateKernel, opencl::Kernel,                                                  \
    (opencl::Program program, const char *name, opencl::Result *result))                           \
  F(releaseKernel, clReleaseKernel, opencl::Result, (opencl::Kernel kernel))                       \
  F(getKernelWorkGroupInfo, clGetKernelWorkGroupInfo, opencl::Result,                              \
    (opencl::Kernel kernel, opencl::Device device, uint32_t info, size_t bytes, void *value,       \
     size_t *size))                                                                                \
  F(setKernelArgSvm, clSetKernelArgSVMPointer, opencl::Result,                                     \
    (opencl::Kernel kernel, uint32_t index, const void *pointer))                                  \
  F(setKernelExecInfo, clSetKernelExecInfo, opencl::Result,                                        \
    (opencl::Kernel kernel, uint32_t info, size_t bytes, const void *value))                       \
  F(svmAlloc, clSVMAlloc, void *,                                                                  \
    (opencl::Context context, uint64_t flags, size_t bytes, uint32_t alignment))                   \
  F(svmFree, clSVMFree, void, (opencl::Context context, void *memory))                             \
  F(enqueueSvmCopy, clEnqueueSVMMemcpy, opencl::Result,                                            \
    (opencl::Queue queue, uint32_t blocking, void *to, const void *from, size_t bytes,             \
     uint32_t waits, const opencl::Event *wait, opencl::Event *event))                             \
  F(enqueueSvmFill, clEnqueueSVMMemFill, opencl::Result,                                           \
    (opencl::Queue queue, void *to, const void *pattern, size_t patternBytes, size_t bytes,        \
     uint32_t waits, const opencl::Event *wait, opencl::Event *event))                             \
  F(enqueueKernel, clEnqueueNDRangeKernel, opencl::Result,                                         \
    (opencl::Queue queue, opencl::Kernel kernel, uint32_t dimensions, const size_t *offset,        \
     const size_t *threads, const size_t *blockThreads, uint32_t waits, const opencl::Event *wait, \
     opencl::Event *event))                                                                        \
  F(finish, clFinish, opencl::Result, (opencl::Queue queue))

/// OpenCL's functions. Most return an opencl::Result, which `check` turns into a status.
struct OpenClDriver {
#define STC_OPENCL_MEMBER(member, symbol, result, parameters) result(*member) parameters = nullptr;
  STC_OPENCL_FUNCTIONS(STC_OPENCL_MEMBER)
#undef STC_OPENCL_MEMBER

  /// Finds libOpenCL.so.1, or the library that the environment variable STC_OPENCL_LIBRARY names.
  /// Errors: NotFound where there is none; else a function that it lacks.
  static absl::StatusOr<OpenClDriver> load();
  /// All devices of all platforms: GPUs and the like first, then processors. Errors: NotFound where
  /// there is none.
  absl::StatusOr<std::vector<opencl::Device>> devices() const;
  /// An error for anything but success. `site` is the device in words, `call` the function.
  static absl::Status check(const std::string &site, const char *call, opencl::Result result);
  /// The number and, of the usual ones, the name: "CL_OUT_OF_RESOURCES (-5)".
  static std::string describe(opencl::Result result);
};

/// OpenCL's devices. `auto` leaves out those that are processors.
absl::StatusOr<std::unique_ptr<GpuDriver>> loadOpenClDriver();

} // namespace stc

#endif // STC_RUNTIME_GPU_OPENCLDRIVER_H
