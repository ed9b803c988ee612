// GGUF files, versions 2 and 3: typed metadata and tensor views, every size checked.
#ifndef STC_FORMATS_GGUF_H
#define STC_FORMATS_GGUF_H

#include "stc/Formats/Tensor.h"
#include "stc/Support/File.h"

#include <map>

namespace stc {

/// One metadata value. Scalars sit in `integer`/`number`/`string`; arrays in the vectors
/// (integers, booleans and floats in `numbers` or `integers`, strings in `strings`).
struct GgufValue {
  enum class Type : uint32_t {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    String,
    Array,
    U64,
    I64,
    F64
  };
  Type type = Type::U32;
  Type elementType = Type::U32; // of an array
  int64_t integer = 0;          // U64 values above INT64_MAX are refused
  double number = 0;            // scalar value as double, for integers too
  absl::string_view string;     // borrowed from the mapped file
  std::vector<int64_t> integers;
  std::vector<double> numbers;
  std::vector<absl::string_view> strings;
  uint64_t offset = 0; // of the key in the file, for messages
};

class GgufFile {
public:
  static absl::StatusOr<std::unique_ptr<GgufFile>> open(const std::string &path);
  const std::string &path() const { return file->path(); }
  /// nullptr when absent.
  const GgufValue *find(absl::string_view key) const;
  const std::map<std::string, GgufValue, std::less<>> &metadata() const { return values; }
  const std::vector<TensorView> &tensors() const { return views; }
  const std::shared_ptr<MappedFile> &mapping() const { return file; }

private:
  friend class GgufReader;
  std::shared_ptr<MappedFile> file;
  std::map<std::string, GgufValue, std::less<>> values;
  std::vector<TensorView> views;
};

} // namespace stc

#endif // STC_FORMATS_GGUF_H
