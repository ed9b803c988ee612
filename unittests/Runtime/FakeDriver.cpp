// What the fake drivers share.
#include "FakeDriver.h"
#include "FakeFunctions.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

// One thread waits for nobody. (A fake driver hides all symbols but the driver's.)
extern "C" void stc_rt_barrier(void *) {}

namespace stc::test {

namespace {

constexpr uint64_t tag = uint64_t(1) << 62; // no address of this machine has this bit

/// The shared allocation that has all of `bytes` at `address`, and where it begins; else null.
FakeShared *findShared(uint64_t address, uint64_t bytes, uint64_t &start) {
  auto after = fakeState().shared.upper_bound(address);
  if (after == fakeState().shared.begin())
    return nullptr;
  start = std::prev(after)->first;
  FakeShared *shared = std::prev(after)->second.get();
  return address + bytes <= start + shared->bytes ? shared : nullptr;
}

/// Calls `visit` with every page of shared memory at `address`; whether all are pages of one
/// allocation and pleased it.
bool forPages(uint64_t address, uint64_t bytes,
              const std::function<bool(FakeShared::Page &)> &visit) {
  uint64_t start = 0;
  FakeShared *shared = findShared(address, bytes, start);
  if (!shared)
    return false;
  for (uint64_t at = address - start; at < address - start + bytes;
       at = (at / FakeShared::pageBytes + 1) * FakeShared::pageBytes)
    if (!visit(shared->pages[at / FakeShared::pageBytes]))
      return false;
  return true;
}

/// This machine's address of `bytes` at a device's; null where they are not all of one allocation,
/// or are shared and not for the device to read.
uint8_t *onHost(uint64_t address, uint64_t bytes) {
  auto &memory = fakeState().memory;
  if (!(address & tag))
    return forPages(address, bytes,
                    [](const FakeShared::Page &page) {
                      return page.settled && (page.home >= 0 || page.mapped);
                    })
               ? reinterpret_cast<uint8_t *>(address)
               : nullptr;
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
  auto after = fakeState().pinned.upper_bound(address);
  return after != fakeState().pinned.begin() &&
         address + bytes <= std::prev(after)->first + std::prev(after)->second;
}

int enqueue(std::function<int()> step) {
  if (fakeState().current < 0)
    return FakeInvalidValue;
  fakeState().queue.push_back(std::move(step));
  return FakeSuccess;
}

template <typename T> bool translate(T *&pointer, uint64_t bytes) {
  uint8_t *found = onHost(reinterpret_cast<uint64_t>(pointer), bytes);
  pointer = reinterpret_cast<T *>(found);
  return found != nullptr;
}

/// Runs a function as the kernel would; every pointer must have room for what it reads and writes.
int runKernel(const std::string &name, StcFrame frame) {
  if (int fault = int(fakeSetting("fault", 0)))
    return fault;
  bool isScore = name == "stc_model_score", isStem = name == "stc_model_stem";
  uint64_t rows = uint64_t(frame.n_tokens);
  bool valid =
      translate(frame.weights, vocabSize) && translate(frame.arena, 4 * hiddenSize) &&
      translate(frame.key_cache, 4 * uint64_t(frame.position + frame.n_tokens)) &&
      translate(frame.value_cache, 4 * uint64_t(frame.position + frame.n_tokens)) &&
      translate(frame.tokens, isScore || isStem ? 0 : 4 * rows) &&
      translate(frame.hidden, 4 * rows * hiddenSize) &&
      translate(frame.logits, 4 * vocabSize * (isScore ? rows : 1)) &&
      (!frame.features ||
       translate(frame.features, 12 * rows * uint64_t(isStem ? featureSize : hiddenSize))) &&
      translate(frame.sync, 64);
  if (!valid)
    return FakeIllegalAddress;
  static const char zeros[64] = {};
  if (std::memcmp(frame.sync, zeros, sizeof(zeros)) != 0)
    return FakeIllegalAddress; // the barrier would never open
  StcFunction function = isScore                      ? score
                         : isStem                     ? stem
                         : name == "stc_model_decode" ? decode
                         : name == "stc_model_encode" ? encode
                                                      : prefill;
  function(&frame, 0, 1);
  return FakeSuccess;
}

} // namespace

FakeState &fakeState() {
  static FakeState state;
  return state;
}

uint64_t fakeSetting(const std::string &key, uint64_t fallback, int device) {
  const char *variable = std::getenv(fakeSettings);
  std::string text = std::string(";") + (variable ? variable : "") + ";";
  for (const std::string &name : {key + std::to_string(device), key}) {
    size_t at = text.find(";" + name + "=");
    if (at != std::string::npos)
      return std::strtoull(text.c_str() + at + name.size() + 2, nullptr, 10);
  }
  return fallback;
}

int fakeAllocate(unsigned long long *address, size_t bytes) {
  if (int result = int(fakeSetting("alloc", 0)))
    return result;
  if (bytes == 0 || fakeState().current < 0)
    return FakeInvalidValue;
  if (fakeSetting("memory", 0) && bytes > fakeFreeBytes())
    return FakeOutOfMemory;
  // Nothing is zero by chance.
  auto content = std::make_unique<std::vector<uint8_t>>(bytes, uint8_t(0xCD));
  uint64_t start = reinterpret_cast<uint64_t>(content->data());
  *address = start | tag;
  fakeState().memory[start] = std::move(content);
  fakeState().stats.deviceBytes += bytes;
  return FakeSuccess;
}

uint64_t fakeTotalBytes() { return fakeSetting("memory", fakeMemoryBytes); }

uint64_t fakeFreeBytes() {
  // Tests that say what is free say it whatever was taken.
  uint64_t total = fakeTotalBytes();
  uint64_t used = fakeSetting("memory", 0) ? fakeState().stats.deviceBytes : 0;
  return fakeSetting("free", total - std::min(used, total), fakeState().current);
}

int fakeAllocateShared(unsigned long long *address, size_t bytes, unsigned flags) {
  if (int result = int(fakeSetting("share", 0)))
    return result;
  if (bytes == 0 || fakeState().current < 0 || flags != 1 || !fakeSetting("managed", 1))
    return FakeInvalidValue;
  auto shared = std::make_unique<FakeShared>();
  shared->bytes = bytes;
  shared->pages.resize((bytes + FakeShared::pageBytes - 1) / FakeShared::pageBytes);
  shared->memory.reset(new uint8_t[(shared->pages.size() + 1) * FakeShared::pageBytes]);
  uint64_t start = reinterpret_cast<uint64_t>(shared->memory.get());
  start += FakeShared::pageBytes - start % FakeShared::pageBytes;
  std::memset(reinterpret_cast<void *>(start), 0xBC, bytes);
  *address = start;
  fakeState().shared[start] = std::move(shared);
  return FakeSuccess;
}

int fakeAdvise(unsigned long long address, size_t bytes, int advice, int device) {
  constexpr int preferredLocation = 3, accessedBy = 5;
  bool known = forPages(address, bytes, [&](FakeShared::Page &page) {
    if (advice == preferredLocation)
      page.home = device;
    else if (advice == accessedBy && device >= 0)
      page.mapped = true;
    else
      return false;
    return true;
  });
  return known && fakeState().current >= 0 ? FakeSuccess : FakeInvalidValue;
}

int fakePrefetch(unsigned long long address, size_t bytes, int device) {
  if (int result = int(fakeSetting("settle", 0)))
    return result;
  return enqueue([=]() -> int {
    auto &stats = fakeState().stats;
    uint64_t &taken = device < 0 ? stats.sharedBytes : stats.deviceBytes;
    bool settled = forPages(address, bytes, [&](FakeShared::Page &page) {
      // Where nobody wants it, it would not stay.
      if (page.home != device || page.settled)
        return false;
      page.settled = true;
      taken += FakeShared::pageBytes;
      return true;
    });
    if (!settled)
      return FakeInvalidValue;
    return stats.deviceBytes > fakeTotalBytes() ? FakeOutOfMemory : FakeSuccess;
  });
}

int fakeRelease(unsigned long long address) {
  fakeDrain();
  auto given = fakeState().shared.find(address);
  if (given != fakeState().shared.end()) {
    for (const FakeShared::Page &page : given->second->pages)
      if (page.settled)
        (page.home < 0 ? fakeState().stats.sharedBytes : fakeState().stats.deviceBytes) -=
            FakeShared::pageBytes;
    fakeState().shared.erase(given);
    return FakeSuccess;
  }
  auto found = fakeState().memory.find(address & ~tag);
  if (found == fakeState().memory.end())
    return FakeInvalidValue;
  fakeState().stats.deviceBytes -= found->second->size();
  fakeState().memory.erase(found);
  return FakeSuccess;
}

int fakeAllocateHost(void **memory, size_t bytes) {
  if (bytes == 0 || fakeState().current < 0)
    return FakeInvalidValue;
  *memory = std::malloc(bytes);
  std::memset(*memory, 0xEE, bytes);
  fakeState().pinned[reinterpret_cast<uint64_t>(*memory)] = bytes;
  fakeState().stats.pinnedBytes += bytes;
  return FakeSuccess;
}

int fakeReleaseHost(void *memory) {
  fakeDrain();
  auto found = fakeState().pinned.find(reinterpret_cast<uint64_t>(memory));
  if (found == fakeState().pinned.end())
    return FakeInvalidValue;
  fakeState().stats.pinnedBytes -= found->second;
  fakeState().pinned.erase(found);
  std::free(memory);
  return FakeSuccess;
}

int fakeSet(unsigned long long address, unsigned char value, size_t bytes) {
  return enqueue([=]() -> int {
    uint8_t *to = onHost(address, bytes);
    if (!to)
      return FakeIllegalAddress;
    std::memset(to, value, bytes);
    return FakeSuccess;
  });
}

int fakeUpload(unsigned long long to, const void *from, size_t bytes) {
  fakeState().stats.uploads.push_back(bytes);
  if (!isPinned(from, bytes))
    return FakeInvalidValue;
  return enqueue([=]() -> int {
    uint8_t *target = onHost(to, bytes);
    if (!target)
      return FakeIllegalAddress;
    std::memcpy(target, from, bytes);
    return FakeSuccess;
  });
}

int fakeDownload(void *to, unsigned long long from, size_t bytes) {
  if (!isPinned(to, bytes))
    return FakeInvalidValue;
  return enqueue([=]() -> int {
    uint8_t *source = onHost(from, bytes);
    if (!source)
      return FakeIllegalAddress;
    std::memcpy(to, source, bytes);
    return FakeSuccess;
  });
}

int fakeCopy(unsigned long long to, unsigned long long from, size_t bytes) {
  return enqueue([=]() -> int {
    uint8_t *target = onHost(to, bytes), *source = onHost(from, bytes);
    if (!target || !source)
      return FakeIllegalAddress;
    std::memcpy(target, source, bytes);
    return FakeSuccess;
  });
}

int fakeDrain() {
  int first = FakeSuccess;
  std::vector<std::function<int()>> work;
  work.swap(fakeState().queue);
  for (const std::function<int()> &step : work)
    if (first == FakeSuccess) // a fault ends everything
      first = step();
  return first;
}

int fakeGetFunction(FakeFunction **function, const char *name) {
  const char *missing[] = {"", "stc_model_score", "stc_model_encode", "stc_model_stem"};
  if (std::string(name).rfind("stc_model_", 0) != 0 ||
      std::string(name) == missing[fakeSetting("missing", 0)])
    return FakeNotFound;
  *function = &fakeState().functions[name];
  (*function)->name = name;
  return FakeSuccess;
}

int fakeLaunch(const FakeFunction &kernel, unsigned gridX, unsigned gridY, unsigned gridZ,
               unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
               void **parameters) {
  if (int result = int(fakeSetting("launch", 0)))
    return result;
  if (gridX > fakeSetting("occupancy", 2) * fakeMultiprocessors || gridX * gridY * gridZ != gridX)
    return FakeCooperativeLaunchTooLarge;
  if (blockX * blockY * blockZ != blockX || int(shared) > kernel.sharedBytes)
    return FakeInvalidValue;
  StcFrame frame;
  std::memcpy(&frame, parameters[0], sizeof(frame));
  return enqueue([=, &kernel] {
    // The allocation that `hidden` points into begins at row 0.
    uint64_t hidden = reinterpret_cast<uint64_t>(frame.hidden) & ~tag;
    auto after = fakeState().memory.upper_bound(hidden);
    uint64_t start = after == fakeState().memory.begin() ? hidden : std::prev(after)->first;
    fakeState().stats.launches.push_back({kernel.name, frame.n_tokens, frame.position,
                                          int64_t(hidden - start) / int64_t(4 * hiddenSize), gridX,
                                          blockX, shared});
    return runKernel(kernel.name, frame);
  });
}

} // namespace stc::test
