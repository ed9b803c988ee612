// A GPU of NVIDIA: its memory and its queue of work.
#include "stc/Runtime/Gpu/CudaDevice.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"

#include <algorithm>

namespace stc {

absl::StatusOr<std::unique_ptr<CudaDevice>> CudaDevice::open(const CudaDriver &driver, int index) {
  std::unique_ptr<CudaDevice> device(new CudaDevice(driver));
  STC_RETURN_IF_ERROR(device->initialize(index));
  return device;
}

absl::Status CudaDevice::initialize(int index) {
  props.id = absl::StrCat("cuda:", index);
  props.label = absl::StrCat("GPU ", index);
  STC_RETURN_IF_ERROR(check("cuDeviceGet", driver.deviceGet(&device, index)));
  char name[256] = "";
  STC_RETURN_IF_ERROR(
      check("cuDeviceGetName", driver.deviceGetName(name, sizeof(name) - 1, device)));
  props.name = printable(name);
  absl::StrAppend(&props.label, " (", props.name, ")");
  STC_ASSIGN_OR_RETURN(major, attribute(cuda::ComputeCapabilityMajor));
  STC_ASSIGN_OR_RETURN(minor, attribute(cuda::ComputeCapabilityMinor));
  props.architecture = absl::StrCat("sm_", major, minor);
  STC_ASSIGN_OR_RETURN(std::string version, driver.version());
  props.driver = "CUDA " + version;
  STC_ASSIGN_OR_RETURN(props.multiprocessors, attribute(cuda::MultiprocessorCount));
  STC_ASSIGN_OR_RETURN(int shared, attribute(cuda::MaxSharedMemoryPerBlockOptin));
  props.blockSharedBytes = uint64_t(std::max(0, shared));
  size_t total = 0;
  STC_RETURN_IF_ERROR(check("cuDeviceTotalMem", driver.deviceTotalMem(&total, device)));
  props.totalBytes = total;
  STC_ASSIGN_OR_RETURN(int cooperative, attribute(cuda::CooperativeLaunch));
  if (!cooperative)
    return formatError({props.label, "cooperative launch", {}},
                       "a device whose blocks can wait for each other", "one without");
  STC_RETURN_IF_ERROR(
      check("cuDevicePrimaryCtxRetain", driver.primaryContextRetain(&context, device)));
  STC_RETURN_IF_ERROR(enter());
  STC_RETURN_IF_ERROR(
      check("cuStreamCreate", driver.streamCreate(&stream, cuda::StreamNonBlocking)));
  STC_RETURN_IF_ERROR(check("cuEventCreate", driver.eventCreate(&begin, 0)));
  return check("cuEventCreate", driver.eventCreate(&end, 0));
}

CudaDevice::~CudaDevice() {
  // What fails here has failed before: a device that is lost takes everything with it.
  if (!context || !enter().ok())
    return;
  for (cuda::Module module : modules)
    driver.moduleUnload(module);
  for (cuda::Event event : {begin, end})
    if (event)
      driver.eventDestroy(event);
  if (stream)
    driver.streamDestroy(stream);
  driver.contextSetCurrent(nullptr);
  driver.primaryContextRelease(device);
}

absl::StatusOr<int> CudaDevice::attribute(cuda::DeviceAttribute attribute) const {
  int value = 0;
  STC_RETURN_IF_ERROR(
      check("cuDeviceGetAttribute", driver.deviceGetAttribute(&value, attribute, device)));
  return value;
}

absl::Status CudaDevice::enter() const {
  return check("cuCtxSetCurrent", driver.contextSetCurrent(context));
}

absl::Status CudaDevice::check(const char *call, cuda::Result result) const {
  return driver.check(props.label, call, result);
}

absl::StatusOr<uint64_t> CudaDevice::freeBytes() {
  STC_RETURN_IF_ERROR(enter());
  size_t free = 0, total = 0;
  STC_RETURN_IF_ERROR(check("cuMemGetInfo", driver.memGetInfo(&free, &total)));
  return free;
}

absl::StatusOr<GpuAddress> CudaDevice::allocate(uint64_t bytes, absl::string_view what) {
  STC_RETURN_IF_ERROR(enter());
  cuda::Address address = 0;
  // The driver has no empty allocations.
  cuda::Result result = driver.memAlloc(&address, std::max<uint64_t>(bytes, 1));
  if (result != cuda::Success)
    return formatError({props.label, std::string(what), {}},
                       absl::StrCat(bytes, " bytes of its memory to be free"),
                       driver.describe(result));
  return address;
}

void CudaDevice::release(GpuAddress address) {
  if (enter().ok())
    driver.memFree(address);
}

absl::StatusOr<void *> CudaDevice::allocateHost(uint64_t bytes, absl::string_view what) {
  STC_RETURN_IF_ERROR(enter());
  void *memory = nullptr;
  cuda::Result result = driver.memHostAlloc(&memory, std::max<uint64_t>(bytes, 1), 0);
  if (result != cuda::Success)
    return formatError({props.label, std::string(what), {}},
                       absl::StrCat(bytes, " bytes of this machine's memory that it can reach"),
                       driver.describe(result));
  return memory;
}

void CudaDevice::releaseHost(void *memory) {
  if (enter().ok())
    driver.memFreeHost(memory);
}

absl::Status CudaDevice::zero(GpuAddress to, uint64_t bytes) {
  if (bytes == 0)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(enter());
  return check("cuMemsetD8Async", driver.memsetD8Async(to, 0, bytes, stream));
}

absl::Status CudaDevice::upload(GpuAddress to, const void *from, uint64_t bytes) {
  STC_RETURN_IF_ERROR(enter());
  return check("cuMemcpyHtoDAsync", driver.memcpyHtoDAsync(to, from, bytes, stream));
}

absl::Status CudaDevice::download(void *to, GpuAddress from, uint64_t bytes) {
  STC_RETURN_IF_ERROR(enter());
  return check("cuMemcpyDtoHAsync", driver.memcpyDtoHAsync(to, from, bytes, stream));
}

absl::Status CudaDevice::copy(GpuAddress to, GpuAddress from, uint64_t bytes) {
  STC_RETURN_IF_ERROR(enter());
  return check("cuMemcpyDtoDAsync", driver.memcpyDtoDAsync(to, from, bytes, stream));
}

absl::Status CudaDevice::launch(const GpuFunction &function, const StcFrame &frame) {
  STC_RETURN_IF_ERROR(enter());
  StcFrame parameter = frame; // the driver copies it before it returns
  void *parameters[] = {&parameter};
  return check("cuLaunchCooperativeKernel",
               driver.launchCooperative(static_cast<cuda::Function>(function.handle),
                                        function.blocks, 1, 1, function.blockThreads, 1, 1,
                                        function.sharedBytes, stream, parameters));
}

absl::Status CudaDevice::synchronize() {
  STC_RETURN_IF_ERROR(enter());
  return check("cuStreamSynchronize", driver.streamSynchronize(stream));
}

absl::StatusOr<double> CudaDevice::measure(absl::FunctionRef<absl::Status()> enqueue) {
  STC_RETURN_IF_ERROR(enter());
  STC_RETURN_IF_ERROR(check("cuEventRecord", driver.eventRecord(begin, stream)));
  STC_RETURN_IF_ERROR(enqueue());
  STC_RETURN_IF_ERROR(check("cuEventRecord", driver.eventRecord(end, stream)));
  STC_RETURN_IF_ERROR(check("cuEventSynchronize", driver.eventSynchronize(end)));
  float milliseconds = 0;
  STC_RETURN_IF_ERROR(
      check("cuEventElapsedTime", driver.eventElapsedTime(&milliseconds, begin, end)));
  return double(milliseconds) / 1e3;
}

} // namespace stc
