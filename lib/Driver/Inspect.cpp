// What a checkpoint or model binary holds, weight by weight.
#include "stc/Driver/Inspect.h"

#include "stc/Compress/Prune.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Formats/Encoding.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include <cstdio>

using namespace stc;

bool stc::isModelBinary(const std::string &path) {
  if (absl::EndsWith(path, ".weights"))
    return true;
  std::FILE *file = std::fopen(path.c_str(), "rb");
  if (!file)
    return false;
  char magic[4] = {};
  size_t count = std::fread(magic, 1, sizeof(magic), file);
  std::fclose(file);
  return count == sizeof(magic) && absl::string_view(magic, 4) == "\x7f"
                                                                  "ELF";
}

/// A checkpoint tensor as a record: its storage type is its layout, its zeros are its pattern.
static absl::StatusOr<WeightRecord> checkpointRecord(const Checkpoint &checkpoint,
                                                     const TensorView &tensor) {
  WeightRecord record;
  record.name = tensor.name;
  record.shape = tensor.shape;
  record.bytes = tensor.bytes.size();
  record.layout = absl::AsciiStrToLower(dtypeName(tensor.dtype));
  if (tensor.encoding) {
    record.bytes = tensor.encoding->storedBytes();
    record.layout = tensor.encoding->name();
  }
  record.pattern = "none";
  record.reason = "as stored in the checkpoint";
  int64_t count = tensor.elementCount();
  record.bits = count ? 8.0 * record.bytes / count : 0;
  if (tensor.shape.size() != 2)
    return record;
  std::vector<float> values(count);
  STC_RETURN_IF_ERROR(readFloats(tensor, 0, absl::MakeSpan(values)));
  checkpoint.release(tensor);
  int64_t kept = 0;
  for (float value : values)
    kept += value != 0;
  record.density = count ? double(kept) / count : 1;
  record.pattern = detectPattern(tensor.shape[0], tensor.shape[1], values).str();
  return record;
}

absl::StatusOr<std::vector<WeightRecord>> stc::inspectWeights(const std::string &path) {
  if (isModelBinary(path)) {
    STC_ASSIGN_OR_RETURN(auto bundle, Bundle::open(path));
    return bundle->records();
  }
  STC_ASSIGN_OR_RETURN(auto checkpoint, Checkpoint::open(path));
  std::vector<WeightRecord> records;
  for (const TensorView &tensor : checkpoint->tensors()) {
    STC_ASSIGN_OR_RETURN(auto record, checkpointRecord(*checkpoint, tensor));
    records.push_back(std::move(record));
  }
  return records;
}

absl::StatusOr<std::string> stc::inspectAttention(const std::string &path) {
  if (!isModelBinary(path))
    return std::string("none");
  STC_ASSIGN_OR_RETURN(auto bundle, Bundle::open(path));
  const auto &other = bundle->settings().other;
  auto found = other.find(kAttentionSetting);
  return found == other.end() ? "none" : found->second;
}

static std::string jsonReport(const std::vector<WeightRecord> &records, uint64_t bytes, double bits,
                              const std::string &attention) {
  std::string text = absl::StrCat("{\"total_bytes\": ", bytes, ", \"bits_per_weight\": ", bits,
                                  ", \"attention\": ", jsonQuote(attention), ", \"layers\": [");
  for (size_t i = 0; i < records.size(); ++i) {
    const WeightRecord &r = records[i];
    absl::StrAppend(&text, i ? ",\n " : "\n ", "{\"name\": ", jsonQuote(r.name), ", \"shape\": [",
                    absl::StrJoin(r.shape, ", "), "], \"pattern\": ", jsonQuote(r.pattern),
                    ", \"density\": ", r.density, ", \"bits\": ", r.bits, ", \"group\": ", r.group,
                    ", \"layout\": ", jsonQuote(r.layout), ", \"bytes\": ", r.bytes,
                    ", \"reason\": ", jsonQuote(r.reason), "}");
  }
  return text + "\n]}\n";
}

static std::string tableReport(const std::vector<WeightRecord> &records, uint64_t bytes,
                               double bits, const std::string &attention) {
  std::string text = absl::StrFormat("%-28s %-14s %-14s %8s %6s %12s  %s\n", "name", "shape",
                                     "layout", "density", "bits", "bytes", "why");
  for (const WeightRecord &r : records)
    absl::StrAppendFormat(&text, "%-28s %-14s %-14s %8.3f %6.2f %12d  %s\n", printable(r.name, 60),
                          absl::StrJoin(r.shape, "x"), r.layout, r.density, r.bits, r.bytes,
                          r.reason);
  absl::StrAppendFormat(&text, "%d weights, %d bytes, %.3f bits per weight\n", records.size(),
                        bytes, bits);
  if (attention != "none")
    absl::StrAppend(&text, "attention: ", attention, "\n");
  return text;
}

std::string stc::formatReport(const std::vector<WeightRecord> &records,
                              const std::string &attention, bool json) {
  uint64_t bytes = 0;
  double weights = 0;
  for (const WeightRecord &record : records) {
    bytes += record.bytes;
    double count = 1;
    for (int64_t size : record.shape)
      count *= size;
    weights += count;
  }
  double bits = weights > 0 ? 8.0 * bytes / weights : 0;
  return json ? jsonReport(records, bytes, bits, attention)
              : tableReport(records, bytes, bits, attention);
}
