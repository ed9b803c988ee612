// safetensors files: a strict reader (single and sharded) and an atomic writer.
#ifndef STC_FORMATS_SAFETENSORS_H
#define STC_FORMATS_SAFETENSORS_H

#include "stc/Formats/TensorStream.h"
#include "stc/Support/File.h"

#include <map>

namespace stc {

/// One file or all shards of a `*.safetensors.index.json`, as one list of tensors.
class SafetensorsFile {
public:
  /// `path` is a .safetensors file, or a .safetensors.index.json whose shards lie in its folder.
  static absl::StatusOr<std::unique_ptr<SafetensorsFile>> open(const std::string &path);
  const std::vector<TensorView> &tensors() const { return views; }
  const std::map<std::string, std::string> &metadata() const { return meta; }
  const std::vector<std::shared_ptr<MappedFile>> &mappings() const { return files; }

private:
  friend class SafetensorsReader;
  std::vector<std::shared_ptr<MappedFile>> files;
  std::vector<TensorView> views;
  std::map<std::string, std::string> meta;
};

/// Writes tensors as one file, or as shards of at most `shardBytes` with an index when that is not
/// 0 (`path` then names the index's folder plus stem, e.g. "dir/model").
absl::Status writeSafetensors(const std::string &path, const std::vector<TensorView> &tensors,
                              const std::map<std::string, std::string> &metadata = {},
                              uint64_t shardBytes = 0);

/// Writes one file of announced tensors (their `bytes` are not looked at), which the caller
/// commits. Wide element types come first, whatever the order given.
absl::StatusOr<std::unique_ptr<AtomicFile>>
streamSafetensors(const std::string &path, const std::vector<TensorView> &tensors,
                  const std::map<std::string, std::string> &metadata, TensorProducer produce);

} // namespace stc

#endif // STC_FORMATS_SAFETENSORS_H
