// The weights of a compressed module as tensors of a checkpoint.
#ifndef STC_LIB_EXPORT_EXPORTEDWEIGHT_H
#define STC_LIB_EXPORT_EXPORTEDWEIGHT_H

#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Support/Progress.h"

namespace stc {

/// One weight, and what becomes of it.
struct ExportedWeight {
  WeightOp op;
  std::string name;                   // the tensor's, in the container written
  const TensorView *source = nullptr; // the checkpoint's tensor, of the same shape
  WeightStore::Change change = WeightStore::Change::None;
  QuantizeSpec quantize; // where it was quantized

  bool isQuantized() const { return change == WeightStore::Change::Quantized; }
  bool isMatrix() const { return source->shape.size() == 2; }
  /// The type of its values where it is not quantized: the checkpoint's if that holds them.
  DType floatType() const;
};

/// The weights of `module` in its order, with the names they have in `container`. A tied embedding
/// whose copy in the head was compressed apart becomes two tensors. Errors: a weight that is none
/// of the checkpoint's tensors, or of another shape.
absl::StatusOr<std::vector<ExportedWeight>> collectWeights(mlir::ModuleOp module,
                                                           const Checkpoint &checkpoint,
                                                           WeightStore &store,
                                                           Checkpoint::Container container);

/// The bytes of a weight that is not quantized, as `type`; the stored bytes where nothing has to
/// be converted.
absl::StatusOr<std::vector<uint8_t>> floatBytes(const ExportedWeight &weight, DType type,
                                                const Checkpoint &checkpoint, WeightStore &store);

/// Shows how many of the elements of `tensors` are written.
Progress exportProgress(const std::vector<TensorView> &tensors, bool quiet);

} // namespace stc

#endif // STC_LIB_EXPORT_EXPORTEDWEIGHT_H
