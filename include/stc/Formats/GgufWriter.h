// Writing GGUF files: metadata put together key by key, tensors that come one at a time.
#ifndef STC_FORMATS_GGUFWRITER_H
#define STC_FORMATS_GGUFWRITER_H

#include "stc/Formats/Gguf.h"
#include "stc/Formats/TensorStream.h"

#include <deque>
#include <utility>

namespace stc {

/// The metadata of a file to be written, in file order.
class GgufMetadata {
public:
  using Entry = std::pair<std::string, GgufValue>;

  GgufMetadata() = default;
  // Values point at `texts`, whose strings stay where they are when the deque moves.
  GgufMetadata(GgufMetadata &&) = default;
  GgufMetadata(const GgufMetadata &) = delete;

  void addText(const std::string &key, absl::string_view value);
  void addTexts(const std::string &key, const std::vector<std::string> &values);
  void addNumber(const std::string &key, uint32_t value); // U32
  void addReal(const std::string &key, float value);      // F32
  void addFlag(const std::string &key, bool value);       // Bool
  void addReals(const std::string &key, absl::Span<const float> values);
  void addIntegers(const std::string &key, absl::Span<const int32_t> values);
  /// A value read from another file, which has to stay open.
  void add(const std::string &key, GgufValue value) { list.emplace_back(key, std::move(value)); }

  const std::vector<Entry> &entries() const { return list; }

private:
  std::vector<Entry> list;
  std::deque<std::string> texts;
};

/// Writes a GGUF file, version 3, of metadata and announced tensors (their `bytes` are not looked
/// at), which the caller commits. Data is aligned to 32 bytes, so the metadata must not name
/// another alignment. Errors: a name that is taken, a type that GGUF lacks, more than 4 dimensions.
absl::StatusOr<std::unique_ptr<AtomicFile>> streamGguf(const std::string &path,
                                                       const GgufMetadata &metadata,
                                                       const std::vector<TensorView> &tensors,
                                                       TensorProducer produce);

} // namespace stc

#endif // STC_FORMATS_GGUFWRITER_H
