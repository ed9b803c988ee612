// How much a model loses when a weight is encoded in one way or another.
#ifndef STC_CALIBRATION_SENSITIVITY_H
#define STC_CALIBRATION_SENSITIVITY_H

#include "stc/Calibration/Divergence.h"
#include "stc/Dialect/STC/Utils/Recipe.h"
#include "stc/Dialect/STC/Utils/WeightFacts.h"
#include "stc/Support/Progress.h"

namespace stc {

/// A way to encode a weight, with the methods that a calibrated recipe gives it.
struct Encoding {
  std::string prune = "none", quantize = "none";
  bool isSparse() const { return prune != "none"; }
  /// "int4-g32", "2:4+int4-g128", "none".
  std::string str() const;
};
/// Parses what Encoding::str prints.
absl::StatusOr<Encoding> parseEncoding(absl::string_view text);

/// A weight in one encoding.
struct EncodedCost {
  size_t encoding = 0;   // into the list asked about
  double error = 0;      // squared output error on the calibration text, relative to the outputs
  double divergence = 0; // estimated KL(source || model with this weight alone encoded)
  int64_t bytes = 0;     // as stored
  Layout layout;
  double seconds = 0; // of one token; whoever knows the machine fills it in
};

struct WeightSensitivity {
  WeightOp weight;
  /// KL per squared relative error, measured with one dense and one sparse encoding.
  double denseSlope = 0, sparseSlope = 0;
  std::vector<EncodedCost> costs; // of the encodings that the weight can have, in order
};

/// What sensitivity is measured on, and how weights are compressed meanwhile.
struct SensitivityOptions {
  Recipe recipe;         // calibration and repair
  Sequences calibration; // gives the moments of every matrix's inputs
  Sequences windows;     // on which KL is measured
  std::vector<Encoding> encodings;
};

/// Runs the uncompressed model over both texts, layer after layer. Each of `weights`, in its turn
/// alone, is compressed in every encoding on the moments of its inputs, which gives the relative
/// error of its outputs. The KL that one dense and one sparse encoding of it costs is measured by
/// running the rest of the model over `windows`; of the others it is taken to be in proportion to
/// the squared error. The results are in the order in which weights are met; a weight that no
/// linear operation of a layer reads is left out.
absl::StatusOr<std::vector<WeightSensitivity>>
measureSensitivity(mlir::ModuleOp module, WeightStore &store, const SensitivityOptions &options,
                   llvm::ArrayRef<WeightOp> weights, const WeightUsesMap &uses, Progress &progress);

} // namespace stc

#endif // STC_CALIBRATION_SENSITIVITY_H
