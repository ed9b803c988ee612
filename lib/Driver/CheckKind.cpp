// Which options of a compilation a kind of model allows.
#include "CheckKind.h"

using namespace stc;

absl::Status stc::checkEncoderDecoder(const CompileOptions &options, bool isForGpu) {
  const char *others =
      "a decoder alone (an encoder-decoder can be pruned by magnitude and rounded, "
      "with --prune, --quantize or a recipe)";
  const char *kind = "an encoder-decoder";
  struct {
    bool isGiven;
    const char *option;
    const char *expected, *got;
  } refused[] = {
      {isForGpu, "--target", "a processor for an encoder-decoder", "a GPU"},
      {!options.budget.empty(), "--budget", others, kind},
      {!options.calibration.text.empty(), "--calibrate", others, kind},
      {options.recipe && options.recipe->isCalibrated(), "calibrate", others, kind},
      {options.structure.any(), "--prune-channels, --prune-groups, --prune-heads, --prune-layers",
       others, kind},
      {options.rotate || (options.recipe && options.recipe->rotate), "--rotate", others, kind},
      {!options.report.empty(), "--report", "a decoder alone", kind},
      {options.emit == EmitKind::Safetensors || options.emit == EmitKind::Gguf, "--emit",
       "exe, shared, object, asm, llvm or mlir:PHASE for an encoder-decoder",
       "safetensors or gguf"},
  };
  for (const auto &option : refused)
    if (option.isGiven)
      return formatError({options.model, option.option, {}}, option.expected, option.got);
  return absl::OkStatus();
}
