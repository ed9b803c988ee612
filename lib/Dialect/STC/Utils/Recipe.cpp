// What a recipe means for one matrix, and its text form.
#include "stc/Dialect/STC/Utils/Recipe.h"

#include "stc/Support/Json.h"

#include "absl/strings/str_cat.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <numeric>

namespace stc {

/// The edits that make `word` a name, where a `*` in it stands for anything.
static size_t editsBetween(llvm::StringRef word, llvm::StringRef name) {
  std::vector<size_t> row(name.size() + 1); // of the word so far to each beginning of the name
  std::iota(row.begin(), row.end(), 0);
  for (char c : word) {
    size_t diagonal = row[0]++;
    if (c == '*')
      --row[0];
    for (size_t i = 0; i < name.size(); ++i) {
      size_t above = row[i + 1];
      row[i + 1] = c == '*' ? std::min(above, row[i])
                            : std::min({above + 1, row[i] + 1, diagonal + (c != name[i])});
      diagonal = above;
    }
  }
  return row.back();
}

llvm::StringRef nearestName(llvm::StringRef word, llvm::ArrayRef<llvm::StringRef> names) {
  llvm::StringRef best;
  size_t fewest = std::numeric_limits<size_t>::max();
  for (llvm::StringRef name : names)
    if (size_t edits = editsBetween(word, name); edits < fewest) {
      fewest = edits;
      best = name;
    }
  return best;
}

/// In smaller groups the next whole number is too far away.
static constexpr int64_t kLeastOwlGroup = 8;

absl::Status Recipe::checkRatios() const {
  if (!ratios.owl)
    return absl::OkStatus();
  if (!isCalibrated())
    return formatError({"", "ratios", {}}, "a calibration text beside owl", "none");
  for (const RecipeStage &stage : stages)
    if (stage.prune != "none")
      return absl::OkStatus();
  return formatError({"", "ratios", {}}, "something to prune beside owl", "none");
}

absl::StatusOr<MatrixMethod> Recipe::method(const RecipeStage &stage) const {
  MatrixMethod method;
  STC_ASSIGN_OR_RETURN(method.prune, parsePruneSpec(stage.prune));
  STC_ASSIGN_OR_RETURN(method.quantize, parseQuantizeSpec(stage.quantize));
  bool prunes = method.prune.pattern.kind != PrunePattern::Kind::None;
  bool quantizes = method.quantize.enabled;
  if (isCalibrated()) {
    if (!method.prune.methodGiven)
      method.prune.method = quantizes ? "sparsegpt" : "alps";
    if (!method.quantize.methodGiven)
      method.quantize.method = "gptq";
  }
  if (!isCalibrated() && prunes && method.prune.needsCalibration())
    return formatError({"", "prune", {}}, "a calibration text beside " + method.prune.method,
                       "none");
  if (!isCalibrated() && quantizes && method.quantize.needsCalibration())
    return formatError({"", "quantize", {}}, "a calibration text beside " + method.quantize.method,
                       "none");
  if (ratios.owl && method.prune.pattern.kind == PrunePattern::Kind::NM &&
      method.prune.pattern.m < kLeastOwlGroup)
    return formatError({"", "prune", {}},
                       absl::StrCat("a ratio, blocks or N:M with M of at least ", kLeastOwlGroup,
                                    " beside ratios owl"),
                       method.prune.pattern.str());
  method.damping = calibration.damping;
  method.joint = calibration.joint;
  method.repair = repair.enabled && isCalibrated();
  method.repairDamping = repair.damping;
  method.sweeps = int(repair.sweeps);
  return method;
}

std::string Recipe::headSpec() const {
  if (head != "auto")
    return head;
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    absl::StatusOr<QuantizeSpec> spec = parseQuantizeSpec(stage->quantize);
    if (!spec.ok() || !spec->enabled)
      continue;
    spec->method = "rtn"; // of 8 bits, calibration has nothing to gain
    spec->element = ElementKind::I8;
    spec->asymmetric = false;
    return spec->str();
  }
  return "none";
}

std::string Recipe::str() const {
  std::string text = "version: 1\n";
  auto number = [](double value) {
    char digits[40]; // the shortest that reads back as the same number
    return std::string(digits, std::to_chars(digits, std::end(digits), value).ptr);
  };
  if (!attention.empty())
    absl::StrAppend(&text, "attention:\n");
  for (const AttentionRule &rule : attention)
    absl::StrAppend(&text, "  - match: ", jsonQuote(rule.match),
                    "\n    pattern: ", jsonQuote(rule.pattern.str()), "\n");
  if (rotate)
    absl::StrAppend(&text, "rotate: true\n");
  if (isCalibrated()) {
    absl::StrAppend(&text, "calibration: {text: ", jsonQuote(calibration.text),
                    ", sequences: ", calibration.sequences, ", length: ", calibration.length,
                    ", damping: ", number(calibration.damping),
                    ", smooth: ", number(calibration.smooth),
                    calibration.joint ? "" : ", joint: false", "}\n");
    absl::StrAppend(&text, "repair: {enabled: ", repair.enabled ? "true" : "false",
                    ", damping: ", number(repair.damping), ", sweeps: ", repair.sweeps, "}\n");
  }
  if (ratios.owl)
    absl::StrAppend(&text, "ratios: {method: owl, threshold: ", number(ratios.threshold),
                    ", range: ", number(ratios.range), "}\n");
  absl::StrAppend(&text, "head: ", head, "\nstages:\n");
  for (const RecipeStage &stage : stages)
    absl::StrAppend(&text, "  - match: ", jsonQuote(stage.match), "\n    prune: ", stage.prune,
                    "\n    quantize: ", stage.quantize, "\n");
  return text;
}

} // namespace stc
