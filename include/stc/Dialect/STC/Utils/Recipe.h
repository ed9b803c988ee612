// Recipes: how the weights of a model are compressed, as a YAML file that people read and write.
#ifndef STC_DIALECT_STC_UTILS_RECIPE_H
#define STC_DIALECT_STC_UTILS_RECIPE_H

#include "stc/Compress/CompressMatrix.h"
#include "stc/Dialect/STC/Utils/AttentionRules.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>
#include <vector>

namespace stc {

/// What is done to the weights whose names match a pattern.
struct RecipeStage {
  std::string match;             // a glob pattern of weight names
  std::string prune = "none";    // as parsePruneSpec takes it
  std::string quantize = "none"; // as parseQuantizeSpec takes it
  int64_t line = 0;              // in the recipe's file; 0: from elsewhere
};

/// A recipe. A weight is compressed as the first stage says whose pattern matches its name; a
/// weight that none matches is left alone. A bias goes with its matrix: repair fits it, unless the
/// first stage that matches its own name neither prunes nor quantizes.
struct Recipe {
  /// The text that methods are calibrated on. Without one only `magnitude` and `rtn` exist, and
  /// nothing is repaired.
  struct Calibration {
    std::string text; // a path, or "default"; empty: none
    int64_t sequences = 128, length = 256;
    double damping = 0.01; // see MatrixMethod
    double smooth = 0;     // how much of large activations moves into the weights, 0 to 1
    bool joint = true;     // see MatrixMethod
  };
  /// Fitting what is left to the uncompressed model; see MatrixMethod.
  struct Repair {
    bool enabled = true;
    double damping = 0.05;
    int64_t sweeps = 2;
  };

  /// How the zeros that a stage asks for are spread over layers.
  struct Ratios {
    bool owl = false;     // fewer for layers with many outliers; else the same for all
    double threshold = 5; // an outlier's score is above so many times the mean of its layer
    double range = 0.08;  // how far a layer's share may be from the one asked for; below 1
  };

  std::vector<AttentionRule> attention; // imposed first, as stc-impose-attention-pattern does
  bool rotate = false;                  // before weights are compressed, as stc-fold-rotations does
  Calibration calibration;
  Repair repair;
  Ratios ratios;
  std::string head = "auto"; // how the output head is quantized; see headSpec
  std::vector<RecipeStage> stages;

  /// A recipe of one stage for all weights.
  static Recipe uniform(std::string prune, std::string quantize) {
    Recipe recipe;
    recipe.stages.push_back({"*", std::move(prune), std::move(quantize)});
    return recipe;
  }
  /// Reads YAML. `file` is what errors name; a relative path of the calibration text counts from
  /// that file's folder. Errors, each in one line with the file's line: what is not YAML, keys that
  /// do not exist (with the nearest that does), keys given twice, specifications that are wrong or
  /// lack the calibration they need, numbers out of range.
  static absl::StatusOr<Recipe> parse(absl::string_view text, const std::string &file);
  static absl::StatusOr<Recipe> load(const std::string &file);

  bool isCalibrated() const { return !calibration.text.empty(); }
  /// An error where `ratios` lacks calibration, or a stage that prunes.
  absl::Status checkRatios() const;
  /// How a stage compresses a matrix. A specification without a method gets the best that there
  /// is: with calibration `gptq` and, in one pass with it, `sparsegpt` (without quantization
  /// `alps`), else `rtn` and `magnitude`. Errors: as in `parse`, and patterns that OWL cannot vary.
  absl::StatusOr<MatrixMethod> method(const RecipeStage &stage) const;
  /// What `head` comes to: for `auto` int8 in the groups of the last stage that quantizes, or
  /// "none" without one.
  std::string headSpec() const;
  /// The recipe as YAML, which `parse` reads back as the same recipe.
  std::string str() const;
};

/// The name with the fewest edits from `word`, a `*` in which stands for anything, or "" if there
/// are no names.
llvm::StringRef nearestName(llvm::StringRef word, llvm::ArrayRef<llvm::StringRef> names);

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_RECIPE_H
