// Writing float32 matrices as NumPy .npy files, row by row, complete or not at all.
#ifndef STC_RUNTIME_NPY_H
#define STC_RUNTIME_NPY_H

#include "stc/Support/File.h"

#include <memory>
#include <string>

namespace stc {

/// The header of a C-ordered little-endian float32 array [rows, columns], format version 1.0.
std::string npyHeader(int64_t rows, int64_t columns);

/// Writes one matrix; nothing appears under the path before `commit`.
class NpyWriter {
public:
  static absl::StatusOr<NpyWriter> create(const std::string &path, int64_t rows, int64_t columns);
  absl::Status write(absl::Span<const float> values);
  /// Error: not rows * columns values were written.
  absl::Status commit();

private:
  std::unique_ptr<AtomicFile> file;
  std::string path;
  int64_t missing = 0; // values still to be written
};

} // namespace stc

#endif // STC_RUNTIME_NPY_H
