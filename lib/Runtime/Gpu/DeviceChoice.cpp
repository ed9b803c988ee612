// Parsing where a model shall run.
#include "stc/Runtime/Gpu/DeviceChoice.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cstdlib>

namespace stc {

std::optional<DeviceChoice> parseDeviceChoice(absl::string_view text) {
  DeviceChoice choice;
  if (text == "auto")
    return choice;
  if (text == "cpu") {
    choice.kind = DeviceChoice::Kind::Cpu;
    return choice;
  }
  choice.kind = DeviceChoice::Kind::Cuda;
  absl::string_view number = text;
  int index = 0;
  if (text == "cuda")
    return choice;
  // Digits alone: SimpleAtoi would take signs and spaces too.
  if (absl::ConsumePrefix(&number, "cuda:") && !number.empty() &&
      std::all_of(number.begin(), number.end(), absl::ascii_isdigit) &&
      absl::SimpleAtoi(number, &index)) {
    choice.index = index;
    return choice;
  }
  return std::nullopt;
}

absl::StatusOr<DeviceChoice> requestedDevice(const std::string &option) {
  const char *variable = std::getenv("STC_DEVICE");
  std::string text = option.empty() && variable ? variable : option;
  if (text.empty())
    return DeviceChoice();
  if (std::optional<DeviceChoice> choice = parseDeviceChoice(text))
    return *choice;
  return formatError({"", option.empty() ? "STC_DEVICE" : "device", {}}, deviceChoices, text);
}

} // namespace stc
