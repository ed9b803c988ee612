// The tensors of bitsandbytes' 4-bit layers: numbers of the entries of a table (NF4 or FP4).
#include "BitsAndBytes4.h"

#include "ConfigReader.h"
#include "Joiner.h"

#include <cmath>
#include <numeric>

namespace stc {

namespace {

constexpr absl::string_view kTypes[] = {"nf4", "fp4"};
constexpr int64_t kMostBlock = int64_t(1) << 31;

std::string stateName(absl::string_view type) {
  return absl::StrCat(".weight.quant_state.bitsandbytes__", type);
}

/// What the JSON of a quant_state says.
struct State {
  std::vector<int64_t> shape;
  int64_t block = 64, nestedBlock = 256;
  double offset = 0;
  bool isNested = false;
};

absl::Status readBlockSize(const ConfigReader &reader, absl::string_view key, int64_t &size) {
  STC_RETURN_IF_ERROR(reader.integer(key, size, /*required=*/true));
  return size >= 1 && size < kMostBlock
             ? absl::OkStatus()
             : reader.error(key, "a size from 1 to 2^31 - 1", absl::StrCat(size));
}

absl::StatusOr<State> readState(const TensorView &tensor, absl::string_view type) {
  if (tensor.dtype != DType::U8 || tensor.shape.size() != 1)
    return shapeError(tensor, "U8 bytes of JSON");
  std::string file = absl::StrCat(tensor.file, ": tensor ", tensor.name);
  absl::string_view text(reinterpret_cast<const char *>(tensor.bytes.data()), tensor.bytes.size());
  STC_ASSIGN_OR_RETURN(JsonValue json, parseJson(text, file));
  ConfigReader reader(json, file);
  if (!json.isObject())
    return formatError({file, "quant_state", {}}, "an object", ConfigReader::describe(json));
  State state;
  std::string named(type);
  STC_RETURN_IF_ERROR(reader.text("quant_type", named));
  if (named != type)
    return reader.error("quant_type", absl::StrCat("'", type, "'"),
                        absl::StrCat("'", printable(named), "'"));
  STC_RETURN_IF_ERROR(readBlockSize(reader, "blocksize", state.block));
  STC_RETURN_IF_ERROR(reader.integers("shape", state.shape));
  if (state.shape.size() != 2)
    return reader.error("shape", "two sizes", absl::StrCat(state.shape.size(), " numbers"));
  for (int64_t size : state.shape)
    if (size < 1 || size >= kMostBlock)
      return reader.error("shape", "sizes from 1 to 2^31 - 1", absl::StrCat(size));
  state.isNested = reader.find("nested_blocksize") || reader.find("nested_offset");
  if (state.isNested) {
    STC_RETURN_IF_ERROR(readBlockSize(reader, "nested_blocksize", state.nestedBlock));
    STC_RETURN_IF_ERROR(reader.number("nested_offset", state.offset, /*required=*/true));
  }
  return state;
}

/// Values of F32, all finite.
absl::StatusOr<std::vector<float>> finiteValues(const TensorView &tensor) {
  std::vector<float> values(size_t(tensor.elementCount()));
  STC_RETURN_IF_ERROR(readFloats(tensor, 0, absl::MakeSpan(values)));
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return formatError(partSite(tensor), "finite numbers",
                         absl::StrCat(values[i], " at element ", i));
  return values;
}

/// The largest magnitude of every block.
absl::StatusOr<std::vector<float>> readMaxima(const StoredTable &table) {
  if (!table.maximumValues)
    return finiteValues(table.maxima);
  STC_ASSIGN_OR_RETURN(std::vector<float> values, finiteValues(*table.maximumValues));
  STC_ASSIGN_OR_RETURN(std::vector<float> outer, finiteValues(*table.outerMaxima));
  std::vector<float> maxima(size_t(table.maxima.elementCount()));
  for (size_t i = 0; i < maxima.size(); ++i) {
    float product = values[table.maxima.bytes[i]] * outer[i / size_t(table.outerBlock)];
    maxima[i] = product + float(table.offset); // rounded twice, as the library does
  }
  return maxima;
}

} // namespace

bool isBitsAndBytes4(const TensorView &weight,
                     const absl::flat_hash_map<std::string, const TensorView *> &tensors) {
  for (absl::string_view type : kTypes)
    if (tensors.contains(absl::StrCat(weight.name, stateName(type).substr(sizeof(".weight") - 1))))
      return true;
  return false;
}

absl::StatusOr<StoredEncoding>
describeBitsAndBytes4(const TensorView &weight,
                      absl::FunctionRef<const TensorView *(absl::string_view)> take) {
  StoredTable table;
  const TensorView *stated = nullptr;
  for (absl::string_view type : kTypes)
    if (const TensorView *tensor = stated ? nullptr : take(stateName(type))) {
      stated = tensor;
      table.name = std::string(type);
    }
  STC_ASSIGN_OR_RETURN(State state, readState(*stated, table.name));
  int64_t elements = state.shape[0] * state.shape[1], blocks = tilesOf(elements, state.block);
  if (int64_t(weight.bytes.size()) != (elements + 1) / 2)
    return shapeError(weight, absl::StrCat((elements + 1) / 2, " bytes for the 4-bit numbers of ",
                                           state.shape[0], "x", state.shape[1]));
  auto need = [&](absl::string_view suffix, DType dtype,
                  int64_t count) -> absl::StatusOr<TensorView> {
    const TensorView *tensor = take(absl::StrCat(".weight", suffix));
    std::string expected = absl::StrCat(dtypeName(dtype), " [", count, "]");
    if (!tensor)
      return formatError(
          {std::string(weight.file), absl::StrCat("tensor ", weight.name, suffix), {}}, expected,
          "no such tensor");
    if (tensor->dtype != dtype || tensor->elementCount() != count)
      return shapeError(*tensor, expected);
    return *tensor;
  };
  table.codes = weight;
  table.block = state.block;
  STC_ASSIGN_OR_RETURN(table.values, need(".quant_map", DType::F32, 16));
  STC_ASSIGN_OR_RETURN(table.maxima,
                       need(".absmax", state.isNested ? DType::U8 : DType::F32, blocks));
  if (state.isNested) {
    STC_ASSIGN_OR_RETURN(table.maximumValues, need(".nested_quant_map", DType::F32, 256));
    STC_ASSIGN_OR_RETURN(table.outerMaxima,
                         need(".nested_absmax", DType::F32, tilesOf(blocks, state.nestedBlock)));
    table.outerBlock = state.nestedBlock;
    table.offset = state.offset;
  }
  StoredEncoding encoding;
  encoding.rows = state.shape[0];
  encoding.columns = state.shape[1];
  encoding.tileColumns = std::gcd(state.block, encoding.columns);
  encoding.table = std::move(table);
  encoding.isLinear = true;
  return encoding;
}

absl::StatusOr<CodedMatrix> readTable(const StoredEncoding &encoding) {
  const StoredTable &table = *encoding.table;
  CodedMatrix matrix;
  matrix.rows = encoding.rows;
  matrix.columns = encoding.columns;
  matrix.bits = 4;
  matrix.group = encoding.tileColumns;
  STC_ASSIGN_OR_RETURN(matrix.table, finiteValues(table.values));
  STC_ASSIGN_OR_RETURN(std::vector<float> maxima, readMaxima(table));
  for (int64_t first = 0; first < matrix.rows * matrix.columns; first += matrix.group)
    matrix.scales.push_back(maxima[size_t(first / table.block)]);
  matrix.codes.resize(size_t(matrix.rows * matrix.columns));
  for (size_t i = 0; i < matrix.codes.size(); ++i) {
    uint8_t byte = table.codes.bytes[i / 2];
    matrix.codes[i] = int8_t((i % 2 == 0 ? byte >> 4 : byte & 15) - 8);
  }
  return matrix;
}

} // namespace stc
