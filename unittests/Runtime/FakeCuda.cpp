// A driver of NVIDIA's without a GPU; FakeDriver.h says what changes it, by STC_FAKE_CUDA.
#include "FakeDriver.h"

#include "stc/Runtime/Gpu/CudaTypes.h"

#include <cstdio>
#include <cstring>

using namespace stc;
using namespace stc::cuda;
using namespace stc::test;

const char *const stc::test::fakeSettings = "STC_FAKE_CUDA";

#pragma GCC visibility push(default)
extern "C" {

FakeCudaStats *stcFakeCudaStats() { return &fakeState().stats; }

Result cuInit(unsigned flags) {
  fakeState().initialized = flags == 0;
  return Result(fakeSetting("init", 0));
}

Result cuDriverGetVersion(int *version) {
  *version = 12040;
  return Success;
}

Result cuGetErrorName(Result result, const char **name) {
  static const std::map<int, const char *> names = {{1, "CUDA_ERROR_INVALID_VALUE"},
                                                    {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                    {100, "CUDA_ERROR_NO_DEVICE"},
                                                    {218, "CUDA_ERROR_INVALID_PTX"},
                                                    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"},
                                                    {500, "CUDA_ERROR_NOT_FOUND"},
                                                    {700, "CUDA_ERROR_ILLEGAL_ADDRESS"},
                                                    {719, "CUDA_ERROR_LAUNCH_FAILED"}};
  auto found = names.find(result);
  *name = found == names.end() ? nullptr : found->second;
  return *name ? Success : InvalidValue;
}

Result cuGetErrorString(Result result, const char **text) {
  *text = result == NoDevice ? "no CUDA-capable device is detected" : "words of the driver";
  return Success;
}

Result cuDeviceGetCount(int *count) {
  *count = int(fakeSetting("devices", 1));
  return fakeState().initialized ? Success : InvalidValue;
}

Result cuDeviceGet(Device *device, int ordinal) {
  *device = 100 + ordinal; // handles are not numbers of devices
  return ordinal < int(fakeSetting("devices", 1)) ? Success : InvalidValue;
}

Result cuDeviceGetName(char *name, int length, Device device) {
  std::snprintf(name, size_t(length), "Fake %d", device - 100);
  return Success;
}

Result cuDeviceGetAttribute(int *value, DeviceAttribute attribute, Device device) {
  int capability = int(fakeSetting("capability", 90, device - 100));
  switch (attribute) {
  case ComputeCapabilityMajor:
    *value = capability / 10;
    return Success;
  case ComputeCapabilityMinor:
    *value = capability % 10;
    return Success;
  case MultiprocessorCount:
    *value = fakeMultiprocessors;
    return Success;
  case MaxSharedMemoryPerBlockOptin:
    *value = int(fakeSetting("shared", 232448));
    return Success;
  case ConcurrentManagedAccess:
    *value = int(fakeSetting("managed", 1));
    return Success;
  case CooperativeLaunch:
    *value = int(fakeSetting("cooperative", 1));
    return Success;
  default:
    return InvalidValue;
  }
}

Result cuDeviceTotalMem_v2(size_t *bytes, Device) {
  *bytes = size_t(fakeTotalBytes());
  return Success;
}

Result cuDevicePrimaryCtxRetain(Context *context, Device device) {
  ++fakeState().stats.contexts;
  *context = reinterpret_cast<Context>(uint64_t(device));
  return Success;
}

Result cuDevicePrimaryCtxRelease_v2(Device) {
  --fakeState().stats.contexts;
  return Success;
}

Result cuCtxSetCurrent(Context context) {
  fakeState().current = int(reinterpret_cast<uint64_t>(context)) - 100;
  return Success;
}

Result cuMemAlloc_v2(Address *address, size_t bytes) {
  return Result(fakeAllocate(address, bytes));
}

Result cuMemFree_v2(Address address) { return Result(fakeRelease(address)); }

Result cuMemAllocManaged(Address *address, size_t bytes, unsigned flags) {
  return Result(fakeAllocateShared(address, bytes, flags));
}

Result cuMemAdvise(Address address, size_t bytes, MemoryAdvice advice, Device device) {
  return Result(fakeAdvise(address, bytes, advice, device));
}

Result cuMemPrefetchAsync(Address address, size_t bytes, Device device, Stream) {
  return Result(fakePrefetch(address, bytes, device));
}

Result cuMemGetInfo_v2(size_t *free, size_t *total) {
  *total = size_t(fakeTotalBytes());
  *free = size_t(fakeFreeBytes());
  return Success;
}

Result cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  return Result(fakeAllocateHost(memory, bytes));
}

Result cuMemFreeHost(void *memory) { return Result(fakeReleaseHost(memory)); }

Result cuMemsetD8Async(Address address, unsigned char value, size_t bytes, Stream) {
  return Result(fakeSet(address, value, bytes));
}

Result cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, Stream) {
  return Result(fakeUpload(to, from, bytes));
}

Result cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, Stream) {
  return Result(fakeDownload(to, from, bytes));
}

Result cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Stream) {
  return Result(fakeCopy(to, from, bytes));
}

Result cuStreamCreate(Stream *stream, unsigned) {
  *stream = reinterpret_cast<Stream>(&++fakeState().stats.streams);
  return Success;
}
Result cuStreamSynchronize(Stream) { return Result(fakeDrain()); }
Result cuStreamDestroy_v2(Stream) {
  --fakeState().stats.streams;
  return Success;
}

Result cuEventCreate(Event *event, unsigned) {
  *event = reinterpret_cast<Event>(&++fakeState().stats.events);
  return Success;
}
Result cuEventRecord(Event, Stream) { return Success; }
Result cuEventSynchronize(Event) { return Result(fakeDrain()); }
Result cuEventElapsedTime(float *milliseconds, Event, Event) {
  *milliseconds = 2;
  return Success;
}
Result cuEventDestroy_v2(Event) {
  --fakeState().stats.events;
  return Success;
}

Result cuModuleLoadDataEx(Module *module, const void *image, unsigned options, JitOption *names,
                          void **values) {
  // As a driver does, reads text up to its zero, and writes its log where the options say.
  const char *text = static_cast<const char *>(image);
  Result result = Result(fakeSetting("load", 0));
  if (result == Success && !std::strstr(text, ".entry stc_model_decode("))
    result = InvalidPtx;
  if (result != Success) {
    if (options == 2 && names[0] == JitErrorLogBuffer && names[1] == JitErrorLogBufferSize)
      std::snprintf(static_cast<char *>(values[0]), reinterpret_cast<size_t>(values[1]),
                    "\nptxas fatal : line 1 of the log\nline 2\n");
    return result;
  }
  *module = reinterpret_cast<Module>(&++fakeState().stats.modules);
  return Success;
}

Result cuModuleUnload(Module) {
  --fakeState().stats.modules;
  return Success;
}

Result cuModuleGetFunction(Function *function, Module, const char *name) {
  FakeFunction *found = nullptr;
  Result result = Result(fakeGetFunction(&found, name));
  *function = reinterpret_cast<Function>(found);
  return result;
}

Result cuFuncSetAttribute(Function function, FunctionAttribute attribute, int value) {
  if (attribute != FunctionMaxDynamicSharedBytes)
    return InvalidValue;
  reinterpret_cast<FakeFunction *>(function)->sharedBytes = value;
  return Success;
}

Result cuFuncGetAttribute(int *value, FunctionAttribute attribute, Function) {
  *value = attribute == FunctionMaxThreadsPerBlock ? 1024 : 40;
  return Success;
}

Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function, int, size_t) {
  *blocks = int(fakeSetting("occupancy", 2));
  return Success;
}

Result cuLaunchCooperativeKernel(Function function, unsigned gridX, unsigned gridY, unsigned gridZ,
                                 unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                                 Stream, void **parameters) {
  return Result(fakeLaunch(*reinterpret_cast<FakeFunction *>(function), gridX, gridY, gridZ, blockX,
                           blockY, blockZ, shared, parameters));
}
}
#pragma GCC visibility pop
