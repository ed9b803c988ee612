// Choosing a GPU for a model and bringing it there.
#include "stc/Runtime/Gpu/GpuModel.h"

#include "stc/Packing/WeightReads.h"
#include "stc/Runtime/Memory.h"
#include "stc/Support/Progress.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <vector>

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

std::string targetsOf(absl::Span<const StcGpuImage> images) {
  auto name = [](std::string *out, const StcGpuImage &image) { *out += image.target; };
  return absl::StrJoin(images, " or ", name);
}

/// Copies with all threads: one copies slower than a device takes it.
void copyTogether(uint8_t *to, absl::Span<const uint8_t> from, ThreadPool &pool) {
  pool.run([&](int64_t thread, int64_t threads) {
    size_t begin = from.size() * size_t(thread) / size_t(threads);
    size_t end = from.size() * size_t(thread + 1) / size_t(threads);
    std::memcpy(to + begin, from.data() + begin, end - begin);
  });
}

} // namespace

absl::Status checkHostMemory(const std::string &file, uint64_t bytes, uint64_t available,
                             const std::string &device) {
  if (bytes <= available)
    return absl::OkStatus();
  return formatError(
      {file, "memory of this machine", {}},
      absl::StrCat(bytes, " bytes available (weights that ", device, " has no room for)"),
      absl::StrCat(available));
}

uint64_t GpuModel::reserveBytes(const DeviceChoice &choice) const {
  return choice.limit ? 0 : properties().totalBytes / 64;
}

absl::StatusOr<uint64_t> GpuModel::roomBytes(const DeviceChoice &choice) {
  STC_ASSIGN_OR_RETURN(uint64_t free, gpu->freeBytes());
  return choice.limit ? std::min(free, choice.limit->of(properties().totalBytes)) : free;
}

absl::Status GpuModel::tooLittleMemory(const DeviceChoice &choice, bool withWeights) {
  TextSizes sizes(settings());
  uint64_t weightBytes = withWeights ? bundle.weights().size() : 0;
  uint64_t reserve = withWeights ? 0 : reserveBytes(choice);
  STC_ASSIGN_OR_RETURN(uint64_t room, roomBytes(choice));
  std::string parts =
      absl::StrCat("KV cache ", sizes.caches(), ", scratch space ", sizes.total() - sizes.caches());
  return formatError(
      {bundle.path(), "memory of " + properties().label, {}},
      absl::StrCat("at least ", weightBytes + reserve + sizes.total(), " bytes free (",
                   withWeights ? absl::StrCat("weights ", weightBytes, ", ", parts)
                               : absl::StrCat(parts, ", reserve ", reserve,
                                              "; weights can stay in this machine's memory"),
                   ")"),
      absl::StrCat(room, " of ", properties().totalBytes, " bytes"));
}

absl::Status GpuModel::openOn(int index, const GpuDriver &driver,
                              absl::Span<const StcGpuImage> images) {
  STC_ASSIGN_OR_RETURN(gpu, driver.open(index));
  auto image = std::find_if(images.begin(), images.end(),
                            [&](const StcGpuImage &candidate) { return gpu->runs(candidate); });
  if (image == images.end()) {
    return formatError({bundle.path(), properties().label, {}},
                       absl::StrCat("a device that runs code for ", targetsOf(images)),
                       absl::StrCat("one of ", properties().architecture));
  }
  chosen = *image;
  return absl::OkStatus();
}

absl::Status GpuModel::load() {
  STC_ASSIGN_OR_RETURN(unsigned blocks, mostBlocks());
  GpuProgramKind kind{settings().kind, settings().featureSize > 0, settings().labelLogits > 0};
  STC_ASSIGN_OR_RETURN(functions, gpu->load(chosen, kind, blocks));
  return absl::OkStatus();
}

absl::Status GpuModel::takeWhole() {
  STC_RETURN_IF_ERROR(load());
  places = WeightPlacement::whole(bundle.weights().size());
  STC_ASSIGN_OR_RETURN(weightMemory,
                       GpuMemory::allocate(*gpu, bundle.weights().size(), "the weights"));
  return absl::OkStatus();
}

absl::Status GpuModel::takeInParts(const DeviceChoice &choice) {
  // Drivers move shared memory in pieces of this size.
  constexpr uint64_t pageBytes = 2 << 20;
  // Of what a token reads; with more on the bus, most processors are as fast.
  constexpr double worthwhile = 0.25;
  if (!properties().sharesMemory)
    return tooLittleMemory(choice, /*withWeights=*/true);
  STC_RETURN_IF_ERROR(load());
  STC_ASSIGN_OR_RETURN(uint64_t room, roomBytes(choice));
  uint64_t needed = TextSizes(settings()).total() + reserveBytes(choice);
  if (needed > room) // the least that would do
    return tooLittleMemory(choice, bundle.weights().size() <= reserveBytes(choice));
  STC_ASSIGN_OR_RETURN(std::vector<double> shares, weightReads(bundle));
  places =
      placeWeights(bundle.records(), shares, bundle.weights().size(), room - needed, pageBytes);
  if (choice.kind == DeviceChoice::Kind::Auto &&
      places.hostBytesPerToken > worthwhile * places.bytesPerToken)
    return tooLittleMemory(choice, /*withWeights=*/true);
  STC_RETURN_IF_ERROR(
      checkHostMemory(bundle.path(), places.hostBytes, availableMemoryBytes(), properties().label));
  STC_ASSIGN_OR_RETURN(weightMemory,
                       GpuMemory::allocateShared(*gpu, bundle.weights().size(), "the weights"));
  for (const WeightPlacement::Range &range : places.ranges)
    STC_RETURN_IF_ERROR(
        gpu->settle(weightMemory.address() + range.begin, range.bytes(), range.place));
  return gpu->synchronize();
}

absl::StatusOr<std::unique_ptr<GpuModel>> GpuModel::openWith(const GpuDriverKind &kind,
                                                             const Bundle &bundle,
                                                             absl::Span<const StcGpuImage> images,
                                                             const DeviceChoice &choice) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<GpuDriver> driver, kind.load());
  STC_ASSIGN_OR_RETURN(int count, driver->deviceCount());
  std::string site = absl::StrCat("device ", kind.name);
  if (count == 0)
    return absl::NotFoundError(
        formatError({site, "", {}}, "a GPU that its driver knows", "none").message());
  if (choice.index && *choice.index >= count)
    return formatError({"", absl::StrCat(site, ":", *choice.index), {}},
                       absl::StrCat("a GPU from 0 to ", count - 1), absl::StrCat(*choice.index));
  absl::Status first;
  std::vector<std::unique_ptr<GpuModel>> small; // those without room for all weights
  int begin = choice.index.value_or(0), end = choice.index ? begin + 1 : count;
  const uint64_t needed = bundle.weights().size() + TextSizes(bundle.settings().onGpu()).total();
  for (int index = begin; index < end; ++index) {
    if (!choice.driver && driver->isProcessor(index))
      continue;
    std::unique_ptr<GpuModel> model(new GpuModel(bundle));
    absl::Status status = model->openOn(index, *driver, images);
    absl::StatusOr<uint64_t> room = status.ok() ? model->roomBytes(choice) : status;
    status = room.status();
    if (room.ok() && *room < needed) {
      small.push_back(std::move(model));
      continue;
    }
    if (room.ok())
      status = model->takeWhole();
    if (status.ok())
      return model;
    if (first.ok())
      first = status;
  }
  for (std::unique_ptr<GpuModel> &model : small) {
    absl::Status status = model->takeInParts(choice);
    if (status.ok())
      return std::move(model);
    if (first.ok())
      first = status;
  }
  if (first.ok()) // processors alone
    return absl::NotFoundError(
        formatError({site, "", {}}, "a GPU that its driver knows", "processors alone").message());
  return first;
}

absl::StatusOr<std::unique_ptr<GpuModel>> GpuModel::open(const Bundle &bundle,
                                                         absl::Span<const StcGpuImage> images,
                                                         const DeviceChoice &choice) {
  absl::Status first;
  for (const GpuDriverKind &kind : gpuDriverKinds()) {
    if (choice.driver && choice.driver != &kind)
      continue;
    std::vector<StcGpuImage> taken;
    std::copy_if(images.begin(), images.end(), std::back_inserter(taken),
                 [&](const StcGpuImage &image) { return kind.takes(image); });
    if (taken.empty())
      continue;
    absl::StatusOr<std::unique_ptr<GpuModel>> model = openWith(kind, bundle, taken, choice);
    if (model.ok())
      return model;
    // A device that cannot says more than a driver that is not there.
    if (first.ok() || (absl::IsNotFound(first) && !absl::IsNotFound(model.status())))
      first = model.status();
  }
  if (!first.ok())
    return first;
  std::string site = choice.driver ? absl::StrCat("device ", choice.driver->name) : "device";
  std::string wanted = choice.driver ? absl::StrCat("for ", choice.driver->targets, "...")
                                     : std::string("that a driver takes");
  return formatError({bundle.path(), site, {}}, absl::StrCat("code ", wanted), targetsOf(images));
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
    copyTogether(buffer, piece, pool);
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
  auto done = [&](uint64_t bytes) {
    sent += bytes;
    if (progress && !line && std::chrono::steady_clock::now() - start > patience) {
      line = std::make_unique<Progress>("load " + properties().label, total);
      line->advance(sent);
    } else if (line) {
      line->advance(bytes);
    }
  };
  for (const WeightPlacement::Range &range : places.ranges) {
    absl::Span<const uint8_t> bytes = bundle.weights().subspan(range.begin, range.bytes());
    if (range.place == GpuPlace::Device) {
      STC_RETURN_IF_ERROR(uploadInPieces(*gpu, weightMemory.address() + range.begin, bytes,
                                         pieceBytes, pool, done));
      continue;
    }
    for (uint64_t at = 0; at < bytes.size(); at += pieceBytes) {
      absl::Span<const uint8_t> piece = bytes.subspan(at, pieceBytes);
      copyTogether(weightMemory.data() + range.begin + at, piece, pool);
      done(piece.size());
    }
  }
  if (line)
    line->finish();
  return absl::OkStatus();
}

} // namespace stc
