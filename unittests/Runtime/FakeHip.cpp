// AMD's HIP without a GPU; FakeDriver.h says what changes it, by STC_FAKE_HIP. `capability` is the
// number in the name of the architecture, as hexadecimal digits mean it: 2378 is gfx94a.
#include "FakeDriver.h"

#include "stc/Runtime/Gpu/HipTypes.h"

#include <cstdio>
#include <cstring>

using namespace stc;
using namespace stc::hip;
using namespace stc::test;

const char *const stc::test::fakeSettings = "STC_FAKE_HIP";

#pragma GCC visibility push(default)
extern "C" {

FakeCudaStats *stcFakeCudaStats() { return &fakeState().stats; }

Result hipInit(unsigned flags) {
  fakeState().initialized = flags == 0;
  return Result(fakeSetting("init", 0));
}

Result hipRuntimeGetVersion(int *version) {
  *version = 60241133;
  return Success;
}

const char *hipGetErrorName(Result result) {
  static const std::map<int, const char *> names = {
      {1, "hipErrorInvalidValue"},     {2, "hipErrorOutOfMemory"},      {100, "hipErrorNoDevice"},
      {200, "hipErrorInvalidImage"},   {209, "hipErrorNoBinaryForGpu"}, {500, "hipErrorNotFound"},
      {700, "hipErrorIllegalAddress"}, {719, "hipErrorLaunchFailure"}};
  auto found = names.find(result);
  return found == names.end() ? nullptr : found->second;
}

const char *hipGetErrorString(Result result) {
  return result == NoDevice ? "no ROCm-capable device is detected" : "words of the driver";
}

Result hipGetDeviceCount(int *count) {
  *count = int(fakeSetting("devices", 1));
  return *count == 0 ? NoDevice : fakeState().initialized ? Success : InvalidValue;
}

Result hipGetDevicePropertiesR0600(DeviceProperties *properties, int device) {
  if (device >= int(fakeSetting("devices", 1)))
    return InvalidValue;
  std::memset(properties, 0xAA, sizeof(*properties)); // what is not asked for
  std::snprintf(properties->name, sizeof(properties->name), "Fake %d", device);
  properties->totalGlobalMem = size_t(fakeTotalBytes());
  properties->concurrentManagedAccess = int(fakeSetting("managed", 1));
  properties->sharedMemPerBlock = size_t(fakeSetting("shared", 65536));
  properties->multiProcessorCount = fakeMultiprocessors;
  properties->cooperativeLaunch = int(fakeSetting("cooperative", 1));
  std::snprintf(properties->gcnArchName, sizeof(properties->gcnArchName), "gfx%x:sramecc+:xnack-",
                unsigned(fakeSetting("capability", 0x942, device)));
  return Success;
}

Result hipSetDevice(int device) {
  fakeState().current = device;
  return Success;
}

Result hipMalloc(Address *address, size_t bytes) { return Result(fakeAllocate(address, bytes)); }
Result hipFree(Address address) { return Result(fakeRelease(address)); }

Result hipMallocManaged(Address *address, size_t bytes, unsigned flags) {
  return Result(fakeAllocateShared(address, bytes, flags));
}
Result hipMemAdvise(Address address, size_t bytes, MemoryAdvice advice, int device) {
  return Result(fakeAdvise(address, bytes, advice, device));
}
Result hipMemPrefetchAsync(Address address, size_t bytes, int device, Stream) {
  return Result(fakePrefetch(address, bytes, device));
}

Result hipMemGetInfo(size_t *free, size_t *total) {
  *total = size_t(fakeTotalBytes());
  *free = size_t(fakeFreeBytes());
  return Success;
}

Result hipHostMalloc(void **memory, size_t bytes, unsigned) {
  return Result(fakeAllocateHost(memory, bytes));
}
Result hipHostFree(void *memory) { return Result(fakeReleaseHost(memory)); }

Result hipMemsetD8Async(Address address, unsigned char value, size_t bytes, Stream) {
  return Result(fakeSet(address, value, bytes));
}
Result hipMemcpyHtoDAsync(Address to, const void *from, size_t bytes, Stream) {
  return Result(fakeUpload(to, from, bytes));
}
Result hipMemcpyDtoHAsync(void *to, Address from, size_t bytes, Stream) {
  return Result(fakeDownload(to, from, bytes));
}
Result hipMemcpyDtoDAsync(Address to, Address from, size_t bytes, Stream) {
  return Result(fakeCopy(to, from, bytes));
}

Result hipStreamCreateWithFlags(Stream *stream, unsigned flags) {
  *stream = reinterpret_cast<Stream>(&++fakeState().stats.streams);
  return flags == 1 ? Success : InvalidValue;
}
Result hipStreamSynchronize(Stream) { return Result(fakeDrain()); }
Result hipStreamDestroy(Stream) {
  --fakeState().stats.streams;
  return Success;
}

Result hipEventCreateWithFlags(Event *event, unsigned) {
  *event = reinterpret_cast<Event>(&++fakeState().stats.events);
  return Success;
}
Result hipEventRecord(Event, Stream) { return Success; }
Result hipEventSynchronize(Event) { return Result(fakeDrain()); }
Result hipEventElapsedTime(float *milliseconds, Event, Event) {
  *milliseconds = 2;
  return Success;
}
Result hipEventDestroy(Event) {
  --fakeState().stats.events;
  return Success;
}

Result hipModuleLoadData(Module *module, const void *image) {
  if (Result result = Result(fakeSetting("load", 0)))
    return result;
  if (std::memcmp(image,
                  "\x7F"
                  "ELF",
                  4) != 0)
    return InvalidImage;
  *module = reinterpret_cast<Module>(&++fakeState().stats.modules);
  return Success;
}
Result hipModuleUnload(Module) {
  --fakeState().stats.modules;
  return Success;
}

Result hipModuleGetFunction(Function *function, Module, const char *name) {
  FakeFunction *found = nullptr;
  Result result = Result(fakeGetFunction(&found, name));
  if (result == Success)
    found->sharedBytes = int(fakeSetting("shared", 65536)); // nobody needs to ask for it
  *function = reinterpret_cast<Function>(found);
  return result;
}

Result hipFuncGetAttribute(int *value, FunctionAttribute attribute, Function) {
  *value = attribute == FunctionMaxThreadsPerBlock ? 1024 : 40;
  return Success;
}

Result hipModuleOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, Function, int, size_t) {
  *blocks = int(fakeSetting("occupancy", 2));
  return Success;
}

Result hipModuleLaunchCooperativeKernel(Function function, unsigned gridX, unsigned gridY,
                                        unsigned gridZ, unsigned blockX, unsigned blockY,
                                        unsigned blockZ, unsigned shared, Stream,
                                        void **parameters) {
  return Result(fakeLaunch(*reinterpret_cast<FakeFunction *>(function), gridX, gridY, gridZ, blockX,
                           blockY, blockZ, shared, parameters));
}
}
#pragma GCC visibility pop
