// What the numbers of a report come to: places of weights, bits per weight, the verdict.
#include "ReportData.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cmath>

namespace stc {

static bool isNumber(absl::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isdigit(c); });
}

WeightPlace placeOf(absl::string_view name) {
  // An encoder in front of a decoder has layers of its own.
  absl::string_view own = name;
  std::string stack = absl::ConsumePrefix(&own, "encoder.") ? "encoder." : "";
  std::vector<absl::string_view> words = absl::StrSplit(own, '.');
  if (words.size() < 3 || words[0] != "layers" || !isNumber(words[1]))
    return {std::string(name), ""};
  WeightPlace place{absl::StrCat(stack, words[0], ".", words[1]), ""};
  words.erase(words.begin(), words.begin() + 2);
  // Experts are of one kind.
  words.erase(std::remove_if(words.begin(), words.end(), isNumber), words.end());
  place.kind = absl::StrJoin(words, ".");
  return place;
}

bool isLayerMatrix(const WeightRecord &record) {
  return record.shape.size() == 2 && record.shape[0] > 1 && !placeOf(record.name).kind.empty();
}

double weightCount(const WeightRecord &record) {
  double count = 1;
  for (int64_t size : record.shape)
    count *= double(size);
  return count;
}

double bitsPerWeight(const std::vector<WeightRecord> &records, bool layersOnly) {
  double bytes = 0, weights = 0;
  for (const WeightRecord &record : records)
    if (!layersOnly || isLayerMatrix(record)) {
      bytes += double(record.bytes);
      weights += weightCount(record);
    }
  return weights > 0 ? 8 * bytes / weights : 0;
}

uint64_t totalBytes(const std::vector<WeightRecord> &records) {
  uint64_t bytes = 0;
  for (const WeightRecord &record : records)
    bytes += record.bytes;
  return bytes;
}

ReportVerdict verdictOf(const ReportData &data) {
  const ReportRow *rival = nullptr;
  for (const ReportRow &row : data.rows)
    if (row.role == ReportRow::Role::Smaller)
      rival = &row;
  if (data.rows.empty() || !rival || data.isDenseUniform)
    return ReportVerdict::None;
  // As if the two were independent, which on the same windows they are not: cautious.
  const Measured &own = data.rows[0].quality.divergence, &other = rival->quality.divergence;
  double difference = own.value - other.value, error = std::hypot(own.error, other.error);
  if (std::abs(difference) <= 2 * error)
    return ReportVerdict::Undecided;
  return difference < 0 ? ReportVerdict::This : ReportVerdict::Dense;
}

} // namespace stc
