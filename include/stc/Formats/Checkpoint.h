// A checkpoint of any supported container: configuration, tensors and tokenizer source.
#ifndef STC_FORMATS_CHECKPOINT_H
#define STC_FORMATS_CHECKPOINT_H

#include "stc/Formats/Config.h"
#include "stc/Formats/Gguf.h"
#include "stc/Formats/Safetensors.h"
#include "stc/Tokenizer/Tokenizer.h"

#include <map>
#include <memory>
#include <string>

namespace stc {

/// An opened checkpoint: everything but the tensors' bytes has been read and checked.
class Checkpoint {
public:
  enum class Container { HuggingFace, Gguf };
  /// `path` is a Hugging Face directory, a .safetensors file beside its config.json, or a .gguf.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> open(const std::string &path);

  const std::string &path() const { return sourcePath; }
  Container container() const { return kind; }
  const ModelConfig &config() const { return modelConfig; }
  /// Those of the file, but one for each layer that is stored compressed: see `StoredEncoding`.
  const std::vector<TensorView> &tensors() const;
  /// nullptr when there is none of that name. "NAME[i]" is matrix i of a tensor of three
  /// dimensions: how some containers keep the experts of a layer.
  const TensorView *find(absl::string_view name) const;
  /// Drops the pages of a tensor that was read (streaming).
  void release(const TensorView &tensor) const;
  /// The file itself where the container is GGUF, else nullptr.
  const GgufFile *ggufFile() const { return gguf.get(); }
  /// The tokenizer, or nullptr for a checkpoint without one; an unreadable one is an error.
  absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer() const;

private:
  std::string sourcePath;
  Container kind = Container::HuggingFace;
  ModelConfig modelConfig;
  std::unique_ptr<SafetensorsFile> safetensors;
  std::unique_ptr<GgufFile> gguf;
  std::map<std::string, size_t, std::less<>> index;
  std::map<std::string, TensorView, std::less<>> matrices; // of tensors of three dimensions
  std::vector<TensorView> joined; // in place of the file's where layers are compressed
};

/// Loads only the tokenizer: from a Hugging Face directory, a tokenizer.json, or a GGUF (which may
/// hold a vocabulary and nothing else).
absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &path);

} // namespace stc

#endif // STC_FORMATS_CHECKPOINT_H
