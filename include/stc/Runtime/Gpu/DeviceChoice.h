// What a user says about where a model runs: auto, cpu, or a driver's name with or without a number
// (cuda, cuda:N).
#ifndef STC_RUNTIME_GPU_DEVICECHOICE_H
#define STC_RUNTIME_GPU_DEVICECHOICE_H

#include "stc/Runtime/Gpu/GpuDriver.h"
#include "stc/Support/Error.h"

#include <optional>
#include <string>

namespace stc {

/// How much of a device's memory a model may take: bytes, or a part of what there is in all.
struct MemoryLimit {
  std::optional<uint64_t> bytes; // else the part
  double part = 1;
  uint64_t of(uint64_t total) const;
};

/// What can be said of it, for error messages.
constexpr const char *kMemoryLimits = "bytes (also 500M or 8G, of 1024) or a part such as 50%";

/// Parses a limit: a whole number of bytes, also with K, M or G behind it, or a percentage up to
/// 100. None if it is neither, or nothing at all.
std::optional<MemoryLimit> parseMemoryLimit(absl::string_view text);

struct DeviceChoice {
  enum class Kind { Auto, Cpu, Gpu };
  Kind kind = Kind::Auto;
  const GpuDriverKind *driver = nullptr; // of a GPU; null: whichever has one that can
  std::optional<int> index;              // of the GPU; none: the first that can
  std::optional<MemoryLimit> limit;      // none: what is free
};

/// What can be said, for error messages: "auto, cpu, cuda, cuda:N, hip or hip:N".
std::string deviceChoices();

/// Parses a choice; none if it is not one of `deviceChoices`.
std::optional<DeviceChoice> parseDeviceChoice(absl::string_view text);

/// What `option` says, where it is empty what the environment variable STC_DEVICE says, else auto.
/// `memory` and STC_GPU_MEMORY do the same for the limit.
absl::StatusOr<DeviceChoice> requestedDevice(const std::string &option, const std::string &memory);

} // namespace stc

#endif // STC_RUNTIME_GPU_DEVICECHOICE_H
