// Parsing where a model shall run.
#include "stc/Runtime/Gpu/DeviceChoice.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cstdlib>

namespace stc {

namespace {

/// Digits alone: SimpleAtoi would take signs and spaces too.
bool isNumber(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

} // namespace

std::string deviceChoices() {
  std::string text = "auto, cpu";
  for (const GpuDriverKind &kind : gpuDriverKinds())
    absl::StrAppend(&text, ", ", kind.name, &kind == &gpuDriverKinds().back() ? " or " : ", ",
                    kind.name, ":N");
  return text;
}

std::optional<DeviceChoice> parseDeviceChoice(absl::string_view text) {
  DeviceChoice choice;
  if (text == "auto")
    return choice;
  if (text == "cpu") {
    choice.kind = DeviceChoice::Kind::Cpu;
    return choice;
  }
  choice.kind = DeviceChoice::Kind::Gpu;
  size_t colon = text.find(':');
  choice.driver = findGpuDriverKind(text.substr(0, colon));
  if (!choice.driver)
    return std::nullopt;
  if (colon == absl::string_view::npos)
    return choice;
  absl::string_view number = text.substr(colon + 1);
  int index = 0;
  if (!isNumber(number) || !absl::SimpleAtoi(number, &index))
    return std::nullopt;
  choice.index = index;
  return choice;
}

uint64_t MemoryLimit::of(uint64_t total) const {
  return bytes ? *bytes : uint64_t(part * double(total));
}

std::optional<MemoryLimit> parseMemoryLimit(absl::string_view text) {
  MemoryLimit limit;
  if (absl::ConsumeSuffix(&text, "%")) {
    double percent = 0;
    if (text.empty() || !absl::ascii_isdigit(text[0]) || !absl::SimpleAtod(text, &percent) ||
        !(percent > 0 && percent <= 100))
      return std::nullopt;
    limit.part = percent / 100;
    return limit;
  }
  constexpr absl::string_view units = "KMG";
  size_t unit = text.empty() ? units.npos : units.find(text.back());
  if (unit != units.npos)
    text.remove_suffix(1);
  uint64_t count = 0, factor = unit == units.npos ? 1 : uint64_t(1) << (10 * (unit + 1)), bytes = 0;
  if (!isNumber(text) || !absl::SimpleAtoi(text, &count) || count == 0 ||
      __builtin_mul_overflow(count, factor, &bytes))
    return std::nullopt;
  limit.bytes = bytes;
  return limit;
}

namespace {

/// An option, or the environment variable in its place, and which of them an error is about.
struct Wish {
  Wish(const std::string &option, const char *name, const char *variable)
      : text(option), name(option.empty() ? variable : name) {
    if (const char *value = std::getenv(variable); value && option.empty())
      text = value;
  }
  std::string text, name;
};

} // namespace

absl::StatusOr<DeviceChoice> requestedDevice(const std::string &option, const std::string &memory) {
  Wish device(option, "device", "STC_DEVICE"), limit(memory, "device-memory", "STC_GPU_MEMORY");
  DeviceChoice choice;
  if (!device.text.empty()) {
    std::optional<DeviceChoice> parsed = parseDeviceChoice(device.text);
    if (!parsed)
      return formatError({"", device.name, {}}, deviceChoices(), device.text);
    choice = *parsed;
  }
  if (!limit.text.empty()) {
    choice.limit = parseMemoryLimit(limit.text);
    if (!choice.limit)
      return formatError({"", limit.name, {}}, kMemoryLimits, limit.text);
  }
  return choice;
}

} // namespace stc
