// Writer of safetensors files: every file appears complete or not at all, the index last.
#include "SafetensorsTypes.h"
#include "stc/Formats/Safetensors.h"
#include "stc/Support/Json.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <unistd.h>

namespace stc {

namespace {

using TensorList = std::vector<const TensorView *>;

absl::Status checkTensors(const std::string &path, const std::vector<TensorView> &tensors) {
  std::set<absl::string_view> names;
  for (const TensorView &tensor : tensors) {
    ErrorSite site{path, tensor.name, {}};
    if (tensor.name == "__metadata__" || !names.insert(tensor.name).second)
      return formatError(site, "a name of its own for every tensor", "one that is taken");
    if (!dtypeFromSafetensors(dtypeName(tensor.dtype)))
      return formatError(site, absl::StrCat("a dtype among ", supportedSafetensorsTypes()),
                         dtypeName(tensor.dtype));
    STC_RETURN_IF_ERROR(tensorBytes(tensor.dtype, tensor.shape, site).status());
  }
  return absl::OkStatus();
}

/// What checkTensors has found to be a size.
uint64_t sizeOf(const TensorView &tensor) { return *tensorBytes(tensor.dtype, tensor.shape, {}); }

/// The length field and header of a file of `tensors`, padded so that the data is aligned.
std::string header(const TensorList &tensors, const std::map<std::string, std::string> &metadata) {
  std::string json = "{";
  if (!metadata.empty()) {
    absl::StrAppend(&json, "\"__metadata__\":{");
    for (const auto &entry : metadata)
      absl::StrAppend(&json, json.back() == '{' ? "" : ",", jsonQuote(entry.first), ":",
                      jsonQuote(entry.second));
    json += '}';
  }
  uint64_t offset = 0;
  for (const TensorView *tensor : tensors) {
    absl::StrAppend(&json, json.size() == 1 ? "" : ",", jsonQuote(tensor->name),
                    ":{\"dtype\":", jsonQuote(dtypeName(tensor->dtype)), ",\"shape\":[");
    for (int64_t size : tensor->shape)
      absl::StrAppend(&json, json.back() == '[' ? "" : ",", size);
    uint64_t end = offset + sizeOf(*tensor);
    absl::StrAppend(&json, "],\"data_offsets\":[", offset, ",", end, "]}");
    offset = end;
  }
  json += '}';
  json.append((64 - (json.size() + 8) % 64) % 64, ' ');
  uint64_t length = json.size();
  return std::string(reinterpret_cast<const char *>(&length), sizeof(length)) + json;
}

absl::StatusOr<std::unique_ptr<AtomicFile>>
writeOne(const std::string &path, const TensorList &given,
         const std::map<std::string, std::string> &metadata, TensorProducer produce) {
  // Wide types first: without gaps between tensors this alone keeps each one aligned.
  TensorList tensors;
  for (int64_t width : {8, 4, 2, 1})
    for (const TensorView *tensor : given)
      if (dtypeBlockBytes(tensor->dtype) == width)
        tensors.push_back(tensor);
  STC_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file, AtomicFile::create(path));
  STC_RETURN_IF_ERROR(file->write(absl::string_view(header(tensors, metadata))));
  for (const TensorView *tensor : tensors) {
    STC_ASSIGN_OR_RETURN(absl::Span<const uint8_t> bytes, produce(*tensor));
    if (bytes.size() != sizeOf(*tensor))
      return formatError({path, tensor->name, {}}, absl::StrCat(sizeOf(*tensor), " bytes"),
                         absl::StrCat(bytes.size()));
    STC_RETURN_IF_ERROR(file->write(bytes));
  }
  return file;
}

/// The bytes of a tensor that has them.
absl::StatusOr<absl::Span<const uint8_t>> ownBytes(const TensorView &tensor) {
  return tensor.bytes;
}

/// Cuts the tensors, in order, into shards of at most `shardBytes` (or a single larger tensor).
std::vector<TensorList> cut(const std::vector<TensorView> &tensors, uint64_t shardBytes) {
  std::vector<TensorList> shards(1);
  uint64_t used = 0;
  for (const TensorView &tensor : tensors) {
    if (!shards.back().empty() && tensor.bytes.size() > shardBytes - std::min(used, shardBytes)) {
      shards.emplace_back();
      used = 0;
    }
    shards.back().push_back(&tensor);
    used += tensor.bytes.size();
  }
  return shards;
}

absl::Status writeShards(const std::string &path, const std::vector<TensorList> &shards,
                         const std::map<std::string, std::string> &metadata) {
  std::vector<std::unique_ptr<AtomicFile>> files;
  std::vector<std::string> names;
  std::string map;
  uint64_t total = 0;
  for (size_t i = 0; i < shards.size(); ++i) {
    char suffix[64];
    std::snprintf(suffix, sizeof(suffix), "-%05zu-of-%05zu.safetensors", i + 1, shards.size());
    names.push_back(path + suffix);
    STC_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file,
                         writeOne(names.back(), shards[i], metadata, ownBytes));
    files.push_back(std::move(file));
    std::string base = names.back().substr(names.back().rfind('/') + 1);
    for (const TensorView *tensor : shards[i]) {
      absl::StrAppend(&map, map.empty() ? "" : ",", "\n    ", jsonQuote(tensor->name), ": ",
                      jsonQuote(base));
      total += tensor->bytes.size();
    }
  }
  STC_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> index,
                       AtomicFile::create(path + ".safetensors.index.json"));
  STC_RETURN_IF_ERROR(index->write(absl::StrCat("{\n  \"metadata\": {\"total_size\": ", total,
                                                "},\n  \"weight_map\": {", map, "\n  }\n}\n")));
  // Nothing is visible yet. The index, which makes the shards a checkpoint, comes last.
  for (size_t i = 0; i < files.size(); ++i) {
    absl::Status status = files[i]->commit();
    if (status.ok())
      continue;
    while (i-- > 0)
      unlink(names[i].c_str());
    return status;
  }
  absl::Status status = index->commit();
  if (!status.ok())
    for (const std::string &name : names)
      unlink(name.c_str());
  return status;
}

} // namespace

absl::StatusOr<std::unique_ptr<AtomicFile>>
streamSafetensors(const std::string &path, const std::vector<TensorView> &tensors,
                  const std::map<std::string, std::string> &metadata, TensorProducer produce) {
  STC_RETURN_IF_ERROR(checkTensors(path, tensors));
  TensorList all;
  for (const TensorView &tensor : tensors)
    all.push_back(&tensor);
  return writeOne(path, all, metadata, produce);
}

absl::Status writeSafetensors(const std::string &path, const std::vector<TensorView> &tensors,
                              const std::map<std::string, std::string> &metadata,
                              uint64_t shardBytes) {
  if (shardBytes != 0) {
    STC_RETURN_IF_ERROR(checkTensors(path, tensors));
    return writeShards(path, cut(tensors, shardBytes), metadata);
  }
  STC_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file,
                       streamSafetensors(path, tensors, metadata, ownBytes));
  return file->commit();
}

} // namespace stc
