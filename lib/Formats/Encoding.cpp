// Codes, scales, zeros and masks of several tensors -> the values of one matrix.
#include "stc/Formats/Encoding.h"

#include "BitsAndBytes4.h"
#include "BlockTypes.h"
#include "Marlin24.h"
#include "Microscaling.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace stc {

namespace {

ErrorSite siteOf(const TensorView &tensor) {
  return {std::string(tensor.file), absl::StrCat("tensor ", tensor.name), {}};
}

uint32_t loadWord(const TensorView &tensor, int64_t index) {
  uint32_t word;
  std::memcpy(&word, tensor.bytes.data() + 4 * index, 4);
  return word;
}

/// Codes as they are stored: [0, 2^bits) of words, signed of bytes. `rows` x `columns` of them.
std::vector<int16_t> unpack(const PackedCodes &packed, int64_t rows, int64_t columns) {
  std::vector<int16_t> codes(size_t(rows * columns));
  const TensorView &tensor = packed.tensor;
  if (packed.order == PackedCodes::Order::Float4) {
    int64_t width = (columns + 1) / 2;
    for (int64_t row = 0; row < rows; ++row)
      for (int64_t column = 0; column < columns; ++column)
        codes[size_t(row * columns + column)] = twiceFloat4(
            uint8_t(tensor.bytes[size_t(row * width + column / 2)] >> (column % 2 * 4)));
    return codes;
  }
  if (packed.order == PackedCodes::Order::Bytes) {
    for (size_t i = 0; i < codes.size(); ++i)
      codes[i] = int8_t(tensor.bytes[i]);
    return codes;
  }
  // Code i of run j lies at i * step + j * stride of the result.
  int64_t height = packed.transposed ? columns : rows, width = packed.transposed ? rows : columns;
  int64_t count = packed.alongFirst ? height : width, runs = packed.alongFirst ? width : height;
  bool isRow = packed.alongFirst == packed.transposed;
  int64_t step = isRow ? 1 : columns, stride = isRow ? columns : 1;
  int bits = packed.bits, perWord = 32 / bits;
  uint32_t low = (1u << bits) - 1;
  bool isStream = packed.order == PackedCodes::Order::Stream && 32 % bits != 0;
  int64_t used = isStream ? (count * bits + 31) / 32 : (count + perWord - 1) / perWord;
  int64_t words = packed.width ? packed.width : used;
  auto wordAt = [&](int64_t word, int64_t run) {
    return loadWord(tensor, packed.alongFirst ? word * runs + run : run * words + word);
  };
  if (isStream) {
    for (int64_t run = 0; run < runs; ++run)
      for (int64_t i = 0; i < count; ++i) {
        int64_t bit = i * bits, word = bit / 32, shift = bit % 32;
        uint64_t window = wordAt(word, run);
        if (shift + bits > 32)
          window |= uint64_t(wordAt(word + 1, run)) << 32;
        codes[size_t(i * step + run * stride)] = int16_t(window >> shift & low);
      }
    return codes;
  }
  static constexpr int natural[] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
  static constexpr int awq[] = {0, 2, 4, 6, 1, 3, 5, 7};
  const int *order = packed.order == PackedCodes::Order::Awq ? awq : natural;
  auto unpackWord = [&](int64_t word, int64_t run) {
    uint32_t stored = wordAt(word, run);
    for (int k = 0; k < perWord; ++k) {
      int64_t i = word * perWord + order[k];
      if (i < count)
        codes[size_t(i * step + run * stride)] = int16_t(stored >> (k * bits) & low);
    }
  };
  if (packed.alongFirst) {
    for (int64_t word = 0; word < used; ++word)
      for (int64_t run = 0; run < runs; ++run)
        unpackWord(word, run);
  } else {
    for (int64_t run = 0; run < runs; ++run)
      for (int64_t word = 0; word < used; ++word)
        unpackWord(word, run);
  }
  return codes;
}

/// Codes or zeros of [-2^(bits - 1), 2^(bits - 1) - 1].
absl::StatusOr<std::vector<int8_t>> readSigned(const PackedCodes &packed, int64_t rows,
                                               int64_t columns, int offset) {
  std::vector<int16_t> stored = unpack(packed, rows, columns);
  std::vector<int8_t> codes(stored.size());
  int half = 1 << (packed.bits - 1), low = 2 * half - 1;
  bool isSigned =
      packed.order == PackedCodes::Order::Bytes || packed.order == PackedCodes::Order::Float4;
  for (size_t i = 0; i < stored.size(); ++i) {
    int code = isSigned ? stored[i] : ((stored[i] + offset) & low) - half;
    if (code < -half || code >= half)
      return formatError(
          siteOf(packed.tensor),
          absl::StrCat("whole numbers from ", -half, " to ", half - 1, " (", packed.bits, " bits)"),
          absl::StrCat(code, " at element ", i));
    codes[i] = int8_t(code);
  }
  return codes;
}

/// Puts what a mask keeps at its places; the rest is 0. `kept` has been checked against the mask.
template <typename T>
absl::StatusOr<std::vector<T>> expand(const TensorView &mask, const std::vector<T> &kept,
                                      int64_t rows, int64_t columns) {
  std::vector<T> all(size_t(rows * columns));
  int64_t rowBytes = (columns + 7) / 8;
  size_t next = 0;
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column) {
      if (!(mask.bytes[size_t(row * rowBytes + column / 8)] >> (column % 8) & 1))
        continue;
      if (next == kept.size())
        return formatError(siteOf(mask), absl::StrCat("as many bits as there are values, ", next),
                           "more");
      all[size_t(row * columns + column)] = kept[next++];
    }
  if (next != kept.size())
    return formatError(siteOf(mask),
                       absl::StrCat("as many bits as there are values, ", kept.size()),
                       absl::StrCat(next));
  return all;
}

int64_t tiles(int64_t size, int64_t tile) { return (size + tile - 1) / tile; }

/// [rows][groups] scales.
absl::StatusOr<std::vector<float>> readScales(const StoredEncoding &encoding) {
  int64_t groups = tiles(encoding.columns, encoding.tileColumns);
  std::vector<float> scales(size_t(encoding.rows * groups), 1.0f);
  if (!encoding.scales)
    return scales;
  const TensorView &tensor = *encoding.scales;
  std::vector<float> stored(size_t(tensor.elementCount()));
  STC_RETURN_IF_ERROR(readFloats(tensor, 0, absl::MakeSpan(stored)));
  for (size_t i = 0; i < stored.size(); ++i)
    if (!std::isfinite(stored[i]))
      return formatError(siteOf(tensor), "finite scales",
                         absl::StrCat(stored[i], " at element ", i));
  int64_t width = encoding.scalesWidth ? encoding.scalesWidth : groups;
  for (int64_t row = 0; row < encoding.rows; ++row)
    for (int64_t group = 0; group < groups; ++group) {
      int64_t place = encoding.scalesShuffled ? row / 8 * 8 + row % 4 * 2 + row / 4 % 2 : row;
      int64_t at = encoding.scalesTransposed ? group * encoding.rows + place
                                             : row / encoding.tileRows * width + group;
      double scale = double(stored[size_t(at)]) * encoding.scaleUnit / encoding.scaleDivisor;
      scales[size_t(row * groups + group)] = float(scale);
    }
  return scales;
}

std::vector<int32_t> groupsOf(const StoredEncoding &encoding) {
  std::vector<int32_t> groups;
  for (int64_t column = 0; encoding.groupOf && column < encoding.columns; ++column)
    groups.push_back(int32_t(loadWord(*encoding.groupOf, column)));
  return groups;
}

absl::StatusOr<CodedMatrix> readCoded(const StoredEncoding &encoding) {
  CodedMatrix matrix;
  matrix.rows = encoding.rows;
  matrix.columns = encoding.columns;
  matrix.bits = encoding.codes->bits;
  matrix.group = encoding.tileColumns;
  if (encoding.positions) {
    STC_ASSIGN_OR_RETURN(matrix.codes, readMarlin24(encoding.codes->tensor, *encoding.positions,
                                                    encoding.rows, encoding.columns, matrix.bits));
  } else if (encoding.mask) {
    STC_ASSIGN_OR_RETURN(std::vector<int8_t> kept,
                         readSigned(*encoding.codes, 1, encoding.codes->tensor.elementCount(), 0));
    STC_ASSIGN_OR_RETURN(matrix.codes,
                         expand(*encoding.mask, kept, encoding.rows, encoding.columns));
  } else {
    STC_ASSIGN_OR_RETURN(matrix.codes,
                         readSigned(*encoding.codes, encoding.rows, encoding.columns, 0));
  }
  STC_ASSIGN_OR_RETURN(matrix.scales, readScales(encoding));
  int64_t groups = matrix.groups();
  if (encoding.zeros) {
    int64_t height = tiles(encoding.rows, encoding.tileRows);
    STC_ASSIGN_OR_RETURN(std::vector<int8_t> stored,
                         readSigned(*encoding.zeros, height, groups, encoding.zeroOffset));
    bool isSymmetric = true;
    for (int8_t zero : stored)
      isSymmetric &= zero == 0;
    for (int64_t row = 0; row < matrix.rows && !isSymmetric; ++row)
      for (int64_t group = 0; group < groups; ++group)
        matrix.zeros.push_back(stored[size_t(row / encoding.tileRows * groups + group)]);
  }
  matrix.groupOf = groupsOf(encoding);
  return matrix;
}

/// The codes of GGUF's blocks.
absl::StatusOr<CodedMatrix> readBlocks(const TensorView &tensor) {
  const BlockType &type = *findBlockType(tensor.dtype);
  int64_t elements = dtypeBlockElements(tensor.dtype), size = dtypeBlockBytes(tensor.dtype);
  CodedMatrix matrix;
  matrix.rows = tensor.shape[0];
  matrix.columns = tensor.shape[1];
  matrix.bits = type.bits;
  matrix.group = type.group;
  int64_t blocks = matrix.rows * matrix.columns / elements, groups = elements / type.group;
  if (tensor.bytes.size() < uint64_t(blocks * size))
    return formatError(siteOf(tensor), absl::StrCat(blocks * size, " bytes"),
                       absl::StrCat(tensor.bytes.size()));
  matrix.codes.reserve(size_t(blocks * elements));
  float own = ownScaleOf(tensor);
  for (int64_t number = 0; number < blocks; ++number) {
    BlockCodes block;
    if (!type.read(tensor.bytes.data() + number * size, block))
      return formatError(
          {std::string(tensor.file), tensor.name, tensor.offset + uint64_t(number * size)},
          absl::StrCat("finite scales in every ", dtypeName(tensor.dtype), " block"),
          "NaN or infinity");
    matrix.codes.insert(matrix.codes.end(), block.codes, block.codes + elements);
    for (int64_t group = 0; group < groups; ++group)
      matrix.scales.push_back(block.scales[group] * own);
    if (type.hasMinimums)
      matrix.minimums.insert(matrix.minimums.end(), block.minimums, block.minimums + groups);
  }
  return matrix;
}

} // namespace

std::vector<const TensorView *> StoredEncoding::parts() const {
  std::vector<const TensorView *> all;
  if (table) {
    all = {&table->codes, &table->values, &table->maxima};
    for (const absl::optional<TensorView> *tensor : {&table->maximumValues, &table->outerMaxima})
      if (*tensor)
        all.push_back(&**tensor);
  }
  for (const absl::optional<PackedCodes> *packed : {&codes, &zeros})
    if (*packed)
      all.push_back(&(*packed)->tensor);
  for (const absl::optional<TensorView> *tensor : {&values, &mask, &positions, &scales, &groupOf})
    if (*tensor)
      all.push_back(&**tensor);
  return all;
}

uint64_t StoredEncoding::storedBytes() const {
  uint64_t bytes = 0;
  for (const TensorView *part : parts())
    bytes += part->bytes.size();
  return bytes;
}

std::string StoredEncoding::name() const {
  if (table)
    return table->name;
  bool isFloat4 = codes && codes->order == PackedCodes::Order::Float4;
  std::string type = isFloat4 ? "f4_e2m1"
                     : codes  ? absl::StrCat("int", codes->bits)
                              : absl::AsciiStrToLower(dtypeName(values->dtype));
  return mask ? type + "-bitmask" : type;
}

bool isCoded(const TensorView &tensor) {
  if (tensor.encoding)
    return tensor.encoding->codes || tensor.encoding->table;
  return findBlockType(tensor.dtype) && tensor.shape.size() == 2;
}

std::vector<int32_t> readGroupOf(const TensorView &tensor) {
  return tensor.encoding ? groupsOf(*tensor.encoding) : std::vector<int32_t>();
}

absl::StatusOr<CodedMatrix> readCodes(const TensorView &tensor) {
  if (!isCoded(tensor))
    return formatError(siteOf(tensor), "codes of whole numbers", dtypeName(tensor.dtype));
  if (!tensor.encoding)
    return readBlocks(tensor);
  return tensor.encoding->table ? readTable(*tensor.encoding) : readCoded(*tensor.encoding);
}

absl::StatusOr<std::vector<float>> readEncoded(const TensorView &tensor) {
  const StoredEncoding &encoding = *tensor.encoding;
  if (!encoding.values) {
    STC_ASSIGN_OR_RETURN(CodedMatrix matrix, readCodes(tensor));
    return decode(matrix);
  }
  std::vector<float> values(size_t(encoding.values->elementCount()));
  STC_RETURN_IF_ERROR(readFloats(*encoding.values, 0, absl::MakeSpan(values)));
  if (encoding.mask) {
    STC_ASSIGN_OR_RETURN(values, expand(*encoding.mask, values, encoding.rows, encoding.columns));
  }
  if (!encoding.scales)
    return values;
  STC_ASSIGN_OR_RETURN(std::vector<float> scales, readScales(encoding));
  int64_t groups = tiles(encoding.columns, encoding.tileColumns);
  for (int64_t row = 0; row < encoding.rows; ++row)
    for (int64_t column = 0; column < encoding.columns; ++column)
      values[size_t(row * encoding.columns + column)] *=
          scales[size_t(row * groups + column / encoding.tileColumns)];
  return values;
}

std::vector<float> decode(const CodedMatrix &matrix) {
  std::vector<float> values(matrix.codes.size());
  int64_t groups = matrix.groups();
  int half = 1 << (matrix.bits - 1);
  for (int64_t row = 0; row < matrix.rows; ++row) {
    const float *scales = matrix.scales.data() + row * groups;
    const int8_t *zeros = matrix.zeros.empty() ? nullptr : matrix.zeros.data() + row * groups;
    const float *minimums =
        matrix.minimums.empty() ? nullptr : matrix.minimums.data() + row * groups;
    const int8_t *codes = matrix.codes.data() + row * matrix.columns;
    float *out = values.data() + row * matrix.columns;
    auto decodeRun = [&](int64_t begin, int64_t end, int64_t group) {
      int zero = zeros ? zeros[group] : 0;
      float minimum = minimums ? minimums[group] : 0;
      for (int64_t column = begin; column < end; ++column) {
        float number = matrix.table.empty() ? float(codes[column] - zero)
                                            : matrix.table[size_t(codes[column] + half)];
        out[column] = number * scales[group] - minimum;
      }
    };
    if (!matrix.groupOf.empty())
      for (int64_t column = 0; column < matrix.columns; ++column)
        decodeRun(column, column + 1, matrix.groupOf[size_t(column)]);
    else
      for (int64_t group = 0; group < groups; ++group)
        decodeRun(group * matrix.group, std::min(matrix.columns, (group + 1) * matrix.group),
                  group);
  }
  return values;
}

} // namespace stc
