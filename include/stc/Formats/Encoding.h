// Matrices that a checkpoint stores as codes with scales, or as what a mask leaves of them.
#ifndef STC_FORMATS_ENCODING_H
#define STC_FORMATS_ENCODING_H

#include "stc/Formats/Tensor.h"

#include "absl/types/optional.h"

namespace stc {

/// A matrix of whole numbers with scales: the value at (row, column) is (code - zero) * scale -
/// minimum, with the zero, the scale and the minimum of the row and of the column's group.
struct CodedMatrix {
  int64_t rows = 0, columns = 0;
  int bits = 8;                // codes and zeros are in [-2^(bits - 1), 2^(bits - 1) - 1]
  int64_t group = 0;           // consecutive columns of one group; `columns`: one group is all
  std::vector<int8_t> codes;   // [rows][columns]
  std::vector<float> scales;   // [rows][groups()], finite
  std::vector<int8_t> zeros;   // the same shape, or empty: all zero
  std::vector<float> minimums; // the same shape, or empty: all zero; finite
  /// What codes stand for where that is not themselves: code c for entry c + 2^(bits - 1).
  std::vector<float> table;
  /// The group of each column where it is not column / group, or empty; and how many groups a row
  /// has then where columns were taken away, or 0.
  std::vector<int32_t> groupOf;
  int64_t storedGroups = 0;

  int64_t groups() const { return storedGroups ? storedGroups : (columns + group - 1) / group; }
};

/// Whole numbers of a few bits in a stored matrix of words or bytes.
struct PackedCodes {
  enum class Order {
    Bytes,   // signed bytes, one code in each
    Words,   // 32 / bits codes in every 32-bit word, from the lowest bit on
    Stream,  // as Words, but codes go over the ends of words: no bit is left out
    Awq,     // as Words, but codes 0 2 4 6 1 3 5 7 of every eight, of four bits
    Float4,  // E2M1 numbers, two in every byte, the first in the low half; the code is twice its
             // value
    Marlin24 // those that a 2:4 matrix keeps, as Marlin24.h tells; `positions` says where they are
  };
  TensorView tensor; // I8, I32 or U8 (Float4)
  int bits = 8;
  Order order = Order::Bytes;
  bool alongFirst = false; // the codes of a word are a column of the stored matrix, else a row
  bool transposed = false; // what is stored is [columns][rows]
  int64_t width = 0;       // words of a run where it has more than its codes take
};

/// A matrix of 4-bit numbers of the entries of a table, each times the largest magnitude of a block
/// of elements, counted row after row. These maxima may themselves be numbers of the entries of a
/// table, times one for a block of them, plus `offset`: BitsAndBytes4.h tells which tensor is what.
struct StoredTable {
  TensorView codes;  // two in every byte, the first in the high half
  TensorView values; // F32 [16]
  int64_t block = 64;
  TensorView maxima;                        // F32, or U8 with:
  absl::optional<TensorView> maximumValues; // F32 [256]
  absl::optional<TensorView> outerMaxima;   // F32
  int64_t outerBlock = 256;
  double offset = 0;
  std::string name; // "nf4"
};

/// How the tensors of one matrix [rows][columns] become its values. All shapes have been checked.
struct StoredEncoding {
  int64_t rows = 0, columns = 0;
  absl::optional<PackedCodes> codes;    // or else:
  absl::optional<StoredTable> table;    // or else:
  absl::optional<TensorView> values;    // floats [rows][columns]
  absl::optional<TensorView> mask;      // bits of what `codes` (bytes) or `values` hold, by rows
  absl::optional<TensorView> positions; // I16: of the codes of Marlin24
  absl::optional<TensorView> scales;    // of floats; none: 1
  bool scalesTransposed = false;        // stored as [groups][rows]
  int64_t scalesWidth = 0;              // of a stored row, where it has more than there are groups
  bool scalesShuffled = false;          // rows 0 4 1 5 2 6 3 7 of every eight, as Marlin24 has it
  double scaleUnit = 1, scaleDivisor = 1; // what every scale is multiplied with and divided by
  int64_t tileRows = 1, tileColumns = 0;  // what one scale is for
  absl::optional<PackedCodes> zeros;      // of as many tiles as there are scales
  int zeroOffset = 0;                     // added to stored zeros, modulo 2^bits
  absl::optional<TensorView> groupOf;     // I32 [columns], in range: the scale of each column
  bool isLinear = false; // rows are outputs, whatever the family stores plain weights as

  /// The tensors that are read, for streaming.
  std::vector<const TensorView *> parts() const;
  uint64_t storedBytes() const;
  std::string name() const; // of the stored type, as "int4" or "f8_e4m3"
};

/// Whether a matrix is stored as codes of whole numbers with scales: an `StoredEncoding` that has
/// some, or a block type of GGUF.
bool isCoded(const TensorView &tensor);
/// The group of each of its columns as they are stored; empty where they are in order.
std::vector<int32_t> readGroupOf(const TensorView &tensor);
/// Its codes.
absl::StatusOr<CodedMatrix> readCodes(const TensorView &tensor);
/// The values of an encoded tensor, as `readFloats` gives them.
absl::StatusOr<std::vector<float>> readEncoded(const TensorView &tensor);
/// The values of codes, row-major.
std::vector<float> decode(const CodedMatrix &matrix);

} // namespace stc

#endif // STC_FORMATS_ENCODING_H
