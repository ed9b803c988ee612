// A driver of NVIDIA's without a GPU: device memory is this machine's under addresses that nothing
// but the driver can use, and the kernels of the fake model are its functions, run on one thread.
//
// The environment variable STC_FAKE_CUDA changes it, "key=number;...": `devices` (how many),
// `capability`, `free` (bytes), `occupancy`, `shared` (most bytes of a block), `cooperative`; the
// result of a call: `init`, `load`, `launch`, `fault` (what waiting for a launch returns), `alloc`.
// A device's number may follow a key: `capability1`.
#include "FakeCuda.h"
#include "FakeFunctions.h"

#include "stc/Runtime/Gpu/CudaTypes.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>

using namespace stc;
using namespace stc::cuda;

// One thread waits for nobody. (This library hides all symbols but the driver's.)
extern "C" void stc_rt_barrier(void *) {}

namespace {

constexpr uint64_t tag = uint64_t(1) << 62; // no address of this machine has this bit
constexpr int multiprocessors = 4;

struct FakeFunction {
  std::string name;
  int sharedBytes = 0;
};

struct State {
  test::FakeCudaStats stats;
  std::map<uint64_t, std::unique_ptr<std::vector<uint8_t>>> memory; // by untagged address
  std::map<uint64_t, uint64_t> pinned;                              // address to bytes
  std::map<std::string, FakeFunction> functions;
  std::vector<std::function<Result()>> queue; // what was enqueued; done when someone waits
  int initialized = 0;
  int current = -1; // the device whose context is current
};

State &state() {
  static State state;
  return state;
}

/// A setting, for a device where `device` is not negative.
uint64_t setting(const std::string &key, uint64_t fallback, int device = -1) {
  const char *variable = std::getenv("STC_FAKE_CUDA");
  std::string text = std::string(";") + (variable ? variable : "") + ";";
  for (const std::string &name : {key + std::to_string(device), key}) {
    size_t at = text.find(";" + name + "=");
    if (at != std::string::npos)
      return std::strtoull(text.c_str() + at + name.size() + 2, nullptr, 10);
  }
  return fallback;
}

Result outcome(const char *key) { return Result(setting(key, 0)); }

/// This machine's address of `bytes` at a device's; null where they are not all of one allocation.
uint8_t *onHost(uint64_t address, uint64_t bytes) {
  auto &memory = state().memory;
  if (!(address & tag))
    return nullptr;
  address &= ~tag;
  auto after = memory.upper_bound(address);
  if (after == memory.begin())
    return nullptr;
  auto &[start, content] = *std::prev(after);
  return address + bytes <= start + content->size() ? reinterpret_cast<uint8_t *>(address)
                                                    : nullptr;
}

bool isPinned(const void *memory, uint64_t bytes) {
  uint64_t address = reinterpret_cast<uint64_t>(memory);
  auto after = state().pinned.upper_bound(address);
  return after != state().pinned.begin() &&
         address + bytes <= std::prev(after)->first + std::prev(after)->second;
}

Result drain() {
  Result first = Success;
  std::vector<std::function<Result()>> work;
  work.swap(state().queue);
  for (const std::function<Result()> &step : work)
    if (first == Success) // a fault ends everything
      first = step();
  return first;
}

Result enqueue(std::function<Result()> step) {
  if (state().current < 0)
    return InvalidValue;
  state().queue.push_back(std::move(step));
  return Success;
}

template <typename T> bool translate(T *&pointer, uint64_t bytes) {
  uint8_t *found = onHost(reinterpret_cast<uint64_t>(pointer), bytes);
  pointer = reinterpret_cast<T *>(found);
  return found != nullptr;
}

/// Runs a function as the kernel would; every pointer must have room for what it reads and writes.
Result runKernel(const std::string &name, StcFrame frame) {
  if (Result fault = outcome("fault"))
    return fault;
  bool score = name == "stc_model_score";
  uint64_t rows = uint64_t(frame.n_tokens);
  bool valid = translate(frame.weights, test::vocabSize) &&
               translate(frame.arena, 4 * test::hiddenSize) &&
               translate(frame.key_cache, 4 * uint64_t(frame.position + frame.n_tokens)) &&
               translate(frame.value_cache, 4 * uint64_t(frame.position + frame.n_tokens)) &&
               translate(frame.tokens, score ? 0 : 4 * rows) &&
               translate(frame.hidden, 4 * rows * test::hiddenSize) &&
               translate(frame.logits, 4 * test::vocabSize * (score ? rows : 1)) &&
               translate(frame.sync, 64);
  if (!valid)
    return IllegalAddress;
  static const char zeros[64] = {};
  if (std::memcmp(frame.sync, zeros, sizeof(zeros)) != 0)
    return IllegalAddress; // the barrier would never open
  (score ? test::score : name == "stc_model_decode" ? test::decode : test::prefill)(&frame, 0, 1);
  return Success;
}

} // namespace

#pragma GCC visibility push(default)
extern "C" {

test::FakeCudaStats *stcFakeCudaStats() { return &state().stats; }

Result cuInit(unsigned flags) {
  state().initialized = flags == 0;
  return outcome("init");
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
  *count = int(setting("devices", 1));
  return state().initialized ? Success : InvalidValue;
}

Result cuDeviceGet(Device *device, int ordinal) {
  *device = 100 + ordinal; // handles are not numbers of devices
  return ordinal < int(setting("devices", 1)) ? Success : InvalidValue;
}

Result cuDeviceGetName(char *name, int length, Device device) {
  std::snprintf(name, size_t(length), "Fake %d", device - 100);
  return Success;
}

Result cuDeviceGetAttribute(int *value, DeviceAttribute attribute, Device device) {
  int capability = int(setting("capability", 90, device - 100));
  switch (attribute) {
  case ComputeCapabilityMajor:
    *value = capability / 10;
    return Success;
  case ComputeCapabilityMinor:
    *value = capability % 10;
    return Success;
  case MultiprocessorCount:
    *value = multiprocessors;
    return Success;
  case MaxSharedMemoryPerBlockOptin:
    *value = int(setting("shared", 232448));
    return Success;
  case CooperativeLaunch:
    *value = int(setting("cooperative", 1));
    return Success;
  default:
    return InvalidValue;
  }
}

Result cuDeviceTotalMem_v2(size_t *bytes, Device) {
  *bytes = 80u << 20;
  return Success;
}

Result cuDevicePrimaryCtxRetain(Context *context, Device device) {
  ++state().stats.contexts;
  *context = reinterpret_cast<Context>(uint64_t(device));
  return Success;
}

Result cuDevicePrimaryCtxRelease_v2(Device) {
  --state().stats.contexts;
  return Success;
}

Result cuCtxSetCurrent(Context context) {
  state().current = int(reinterpret_cast<uint64_t>(context)) - 100;
  return Success;
}

Result cuMemAlloc_v2(Address *address, size_t bytes) {
  if (Result result = outcome("alloc"))
    return result;
  if (bytes == 0 || state().current < 0)
    return InvalidValue;
  // Nothing is zero by chance.
  auto content = std::make_unique<std::vector<uint8_t>>(bytes, uint8_t(0xCD));
  uint64_t start = reinterpret_cast<uint64_t>(content->data());
  *address = start | tag;
  state().memory[start] = std::move(content);
  state().stats.deviceBytes += bytes;
  return Success;
}

Result cuMemFree_v2(Address address) {
  drain();
  auto found = state().memory.find(address & ~tag);
  if (found == state().memory.end())
    return InvalidValue;
  state().stats.deviceBytes -= found->second->size();
  state().memory.erase(found);
  return Success;
}

Result cuMemGetInfo_v2(size_t *free, size_t *total) {
  *total = 80u << 20;
  *free = size_t(setting("free", *total, state().current));
  return Success;
}

Result cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
  if (bytes == 0 || state().current < 0)
    return InvalidValue;
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xEE, bytes);
  state().pinned[reinterpret_cast<uint64_t>(*memory)] = bytes;
  state().stats.pinnedBytes += bytes;
  return Success;
}

Result cuMemFreeHost(void *memory) {
  drain();
  auto found = state().pinned.find(reinterpret_cast<uint64_t>(memory));
  if (found == state().pinned.end())
    return InvalidValue;
  state().stats.pinnedBytes -= found->second;
  state().pinned.erase(found);
  std::free(memory);
  return Success;
}

Result cuMemsetD8Async(Address address, unsigned char value, size_t bytes, Stream) {
  return enqueue([=] {
    uint8_t *to = onHost(address, bytes);
    if (!to)
      return IllegalAddress;
    std::memset(to, value, bytes);
    return Success;
  });
}

Result cuMemcpyHtoDAsync_v2(Address to, const void *from, size_t bytes, Stream) {
  state().stats.uploads.push_back(bytes);
  if (!isPinned(from, bytes))
    return InvalidValue;
  return enqueue([=] {
    uint8_t *target = onHost(to, bytes);
    if (!target)
      return IllegalAddress;
    std::memcpy(target, from, bytes);
    return Success;
  });
}

Result cuMemcpyDtoHAsync_v2(void *to, Address from, size_t bytes, Stream) {
  if (!isPinned(to, bytes))
    return InvalidValue;
  return enqueue([=] {
    uint8_t *source = onHost(from, bytes);
    if (!source)
      return IllegalAddress;
    std::memcpy(to, source, bytes);
    return Success;
  });
}

Result cuMemcpyDtoDAsync_v2(Address to, Address from, size_t bytes, Stream) {
  return enqueue([=] {
    uint8_t *target = onHost(to, bytes), *source = onHost(from, bytes);
    if (!target || !source)
      return IllegalAddress;
    std::memcpy(target, source, bytes);
    return Success;
  });
}

Result cuStreamCreate(Stream *stream, unsigned) {
  *stream = reinterpret_cast<Stream>(&++state().stats.streams);
  return Success;
}
Result cuStreamSynchronize(Stream) { return drain(); }
Result cuStreamDestroy_v2(Stream) {
  --state().stats.streams;
  return Success;
}

Result cuEventCreate(Event *event, unsigned) {
  *event = reinterpret_cast<Event>(&++state().stats.events);
  return Success;
}
Result cuEventRecord(Event, Stream) { return Success; }
Result cuEventSynchronize(Event) { return drain(); }
Result cuEventElapsedTime(float *milliseconds, Event, Event) {
  *milliseconds = 2;
  return Success;
}
Result cuEventDestroy_v2(Event) {
  --state().stats.events;
  return Success;
}

Result cuModuleLoadDataEx(Module *module, const void *image, unsigned options, JitOption *names,
                          void **values) {
  // As a driver does, reads text up to its zero, and writes its log where the options say.
  const char *text = static_cast<const char *>(image);
  Result result = outcome("load");
  if (result == Success && !std::strstr(text, ".entry stc_model_decode("))
    result = InvalidPtx;
  if (result != Success) {
    if (options == 2 && names[0] == JitErrorLogBuffer && names[1] == JitErrorLogBufferSize)
      std::snprintf(static_cast<char *>(values[0]), reinterpret_cast<size_t>(values[1]),
                    "\nptxas fatal : line 1 of the log\nline 2\n");
    return result;
  }
  *module = reinterpret_cast<Module>(&++state().stats.modules);
  return Success;
}

Result cuModuleUnload(Module) {
  --state().stats.modules;
  return Success;
}

Result cuModuleGetFunction(Function *function, Module, const char *name) {
  if (std::string(name).rfind("stc_model_", 0) != 0)
    return NotFound;
  FakeFunction &found = state().functions[name];
  found.name = name;
  *function = reinterpret_cast<Function>(&found);
  return Success;
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
  *blocks = int(setting("occupancy", 2));
  return Success;
}

Result cuLaunchCooperativeKernel(Function function, unsigned gridX, unsigned gridY, unsigned gridZ,
                                 unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
                                 Stream, void **parameters) {
  if (Result result = outcome("launch"))
    return result;
  const FakeFunction &kernel = *reinterpret_cast<FakeFunction *>(function);
  if (gridX > setting("occupancy", 2) * multiprocessors || gridX * gridY * gridZ != gridX)
    return CooperativeLaunchTooLarge;
  if (blockX * blockY * blockZ != blockX || int(shared) > kernel.sharedBytes)
    return InvalidValue;
  StcFrame frame;
  std::memcpy(&frame, parameters[0], sizeof(frame));
  return enqueue([=, &kernel] {
    // The allocation that `hidden` points into begins at row 0.
    uint64_t hidden = reinterpret_cast<uint64_t>(frame.hidden) & ~tag;
    auto after = state().memory.upper_bound(hidden);
    uint64_t start = after == state().memory.begin() ? hidden : std::prev(after)->first;
    state().stats.launches.push_back({kernel.name, frame.n_tokens, frame.position,
                                      int64_t(hidden - start) / int64_t(4 * test::hiddenSize),
                                      gridX, blockX, shared});
    return runKernel(kernel.name, frame);
  });
}
}
#pragma GCC visibility pop
