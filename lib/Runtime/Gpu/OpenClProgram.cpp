// SPIR-V modules on a device of OpenCL: building them and launching their kernels.
#include "stc/Runtime/Gpu/OpenClDevice.h"

#include "stc/Support/Error.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <climits>

namespace stc {

bool OpenClDevice::runs(const StcGpuImage &image) const {
  return absl::string_view(image.format) == "spirv";
}

absl::StatusOr<opencl::Program> OpenClDevice::build(const StcGpuImage &image) {
  ErrorSite site{props.label, absl::StrCat("code for ", image.target), {}};
  opencl::Result result = opencl::Success;
  opencl::Program program =
      driver.createProgramWithIl(context, image.bytes, size_t(image.size), &result);
  if (result != opencl::Success)
    return formatError(site, "a module that clCreateProgramWithIL takes",
                       OpenClDriver::describe(result));
  programs.push_back(program);
  result = driver.buildProgram(program, 1, &device, nullptr, nullptr, nullptr);
  if (result == opencl::Success)
    return program;
  std::string log(1 << 16, '\0');
  size_t size = 0;
  if (driver.getProgramBuildInfo(program, device, opencl::BuildLog, log.size(), log.data(),
                                 &size) != opencl::Success)
    size = 0;
  log.resize(std::min(size, log.size()));
  // The first line, and what a heading is followed by.
  absl::string_view said = absl::StripAsciiWhitespace(absl::string_view(log.c_str()));
  size_t end = said.find('\n');
  if (end != absl::string_view::npos &&
      absl::EndsWith(absl::StripTrailingAsciiWhitespace(said.substr(0, end)), ":"))
    end = said.find('\n', end + 1);
  std::string reason = absl::StrReplaceAll(said.substr(0, end), {{"\n", ""}});
  return formatError(
      site, "a module that clBuildProgram builds",
      absl::StrCat(OpenClDriver::describe(result), reason.empty() ? "" : ": ", printable(reason)));
}

absl::StatusOr<GpuFunction> OpenClDevice::prepare(opencl::Program program, const StcGpuImage &image,
                                                  const char *name, unsigned maxBlocks) {
  ErrorSite site{props.label, name, {}};
  opencl::Result result = opencl::Success;
  opencl::Kernel kernel = driver.createKernel(program, name, &result);
  if (result != opencl::Success)
    return formatError(site, absl::StrCat("a function of the code for ", image.target),
                       OpenClDriver::describe(result));
  kernels.push_back(kernel);
  size_t mostThreads = 0;
  STC_RETURN_IF_ERROR(
      check("clGetKernelWorkGroupInfo",
            driver.getKernelWorkGroupInfo(kernel, device, opencl::KernelWorkGroupSize,
                                          sizeof(mostThreads), &mostThreads, nullptr)));
  if (image.block_threads == 0 || image.block_threads > mostThreads)
    return formatError(site, absl::StrCat("blocks of ", image.block_threads, " threads"),
                       absl::StrCat("at most ", mostThreads, " of this function"));
  GpuFunction ready;
  ready.handle = kernel;
  // OpenCL promises of no two blocks that they run at the same time, and they wait for each other.
  ready.blocks = maxBlocks == UINT_MAX ? 1 : maxBlocks;
  ready.blockThreads = unsigned(image.block_threads);
  return ready;
}

absl::StatusOr<GpuProgram> OpenClDevice::load(const StcGpuImage &image, GpuProgramKind kind,
                                              unsigned maxBlocks) {
  if (image.shared_bytes > props.blockSharedBytes)
    return formatError({props.label, absl::StrCat("code for ", image.target), {}},
                       absl::StrCat(image.shared_bytes, " bytes of local memory for a block"),
                       absl::StrCat("at most ", props.blockSharedBytes));
  STC_ASSIGN_OR_RETURN(opencl::Program program, build(image));
  return prepareProgram(image, kind,
                        [&](const char *name) { return prepare(program, image, name, maxBlocks); });
}

absl::Status OpenClDevice::launch(const GpuFunction &function, const StcFrame &frame) {
  auto *kernel = static_cast<opencl::Kernel>(function.handle);
  constexpr uint64_t syncBytes = 64;
  STC_RETURN_IF_ERROR(zero(reinterpret_cast<GpuAddress>(frame.sync), syncBytes));
  // Blocking, as the frame is the caller's.
  STC_RETURN_IF_ERROR(
      check("clEnqueueSVMMemcpy", driver.enqueueSvmCopy(queue, /*blocking=*/1, frames, &frame,
                                                        sizeof(frame), 0, nullptr, nullptr)));
  STC_RETURN_IF_ERROR(check("clSetKernelArgSVMPointer", driver.setKernelArgSvm(kernel, 0, frames)));
  // What the frame points to.
  std::vector<void *> reached;
  for (const auto &allocation : allocations)
    reached.push_back(reinterpret_cast<void *>(allocation.first));
  STC_RETURN_IF_ERROR(
      check("clSetKernelExecInfo",
            driver.setKernelExecInfo(kernel, opencl::SvmPointers, reached.size() * sizeof(void *),
                                     reached.data())));
  size_t blockThreads = function.blockThreads, threads = blockThreads * function.blocks;
  return check("clEnqueueNDRangeKernel", driver.enqueueKernel(queue, kernel, 1, nullptr, &threads,
                                                              &blockThreads, 0, nullptr, nullptr));
}

} // namespace stc
