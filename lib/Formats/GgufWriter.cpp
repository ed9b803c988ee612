// Writer of GGUF files, version 3.
#include "stc/Formats/GgufWriter.h"

#include "GgufTypes.h"

#include "absl/strings/str_cat.h"

#include <set>

namespace stc {

namespace {

using Type = GgufValue::Type;

constexpr uint64_t kAlignment = 32; // what readers assume where no key says otherwise

template <typename T> void append(std::string &bytes, T value) {
  bytes.append(reinterpret_cast<const char *>(&value), sizeof(value));
}
void appendText(std::string &bytes, absl::string_view text) {
  append(bytes, uint64_t(text.size()));
  bytes.append(text.data(), text.size());
}

/// A scalar in the width of its type.
void appendScalar(std::string &bytes, Type type, int64_t integer, double number) {
  switch (type) {
  case Type::U8:
  case Type::I8:
  case Type::Bool:
    return append(bytes, uint8_t(integer));
  case Type::U16:
  case Type::I16:
    return append(bytes, uint16_t(integer));
  case Type::U32:
  case Type::I32:
    return append(bytes, uint32_t(integer));
  case Type::U64:
  case Type::I64:
    return append(bytes, integer);
  case Type::F32:
    return append(bytes, float(number));
  case Type::F64:
    return append(bytes, number);
  case Type::String:
  case Type::Array:
    return; // not scalars: appendValue sees to them
  }
}

void appendValue(std::string &bytes, const GgufValue &value) {
  append(bytes, uint32_t(value.type));
  if (value.type == Type::String)
    return appendText(bytes, value.string);
  if (value.type != Type::Array)
    return appendScalar(bytes, value.type, value.integer, value.number);
  append(bytes, uint32_t(value.elementType));
  append(bytes, uint64_t(value.strings.size() + value.integers.size() + value.numbers.size()));
  for (absl::string_view text : value.strings)
    appendText(bytes, text);
  for (int64_t integer : value.integers)
    appendScalar(bytes, value.elementType, integer, 0);
  for (double number : value.numbers)
    appendScalar(bytes, value.elementType, 0, number);
}

uint64_t padded(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

/// Name, dimensions (the fastest first), type and place of every tensor. `sizes` gets their bytes.
absl::Status appendTensors(const std::string &path, const std::vector<TensorView> &tensors,
                           std::string &bytes, std::vector<uint64_t> &sizes) {
  std::set<absl::string_view> names;
  uint64_t offset = 0;
  for (const TensorView &tensor : tensors) {
    ErrorSite site{path, tensor.name, {}};
    if (!names.insert(tensor.name).second)
      return formatError(site, "a name of its own for every tensor", "one that is taken");
    if (tensor.shape.empty() || tensor.shape.size() > 4)
      return formatError(site, "1 to 4 dimensions", absl::StrCat(tensor.shape.size()));
    absl::optional<uint32_t> code = ggufFromDtype(tensor.dtype);
    if (!code)
      return formatError(site, absl::StrCat("a type among ", supportedGgufTypes()),
                         dtypeName(tensor.dtype));
    STC_ASSIGN_OR_RETURN(uint64_t size, tensorBytes(tensor.dtype, tensor.shape, site));
    appendText(bytes, tensor.name);
    append(bytes, uint32_t(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;)
      append(bytes, uint64_t(tensor.shape[i]));
    append(bytes, *code);
    append(bytes, offset);
    offset += padded(size);
    sizes.push_back(size);
  }
  return absl::OkStatus();
}

GgufValue arrayOf(Type element) {
  GgufValue value;
  value.type = Type::Array;
  value.elementType = element;
  return value;
}

} // namespace

void GgufMetadata::addText(const std::string &key, absl::string_view text) {
  texts.emplace_back(text);
  GgufValue value;
  value.type = Type::String;
  value.string = texts.back();
  add(key, std::move(value));
}

void GgufMetadata::addTexts(const std::string &key, const std::vector<std::string> &values) {
  GgufValue value = arrayOf(Type::String);
  for (const std::string &text : values) {
    texts.push_back(text);
    value.strings.push_back(texts.back());
  }
  add(key, std::move(value));
}

void GgufMetadata::addNumber(const std::string &key, uint32_t number) {
  GgufValue value;
  value.type = Type::U32;
  value.integer = number;
  value.number = number;
  add(key, std::move(value));
}

void GgufMetadata::addReal(const std::string &key, float number) {
  GgufValue value;
  value.type = Type::F32;
  value.number = number;
  add(key, std::move(value));
}

void GgufMetadata::addFlag(const std::string &key, bool flag) {
  GgufValue value;
  value.type = Type::Bool;
  value.integer = flag;
  value.number = flag;
  add(key, std::move(value));
}

void GgufMetadata::addReals(const std::string &key, absl::Span<const float> values) {
  GgufValue value = arrayOf(Type::F32);
  value.numbers.assign(values.begin(), values.end());
  add(key, std::move(value));
}

void GgufMetadata::addIntegers(const std::string &key, absl::Span<const int32_t> values) {
  GgufValue value = arrayOf(Type::I32);
  value.integers.assign(values.begin(), values.end());
  add(key, std::move(value));
}

absl::StatusOr<std::unique_ptr<AtomicFile>> streamGguf(const std::string &path,
                                                       const GgufMetadata &metadata,
                                                       const std::vector<TensorView> &tensors,
                                                       TensorProducer produce) {
  std::string head = "GGUF";
  append(head, uint32_t(3));
  append(head, uint64_t(tensors.size()));
  append(head, uint64_t(metadata.entries().size()));
  std::set<absl::string_view> keys;
  for (const auto &[key, value] : metadata.entries()) {
    if (!keys.insert(key).second)
      return formatError({path, key, {}}, "every key once", "it twice");
    appendText(head, key);
    appendValue(head, value);
  }
  std::vector<uint64_t> sizes;
  STC_RETURN_IF_ERROR(appendTensors(path, tensors, head, sizes));
  STC_ASSIGN_OR_RETURN(std::unique_ptr<AtomicFile> file, AtomicFile::create(path));
  STC_RETURN_IF_ERROR(file->write(absl::string_view(head)));
  for (size_t i = 0; i < tensors.size(); ++i) {
    STC_RETURN_IF_ERROR(file->padTo(kAlignment));
    STC_ASSIGN_OR_RETURN(absl::Span<const uint8_t> bytes, produce(tensors[i]));
    if (bytes.size() != sizes[i])
      return formatError({path, tensors[i].name, {}}, absl::StrCat(sizes[i], " bytes"),
                         absl::StrCat(bytes.size()));
    STC_RETURN_IF_ERROR(file->write(bytes));
  }
  STC_RETURN_IF_ERROR(file->padTo(kAlignment));
  return file;
}

} // namespace stc
