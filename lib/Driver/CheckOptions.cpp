// Checks of options, before minutes of work.
#include "CheckOptions.h"

#include "Outputs.h"
#include "stc/Compress/Prune.h"
#include "stc/Compress/Quantize.h"
#include "stc/Support/File.h"
#include "stc/Target/GPU/TargetDescription.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

using namespace stc;

static absl::Status checkHead(const std::string &head) {
  absl::Status status = head == "auto" ? absl::OkStatus() : parseQuantizeSpec(head).status();
  return status.ok()
             ? status
             : formatError({"", "--head", {}}, "auto, or what --quantize takes", printable(head));
}

/// A clear error now, and not after minutes.
static absl::Status checkText(const std::string &text) {
  return text.empty() || text == "default" ? absl::OkStatus() : MappedFile::open(text).status();
}

/// Code for other targets takes exact ones, whoever asks for others.
static absl::Status checkActivations(const CompileOptions &options) {
  if (options.activations == ActivationChoice::Exact)
    return absl::OkStatus();
  for (absl::string_view name : absl::StrSplit(options.target, ','))
    if (auto target = gpu::TargetDescription::parse(name); target.ok() && target->hasMma)
      return absl::OkStatus();
  return formatError({"", "--activations", {}},
                     absl::StrCat("a GPU of NVIDIA's among --target beside ",
                                  activationsName(options.activations), ", as in nvptx-sm_90"),
                     printable(options.target));
}

absl::Status stc::checkMethods(const CompileOptions &options) {
  STC_RETURN_IF_ERROR(checkActivations(options));
  STC_RETURN_IF_ERROR(checkHead(options.head));
  if (!options.budget.empty())
    return checkText(options.calibration.text);
  if (options.recipe) // whose specifications are checked already
    return checkText(options.recipe->calibration.text);
  STC_ASSIGN_OR_RETURN(PruneSpec prune, parsePruneSpec(options.prune));
  STC_ASSIGN_OR_RETURN(QuantizeSpec quantize, parseQuantizeSpec(options.quantize));
  const std::string &text = options.calibration.text;
  if (text.empty()) {
    if (prune.needsCalibration())
      return formatError({"", "--prune", {}}, "--calibrate TEXT beside " + prune.method, "none");
    if (quantize.needsCalibration())
      return formatError({"", "--quantize", {}}, "--calibrate TEXT beside " + quantize.method,
                         "none");
    if (options.structure.layers > 0)
      return formatError({"", "--prune-layers", {}}, "--calibrate TEXT beside it", "none");
    return absl::OkStatus();
  }
  if (prune.pattern.kind == PrunePattern::Kind::None && !quantize.enabled &&
      !options.structure.any())
    return formatError({"", "--calibrate", {}},
                       "--prune, --quantize or one of --prune-channels, --prune-groups, "
                       "--prune-heads, --prune-experts and --prune-layers beside it",
                       "none");
  return checkText(text);
}

/// Text is of one target, from the phase on where targets differ. NVIDIA's GPUs have PTX in the
/// place of assembly, AMD's have a code object too.
static absl::Status checkSingleTarget(const CompileOptions &options) {
  if (options.emit == EmitKind::MLIR && options.mlirPhase <= Phase::Packed)
    return absl::OkStatus();
  ErrorSite site{"", "--target", {}};
  if (absl::StrContains(options.target, ","))
    return formatError(
        site,
        "one target for --emit=asm, ptx, hsaco, spirv, llvm and mlir:tiled to mlir:llvm (several "
        "for exe, shared and object)",
        printable(options.target));
  bool isNvidia = absl::StartsWith(options.target, "nvptx-");
  bool isAmd = absl::StartsWith(options.target, "amdgpu-");
  bool isOpenCL = absl::StartsWith(options.target, "spirv");
  if (options.emit == EmitKind::Ptx && !isNvidia)
    return formatError(site, "a GPU of NVIDIA's beside --emit=ptx, as in nvptx-sm_90",
                       printable(options.target));
  if (options.emit == EmitKind::Hsaco && !isAmd)
    return formatError(site, "a GPU of AMD's beside --emit=hsaco, as in amdgpu-gfx942",
                       printable(options.target));
  if (options.emit == EmitKind::Spirv && !isOpenCL)
    return formatError(site, "spirv64 beside --emit=spirv", printable(options.target));
  if (options.emit == EmitKind::Assembly && (isNvidia || isOpenCL))
    return formatError({"", "--emit", {}},
                       absl::StrCat(isOpenCL ? "spirv for " : "ptx for ", options.target), "asm");
  return absl::OkStatus();
}

absl::Status stc::checkEmit(const CompileOptions &options, llvm::ArrayRef<AttentionRule> rules) {
  if (isText(options.emit))
    return checkSingleTarget(options);
  if (!isExport(options.emit))
    return absl::OkStatus();
  // Whose formats know no layers of different sizes.
  if (options.structure.any())
    return formatError({"", "--emit", {}},
                       "exe, shared, object, asm, llvm or mlir:PHASE where structure is pruned",
                       "safetensors or gguf");
  if (attentionRulesText(rules) != "none" || (options.recipe && !options.recipe->attention.empty()))
    return formatError({"", "--emit", {}},
                       "exe, shared, object, asm, llvm or mlir:PHASE where an attention pattern is "
                       "imposed",
                       "safetensors or gguf");
  return absl::OkStatus();
}
