// Choosing a GPU for a model and bringing it there.
#include "stc/Runtime/Gpu/GpuModel.h"

#include "stc/Runtime/Gpu/CudaDevice.h"
#include "stc/Support/Progress.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace stc {

namespace {

/// How many blocks may run: STC_GPU_BLOCKS, else as many as fit.
absl::StatusOr<unsigned> mostBlocks() {
  const char *variable = std::getenv("STC_GPU_BLOCKS");
  if (!variable || !*variable)
    return UINT_MAX;
  int blocks = 0;
  if (!absl::SimpleAtoi(variable, &blocks) || blocks < 1)
    return formatError({"", "STC_GPU_BLOCKS", {}}, "a number of blocks, at least 1", variable);
  return unsigned(blocks);
}

} // namespace

absl::Status GpuModel::checkMemory() {
  TextSizes sizes(settings());
  uint64_t weightBytes = bundle.weights().size(), needed = weightBytes + sizes.total();
  STC_ASSIGN_OR_RETURN(uint64_t free, gpu->freeBytes());
  if (needed <= free)
    return absl::OkStatus();
  return formatError({bundle.path(), "memory of " + properties().label, {}},
                     absl::StrCat("at least ", needed, " bytes free (weights ", weightBytes,
                                  ", KV cache ", sizes.caches(), ", scratch space ",
                                  needed - weightBytes - sizes.caches(), ")"),
                     absl::StrCat(free, " of ", properties().totalBytes, " bytes"));
}

absl::Status GpuModel::openOn(int index, const CudaDriver &driver,
                              absl::Span<const StcGpuImage> images) {
  STC_ASSIGN_OR_RETURN(unsigned blocks, mostBlocks());
  STC_ASSIGN_OR_RETURN(gpu, CudaDevice::open(driver, index));
  auto image = std::find_if(images.begin(), images.end(),
                            [&](const StcGpuImage &candidate) { return gpu->runs(candidate); });
  if (image == images.end()) {
    auto name = [](std::string *out, const StcGpuImage &candidate) { *out += candidate.target; };
    return formatError(
        {bundle.path(), properties().label, {}},
        absl::StrCat("a device that runs code for ", absl::StrJoin(images, " or ", name)),
        absl::StrCat("one of ", properties().architecture));
  }
  chosen = *image;
  STC_RETURN_IF_ERROR(checkMemory());
  STC_ASSIGN_OR_RETURN(functions, gpu->load(chosen, blocks));
  STC_ASSIGN_OR_RETURN(weightMemory,
                       GpuMemory::allocate(*gpu, bundle.weights().size(), "the weights"));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<GpuModel>> GpuModel::open(const Bundle &bundle,
                                                         absl::Span<const StcGpuImage> images,
                                                         const DeviceChoice &choice) {
  STC_ASSIGN_OR_RETURN(CudaDriver driver, CudaDriver::load());
  STC_ASSIGN_OR_RETURN(int count, driver.deviceCount());
  if (count == 0)
    return absl::NotFoundError(
        formatError({"device cuda", "", {}}, "a GPU that its driver knows", "none").message());
  if (choice.index && *choice.index >= count)
    return formatError({"", absl::StrCat("device cuda:", *choice.index), {}},
                       absl::StrCat("a GPU from 0 to ", count - 1), absl::StrCat(*choice.index));
  absl::Status first;
  int begin = choice.index.value_or(0), end = choice.index ? begin + 1 : count;
  for (int index = begin; index < end; ++index) {
    std::unique_ptr<GpuModel> model(new GpuModel(bundle));
    absl::Status status = model->openOn(index, driver, images);
    if (status.ok())
      return model;
    if (first.ok())
      first = status;
  }
  return first;
}

absl::Status uploadInPieces(GpuDevice &device, GpuAddress to, absl::Span<const uint8_t> bytes,
                            uint64_t pieceBytes, ThreadPool &pool,
                            absl::FunctionRef<void(uint64_t)> done) {
  pieceBytes = std::min<uint64_t>(pieceBytes, bytes.size());
  PinnedMemory buffers[2];
  for (PinnedMemory &buffer : buffers) {
    STC_ASSIGN_OR_RETURN(buffer, PinnedMemory::allocate(device, pieceBytes, "the weights"));
  }
  size_t next = 0;
  for (uint64_t at = 0; at < bytes.size(); at += pieceBytes, next ^= 1) {
    absl::Span<const uint8_t> piece = bytes.subspan(at, pieceBytes);
    auto *buffer = static_cast<uint8_t *>(buffers[next].data());
    // One thread copies slower than a device takes it.
    pool.run([&](int64_t thread, int64_t threads) {
      size_t begin = piece.size() * size_t(thread) / size_t(threads);
      size_t end = piece.size() * size_t(thread + 1) / size_t(threads);
      std::memcpy(buffer + begin, piece.data() + begin, end - begin);
    });
    // The other buffer is then free: it is filled while this one is read.
    STC_RETURN_IF_ERROR(device.synchronize());
    STC_RETURN_IF_ERROR(device.upload(to + at, buffer, piece.size()));
    done(piece.size());
  }
  return device.synchronize();
}

absl::Status GpuModel::uploadWeights(ThreadPool &pool, bool progress) {
  constexpr uint64_t pieceBytes = 64 << 20;
  constexpr auto patience = std::chrono::seconds(1);
  auto start = std::chrono::steady_clock::now();
  std::unique_ptr<Progress> line;
  uint64_t total = bundle.weights().size(), sent = 0;
  STC_RETURN_IF_ERROR(uploadInPieces(
      *gpu, weightMemory.address(), bundle.weights(), pieceBytes, pool, [&](uint64_t bytes) {
        sent += bytes;
        if (progress && !line && std::chrono::steady_clock::now() - start > patience) {
          line = std::make_unique<Progress>("load " + properties().label, total);
          line->advance(sent);
        } else if (line) {
          line->advance(bytes);
        }
      }));
  if (line)
    line->finish();
  return absl::OkStatus();
}

} // namespace stc
