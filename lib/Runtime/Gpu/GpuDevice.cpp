// Memory of a device, owned, and the functions of a program.
#include "stc/Runtime/Gpu/GpuDevice.h"

#include "stc/Support/Error.h"

#include <algorithm>
#include <limits>

namespace stc {

namespace {

absl::Status sharesNothing(const GpuProperties &properties) {
  return formatError({properties.label, "memory", {}},
                     "a device that shares addresses with this machine", "one that does not");
}

} // namespace

absl::StatusOr<GpuAddress> GpuDevice::allocateShared(uint64_t /*bytes*/,
                                                     absl::string_view /*what*/) {
  return sharesNothing(props);
}

absl::Status GpuDevice::settle(GpuAddress /*from*/, uint64_t /*bytes*/, GpuPlace /*place*/) {
  return sharesNothing(props);
}

absl::StatusOr<GpuMemory> GpuMemory::allocate(GpuDevice &device, uint64_t bytes,
                                              absl::string_view what) {
  GpuMemory memory;
  STC_ASSIGN_OR_RETURN(memory.start, device.allocate(bytes, what));
  memory.device = &device;
  return memory;
}

absl::StatusOr<GpuMemory> GpuMemory::allocateShared(GpuDevice &device, uint64_t bytes,
                                                    absl::string_view what) {
  GpuMemory memory;
  STC_ASSIGN_OR_RETURN(memory.start, device.allocateShared(bytes, what));
  memory.device = &device;
  return memory;
}

GpuMemory::~GpuMemory() {
  if (device)
    device->release(start);
}

absl::StatusOr<PinnedMemory> PinnedMemory::allocate(GpuDevice &device, uint64_t bytes,
                                                    absl::string_view what) {
  PinnedMemory memory;
  STC_ASSIGN_OR_RETURN(memory.start, device.allocateHost(bytes, what));
  memory.device = &device;
  return memory;
}

PinnedMemory::~PinnedMemory() {
  if (device)
    device->releaseHost(start);
}

const GpuFunction &GpuProgram::prefillOf(int64_t tokens) const {
  for (const auto &[most, function] : prefillOfFew)
    if (tokens <= most)
      return function;
  return prefill;
}

absl::StatusOr<GpuProgram>
prepareProgram(const StcGpuImage &image, GpuProgramKind kind,
               absl::FunctionRef<absl::StatusOr<GpuFunction>(const char *name)> prepare) {
  GpuProgram program;
  bool decodes = kind.kind != ModelKind::Encoder;
  bool encodes = kind.kind == ModelKind::EncoderDecoder;
  struct {
    GpuFunction &function;
    const char *name;
    bool exists;
  } functions[] = {{program.prefill, "stc_model_prefill", true},
                   {program.decode, "stc_model_decode", decodes},
                   {program.score, "stc_model_score", decodes || kind.hasLabels},
                   {program.encode, "stc_model_encode", encodes},
                   {program.stem, "stc_model_stem", encodes && kind.readsFeatures}};
  unsigned blocks = std::numeric_limits<unsigned>::max();
  for (auto &entry : functions) {
    if (!entry.exists)
      continue;
    STC_ASSIGN_OR_RETURN(entry.function, prepare(entry.name));
    blocks = std::min(blocks, entry.function.blocks);
  }
  for (uint64_t tokens : image.few_tokens) {
    if (tokens == 0)
      break;
    STC_ASSIGN_OR_RETURN(GpuFunction function,
                         prepare(absl::StrCat("stc_model_prefill_", tokens).c_str()));
    blocks = std::min(blocks, function.blocks);
    program.prefillOfFew.emplace_back(int64_t(tokens), function);
  }
  for (auto &entry : functions)
    entry.function.blocks = blocks;
  for (auto &entry : program.prefillOfFew)
    entry.second.blocks = blocks;
  return program;
}

} // namespace stc
