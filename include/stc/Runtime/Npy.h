// float32 arrays as NumPy .npy files: writing matrices row by row, complete or not at all, and
// reading.
#ifndef STC_RUNTIME_NPY_H
#define STC_RUNTIME_NPY_H

#include "stc/Support/File.h"

#include <memory>
#include <string>
#include <vector>

namespace stc {

/// The header of a C-ordered little-endian float32 array [rows, columns], format version 1.0.
std::string npyHeader(int64_t rows, int64_t columns);

/// A float32 array, rows after rows.
struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<float> values;
};
/// Reads a file of C-ordered little-endian float32 numbers, of format version 1, 2 or 3. Errors:
/// another kind of file or array, another number of bytes than its shape says.
absl::StatusOr<NpyArray> readNpy(const std::string &path);
/// "[2, 3]".
std::string shapeText(absl::Span<const int64_t> shape);

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
