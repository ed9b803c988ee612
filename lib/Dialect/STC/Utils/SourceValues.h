// The original values of a weight: from the checkpoint or from its inline value.
#ifndef LIB_DIALECT_STC_UTILS_SOURCEVALUES_H
#define LIB_DIALECT_STC_UTILS_SOURCEVALUES_H

#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Formats/Encoding.h"

#include <optional>

namespace stc {

/// The weight's values as f32, row-major, all of them finite. `checkpoint` may be null when the
/// weight is inline. The pages of the tensor are released once read.
absl::StatusOr<std::vector<float>> readSource(WeightOp weight, const Checkpoint *checkpoint);
/// The tensor that holds the weight as codes, whose rows and columns are the weight's but for its
/// slice; else null.
const TensorView *codedSource(WeightOp weight, const Checkpoint *checkpoint);
/// The columns, the size of groups and the group of each column of such a weight, without codes.
CodedMatrix readSourceGroups(WeightOp weight, const TensorView &tensor);
/// Its codes; nothing for a weight that is stored otherwise.
absl::StatusOr<std::optional<CodedMatrix>> readSourceCodes(WeightOp weight,
                                                           const Checkpoint *checkpoint);

} // namespace stc

#endif // LIB_DIALECT_STC_UTILS_SOURCEVALUES_H
