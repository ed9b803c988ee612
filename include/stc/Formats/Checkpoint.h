// A checkpoint of any supported container: configuration, tensors and tokenizer source.
#ifndef STC_FORMATS_CHECKPOINT_H
#define STC_FORMATS_CHECKPOINT_H

#include "stc/Formats/Config.h"
#include "stc/Formats/Gguf.h"
#include "stc/Formats/Safetensors.h"
#include "stc/Tokenizer/Tokenizer.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace stc {

/// An opened checkpoint: everything but the tensors' bytes has been read and checked.
class Checkpoint {
public:
  enum class Container { HuggingFace, Gguf };
  /// `path` is a Hugging Face directory, a .safetensors file beside its config.json, or a .gguf.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> open(const std::string &path);
  /// The same for a module that says itself what a configuration would: a .safetensors file may
  /// have no config.json beside it, and config() then has no architecture and no sizes.
  static absl::StatusOr<std::unique_ptr<Checkpoint>> openTensors(const std::string &path);

  const std::string &path() const { return sourcePath; }
  Container container() const { return kind; }
  const ModelConfig &config() const { return modelConfig; }
  /// Those of the file, but one for each layer that is stored compressed: see `StoredEncoding`.
  const std::vector<TensorView> &tensors() const;
  /// nullptr when there is none of that name. "NAME[i]" is matrix i of a tensor of three
  /// dimensions, or vector i of a bias of two: how some containers keep the experts of a layer.
  /// "NAME[:]" is one of three dimensions or more as a matrix, which has a row for every index of
  /// the first. "A+B" is A and then B, copied as f32: of vectors a longer one, else the rows of
  /// both, which must be of the same length.
  /// the first. "NAME.[:].weight" is the matrix whose rows are the vectors "NAME.0.weight",
  /// "NAME.1.weight" and so on, where NAME ends with "norms": how StableLM keeps the gains of
  /// heads.
  const TensorView *find(absl::string_view name) const;
  /// Drops the pages of a tensor that was read (streaming).
  void release(const TensorView &tensor) const;
  /// The file itself where the container is GGUF, else nullptr.
  const GgufFile *ggufFile() const { return gguf.get(); }
  /// The tokenizer, or nullptr for a checkpoint without one; an unreadable one is an error.
  absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer() const;
  /// The text of the chat template, or an empty one where there is none: chat_template.jinja or
  /// `chat_template` of tokenizer_config.json (the one called "default" of several), or
  /// `tokenizer.chat_template` of a GGUF. It is not parsed. Errors: another type, text over 1 MiB,
  /// several of which none is the default.
  absl::StatusOr<std::string> loadChatTemplate() const;

private:
  static absl::StatusOr<std::unique_ptr<Checkpoint>> open(const std::string &path,
                                                          bool needsConfig);

  /// The tensor that `name`, of several parts, stands for; nullptr if a part is missing or does not
  /// fit.
  const TensorView *findStacked(absl::string_view name) const;

  std::string sourcePath;
  Container kind = Container::HuggingFace;
  ModelConfig modelConfig;
  std::unique_ptr<SafetensorsFile> safetensors;
  std::vector<TensorView> joined; // in place of the file's where layers are compressed
  std::unique_ptr<GgufFile> gguf;
  std::map<std::string, size_t, std::less<>> index;
  std::map<std::string, TensorView, std::less<>> matrices; // of tensors of three dimensions
  /// Made when they are first asked for, perhaps by several threads.
  struct Stacked {
    TensorView view;
    std::vector<float> values;
  };
  mutable std::mutex stackedMutex;
  mutable std::map<std::string, std::unique_ptr<Stacked>, std::less<>> stacked;
  std::vector<std::vector<uint8_t>> rows;                  // of matrices that were put together
};

/// Whether `name` is of a matrix that is put together of vectors, and the name of its row i.
bool isJoinedRows(absl::string_view name);
std::string nameOfJoinedRow(absl::string_view name, int64_t i);

/// Loads only the tokenizer: from a Hugging Face directory, a tokenizer.json, or a GGUF (which may
/// hold a vocabulary and nothing else).
absl::StatusOr<std::unique_ptr<Tokenizer>> loadTokenizer(const std::string &path);

} // namespace stc

#endif // STC_FORMATS_CHECKPOINT_H
