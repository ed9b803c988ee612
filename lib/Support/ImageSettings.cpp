// Image settings as text.
#include "stc/Support/ImageSettings.h"

#include "stc/Support/Error.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include <cmath>
#include <map>

namespace stc {

namespace {

constexpr int64_t kMostLabels = 1 << 20;

struct IntegerField {
  absl::string_view key;
  int64_t ImageSettings::*member;
  int64_t lowest, highest;
};
constexpr IntegerField kIntegers[] = {
    {"height", &ImageSettings::height, 1, kLargestImageSize},
    {"width", &ImageSettings::width, 1, kLargestImageSize},
    {"patch_height", &ImageSettings::patchHeight, 1, kLargestImageSize},
    {"patch_width", &ImageSettings::patchWidth, 1, kLargestImageSize},
    {"channels", &ImageSettings::channels, 3, 3},
    {"class_tokens", &ImageSettings::classTokens, 1, 2},
    {"classifiers", &ImageSettings::classifiers, 0, 2},
    {"resize_height", &ImageSettings::resizeHeight, 0, kLargestImageSize},
    {"resize_width", &ImageSettings::resizeWidth, 0, kLargestImageSize},
    {"shortest_edge", &ImageSettings::shortestEdge, 0, kLargestImageSize},
    {"crop_height", &ImageSettings::cropHeight, 0, kLargestImageSize},
    {"crop_width", &ImageSettings::cropWidth, 0, kLargestImageSize},
};

struct NumbersField {
  absl::string_view key;
  std::vector<double> ImageSettings::*member;
};
constexpr NumbersField kNumbers[] = {{"mean", &ImageSettings::mean},
                                     {"deviation", &ImageSettings::deviation}};

std::string exact(double value) { return absl::StrFormat("%.17g", value); }

/// The values of a line `key=value ...`, each to be taken once.
class Values {
public:
  explicit Values(absl::string_view line) {
    for (absl::string_view part : absl::StrSplit(line, ' ')) {
      std::pair<absl::string_view, absl::string_view> split =
          absl::StrSplit(part, absl::MaxSplits('=', 1));
      isMalformed |= !values.emplace(split).second;
    }
  }

  absl::Status integer(absl::string_view key, int64_t lowest, int64_t highest, int64_t &value) {
    absl::string_view text = take(key);
    if (absl::SimpleAtoi(text, &value) && value >= lowest && value <= highest)
      return absl::OkStatus();
    return error(key, absl::StrCat("a number from ", lowest, " to ", highest), text);
  }

  absl::Status numbers(absl::string_view key, size_t count, std::vector<double> &result) {
    absl::string_view text = take(key);
    result.clear();
    for (absl::string_view part : absl::StrSplit(text, ',')) {
      double value = 0;
      if (!absl::SimpleAtod(part, &value) || !std::isfinite(value))
        return error(key, "finite numbers", text);
      result.push_back(value);
    }
    return result.size() == count ? absl::OkStatus()
                                  : error(key, absl::StrCat(count, " numbers"), text);
  }

  absl::Status finish() const {
    if (values.empty() && !isMalformed)
      return absl::OkStatus();
    return error("keys", "known ones, each once",
                 values.empty() ? absl::string_view("one twice") : values.begin()->first);
  }

  static absl::Status error(absl::string_view key, absl::string_view expected,
                            absl::string_view got) {
    return formatError({"", absl::StrCat("image settings: ", key), {}}, expected,
                       absl::StrCat("'", printable(got), "'"));
  }

private:
  absl::string_view take(absl::string_view key) {
    auto found = values.find(key);
    if (found == values.end())
      return "";
    absl::string_view text = found->second;
    values.erase(found);
    return text;
  }
  std::map<absl::string_view, absl::string_view> values;
  bool isMalformed = false;
};

} // namespace

std::string formatImageSettings(const ImageSettings &settings) {
  std::vector<std::string> parts;
  for (const IntegerField &field : kIntegers)
    parts.push_back(absl::StrCat(field.key, "=", settings.*field.member));
  parts.push_back(absl::StrCat("multi_label=", int(settings.isMultiLabel)));
  parts.push_back(absl::StrCat("resample=", int(settings.resample)));
  parts.push_back(absl::StrCat("labels=", settings.labels.size()));
  parts.push_back(absl::StrCat("rescale=", exact(settings.rescale)));
  for (const NumbersField &field : kNumbers)
    parts.push_back(
        absl::StrCat(field.key, "=",
                     absl::StrJoin(settings.*field.member, ",",
                                   [](std::string *out, double value) { *out += exact(value); })));
  std::string text = absl::StrJoin(parts, " ");
  for (const std::string &label : settings.labels)
    absl::StrAppend(&text, "\n", label);
  return text;
}

absl::StatusOr<ImageSettings> parseImageSettings(absl::string_view text) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  Values values(lines.front());
  ImageSettings settings;
  for (const IntegerField &field : kIntegers)
    STC_RETURN_IF_ERROR(
        values.integer(field.key, field.lowest, field.highest, settings.*field.member));
  int64_t isMultiLabel = 0, resample = 0, labels = 0;
  STC_RETURN_IF_ERROR(values.integer("multi_label", 0, 1, isMultiLabel));
  STC_RETURN_IF_ERROR(values.integer("resample", 0, int64_t(Resample::Hamming), resample));
  STC_RETURN_IF_ERROR(values.integer("labels", 0, kMostLabels, labels));
  settings.isMultiLabel = isMultiLabel != 0;
  settings.resample = Resample(resample);
  std::vector<double> rescale;
  STC_RETURN_IF_ERROR(values.numbers("rescale", 1, rescale));
  settings.rescale = rescale.front();
  for (const NumbersField &field : kNumbers)
    STC_RETURN_IF_ERROR(
        values.numbers(field.key, size_t(settings.channels), settings.*field.member));
  STC_RETURN_IF_ERROR(values.finish());
  if (settings.patchHeight > settings.height || settings.patchWidth > settings.width)
    return Values::error("patch_height", "patches within the image", lines.front());
  if (int64_t(lines.size()) - 1 != labels)
    return Values::error("labels", absl::StrCat(labels, " lines"), absl::StrCat(lines.size() - 1));
  for (size_t i = 1; i < lines.size(); ++i)
    settings.labels.emplace_back(lines[i]);
  return settings;
}

} // namespace stc
