// Reader of safetensors files: the header is checked in full, the data is only mapped.
#include "stc/Formats/Safetensors.h"

#include "SafetensorsTypes.h"
#include "stc/Support/Json.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <set>
#include <tuple>

namespace stc {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "files are little-endian, as we read them");

namespace {

constexpr uint64_t maxHeaderBytes = 100'000'000, maxTensors = 100'000;
constexpr int64_t maxExactInteger = int64_t(1) << 53; // what every JSON reader agrees on
constexpr size_t maxRank = 8;
constexpr int headerDepth = 3, indexDepth = 3; // document, entry, list

std::string folderOf(const std::string &path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash + 1);
}

/// `path` with every link followed; empty if it does not exist.
std::string canonical(const std::string &path) {
  char *resolved = realpath(path.c_str(), nullptr);
  std::string result = resolved ? resolved : "";
  std::free(resolved);
  return result;
}

/// Whether a resolved shard may belong to a checkpoint in `folder` (resolved). The hub's download
/// cache keeps REPO/snapshots/REVISION/NAME as links into REPO/blobs, so those links are allowed.
bool belongsTo(const std::string &folder, const std::string &shard) {
  if (absl::StartsWith(shard, folder == "/" ? "/" : folder + "/"))
    return true;
  size_t revision = folder.rfind("/snapshots/");
  if (revision == std::string::npos || folder.find('/', revision + 11) != std::string::npos)
    return false;
  return absl::StartsWith(shard, folder.substr(0, revision) + "/blobs/");
}

} // namespace

class SafetensorsReader {
public:
  explicit SafetensorsReader(const std::string &path) : path(path), out(new SafetensorsFile) {}

  absl::StatusOr<std::unique_ptr<SafetensorsFile>> read() {
    if (absl::EndsWith(path, ".json"))
      STC_RETURN_IF_ERROR(readIndex());
    else
      STC_RETURN_IF_ERROR(readFile(path));
    return std::move(out);
  }

private:
  absl::Status readFile(const std::string &filePath) {
    STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(filePath));
    absl::Span<const uint8_t> bytes = file->bytes();
    auto error = [&](uint64_t offset, absl::string_view expected, absl::string_view got) {
      return formatError({filePath, "header", offset}, expected, got);
    };
    if (bytes.size() < 8)
      return error(0, "at least 8 bytes", absl::StrCat(bytes.size()));
    uint64_t length;
    std::memcpy(&length, bytes.data(), 8);
    uint64_t limit = std::min(maxHeaderBytes, uint64_t(bytes.size() - 8));
    if (length > limit)
      return error(0, absl::StrCat("a header of at most ", limit, " bytes"), absl::StrCat(length));
    absl::string_view text(reinterpret_cast<const char *>(bytes.data()) + 8, size_t(length));
    if (text.empty() || text[0] != '{')
      return error(8, "{", text.substr(0, 1));
    size_t first = out->views.size();
    STC_RETURN_IF_ERROR(parseJsonObject(
        text, filePath, headerDepth,
        [&](const std::string &name, const JsonValue &value) -> absl::Status {
          if (name == "__metadata__")
            return readMetadata(filePath, value);
          if (out->views.size() - first == maxTensors)
            return error(8, absl::StrCat("at most ", maxTensors, " tensors"), "more");
          return readTensor(file, 8 + length, name, value);
        }));
    STC_RETURN_IF_ERROR(checkCoverage(filePath, first, 8 + length, bytes.size()));
    out->files.push_back(std::move(file));
    return absl::OkStatus();
  }

  absl::Status readMetadata(const std::string &filePath, const JsonValue &value) {
    ErrorSite site{filePath, "__metadata__", {}};
    if (!value.isObject())
      return formatError(site, "an object of strings", "something else");
    for (const JsonValue::Member &entry : value.object) {
      if (!entry.second.isString())
        return formatError(site, absl::StrCat("a string for '", printable(entry.first), "'"),
                           "something else");
      out->meta[entry.first] = entry.second.string;
    }
    return absl::OkStatus();
  }

  /// Reads a list of exact, non-negative integers.
  static absl::Status readIntegers(const ErrorSite &site, absl::string_view what,
                                   const JsonValue &value, std::vector<int64_t> &integers) {
    auto error = [&](absl::string_view got) {
      return formatError(site, absl::StrCat(what, ": integers from 0 to 2^53"), got);
    };
    if (!value.isArray())
      return error("no list");
    for (const JsonValue &element : value.array) {
      if (!element.isInteger())
        return error(element.isNumber() ? absl::StrCat(element.number) : "no number");
      if (element.integer < 0 || element.integer > maxExactInteger)
        return error(absl::StrCat(element.integer));
      integers.push_back(element.integer);
    }
    return absl::OkStatus();
  }

  absl::Status readTensor(const std::shared_ptr<MappedFile> &file, uint64_t dataStart,
                          const std::string &name, const JsonValue &value) {
    ErrorSite site{file->path(), name, {}};
    const JsonValue *dtype = value.find("dtype"), *shape = value.find("shape"),
                    *range = value.find("data_offsets");
    if (!dtype || !shape || !range || value.object.size() != 3)
      return formatError(site, "an object of dtype, shape and data_offsets", "something else");
    TensorView view;
    view.name = name;
    absl::optional<DType> known =
        dtype->isString() ? dtypeFromSafetensors(dtype->string) : absl::nullopt;
    if (!known)
      return formatError(site, absl::StrCat("a dtype among ", supportedSafetensorsTypes()),
                         dtype->isString() ? dtype->string : "no string");
    view.dtype = *known;
    STC_RETURN_IF_ERROR(readIntegers(site, "shape", *shape, view.shape));
    if (view.shape.size() > maxRank)
      return formatError(site, absl::StrCat("at most ", maxRank, " dimensions"),
                         absl::StrCat(view.shape.size()));
    std::vector<int64_t> offsets;
    STC_RETURN_IF_ERROR(readIntegers(site, "data_offsets", *range, offsets));
    if (offsets.size() != 2 || offsets[0] > offsets[1])
      return formatError(
          site, "data_offsets: a begin and an end that is not before it",
          absl::StrCat(offsets.size(), " numbers", offsets.size() == 2 ? ", the end first" : ""));
    uint64_t begin = uint64_t(offsets[0]), end = uint64_t(offsets[1]);
    site.offset = dataStart + begin;
    uint64_t held = file->bytes().size() - dataStart;
    if (end > held)
      return formatError(site, absl::StrCat("data within ", held, " bytes"), absl::StrCat(end));
    STC_ASSIGN_OR_RETURN(uint64_t size, tensorBytes(view.dtype, view.shape, site));
    if (size != end - begin)
      return formatError(site, absl::StrCat(size, " bytes, as dtype and shape say"),
                         absl::StrCat(end - begin));
    view.offset = dataStart + begin;
    view.file = file->path();
    view.bytes = file->bytes().subspan(size_t(view.offset), size_t(size));
    out->views.push_back(std::move(view));
    return absl::OkStatus();
  }

  /// Sorts the tensors of one file by place and checks that they fill its data exactly.
  absl::Status checkCoverage(const std::string &filePath, size_t first, uint64_t dataStart,
                             uint64_t fileSize) {
    auto begin = out->views.begin() + ptrdiff_t(first);
    std::sort(begin, out->views.end(), [](const TensorView &a, const TensorView &b) {
      return std::make_tuple(a.offset, a.bytes.size(), absl::string_view(a.name)) <
             std::make_tuple(b.offset, b.bytes.size(), absl::string_view(b.name));
    });
    uint64_t end = dataStart;
    for (auto view = begin; view != out->views.end(); ++view) {
      if (view->offset != end)
        return formatError(
            {filePath, view->name, view->offset},
            absl::StrCat("data that begins where the last ended, 0x", absl::Hex(end)),
            view->offset < end ? "an overlap" : "a hole");
      end += view->bytes.size();
    }
    if (end != fileSize)
      return formatError({filePath, "data", end}, "the end of the file",
                         absl::StrCat(fileSize - end, " bytes that belong to no tensor"));
    return absl::OkStatus();
  }

  absl::Status readIndex() {
    STC_ASSIGN_OR_RETURN(std::string text, stc::readFile(path, maxHeaderBytes));
    STC_ASSIGN_OR_RETURN(JsonValue index, parseJson(text, path, indexDepth));
    const JsonValue *map = index.find("weight_map");
    if (!map || !map->isObject() || map->object.empty() || map->object.size() > maxTensors)
      return formatError({path, "weight_map", {}},
                         absl::StrCat("an object of 1 to ", maxTensors, " entries"),
                         map && map->isObject() ? absl::StrCat(map->object.size()) : "none");
    std::map<std::string, std::string> homes; // tensor -> shard
    std::map<std::string, size_t> shards;     // shard -> tensors the index puts there
    for (const JsonValue::Member &entry : map->object) {
      const std::string &shard = entry.second.string; // empty when it is no string
      STC_RETURN_IF_ERROR(checkShardName(entry.first, shard));
      homes[entry.first] = shard;
      ++shards[shard];
    }
    for (const auto &shard : shards)
      STC_RETURN_IF_ERROR(readShard(shard.first, shard.second, homes));
    return absl::OkStatus();
  }

  absl::Status checkShardName(const std::string &tensor, const std::string &shard) const {
    if (shard.empty() || shard.find_first_of(std::string("/\\\0", 3)) != std::string::npos ||
        !absl::EndsWith(shard, ".safetensors"))
      return formatError({path, absl::StrCat("weight_map.", tensor), {}},
                         "the name of a .safetensors file in the index's folder",
                         absl::StrCat("'", shard, "'"));
    return absl::OkStatus();
  }

  absl::Status readShard(const std::string &shard, size_t expectedCount,
                         const std::map<std::string, std::string> &homes) {
    std::string folder = folderOf(path), file = folder + shard;
    std::string resolved = canonical(file);
    if (resolved.empty())
      return formatError({path, "weight_map", {}}, absl::StrCat("the shard '", shard, "'"),
                         "no such file");
    if (!belongsTo(canonical(folder.empty() ? "." : folder), resolved))
      return formatError({path, "weight_map", {}},
                         absl::StrCat("the shard '", shard, "' inside the index's folder"),
                         "a link that leaves it");
    size_t first = out->views.size();
    STC_RETURN_IF_ERROR(readFile(file));
    for (size_t i = first; i < out->views.size(); ++i) {
      auto home = homes.find(out->views[i].name);
      if (home == homes.end() || home->second != shard)
        return formatError({path, absl::StrCat("weight_map.", out->views[i].name), {}},
                           absl::StrCat("'", shard, "', which holds this tensor"),
                           home == homes.end() ? "no entry" : absl::StrCat("'", home->second, "'"));
    }
    if (out->views.size() - first == expectedCount)
      return absl::OkStatus();
    // Every tensor of the shard is in the index, so some entry of the index is not in the shard.
    std::set<absl::string_view> held;
    for (size_t i = first; i < out->views.size(); ++i)
      held.insert(out->views[i].name);
    for (const auto &home : homes)
      if (home.second == shard && held.count(home.first) == 0)
        return formatError({file, home.first, {}}, "a tensor, as the index says", "none");
    return absl::OkStatus();
  }

  const std::string &path;
  std::unique_ptr<SafetensorsFile> out;
};

absl::StatusOr<std::unique_ptr<SafetensorsFile>> SafetensorsFile::open(const std::string &path) {
  return SafetensorsReader(path).read();
}

} // namespace stc
