// Writing float32 matrices as NumPy .npy files.
#include "stc/Runtime/Npy.h"

#include "absl/strings/str_cat.h"

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
