// How much each part of a layer matters, and which parts go.
#ifndef LIB_DIALECT_STC_TRANSFORMS_STRUCTURESCORES_H
#define LIB_DIALECT_STC_TRANSFORMS_STRUCTURESCORES_H

#include "CutStructure.h"

#include "stc/Calibration/Divergence.h"

namespace stc {

/// Of one layer. Scores are energies: what the outputs of the following projection lose, squared.
struct LayerScores {
  std::vector<double> channels, heads, experts; // empty where the layer has no such part
  /// The mean cosine of the angle between the hidden states that enter and leave the layer.
  double similarity = 0;
};

/// From weights alone: products of the squared norms of the rows and columns that belong together.
absl::StatusOr<std::vector<LayerScores>> scoreWeights(llvm::ArrayRef<LayerStructure> layers,
                                                      WeightStore &store);

/// From weights and activations: the squared norm of a column of the projection times the mean
/// square of its input, or the mean square of what an expert adds, relative to the hidden state,
/// and the similarities of layers. `layers` are all of calibrationProgram.
absl::StatusOr<std::vector<LayerScores>> scoreActivations(mlir::ModuleOp module,
                                                          llvm::ArrayRef<LayerStructure> layers,
                                                          const Sequences &text,
                                                          WeightStore &store);

/// How much of what to remove.
struct StructureAmounts {
  double channels = 0, groups = 0, heads = 0, experts = 0; // shares in [0, 1)
  int64_t layers = 0;
  int64_t multiple = 16; // of channels that stay
  bool uniform = false;  // the same share of channels in every layer
};

/// The parts with the highest scores stay. Channels go from layers where they matter least, between
/// half and one and a half times the share from each; query heads, groups and experts in equal
/// numbers from every layer that has them. Errors: amounts that remove nothing or everything, or
/// that no layer can give.
absl::StatusOr<std::vector<LayerCut>> chooseCuts(llvm::ArrayRef<LayerStructure> layers,
                                                 llvm::ArrayRef<LayerScores> scores,
                                                 const StructureAmounts &amounts);

} // namespace stc

#endif // LIB_DIALECT_STC_TRANSFORMS_STRUCTURESCORES_H
