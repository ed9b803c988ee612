// A device of OpenCL: its memory, which kernels reach by plain addresses (shared virtual memory),
// and its queue of work.
#ifndef STC_RUNTIME_GPU_OPENCLDEVICE_H
#define STC_RUNTIME_GPU_OPENCLDEVICE_H

#include "stc/Runtime/Gpu/GpuDevice.h"
#include "stc/Runtime/Gpu/OpenClDriver.h"

#include <map>
#include <vector>

namespace stc {

class OpenClDevice final : public GpuDevice {
public:
  /// Opens a device, number `index` of all. Errors: the driver's, or a device that lacks what
  /// kernels need: SPIR-V, shared virtual memory, 64-bit addresses, f64.
  static absl::StatusOr<std::unique_ptr<OpenClDevice>> open(const OpenClDriver &driver,
                                                            opencl::Device device, int index);
  ~OpenClDevice() override;
  OpenClDevice(const OpenClDevice &) = delete;
  OpenClDevice &operator=(const OpenClDevice &) = delete;

  bool runs(const StcGpuImage &image) const override;
  absl::StatusOr<uint64_t> freeBytes() override;
  absl::StatusOr<GpuProgram> load(const StcGpuImage &image, GpuProgramKind kind,
                                  unsigned maxBlocks) override;
  absl::StatusOr<GpuAddress> allocate(uint64_t bytes, absl::string_view what) override;
  void release(GpuAddress address) override;
  absl::StatusOr<void *> allocateHost(uint64_t bytes, absl::string_view what) override;
  void releaseHost(void *memory) override;
  absl::Status zero(GpuAddress to, uint64_t bytes) override;
  absl::Status upload(GpuAddress to, const void *from, uint64_t bytes) override;
  absl::Status download(void *to, GpuAddress from, uint64_t bytes) override;
  absl::Status copy(GpuAddress to, GpuAddress from, uint64_t bytes) override;
  absl::Status launch(const GpuFunction &function, const StcFrame &frame) override;
  absl::Status synchronize() override;
  absl::StatusOr<double> measure(absl::FunctionRef<absl::Status()> enqueue) override;

private:
  explicit OpenClDevice(const OpenClDriver &driver) : driver(driver) {}
  absl::Status initialize(opencl::Device device, int index);
  absl::Status checkFeatures();
  absl::Status check(const char *call, opencl::Result result) const;
  template <typename T> absl::StatusOr<T> number(opencl::DeviceInfo info) const;
  absl::StatusOr<std::string> text(opencl::DeviceInfo info) const;
  absl::StatusOr<opencl::Program> build(const StcGpuImage &image);
  absl::StatusOr<GpuFunction> prepare(opencl::Program program, const StcGpuImage &image,
                                      const char *name, unsigned maxBlocks);
  absl::Status enqueueCopy(void *to, const void *from, uint64_t bytes);

  const OpenClDriver driver;
  opencl::Device device = nullptr;
  opencl::Context context = nullptr;
  opencl::Queue queue = nullptr;
  std::vector<opencl::Program> programs;
  std::vector<opencl::Kernel> kernels;
  std::map<GpuAddress, uint64_t> allocations; // their bytes
  void *frames = nullptr;                     // where a launch finds its frame
  uint64_t largestBytes = 0;                  // of one allocation
};

} // namespace stc

#endif // STC_RUNTIME_GPU_OPENCLDEVICE_H
