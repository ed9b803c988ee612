// Where the bytes of `stc.weight` symbols come from and where compression puts what it changed.
#ifndef STC_DIALECT_STC_UTILS_WEIGHTSTORE_H
#define STC_DIALECT_STC_UTILS_WEIGHTSTORE_H

#include "stc/Compress/Prune.h"
#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Dialect/STC/Utils/AdoptedCodes.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Packing/Pack.h"

#include "mlir/IR/DialectInterface.h"

#include <memory>
#include <vector>

namespace stc {

/// On a weight whose values compression took from calibration data.
constexpr llvm::StringLiteral kCalibratedAttr = "stc.calibrated";
/// On a weight whose source was rotated or took part in a rotation; see `stc-fold-rotations`.
constexpr llvm::StringLiteral kRotatedAttr = "stc.rotated";
/// Whether a module was rotated.
bool isRotated(mlir::ModuleOp module);

/// Streams weights one tensor at a time: the source is the mapped checkpoint or the weight's inline
/// value; masks and codes written by compression go to an unlinked spill file, so that memory
/// stays bounded by the largest tensor whatever the model's size. Weights are known by name,
/// origin and slice, so that clones of a module share what was stored. All members may be called
/// from several threads as long as the IR does not change meanwhile.
///
/// A weight whose `prune` or `quant` attribute says it was compressed, but which the store does not
/// know (the module was written out and read back), is compressed again on first use, or an error
/// if that takes calibration data.
class WeightStore {
public:
  /// `checkpoint` may be null when all weights are inline.
  explicit WeightStore(std::shared_ptr<Checkpoint> checkpoint);
  ~WeightStore();

  /// The values of a weight as f32, row-major, after its mask (if one was set) and, if it was
  /// quantized, after rounding. Errors: no such tensor, wrong shape, non-finite values.
  absl::StatusOr<std::vector<float>> load(WeightOp weight);
  /// The same as the source has them, whatever compression stored: the values of the checkpoint or
  /// those of `setSource`.
  absl::StatusOr<std::vector<float>> loadSource(WeightOp weight);
  /// The same as the checkpoint has them, or the inline value.
  absl::StatusOr<std::vector<float>> loadOriginal(WeightOp weight);
  /// New values [rows][columns] that count as the source's from now on, rounded to the weight's
  /// type: later compression and repair start from them and are compared with them.
  absl::Status setSource(WeightOp weight, absl::Span<const float> values);
  /// New values [rows][columns] in place of the source's, rounded to the weight's type.
  absl::Status setValues(WeightOp weight, absl::Span<const float> values);
  /// One byte per weight, 1 = kept. Later loads see zeros elsewhere.
  absl::Status setMask(WeightOp weight, absl::Span<const uint8_t> keep);
  /// Later loads see the rounded values; `quantized` returns the codes.
  absl::Status setQuantized(WeightOp weight, const QuantizedMatrix &matrix);
  /// Forgets all of that; attributes of the weight are the caller's. Its room in the spill file is
  /// not used again.
  void reset(WeightOp weight);
  /// The same, but `setSource` stays.
  void resetToSource(WeightOp weight);
  /// The codes of a quantized weight; an error if it was not quantized. Those of a weight that is
  /// compressed later (CompressLater.h) are computed anew by each call, until they are set.
  absl::StatusOr<QuantizedMatrix> quantized(WeightOp weight);

  /// The tensor of the checkpoint that the weight is or is a part of, or null.
  const TensorView *sourceTensor(WeightOp weight) const;
  /// Whether the checkpoint stores the weight as codes.
  bool hasStoredCodes(WeightOp weight) const;
  /// The groups of the columns of such a weight; nothing for a weight that is stored otherwise.
  std::optional<CodedMatrix> storedGroups(WeightOp weight) const;
  /// Those codes as a layout holds them; an error if it has none.
  absl::StatusOr<AdoptedCodes> storedCodes(WeightOp weight) const;

  /// What compression made of a weight, the last of these that happened; a new source counts as new
  /// values.
  enum class Change { None, Masked, NewValues, Quantized };
  absl::StatusOr<Change> changeOf(WeightOp weight);

  /// The store attached to the weight's context; attaches one of openCheckpoint on first use.
  static absl::StatusOr<WeightStore *> get(mlir::ModuleOp module);
  /// Attaches `store` to the context, replacing any other.
  static void attach(mlir::MLIRContext *context, std::unique_ptr<WeightStore> store);

private:
  /// Recomputes the mask and the codes that the weight's attributes promise.
  absl::Status restore(WeightOp weight);

  struct State;
  std::unique_ptr<State> state;
};

/// Opens the checkpoint that the module attribute `stc.checkpoint = "PATH"` names; null without
/// one. The module says what a configuration would, so that a .safetensors file needs none.
absl::StatusOr<std::shared_ptr<Checkpoint>> openCheckpoint(mlir::ModuleOp module);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_WEIGHTSTORE_H
