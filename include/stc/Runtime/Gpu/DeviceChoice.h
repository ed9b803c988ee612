// What a user says about where a model runs: auto, cpu, cuda or cuda:N.
#ifndef STC_RUNTIME_GPU_DEVICECHOICE_H
#define STC_RUNTIME_GPU_DEVICECHOICE_H

#include "stc/Support/Error.h"

#include <optional>
#include <string>

namespace stc {

struct DeviceChoice {
  enum class Kind { Auto, Cpu, Cuda };
  Kind kind = Kind::Auto;
  std::optional<int> index; // of the GPU; none: the first that can
};

/// What can be said, for error messages.
constexpr const char *deviceChoices = "auto, cpu, cuda or cuda:N";

/// Parses a choice; none if it is not one of `deviceChoices`.
std::optional<DeviceChoice> parseDeviceChoice(absl::string_view text);

/// What `option` says, where it is empty what the environment variable STC_DEVICE says, else auto.
absl::StatusOr<DeviceChoice> requestedDevice(const std::string &option);

} // namespace stc

#endif // STC_RUNTIME_GPU_DEVICECHOICE_H
