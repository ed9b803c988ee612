// The tensors of a checkpoint that a compressed module is written as.
#ifndef STC_LIB_EXPORT_EXPORTEDTENSOR_H
#define STC_LIB_EXPORT_EXPORTEDTENSOR_H

#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Import/TensorNames.h"
#include "stc/Support/Progress.h"

namespace stc {

/// One tensor of what is written: a weight of the module, or several that the container keeps in
/// one.
struct ExportedTensor {
  struct Part {
    WeightOp op;
    TensorPlace place;
  };
  std::string name;                   // in the container written
  std::vector<Part> parts;            // which leave no row out
  std::vector<int64_t> shape;         // outputs first
  bool transposed = false;            // stored inputs first
  double offset = 0;                  // stored values are this much below those of the module
  bool isCopy = false;                // the checkpoint stores the same bytes
  bool keepsCodes = false;            // quantized, and the checkpoint stores all its codes itself
  bool isTable = false;               // rows of it are looked up
  bool isFlat = false;                // a matrix of one row that is stored as a vector
  std::vector<int64_t> wholeShape;    // of a convolution's tensor, which `shape` is a matrix of
  const TensorView *source = nullptr; // the checkpoint's tensor that the first part comes from
  /// What became of the parts; NewValues where they differ.
  WeightStore::Change change = WeightStore::Change::None;
  QuantizeSpec quantize; // where they were quantized, all in the same way
  /// The group of each column where codes of a group do not stand beside each other, or empty.
  std::vector<int32_t> groupOf;

  bool isQuantized() const { return change == WeightStore::Change::Quantized; }
  /// Whether it is stored as a matrix.
  bool isMatrix() const { return shape.size() == 2 && !isFlat; }
  int64_t elementCount() const;
  /// The shape of values that are not quantized.
  std::vector<int64_t> storedShape() const;
  /// The type of its values where it is not quantized: the checkpoint's if that holds them.
  DType floatType() const;
};

/// The tensors that `module` has in `container`, in its order. A tied embedding whose copy in the
/// head was compressed apart becomes two tensors; one of a stack is called NAME[NUMBER]. Errors: a
/// weight that is none of the checkpoint's tensors, tensors with rows of no weight, and weights of
/// one tensor that were not quantized alike.
absl::StatusOr<std::vector<ExportedTensor>> collectTensors(mlir::ModuleOp module,
                                                           const Checkpoint &checkpoint,
                                                           WeightStore &store,
                                                           Checkpoint::Container container);

/// What is written under one name: a tensor, or those called NAME[0], NAME[1] ... one after
/// another, as one with a first dimension more. GGUF files and gpt-oss stack the experts of a layer
/// so.
struct TensorStack {
  std::string name;
  std::vector<const ExportedTensor *> tensors;

  const ExportedTensor &first() const { return *tensors.front(); }
  bool isSingle() const { return first().name == name; }
  /// The shape of values that are not quantized.
  std::vector<int64_t> storedShape() const;
};
/// All `tensors`, in their order, which have to outlive the result.
std::vector<TensorStack> stacksOf(const std::vector<ExportedTensor> &tensors);
/// Checks that all of a stack have the shape of the first, and, as `typeOf` finds them, its type.
absl::Status checkStack(const TensorStack &stack,
                        llvm::function_ref<absl::StatusOr<DType>(const ExportedTensor &)> typeOf);

/// Which row of a weight stands in each of its rows in a container; empty: the same.
using RowOrder = llvm::function_ref<std::vector<int64_t>(WeightOp)>;
inline std::vector<int64_t> sameRows(WeightOp) { return {}; }

/// The bytes of a tensor that is not quantized, as `type`; the stored bytes where nothing has to be
/// converted.
absl::StatusOr<std::vector<uint8_t>> floatBytes(const ExportedTensor &tensor, DType type,
                                                const Checkpoint &checkpoint, WeightStore &store,
                                                RowOrder order = sameRows);
/// The codes of a tensor that is quantized. Where `groupOf` has the group of each column, scales
/// and zeros are of these groups.
absl::StatusOr<QuantizedMatrix> quantizedRows(const ExportedTensor &tensor, WeightStore &store,
                                              RowOrder order = sameRows);

/// Shows how many of the elements of `tensors` are written.
Progress exportProgress(const std::vector<TensorView> &tensors, bool quiet);

} // namespace stc

#endif // STC_LIB_EXPORT_EXPORTEDTENSOR_H
