// Reader of GGUF files, versions 2 and 3. Nothing a file claims is believed before it is checked
// against the bytes that are there.
#include "stc/Formats/Gguf.h"

#include "GgufTypes.h"
#include "stc/Support/Utf8.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

namespace stc {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "files are little-endian, as we read them");

namespace {

// Far above what real files have; they bound the memory that bookkeeping takes.
constexpr uint64_t maxKeys = 65536, maxTensors = 100000, maxNameBytes = 65535;
constexpr uint64_t maxNumbers = 1 << 24; // in all arrays together, which widen them to 8 bytes
constexpr uint64_t defaultAlignment = 32, maxAlignment = 1 << 20;

using Type = GgufValue::Type;

/// Bytes of a fixed-size value; 0 for strings and arrays.
uint64_t scalarBytes(Type type) {
  switch (type) {
  case Type::U8:
  case Type::I8:
  case Type::Bool:
    return 1;
  case Type::U16:
  case Type::I16:
    return 2;
  case Type::U32:
  case Type::I32:
  case Type::F32:
    return 4;
  case Type::U64:
  case Type::I64:
  case Type::F64:
    return 8;
  case Type::String:
  case Type::Array:
    return 0;
  }
  return 0;
}

bool isFloat(Type type) { return type == Type::F32 || type == Type::F64; }

std::string hex(uint64_t value) { return absl::StrCat("0x", absl::Hex(value)); }

} // namespace

/// Walks one file from front to back. Every read checks what is left first.
class GgufReader {
public:
  explicit GgufReader(std::shared_ptr<MappedFile> mapping)
      : out(new GgufFile), bytes(mapping->bytes()) {
    out->file = std::move(mapping);
  }

  absl::StatusOr<std::unique_ptr<GgufFile>> read() {
    STC_RETURN_IF_ERROR(readHeader());
    for (uint64_t i = 0; i < keyCount; ++i)
      STC_RETURN_IF_ERROR(readKey());
    STC_RETURN_IF_ERROR(readAlignment());
    std::set<absl::string_view> names;
    out->views.reserve(size_t(tensorCount));
    for (uint64_t i = 0; i < tensorCount; ++i) {
      STC_RETURN_IF_ERROR(readTensor());
      if (!names.insert(out->views.back().name).second)
        return error(out->views.back().name, position, "every tensor once", "it twice");
    }
    STC_RETURN_IF_ERROR(placeTensors());
    STC_RETURN_IF_ERROR(joinScales());
    return std::move(out);
  }

private:
  uint64_t left() const { return bytes.size() - position; }

  absl::Status error(absl::string_view field, uint64_t offset, absl::string_view expected,
                     absl::string_view got) const {
    return formatError({out->path(), std::string(field), offset}, expected, got);
  }

  template <typename T> absl::Status readScalar(absl::string_view field, T &value) {
    if (left() < sizeof(T))
      return error(field, position, absl::StrCat(sizeof(T), " bytes"),
                   absl::StrCat(left(), " before the end of the file"));
    std::memcpy(&value, bytes.data() + position, sizeof(T));
    position += sizeof(T);
    return absl::OkStatus();
  }

  absl::Status readString(absl::string_view field, absl::string_view &value) {
    uint64_t start = position, length;
    STC_RETURN_IF_ERROR(readScalar(field, length));
    if (length > left())
      return error(field, start, absl::StrCat("a string of at most ", left(), " bytes"),
                   absl::StrCat(length));
    value = {reinterpret_cast<const char *>(bytes.data()) + position, size_t(length)};
    position += length;
    return absl::OkStatus();
  }

  absl::Status readName(absl::string_view field, absl::string_view &name) {
    uint64_t start = position;
    STC_RETURN_IF_ERROR(readString(field, name));
    if (name.empty() || name.size() > maxNameBytes || !isValidUtf8(name))
      return error(field, start, "a UTF-8 name of 1 to 65535 bytes", printable(name, 60));
    return absl::OkStatus();
  }

  absl::Status readHeader() {
    if (bytes.size() < 24)
      return error("header", 0, "at least 24 bytes", absl::StrCat(bytes.size()));
    if (std::memcmp(bytes.data(), "GGUF", 4) != 0)
      return error("magic", 0, "GGUF",
                   absl::string_view(reinterpret_cast<const char *>(bytes.data()), 4));
    position = 4;
    uint32_t version;
    STC_RETURN_IF_ERROR(readScalar("version", version));
    if (version != 0 && (version & 0xFFFF) == 0)
      return error("version", 4, "a little-endian file", "a big-endian one");
    if (version != 2 && version != 3)
      return error("version", 4, "2 or 3", absl::StrCat(version));
    STC_RETURN_IF_ERROR(readScalar("tensor count", tensorCount));
    STC_RETURN_IF_ERROR(readScalar("metadata count", keyCount));
    // The smallest entries: a one-byte name, one dimension; a one-byte key with a one-byte value.
    uint64_t tensorLimit = std::min(maxTensors, left() / 33);
    uint64_t keyLimit = std::min(maxKeys, left() / 14);
    if (tensorCount > tensorLimit)
      return error("tensor count", 8, absl::StrCat("at most ", tensorLimit, " in this file"),
                   absl::StrCat(tensorCount));
    if (keyCount > keyLimit)
      return error("metadata count", 16, absl::StrCat("at most ", keyLimit, " in this file"),
                   absl::StrCat(keyCount));
    return absl::OkStatus();
  }

  absl::Status readType(absl::string_view field, Type &type) {
    uint64_t start = position;
    uint32_t code;
    STC_RETURN_IF_ERROR(readScalar(field, code));
    if (code > uint32_t(Type::F64))
      return error(field, start, "a value type from 0 to 12", absl::StrCat(code));
    type = Type(code);
    return absl::OkStatus();
  }

  absl::Status readKey() {
    uint64_t start = position;
    absl::string_view key;
    STC_RETURN_IF_ERROR(readName("metadata key", key));
    GgufValue value;
    value.offset = start;
    STC_RETURN_IF_ERROR(readType(key, value.type));
    if (value.type == Type::String)
      STC_RETURN_IF_ERROR(readString(key, value.string));
    else if (value.type == Type::Array)
      STC_RETURN_IF_ERROR(readArray(key, value));
    else
      STC_RETURN_IF_ERROR(readNumber(key, value.type, value.integer, value.number));
    if (!out->values.emplace(std::string(key), std::move(value)).second)
      return error(key, start, "every key once", "it twice");
    return absl::OkStatus();
  }

  /// Reads a scalar of `type`; integers and booleans are set in both forms.
  absl::Status readNumber(absl::string_view field, Type type, int64_t &integer, double &number) {
    uint64_t start = position;
    auto fixed = [&](auto value) -> absl::Status {
      STC_RETURN_IF_ERROR(readScalar(field, value));
      integer = int64_t(value);
      number = double(value);
      return absl::OkStatus();
    };
    switch (type) {
    case Type::U8:
      return fixed(uint8_t());
    case Type::I8:
      return fixed(int8_t());
    case Type::U16:
      return fixed(uint16_t());
    case Type::I16:
      return fixed(int16_t());
    case Type::U32:
      return fixed(uint32_t());
    case Type::I32:
      return fixed(int32_t());
    case Type::I64:
      return fixed(int64_t());
    case Type::U64:
      STC_RETURN_IF_ERROR(fixed(uint64_t()));
      if (integer < 0)
        return error(field, start, "an integer below 2^63", absl::StrCat(uint64_t(integer)));
      return absl::OkStatus();
    case Type::Bool:
      STC_RETURN_IF_ERROR(fixed(uint8_t()));
      if (integer > 1)
        return error(field, start, "a boolean of 0 or 1", absl::StrCat(integer));
      return absl::OkStatus();
    case Type::F32: {
      float value;
      STC_RETURN_IF_ERROR(readScalar(field, value));
      number = value;
      return absl::OkStatus();
    }
    case Type::F64:
      return readScalar(field, number);
    case Type::String:
    case Type::Array:
      break;
    }
    return error(field, start, "a number", "a string or an array");
  }

  absl::Status readArray(absl::string_view key, GgufValue &value) {
    uint64_t start = position, count;
    STC_RETURN_IF_ERROR(readType(key, value.elementType));
    if (value.elementType == Type::Array)
      return error(key, start, "an array of plain values", "an array of arrays");
    STC_RETURN_IF_ERROR(readScalar(key, count));
    // A string takes at least the 8 bytes of its length.
    uint64_t smallest = std::max<uint64_t>(scalarBytes(value.elementType), 1);
    if (value.elementType == Type::String)
      smallest = 8;
    if (count > left() / smallest)
      return error(key, start, absl::StrCat("at most ", left() / smallest, " elements"),
                   absl::StrCat(count));
    if (value.elementType == Type::String) {
      value.strings.resize(size_t(count));
      for (absl::string_view &text : value.strings)
        STC_RETURN_IF_ERROR(readString(key, text));
      return absl::OkStatus();
    }
    if (count > maxNumbers - numberCount)
      return error(key, start, absl::StrCat("at most ", maxNumbers, " numbers in all arrays"),
                   absl::StrCat(numberCount + count));
    numberCount += count;
    bool floats = isFloat(value.elementType);
    (floats ? value.numbers.reserve(size_t(count)) : value.integers.reserve(size_t(count)));
    for (uint64_t i = 0; i < count; ++i) {
      int64_t integer = 0;
      double number = 0;
      STC_RETURN_IF_ERROR(readNumber(key, value.elementType, integer, number));
      if (floats)
        value.numbers.push_back(number);
      else
        value.integers.push_back(integer);
    }
    return absl::OkStatus();
  }

  absl::Status readAlignment() {
    const GgufValue *value = out->find("general.alignment");
    if (!value)
      return absl::OkStatus();
    bool integer = value->type != Type::String && value->type != Type::Array &&
                   value->type != Type::Bool && !isFloat(value->type);
    int64_t size = value->integer;
    if (!integer || size < 8 || size > int64_t(maxAlignment) || (size & (size - 1)) != 0)
      return error("general.alignment", value->offset, "a power of two from 8 to 1048576",
                   integer ? absl::StrCat(size) : "no integer");
    alignment = uint64_t(size);
    return absl::OkStatus();
  }

  absl::Status readTensor() {
    uint64_t start = position;
    absl::string_view name;
    STC_RETURN_IF_ERROR(readName("tensor name", name));
    TensorView view;
    view.name = std::string(name);
    uint32_t rank, type;
    STC_RETURN_IF_ERROR(readScalar(name, rank));
    if (rank < 1 || rank > 4)
      return error(name, start, "1 to 4 dimensions", absl::StrCat(rank));
    view.shape.resize(rank);
    // GGUF lists the fastest dimension first.
    for (uint32_t i = rank; i-- > 0;) {
      uint64_t size;
      STC_RETURN_IF_ERROR(readScalar(name, size));
      if (size == 0 || size > uint64_t(INT64_MAX))
        return error(name, start, "dimensions from 1 to 2^63 - 1", absl::StrCat(size));
      view.shape[i] = int64_t(size);
    }
    STC_RETURN_IF_ERROR(readScalar(name, type));
    absl::optional<DType> dtype = dtypeFromGguf(type);
    if (!dtype)
      return error(name, start, absl::StrCat("a tensor type among ", supportedGgufTypes()),
                   ggufTypeName(type));
    view.dtype = *dtype;
    STC_RETURN_IF_ERROR(readScalar(name, view.offset)); // relative until the data's start is known
    if (view.offset % alignment != 0)
      return error(name, start, absl::StrCat("an offset that is a multiple of ", alignment),
                   hex(view.offset));
    out->views.push_back(std::move(view));
    return absl::OkStatus();
  }

  /// Gives each tensor its bytes. Tensors fill the data section without gaps (but for padding) and
  /// without overlaps, so that a size that lies cannot go unnoticed.
  absl::Status placeTensors() {
    if (out->views.empty())
      return absl::OkStatus();
    uint64_t padding = (alignment - position % alignment) % alignment;
    if (padding > left())
      return error("tensor data", position, "tensor data", "the end of the file");
    uint64_t dataStart = position + padding;
    std::vector<TensorView *> order;
    for (TensorView &view : out->views)
      order.push_back(&view);
    std::sort(order.begin(), order.end(),
              [](const TensorView *a, const TensorView *b) { return a->offset < b->offset; });
    uint64_t end = dataStart; // of the tensors so far; never past the end of the file
    for (TensorView *view : order) {
      uint64_t gap = (alignment - (end - dataStart) % alignment) % alignment;
      if (gap > bytes.size() - end || view->offset != end - dataStart + gap)
        return error(view->name, end,
                     absl::StrCat("data that follows at ", hex(end - dataStart + gap)),
                     hex(view->offset));
      uint64_t begin = end + gap;
      STC_ASSIGN_OR_RETURN(uint64_t size,
                           tensorBytes(view->dtype, view->shape, {out->path(), view->name, begin}));
      if (size > bytes.size() - begin)
        return error(view->name, begin, absl::StrCat(size, " bytes of data"),
                     absl::StrCat(bytes.size() - begin, " before the end of the file"));
      view->offset = begin;
      view->file = out->path();
      view->bytes = bytes.subspan(size_t(begin), size_t(size));
      end = begin + size;
    }
    if (bytes.size() - end >= alignment)
      return error("tensor data", end, "the end of the file",
                   absl::StrCat(bytes.size() - end, " more bytes"));
    return absl::OkStatus();
  }

  /// Gives NVFP4 tensors their scales, L.scale beside L.weight, which are no tensors of a model of
  /// their own then. How activations were quantized, L.input_scale, is left out.
  absl::Status joinScales() {
    absl::flat_hash_map<std::string, const TensorView *> scales;
    std::set<std::string> joined;
    for (const TensorView &view : out->views)
      if (absl::EndsWith(view.name, ".scale"))
        scales[view.name] = &view;
    for (TensorView &view : out->views) {
      absl::string_view layer = view.name;
      if (view.dtype != DType::NVFP4 || !absl::ConsumeSuffix(&layer, ".weight"))
        continue;
      joined.insert({absl::StrCat(layer, ".scale"), absl::StrCat(layer, ".input_scale")});
      auto found = scales.find(absl::StrCat(layer, ".scale"));
      if (found == scales.end())
        continue;
      const TensorView &own = *found->second;
      int64_t count = own.elementCount();
      bool isOfMatrices = view.shape.size() == 3 && count == view.shape[0];
      if (own.dtype != DType::F32 || (count != 1 && !isOfMatrices))
        return error(own.name, own.offset, absl::StrCat("F32 scales of ", view.name),
                     absl::StrCat(count, " of ", dtypeName(own.dtype)));
      for (int64_t i = 0; i < count; ++i) {
        float scale;
        std::memcpy(&scale, own.bytes.data() + i * 4, 4);
        if (!std::isfinite(scale) || scale <= 0)
          return error(own.name, own.offset + uint64_t(i * 4), "finite scales above 0",
                       absl::StrCat(scale));
      }
      view.ownScales = own.bytes;
    }
    auto isJoined = [&](const TensorView &view) { return joined.count(view.name) != 0; };
    out->views.erase(std::remove_if(out->views.begin(), out->views.end(), isJoined),
                     out->views.end());
    return absl::OkStatus();
  }

  std::unique_ptr<GgufFile> out;
  absl::Span<const uint8_t> bytes;
  uint64_t position = 0, tensorCount = 0, keyCount = 0, alignment = defaultAlignment;
  uint64_t numberCount = 0;
};

absl::StatusOr<std::unique_ptr<GgufFile>> GgufFile::open(const std::string &path) {
  STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> mapping, MappedFile::open(path));
  return GgufReader(std::move(mapping)).read();
}

const GgufValue *GgufFile::find(absl::string_view key) const {
  auto found = values.find(std::string(key));
  return found == values.end() ? nullptr : &found->second;
}

} // namespace stc
