// What the operations compute, on plain arrays of float64.
#ifndef STC_LIB_REFERENCE_MATH_H
#define STC_LIB_REFERENCE_MATH_H

#include "stc/Compress/AttentionPattern.h"
#include "stc/Reference/Interpreter.h"

namespace stc {

/// Elements of one value at most: a type may claim more than memory holds.
constexpr int64_t kLargestTensor = int64_t(1) << 28;

/// Rows (tokens) and columns of a matrix; a vector is one row.
int64_t rowsOf(const ReferenceTensor &tensor);
int64_t columnsOf(const ReferenceTensor &tensor);
ReferenceTensor makeTensor(std::vector<int64_t> shape, double fill = 0);

/// input * weight^T + bias; `bias` may be null.
ReferenceTensor multiply(const ReferenceTensor &input, const ReferenceTensor &weight,
                         const ReferenceTensor *bias);
/// Root-mean-square normalization of each of `groups` equal parts of a row. The weight holds the
/// gains of one part, or those of all of them one after another.
ReferenceTensor normalize(const ReferenceTensor &input, const ReferenceTensor &weight,
                          int64_t groups, double epsilon);
/// Layer normalization of such parts; `bias` has one value per column of a part, or is null.
ReferenceTensor normalizeLayer(const ReferenceTensor &input, const ReferenceTensor &weight,
                               const ReferenceTensor *bias, int64_t groups, double epsilon);
/// cap * tanh(x / cap).
double softCap(double x, double cap);
double activate(ActivationKind kind, double x);
/// The product of stc.gated_activation; a limit of 0 bounds nothing.
double activateGate(ActivationKind kind, double gate, double up, double limit, double offset);
/// The softmax of every row for its `k` largest values, the lower index where values are equal, and
/// 0 for the others; `normalized`: in proportion to each other, with the sum 1.
ReferenceTensor chooseExperts(const ReferenceTensor &logits, int64_t k, bool normalized);
/// Rows of `table`, one per token; tokens outside the table are an error.
absl::StatusOr<ReferenceTensor> gather(const ReferenceTensor &tokens, const ReferenceTensor &table);
/// Rotates the first pairs of every head of `headDim` columns; the three tensors have equally many
/// rows.
ReferenceTensor rotate(const ReferenceTensor &input, const ReferenceTensor &cosines,
                       const ReferenceTensor &sines, bool interleaved, int64_t headDim);

/// A place in the cache, checked by `checkCache`.
struct CachePlace {
  ReferenceCache *cache;
  KVCacheType type;
  int64_t layer, position;
  /// Where the vector of a head and position begins.
  size_t at(int64_t head, int64_t row) const {
    return size_t((layer * type.getKvHeads() + head) * type.getCapacity() + row) *
           type.getHeadDim();
  }
};

/// Sizes a fresh cache; errors unless `tokens` rows fit at the place.
absl::Status checkCache(const CachePlace &place, int64_t tokens);
/// Stores what a reader of the cache would see: rounded as its element says.
void updateCache(const CachePlace &place, const ReferenceTensor &keys,
                 const ReferenceTensor &values);
/// What attention has beside its operands, as stc.attention says; no end: causal.
struct AttentionSettings {
  int64_t heads = 0;
  double scale = 1, softCap = 0;
  int64_t window = 0, sinks = 0;
  std::optional<int64_t> end;
  const ReferenceTensor *bias = nullptr; // bucket b of head h at b * heads + h
  int64_t biasDistance = 0;
  const ReferenceTensor *sinkLogits = nullptr;
  llvm::ArrayRef<double> slopes;
  AttentionPattern pattern;

  /// Whether a token at position `query` sees `key`.
  bool sees(int64_t query, int64_t key) const;
  /// What is added to the head's score.
  double biasOf(int64_t head, int64_t query, int64_t key) const;
};
ReferenceTensor attend(const CachePlace &place, const ReferenceTensor &queries,
                       const AttentionSettings &settings);

} // namespace stc

#endif // STC_LIB_REFERENCE_MATH_H
