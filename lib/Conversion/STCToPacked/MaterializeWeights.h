// Packs the bytes of all weights and replaces stc.weight by packed.weight.
#ifndef LIB_CONVERSION_STCTOPACKED_MATERIALIZEWEIGHTS_H
#define LIB_CONVERSION_STCTOPACKED_MATERIALIZEWEIGHTS_H

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Packing/Bundle.h"

#include "mlir/IR/BuiltinOps.h"

namespace stc {

struct MaterializeOptions {
  BundleWriter *bundle = nullptr; // null: the bytes stay in memory
  bool quiet = true, verbose = false;
};

/// The type of the packed weight that `weight` becomes, or null if no layout was chosen for it.
packed::WeightType packedType(WeightOp weight);

/// Loads, packs and writes every weight with a layout, in module order, and replaces it; weights
/// without one are unused and erased. Returns the bytes written.
mlir::FailureOr<uint64_t> materializeWeights(mlir::ModuleOp module,
                                             const MaterializeOptions &options);

} // namespace stc

#endif // LIB_CONVERSION_STCTOPACKED_MATERIALIZEWEIGHTS_H
