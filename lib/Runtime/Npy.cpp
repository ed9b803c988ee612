// float32 arrays as NumPy .npy files.
#include "stc/Runtime/Npy.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include <cstring>
#include <optional>

namespace stc {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
              "values are written as they lie in memory");

std::string npyHeader(int64_t rows, int64_t columns) {
  std::string dictionary = absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (", rows,
                                        ", ", columns, "), }");
  // Magic, version and length take 10 bytes; the whole is padded to 64 and ends in a newline.
  constexpr size_t prefix = 10, alignment = 64;
  size_t total = (prefix + dictionary.size() + 1 + alignment - 1) / alignment * alignment;
  dictionary.resize(total - prefix - 1, ' ');
  dictionary += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += char(dictionary.size() & 0xFF);
  header += char(dictionary.size() >> 8);
  return header + dictionary;
}

std::string shapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

/// The numbers of the tuple behind 'shape'; nothing where there is none.
static std::optional<std::vector<int64_t>> readShape(absl::string_view header) {
  size_t begin = header.find("'shape'"), open = header.find('(', begin);
  size_t close = header.find(')', open);
  if (begin == header.npos || open == header.npos || close == header.npos)
    return std::nullopt;
  std::vector<int64_t> shape;
  for (absl::string_view part : absl::StrSplit(header.substr(open + 1, close - open - 1), ',')) {
    part = absl::StripAsciiWhitespace(part);
    int64_t size = 0;
    if (part.empty())
      continue;
    if (!absl::SimpleAtoi(part, &size) || size < 0 || size > (int64_t(1) << 40))
      return std::nullopt;
    shape.push_back(size);
  }
  return shape;
}

absl::StatusOr<NpyArray> readNpy(const std::string &path) {
  STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(path));
  absl::string_view bytes(reinterpret_cast<const char *>(file->bytes().data()),
                          file->bytes().size());
  constexpr size_t magic = 6, version = 2;
  if (!absl::StartsWith(bytes, "\x93NUMPY") || bytes.size() < magic + version + 4)
    return formatError({path, "", {}}, "a .npy file", "another kind of file");
  size_t lengthBytes = bytes[magic] == 1 ? 2 : 4, begin = magic + version + lengthBytes;
  size_t length = 0;
  for (size_t i = lengthBytes; i > 0; --i)
    length = length << 8 | uint8_t(bytes[magic + version + i - 1]);
  if (length > bytes.size() - begin)
    return formatError({path, "header", magic + version},
                       absl::StrCat("at most ", bytes.size() - begin, " bytes"),
                       absl::StrCat(length));
  absl::string_view header = bytes.substr(begin, length);
  std::optional<std::vector<int64_t>> shape = readShape(header);
  if (!absl::StrContains(header, "'<f4'") || absl::StrContains(header, "True") || !shape)
    return formatError({path, "header", begin}, "an array of '<f4' in C order",
                       printable(header, 80));
  NpyArray array{*std::move(shape), {}};
  absl::string_view data = bytes.substr(begin + length);
  size_t count = data.size() / sizeof(float), expected = 1;
  bool overflows = false;
  for (int64_t size : array.shape)
    overflows |= __builtin_mul_overflow(expected, size_t(size), &expected);
  if (overflows || expected != count || count * sizeof(float) != data.size())
    return formatError({path, "shape", begin},
                       absl::StrCat("one of ", data.size(), " bytes of numbers"),
                       shapeText(array.shape));
  array.values.resize(count);
  std::memcpy(array.values.data(), data.data(), data.size());
  return array;
}

absl::StatusOr<NpyWriter> NpyWriter::create(const std::string &path, int64_t rows,
                                            int64_t columns) {
  NpyWriter writer;
  writer.path = path;
  writer.missing = rows * columns;
  STC_ASSIGN_OR_RETURN(writer.file, AtomicFile::create(path));
  STC_RETURN_IF_ERROR(writer.file->write(npyHeader(rows, columns)));
  return writer;
}

absl::Status NpyWriter::write(absl::Span<const float> values) {
  missing -= int64_t(values.size());
  return file->write(absl::MakeConstSpan(reinterpret_cast<const uint8_t *>(values.data()),
                                         values.size() * sizeof(float)));
}

absl::Status NpyWriter::commit() {
  if (missing != 0)
    return formatError(
        {path, "", {}}, "as many values as its header says",
        absl::StrCat(missing > 0 ? missing : -missing, missing > 0 ? " too few" : " too many"));
  return file->commit();
}

} // namespace stc
