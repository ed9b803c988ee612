// Where packed weights go: into a bundle, or into memory for stc-opt and tests.
#ifndef STC_DIALECT_STC_UTILS_PACKEDWEIGHTS_H
#define STC_DIALECT_STC_UTILS_PACKEDWEIGHTS_H

#include "stc/Packing/Bundle.h"

#include "mlir/IR/MLIRContext.h"

namespace stc {

/// The weights section of the packed module of a context, in the order it was written.
class PackedWeights {
public:
  /// The holder attached to `context`; attaches an empty one on first use.
  static PackedWeights &get(mlir::MLIRContext *context);

  /// Starts a new section, forgetting any other. With a bundle (which must outlive the calls of
  /// `add`) bytes go there, else they are kept in memory.
  absl::Status begin(BundleWriter *bundle);
  /// Appends one weight and returns its offset; `record.offset` and `record.bytes` are filled in.
  absl::StatusOr<uint64_t> add(WeightRecord record, absl::Span<const uint8_t> bytes);

  /// The section's bytes; empty when they went into a bundle.
  absl::Span<const uint8_t> section() const { return bytes; }
  const std::vector<WeightRecord> &records() const { return weightRecords; }

private:
  BundleWriter *bundle = nullptr;
  std::vector<uint8_t> bytes;
  std::vector<WeightRecord> weightRecords;
};

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_PACKEDWEIGHTS_H
