// What devices have in common whose drivers offer the same functions under other names: CUDA's
// driver interface, and HIP, which follows it.
#ifndef STC_RUNTIME_GPU_DRIVERDEVICE_H
#define STC_RUNTIME_GPU_DRIVERDEVICE_H

#include "stc/Runtime/Gpu/GpuDevice.h"
#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <vector>

namespace stc {

/// `Driver` is a table of functions (CudaDriver, HipDriver): members of the same names and kinds,
/// the names of their symbols in `Driver::Symbols`, the types `Result`, `Address`, `Module`,
/// `Function`, `Stream`, `Event` and `MemoryAdvice`, and `check` and `describe`, which word its
/// errors.
template <typename Driver> class DriverDevice : public GpuDevice {
public:
  absl::StatusOr<uint64_t> freeBytes() override {
    STC_RETURN_IF_ERROR(enter());
    size_t free = 0, total = 0;
    STC_RETURN_IF_ERROR(check(Symbols::memGetInfo, driver.memGetInfo(&free, &total)));
    return free;
  }
  absl::StatusOr<GpuProgram> load(const StcGpuImage &image, GpuProgramKind kind,
                                  unsigned maxBlocks) override;
  absl::StatusOr<GpuAddress> allocate(uint64_t bytes, absl::string_view what) override;
  void release(GpuAddress address) override {
    if (enter().ok())
      driver.memFree(address);
  }
  absl::StatusOr<GpuAddress> allocateShared(uint64_t bytes, absl::string_view what) override;
  absl::Status settle(GpuAddress from, uint64_t bytes, GpuPlace place) override;
  absl::StatusOr<void *> allocateHost(uint64_t bytes, absl::string_view what) override;
  void releaseHost(void *memory) override {
    if (enter().ok())
      driver.memFreeHost(memory);
  }

  absl::Status zero(GpuAddress to, uint64_t bytes) override {
    if (bytes == 0)
      return absl::OkStatus();
    STC_RETURN_IF_ERROR(enter());
    return check(Symbols::memsetD8Async, driver.memsetD8Async(to, 0, bytes, stream));
  }
  absl::Status upload(GpuAddress to, const void *from, uint64_t bytes) override {
    STC_RETURN_IF_ERROR(enter());
    return check(Symbols::memcpyHtoDAsync, driver.memcpyHtoDAsync(to, from, bytes, stream));
  }
  absl::Status download(void *to, GpuAddress from, uint64_t bytes) override {
    STC_RETURN_IF_ERROR(enter());
    return check(Symbols::memcpyDtoHAsync, driver.memcpyDtoHAsync(to, from, bytes, stream));
  }
  absl::Status copy(GpuAddress to, GpuAddress from, uint64_t bytes) override {
    STC_RETURN_IF_ERROR(enter());
    return check(Symbols::memcpyDtoDAsync, driver.memcpyDtoDAsync(to, from, bytes, stream));
  }
  absl::Status launch(const GpuFunction &function, const StcFrame &frame) override;
  absl::Status synchronize() override {
    STC_RETURN_IF_ERROR(enter());
    return check(Symbols::streamSynchronize, driver.streamSynchronize(stream));
  }
  absl::StatusOr<double> measure(absl::FunctionRef<absl::Status()> enqueue) override;

protected:
  using Symbols = typename Driver::Symbols;
  using Module = typename Driver::Module;
  using Function = typename Driver::Function;

  explicit DriverDevice(const Driver &driver) : driver(driver) {}
  /// Makes the queue of work, once the device can be entered.
  absl::Status createQueue();
  /// Gives back what it was and what was loaded; of the destructor.
  void close();
  /// Makes this device the one that the calling thread's calls are about.
  virtual absl::Status enter() const = 0;
  /// What the driver calls this device where memory is to be placed.
  virtual int number() const = 0;
  virtual absl::StatusOr<Module> loadModule(const StcGpuImage &image) = 0;
  /// Lets a function have shared memory that not every launch may ask for.
  virtual absl::Status allowShared(Function function, uint64_t bytes) { return absl::OkStatus(); }

  absl::Status check(const char *call, typename Driver::Result result) const {
    return driver.check(props.label, call, result);
  }

  const Driver driver;

private:
  /// Why there is no memory for `what`: the driver gave none of `bytes` of a kind.
  absl::Status refusal(absl::string_view what, uint64_t bytes, const char *kind,
                       typename Driver::Result result) const {
    return formatError({props.label, std::string(what), {}}, absl::StrCat(bytes, " ", kind),
                       driver.describe(result));
  }
  absl::StatusOr<GpuFunction> prepare(Module module, const StcGpuImage &image, const char *name,
                                      unsigned maxBlocks);

  typename Driver::Stream stream = nullptr;
  typename Driver::Event begin = nullptr, end = nullptr;
  std::vector<Module> modules;
};

template <typename Driver> absl::Status DriverDevice<Driver>::createQueue() {
  STC_RETURN_IF_ERROR(enter());
  // It does not wait for the queue that programs share.
  constexpr unsigned nonBlocking = 1;
  STC_RETURN_IF_ERROR(check(Symbols::streamCreate, driver.streamCreate(&stream, nonBlocking)));
  STC_RETURN_IF_ERROR(check(Symbols::eventCreate, driver.eventCreate(&begin, 0)));
  return check(Symbols::eventCreate, driver.eventCreate(&end, 0));
}

template <typename Driver> void DriverDevice<Driver>::close() {
  // What fails here has failed before: a device that is lost takes everything with it.
  for (Module module : modules)
    driver.moduleUnload(module);
  for (typename Driver::Event event : {begin, end})
    if (event)
      driver.eventDestroy(event);
  if (stream)
    driver.streamDestroy(stream);
}

template <typename Driver>
absl::StatusOr<GpuAddress> DriverDevice<Driver>::allocate(uint64_t bytes, absl::string_view what) {
  STC_RETURN_IF_ERROR(enter());
  typename Driver::Address address = 0;
  // Drivers have no empty allocations.
  auto result = driver.memAlloc(&address, std::max<uint64_t>(bytes, 1));
  return result == Driver::success ? absl::StatusOr<GpuAddress>(address)
                                   : refusal(what, bytes, "bytes of its memory to be free", result);
}

template <typename Driver>
absl::StatusOr<GpuAddress> DriverDevice<Driver>::allocateShared(uint64_t bytes,
                                                                absl::string_view what) {
  STC_RETURN_IF_ERROR(enter());
  constexpr unsigned everyQueue = 1;
  typename Driver::Address address = 0;
  auto result = driver.memAllocManaged(&address, std::max<uint64_t>(bytes, 1), everyQueue);
  return result == Driver::success
             ? absl::StatusOr<GpuAddress>(address)
             : refusal(what, bytes, "bytes of addresses that it and this machine share", result);
}

template <typename Driver>
absl::Status DriverDevice<Driver>::settle(GpuAddress from, uint64_t bytes, GpuPlace place) {
  STC_RETURN_IF_ERROR(enter());
  using Advice = typename Driver::MemoryAdvice;
  constexpr int thisMachine = -1;
  int home = place == GpuPlace::Host ? thisMachine : number();
  STC_RETURN_IF_ERROR(
      check(Symbols::memAdvise, driver.memAdvise(from, bytes, Advice::SetPreferredLocation, home)));
  // What is not its own, the device reads where it is: nothing moves back and forth.
  if (place == GpuPlace::Host)
    STC_RETURN_IF_ERROR(
        check(Symbols::memAdvise, driver.memAdvise(from, bytes, Advice::SetAccessedBy, number())));
  return check(Symbols::memPrefetchAsync, driver.memPrefetchAsync(from, bytes, home, stream));
}

template <typename Driver>
absl::StatusOr<void *> DriverDevice<Driver>::allocateHost(uint64_t bytes, absl::string_view what) {
  STC_RETURN_IF_ERROR(enter());
  void *memory = nullptr;
  auto result = driver.memHostAlloc(&memory, std::max<uint64_t>(bytes, 1), 0);
  if (result != Driver::success)
    return refusal(what, bytes, "bytes of this machine's memory that it can reach", result);
  return memory;
}

template <typename Driver>
absl::Status DriverDevice<Driver>::launch(const GpuFunction &function, const StcFrame &frame) {
  STC_RETURN_IF_ERROR(enter());
  StcFrame parameter = frame; // the driver copies it before it returns
  void *parameters[] = {&parameter};
  return check(Symbols::launchCooperative,
               driver.launchCooperative(static_cast<Function>(function.handle), function.blocks, 1,
                                        1, function.blockThreads, 1, 1, function.sharedBytes,
                                        stream, parameters));
}

template <typename Driver>
absl::StatusOr<double> DriverDevice<Driver>::measure(absl::FunctionRef<absl::Status()> enqueue) {
  STC_RETURN_IF_ERROR(enter());
  STC_RETURN_IF_ERROR(check(Symbols::eventRecord, driver.eventRecord(begin, stream)));
  STC_RETURN_IF_ERROR(enqueue());
  STC_RETURN_IF_ERROR(check(Symbols::eventRecord, driver.eventRecord(end, stream)));
  STC_RETURN_IF_ERROR(check(Symbols::eventSynchronize, driver.eventSynchronize(end)));
  float milliseconds = 0;
  STC_RETURN_IF_ERROR(
      check(Symbols::eventElapsedTime, driver.eventElapsedTime(&milliseconds, begin, end)));
  return double(milliseconds) / 1e3;
}

template <typename Driver>
absl::StatusOr<GpuFunction> DriverDevice<Driver>::prepare(Module module, const StcGpuImage &image,
                                                          const char *name, unsigned maxBlocks) {
  Function function = nullptr;
  ErrorSite site{props.label, name, {}};
  auto found = driver.moduleGetFunction(&function, module, name);
  if (found != Driver::success)
    return formatError(site, absl::StrCat("a function of the code for ", image.target),
                       driver.describe(found));
  if (image.shared_bytes > props.blockSharedBytes)
    return formatError(
        site, absl::StrCat(image.shared_bytes, " bytes of shared memory for a block"),
        absl::StrCat("at most ", props.blockSharedBytes, " on ", props.architecture));
  int mostThreads = 0;
  STC_RETURN_IF_ERROR(check(
      Symbols::functionGetAttribute,
      driver.functionGetAttribute(&mostThreads, Driver::functionMaxThreadsPerBlock, function)));
  if (image.block_threads == 0 || image.block_threads > uint64_t(std::max(0, mostThreads)))
    return formatError(site, absl::StrCat("blocks of ", image.block_threads, " threads"),
                       absl::StrCat("at most ", mostThreads, " of this function"));
  STC_RETURN_IF_ERROR(allowShared(function, image.shared_bytes));
  int resident = 0;
  STC_RETURN_IF_ERROR(
      check(Symbols::occupancy, driver.occupancy(&resident, function, int(image.block_threads),
                                                 size_t(image.shared_bytes))));
  if (resident < 1) {
    int registers = 0;
    STC_RETURN_IF_ERROR(
        check(Symbols::functionGetAttribute,
              driver.functionGetAttribute(&registers, Driver::functionRegisters, function)));
    return formatError(site, "at least one block to fit into a multiprocessor",
                       absl::StrCat("none (", image.block_threads, " threads of ", registers,
                                    " registers and ", image.shared_bytes,
                                    " bytes of shared memory)"));
  }
  GpuFunction ready;
  ready.handle = function;
  ready.blocks = std::min(unsigned(resident) * unsigned(props.multiprocessors), maxBlocks);
  ready.blockThreads = unsigned(image.block_threads);
  ready.sharedBytes = unsigned(image.shared_bytes);
  return ready;
}

template <typename Driver>
absl::StatusOr<GpuProgram> DriverDevice<Driver>::load(const StcGpuImage &image, GpuProgramKind kind,
                                                      unsigned maxBlocks) {
  STC_RETURN_IF_ERROR(enter());
  STC_ASSIGN_OR_RETURN(Module module, loadModule(image));
  modules.push_back(module);
  return prepareProgram(image, kind,
                        [&](const char *name) { return prepare(module, image, name, maxBlocks); });
}

} // namespace stc

#endif // STC_RUNTIME_GPU_DRIVERDEVICE_H
