// A device of OpenCL: its memory and its queue of work.
#include "stc/Runtime/Gpu/OpenClDevice.h"

#include "stc/Support/Error.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>

namespace stc {

namespace {

class OpenCl final : public GpuDriver {
public:
  OpenCl(const OpenClDriver &functions, std::vector<opencl::Device> devices)
      : functions(functions), devices(std::move(devices)) {}
  absl::StatusOr<int> deviceCount() const override { return int(devices.size()); }
  absl::StatusOr<std::unique_ptr<GpuDevice>> open(int index) const override {
    return OpenClDevice::open(functions, devices[size_t(index)], index);
  }
  bool isProcessor(int index) const override {
    uint64_t type = 0;
    functions.getDeviceInfo(devices[size_t(index)], opencl::DeviceType, sizeof(type), &type,
                            nullptr);
    return !(type & opencl::TypeGpu);
  }

private:
  const OpenClDriver functions;
  const std::vector<opencl::Device> devices;
};

void *pointer(GpuAddress address) { return reinterpret_cast<void *>(address); }

} // namespace

absl::StatusOr<std::unique_ptr<GpuDriver>> loadOpenClDriver() {
  STC_ASSIGN_OR_RETURN(OpenClDriver functions, OpenClDriver::load());
  STC_ASSIGN_OR_RETURN(std::vector<opencl::Device> devices, functions.devices());
  return std::make_unique<OpenCl>(functions, std::move(devices));
}

absl::StatusOr<std::unique_ptr<OpenClDevice>> OpenClDevice::open(const OpenClDriver &driver,
                                                                 opencl::Device device, int index) {
  std::unique_ptr<OpenClDevice> opened(new OpenClDevice(driver));
  STC_RETURN_IF_ERROR(opened->initialize(device, index));
  return opened;
}

absl::Status OpenClDevice::check(const char *call, opencl::Result result) const {
  return OpenClDriver::check(props.label, call, result);
}

template <typename T> absl::StatusOr<T> OpenClDevice::number(opencl::DeviceInfo info) const {
  T value = 0;
  STC_RETURN_IF_ERROR(
      check("clGetDeviceInfo", driver.getDeviceInfo(device, info, sizeof(T), &value, nullptr)));
  return value;
}

absl::StatusOr<std::string> OpenClDevice::text(opencl::DeviceInfo info) const {
  char value[512] = "";
  size_t size = 0;
  opencl::Result result = driver.getDeviceInfo(device, info, 0, nullptr, &size);
  // What a device of an older version does not know is as good as empty.
  if (result == opencl::InvalidValue || (result == opencl::Success && size > sizeof(value)))
    return std::string();
  STC_RETURN_IF_ERROR(check("clGetDeviceInfo", result));
  STC_RETURN_IF_ERROR(
      check("clGetDeviceInfo", driver.getDeviceInfo(device, info, size, value, nullptr)));
  value[sizeof(value) - 1] = '\0';
  return printable(value);
}

absl::Status OpenClDevice::initialize(opencl::Device id, int index) {
  device = id;
  props.id = absl::StrCat("opencl:", index);
  props.label = absl::StrCat("OpenCL device ", index);
  STC_ASSIGN_OR_RETURN(props.name, text(opencl::DeviceName));
  absl::StrAppend(&props.label, " (", props.name, ")");
  STC_ASSIGN_OR_RETURN(std::string version, text(opencl::DriverVersion));
  STC_ASSIGN_OR_RETURN(std::string standard, text(opencl::DeviceVersion));
  props.driver = standard.substr(0, standard.find(' ', sizeof("OpenCL"))) + ", driver " + version;
  STC_RETURN_IF_ERROR(checkFeatures());
  STC_ASSIGN_OR_RETURN(uint32_t units, number<uint32_t>(opencl::MaxComputeUnits));
  props.multiprocessors = int(units);
  STC_ASSIGN_OR_RETURN(props.blockSharedBytes, number<uint64_t>(opencl::LocalMemSize));
  STC_ASSIGN_OR_RETURN(props.totalBytes, number<uint64_t>(opencl::GlobalMemSize));
  STC_ASSIGN_OR_RETURN(largestBytes, number<uint64_t>(opencl::MaxMemAllocSize));
  opencl::Result result = opencl::Success;
  context = driver.createContext(nullptr, 1, &device, nullptr, nullptr, &result);
  STC_RETURN_IF_ERROR(check("clCreateContext", result));
  queue = driver.createQueue(context, device, nullptr, &result); // in order
  STC_RETURN_IF_ERROR(check("clCreateCommandQueueWithProperties", result));
  STC_ASSIGN_OR_RETURN(GpuAddress memory, allocate(sizeof(StcFrame), "the frame"));
  frames = pointer(memory);
  return absl::OkStatus();
}

absl::Status OpenClDevice::checkFeatures() {
  STC_ASSIGN_OR_RETURN(std::string languages, text(opencl::IlVersion));
  props.architecture = languages.empty() ? "no SPIR-V" : languages;
  if (!absl::StrContains(languages, "SPIR-V_1."))
    return formatError({props.label, "intermediate language", {}},
                       "a device that takes SPIR-V 1.2 (CL_DEVICE_IL_VERSION)",
                       languages.empty() ? "none" : languages);
  uint64_t sharing = 0;
  // Devices of OpenCL 1 do not know the question.
  if (driver.getDeviceInfo(device, opencl::SvmCapabilities, sizeof(sharing), &sharing, nullptr) !=
          opencl::Success ||
      !(sharing & opencl::SvmCoarseGrain))
    return formatError({props.label, "shared virtual memory", {}},
                       "a device with buffers of it (CL_DEVICE_SVM_COARSE_GRAIN_BUFFER)",
                       "one without");
  STC_ASSIGN_OR_RETURN(uint32_t bits, number<uint32_t>(opencl::AddressBits));
  if (bits != 64)
    return formatError({props.label, "addresses", {}}, "64 bits", absl::StrCat(bits));
  STC_ASSIGN_OR_RETURN(uint64_t doubles, number<uint64_t>(opencl::DoubleFpConfig));
  if (doubles == 0)
    return formatError({props.label, "f64", {}}, "a device that computes with it (cl_khr_fp64)",
                       "one without");
  return absl::OkStatus();
}

OpenClDevice::~OpenClDevice() {
  if (queue)
    driver.finish(queue);
  if (frames)
    release(reinterpret_cast<GpuAddress>(frames));
  for (opencl::Kernel kernel : kernels)
    driver.releaseKernel(kernel);
  for (opencl::Program program : programs)
    driver.releaseProgram(program);
  if (queue)
    driver.releaseQueue(queue);
  if (context)
    driver.releaseContext(context);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

/// OpenCL tells how much memory there is, but not how much is free.
absl::StatusOr<uint64_t> OpenClDevice::freeBytes() {
  uint64_t used = 0;
  for (const auto &allocation : allocations)
    used += allocation.second;
  return props.totalBytes - std::min(used, props.totalBytes);
}

absl::StatusOr<GpuAddress> OpenClDevice::allocate(uint64_t bytes, absl::string_view what) {
  ErrorSite site{props.label, std::string(what), {}};
  bytes = std::max<uint64_t>(bytes, 1); // there are no empty allocations
  if (bytes > largestBytes)
    return formatError(site, absl::StrCat("at most ", largestBytes, " bytes in one allocation"),
                       absl::StrCat(bytes));
  void *memory = driver.svmAlloc(context, /*flags: read and write*/ 1, size_t(bytes), 0);
  if (!memory)
    return formatError(site, absl::StrCat(bytes, " bytes of its memory to be free"),
                       "none from clSVMAlloc");
  auto address = reinterpret_cast<GpuAddress>(memory);
  allocations[address] = bytes;
  return address;
}

void OpenClDevice::release(GpuAddress address) {
  // Nothing may be under way that uses it.
  driver.finish(queue);
  allocations.erase(address);
  driver.svmFree(context, pointer(address));
}

absl::StatusOr<void *> OpenClDevice::allocateHost(uint64_t bytes, absl::string_view what) {
  // OpenCL pins memory only together with memory of a device.
  constexpr size_t alignment = 4096;
  size_t rounded = (size_t(std::max<uint64_t>(bytes, 1)) + alignment - 1) / alignment * alignment;
  void *memory = std::aligned_alloc(alignment, rounded);
  if (!memory)
    return formatError({props.label, std::string(what), {}},
                       absl::StrCat(bytes, " bytes of this machine's memory"), "none free");
  return memory;
}

void OpenClDevice::releaseHost(void *memory) { std::free(memory); }

absl::Status OpenClDevice::zero(GpuAddress to, uint64_t bytes) {
  if (bytes == 0)
    return absl::OkStatus();
  uint8_t zero = 0;
  return check("clEnqueueSVMMemFill", driver.enqueueSvmFill(queue, pointer(to), &zero, sizeof(zero),
                                                            bytes, 0, nullptr, nullptr));
}

absl::Status OpenClDevice::enqueueCopy(void *to, const void *from, uint64_t bytes) {
  if (bytes == 0)
    return absl::OkStatus();
  return check("clEnqueueSVMMemcpy",
               driver.enqueueSvmCopy(queue, /*blocking=*/0, to, from, bytes, 0, nullptr, nullptr));
}

absl::Status OpenClDevice::upload(GpuAddress to, const void *from, uint64_t bytes) {
  return enqueueCopy(pointer(to), from, bytes);
}

absl::Status OpenClDevice::download(void *to, GpuAddress from, uint64_t bytes) {
  return enqueueCopy(to, pointer(from), bytes);
}

absl::Status OpenClDevice::copy(GpuAddress to, GpuAddress from, uint64_t bytes) {
  return enqueueCopy(pointer(to), pointer(from), bytes);
}

absl::Status OpenClDevice::synchronize() { return check("clFinish", driver.finish(queue)); }

/// By this machine's clock: a device's own says nothing of copies that it leaves to others.
absl::StatusOr<double> OpenClDevice::measure(absl::FunctionRef<absl::Status()> enqueue) {
  STC_RETURN_IF_ERROR(synchronize());
  auto start = std::chrono::steady_clock::now();
  STC_RETURN_IF_ERROR(enqueue());
  STC_RETURN_IF_ERROR(synchronize());
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

} // namespace stc
