// A GPU of AMD: finding out what it is, and which images run on it.
#include "stc/Runtime/Gpu/HipDevice.h"

#include "absl/strings/strip.h"

#include <algorithm>

namespace stc {

namespace {

class Hip final : public GpuDriver {
public:
  explicit Hip(const HipDriver &functions) : functions(functions) {}
  absl::StatusOr<int> deviceCount() const override { return functions.deviceCount(); }
  absl::StatusOr<std::unique_ptr<GpuDevice>> open(int index) const override {
    return HipDevice::open(functions, index);
  }

private:
  const HipDriver functions;
};

/// A text that may fill its array.
template <size_t size> std::string textOf(const char (&text)[size]) {
  return std::string(text, std::find(text, text + size, '\0'));
}

} // namespace

absl::StatusOr<std::unique_ptr<GpuDriver>> loadHipDriver() {
  STC_ASSIGN_OR_RETURN(HipDriver functions, HipDriver::load());
  return std::make_unique<Hip>(functions);
}

bool hipImageRuns(absl::string_view target, absl::string_view format,
                  absl::string_view architecture) {
  return absl::ConsumePrefix(&target, "amdgpu-") && format == "hsaco" && !target.empty() &&
         target == architecture.substr(0, architecture.find(':'));
}

absl::StatusOr<std::unique_ptr<HipDevice>> HipDevice::open(const HipDriver &driver, int index) {
  std::unique_ptr<HipDevice> device(new HipDevice(driver, index));
  STC_RETURN_IF_ERROR(device->initialize());
  return device;
}

absl::Status HipDevice::initialize() {
  props.id = absl::StrCat("hip:", index);
  props.label = absl::StrCat("GPU ", index);
  auto properties = std::make_unique<hip::DeviceProperties>();
  STC_RETURN_IF_ERROR(
      check(Symbols::getDeviceProperties, driver.getDeviceProperties(properties.get(), index)));
  props.name = printable(textOf(properties->name));
  props.architecture = printable(textOf(properties->gcnArchName));
  absl::StrAppend(&props.label, " (", props.name, ")");
  STC_ASSIGN_OR_RETURN(std::string version, driver.version());
  props.driver = "HIP " + version;
  props.multiprocessors = properties->multiProcessorCount;
  props.blockSharedBytes = properties->sharedMemPerBlock;
  props.totalBytes = properties->totalGlobalMem;
  props.sharesMemory = properties->concurrentManagedAccess != 0;
  if (!properties->cooperativeLaunch)
    return formatError({props.label, "cooperative launch", {}},
                       "a device whose blocks can wait for each other", "one without");
  return createQueue();
}

HipDevice::~HipDevice() {
  if (enter().ok())
    close();
}

absl::Status HipDevice::enter() const { return check(Symbols::setDevice, driver.setDevice(index)); }

absl::StatusOr<hip::Module> HipDevice::loadModule(const StcGpuImage &image) {
  ErrorSite site{props.label, absl::StrCat("code for ", image.target), {}};
  absl::string_view bytes(reinterpret_cast<const char *>(image.bytes), image.size);
  constexpr size_t headerBytes = 64; // of a file of 64 bits, by which HIP finds its end
  if (bytes.size() < headerBytes || bytes.substr(0, 4) != "\x7F"
                                                          "ELF")
    return formatError(site, "a code object", absl::StrCat(image.size, " bytes of other data"));
  hip::Module module = nullptr;
  hip::Result result = driver.moduleLoadData(&module, image.bytes);
  if (result == hip::Success)
    return module;
  return formatError(
      site, absl::StrCat("an image that ", Symbols::moduleLoadData, " of ", props.driver, " loads"),
      driver.describe(result));
}

} // namespace stc
