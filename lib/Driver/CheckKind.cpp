// Which options of a compilation a kind of model allows.
#include "CheckKind.h"

using namespace stc;

namespace {

/// An option that a kind of model does not allow, if it was given.
struct Refused {
  bool isGiven;
  const char *option;
  const char *expected, *got;
};

absl::Status refuse(const CompileOptions &options, absl::Span<const Refused> refused) {
  for (const Refused &option : refused)
    if (option.isGiven)
      return formatError({options.model, option.option, {}}, option.expected, option.got);
  return absl::OkStatus();
}

} // namespace

absl::Status stc::checkEncoderDecoder(const CompileOptions &options) {
  const StructureOptions &structure = options.structure;
  bool cutsShared = structure.groups != 0 || structure.heads != 0 || structure.layers != 0;
  return refuse(
      options,
      {{cutsShared, "--prune-groups, --prune-heads, --prune-layers",
        "a decoder or an encoder alone (of an encoder-decoder, whose stacks share a cache, "
        "--prune-channels)",
        "an encoder-decoder"}});
}

absl::Status stc::checkVision(const CompileOptions &options) {
  const char *texts = "a model that reads texts (one that reads images can be pruned by magnitude "
                      "and rounded, with --prune, --quantize or a recipe)";
  const char *kind = "a vision transformer";
  return refuse(
      options,
      {{!options.budget.empty(), "--budget", texts, kind},
       {!options.report.empty(), "--report", texts, kind},
       {!options.calibration.text.empty(), "--calibrate", texts, kind},
       {options.recipe && options.recipe->isCalibrated(), "calibrate", texts, kind},
       {options.structure.any(), "--prune-channels, --prune-groups, --prune-heads, --prune-layers",
        texts, kind},
       {options.rotate || (options.recipe && options.recipe->rotate), "--rotate", texts, kind},
       {options.attention != "none", "--attention", texts, kind},
       {options.emit == EmitKind::Safetensors || options.emit == EmitKind::Gguf, "--emit",
        "exe, shared, object, asm, llvm or mlir:PHASE for a vision transformer",
        "safetensors or gguf"}});
}
