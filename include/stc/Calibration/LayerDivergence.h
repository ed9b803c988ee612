// What each part of a compressed model costs on its own.
#ifndef STC_CALIBRATION_LAYERDIVERGENCE_H
#define STC_CALIBRATION_LAYERDIVERGENCE_H

#include "stc/Calibration/Divergence.h"

#include "absl/functional/function_ref.h"

#include <string>
#include <vector>

namespace stc {

/// What the model loses when this part alone is the compressed one.
struct PartDivergence {
  std::string name;     // "embedding", the common name of a layer's weights ("layers.3"), "head"
  bool removed = false; // the layer that the source has here is not there
  Divergence divergence;
};

/// Runs the source over `windows` and, for each part of it in turn, goes on from the part's
/// compressed counterpart with the source's next part. "embedding" is all before the first layer,
/// "head" all behind the last one. With `reference` the source is that graph with the weights of
/// the checkpoint; without, it is the graph of `compressed` with the weights of its source. Layers
/// correspond by the names of their weights. `progress` gets each part's name when it is done.
/// Errors: graphs that calibration cannot run, layers that only `compressed` has, and a hidden
/// state that means something else in `compressed` than in `reference` (it was rotated).
absl::StatusOr<std::vector<PartDivergence>>
measureLayerDivergences(mlir::ModuleOp reference, mlir::ModuleOp compressed,
                        const Sequences &windows,
                        absl::FunctionRef<void(const std::string &)> progress);

} // namespace stc

#endif // STC_CALIBRATION_LAYERDIVERGENCE_H
