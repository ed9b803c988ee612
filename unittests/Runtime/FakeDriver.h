// What the fake drivers share: device memory is this machine's under addresses that nothing but a
// driver can use, what is enqueued is done when someone waits for it, and the kernels of the fake
// model are its functions, run on one thread. Each driver is a library of its own, with a copy of
// this.
//
// An environment variable (STC_FAKE_CUDA, STC_FAKE_HIP) changes it, "key=number;...": `devices`
// (how many), `capability`, `memory` (bytes in all), `free` (bytes), `occupancy`, `shared` (most
// bytes of a block), `cooperative`, `managed` (whether memory can be shared with this machine),
// `missing` (a function that images have not: 1 score, 2 encode, 3 stem); the result of a call:
// `init`, `load`, `launch`, `fault` (what waiting for a launch returns), `alloc`, `share`,
// `settle`. A device's number may follow a key: `capability1`.
#ifndef STC_UNITTESTS_RUNTIME_FAKEDRIVER_H
#define STC_UNITTESTS_RUNTIME_FAKEDRIVER_H

#include "FakeCuda.h"

#include "stc/Runtime/ModelABI.h"

#include <cstddef>
#include <functional>
#include <map>
#include <memory>

namespace stc::test {

/// The environment variable; each driver says which.
extern const char *const fakeSettings;

/// Results, whose numbers are the same in all drivers.
enum FakeResult : int {
  FakeSuccess = 0,
  FakeInvalidValue = 1,
  FakeOutOfMemory = 2,
  FakeNotFound = 500,
  FakeIllegalAddress = 700,
  FakeCooperativeLaunchTooLarge = 720,
};

constexpr int fakeMultiprocessors = 4;
constexpr size_t fakeMemoryBytes = 80u << 20;

struct FakeFunction {
  std::string name;
  int sharedBytes = 0;
};

/// Memory that is this machine's and the device's: what became of each of its pages.
struct FakeShared {
  struct Page {
    int home = noHome;    // the device's number, -1 for this machine
    bool mapped = false;  // whether the device may read what is at home elsewhere
    bool settled = false; // whether there is memory behind it
  };
  static constexpr int noHome = -2;
  static constexpr uint64_t pageBytes = 4096;
  std::unique_ptr<uint8_t[]> memory; // with room to begin at a page
  uint64_t bytes = 0;
  std::vector<Page> pages;
};

struct FakeState {
  FakeCudaStats stats;
  std::map<uint64_t, std::unique_ptr<std::vector<uint8_t>>> memory; // by untagged address
  std::map<uint64_t, uint64_t> pinned;                              // address to bytes
  std::map<uint64_t, std::unique_ptr<FakeShared>> shared;           // by address
  std::map<std::string, FakeFunction> functions;
  std::vector<std::function<int()>> queue; // what was enqueued; done when someone waits
  int initialized = 0;
  int current = -1; // the device that calls are about
};

FakeState &fakeState();
/// What there is in all, and of it free on the device that calls are about.
uint64_t fakeTotalBytes();
uint64_t fakeFreeBytes();
/// A setting, for a device where `device` is not negative.
uint64_t fakeSetting(const std::string &key, uint64_t fallback, int device = -1);

// The calls, as all drivers have them. They return results.
int fakeAllocate(unsigned long long *address, size_t bytes);
int fakeRelease(unsigned long long address);
int fakeAllocateShared(unsigned long long *address, size_t bytes, unsigned flags);
int fakeAdvise(unsigned long long address, size_t bytes, int advice, int device);
/// Like a driver's, puts memory behind shared addresses; unlike one it gives back nothing else when
/// there is no room left.
int fakePrefetch(unsigned long long address, size_t bytes, int device);
int fakeAllocateHost(void **memory, size_t bytes);
int fakeReleaseHost(void *memory);
int fakeSet(unsigned long long address, unsigned char value, size_t bytes);
int fakeUpload(unsigned long long to, const void *from, size_t bytes);
int fakeDownload(void *to, unsigned long long from, size_t bytes);
int fakeCopy(unsigned long long to, unsigned long long from, size_t bytes);
/// Does what was enqueued.
int fakeDrain();
int fakeGetFunction(FakeFunction **function, const char *name);
int fakeLaunch(const FakeFunction &kernel, unsigned gridX, unsigned gridY, unsigned gridZ,
               unsigned blockX, unsigned blockY, unsigned blockZ, unsigned shared,
               void **parameters);

} // namespace stc::test

#endif // STC_UNITTESTS_RUNTIME_FAKEDRIVER_H
