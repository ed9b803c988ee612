// What a compilation writes, and what it is called.
#include "Outputs.h"

#include "stc/Pipelines/Pipelines.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace stc;

absl::Status stc::parseEmit(const std::string &text, CompileOptions &options) {
  if (text == "exe")
    options.emit = EmitKind::Executable;
  else if (text == "shared")
    options.emit = EmitKind::Shared;
  else if (text == "object")
    options.emit = EmitKind::Object;
  else if (text == "asm")
    options.emit = EmitKind::Assembly;
  else if (text == "llvm")
    options.emit = EmitKind::LLVMIR;
  else if (text == "ptx")
    options.emit = EmitKind::Ptx;
  else if (text == "hsaco")
    options.emit = EmitKind::Hsaco;
  else if (text == "spirv")
    options.emit = EmitKind::Spirv;
  else if (text == "safetensors")
    options.emit = EmitKind::Safetensors;
  else if (text == "gguf")
    options.emit = EmitKind::Gguf;
  else if (absl::StartsWith(text, "mlir:") && parsePhase(text.substr(5))) {
    options.emit = EmitKind::MLIR;
    options.mlirPhase = *parsePhase(text.substr(5));
  } else {
    std::string phases =
        llvm::join(llvm::map_range(kAllPhases, [](Phase phase) { return phaseName(phase); }), "|");
    return formatError(
        {"", "--emit", {}},
        absl::StrCat(
            "exe, shared, object, safetensors, gguf, asm, ptx, hsaco, spirv, llvm or mlir:",
            phases),
        printable(text));
  }
  return absl::OkStatus();
}

std::string stc::modelName(const std::string &model) {
  llvm::StringRef path = llvm::StringRef(model).rtrim('/');
  llvm::StringRef name = llvm::sys::path::filename(path);
  for (llvm::StringRef suffix : {".gguf", ".mlir", ".safetensors"})
    name.consume_back(suffix);
  return name.empty() || name == "." ? "model" : name.str();
}

std::string stc::outputPath(const CompileOptions &options) {
  std::string name = options.output.empty() ? modelName(options.model) : options.output;
  if (options.emit == EmitKind::Gguf)
    return absl::EndsWith(name, ".gguf") ? name : name + ".gguf";
  if (!options.output.empty())
    return options.output;
  switch (options.emit) {
  case EmitKind::Assembly:
    return name + ".s";
  case EmitKind::Ptx:
    return name + ".ptx";
  case EmitKind::Hsaco:
    return name + ".hsaco";
  case EmitKind::Spirv:
    return name + ".spv";
  case EmitKind::LLVMIR:
    return name + ".ll";
  case EmitKind::MLIR:
    return absl::StrCat(name, ".", phaseName(options.mlirPhase).str(), ".mlir");
  default:
    return name;
  }
}

/// Whether `path` is a file that there is in the folder of a checkpoint of several files, and of a
/// kind that is read there.
static bool isOfCheckpoint(const std::string &path, const std::string &model) {
  llvm::StringRef ending = llvm::sys::path::extension(path);
  if (absl::EndsWith(model, ".gguf") || absl::EndsWith(model, ".mlir") ||
      (ending != ".json" && ending != ".safetensors" && ending != ".jinja"))
    return false;
  auto folderOf = [](llvm::StringRef file) {
    llvm::StringRef folder = llvm::sys::path::parent_path(file);
    return folder.empty() ? std::string(".") : folder.str();
  };
  std::string folder = llvm::sys::fs::is_directory(model) ? model : folderOf(model);
  return llvm::sys::fs::exists(path) && llvm::sys::fs::equivalent(folder, folderOf(path));
}

absl::Status stc::checkOutput(const CompileOptions &options) {
  if (options.output == "-")
    return isText(options.emit)
               ? absl::OkStatus()
               : formatError({"", "--output", {}},
                             "a name for exe, shared, object, safetensors and gguf (- prints text "
                             "kinds)",
                             "-");
  std::string path = outputPath(options);
  bool isRead = isOfCheckpoint(path, options.model);
  for (const std::string &file :
       {options.model, options.recipeFile, options.calibration.text, options.reportText})
    isRead |= !llvm::sys::fs::is_directory(file) && llvm::sys::fs::equivalent(file, path);
  return isRead ? formatError({path, "", {}}, "a file that the compilation does not read",
                              "one that it reads")
                : absl::OkStatus();
}

bool stc::isText(EmitKind kind) {
  return kind == EmitKind::MLIR || kind == EmitKind::LLVMIR || kind == EmitKind::Assembly ||
         kind == EmitKind::Ptx || kind == EmitKind::Hsaco || kind == EmitKind::Spirv;
}

bool stc::isExport(EmitKind kind) {
  return kind == EmitKind::Safetensors || kind == EmitKind::Gguf;
}

std::string stc::recipePath(const CompileOptions &options) {
  return outputPath(options) + ".recipe.yaml";
}

static std::string fileName(const std::string &path) {
  return llvm::sys::path::filename(path).str();
}

std::string stc::recipeText(const CompileOptions &options) {
  std::string text =
      absl::StrCat("prune=", options.prune, " quantize=", options.quantize, " head=", options.head,
                   options.structure.str(), options.rotate ? " rotate" : "",
                   options.attention == "none" ? "" : " attention=" + options.attention);
  // The same for the recipe that a search wrote as for its reading: the same binary.
  if (options.recipe || !options.budget.empty())
    text =
        absl::StrCat("recipe=", fileName(options.recipe ? options.recipeFile : recipePath(options)),
                     options.structure.str());
  else if (!options.calibration.text.empty())
    absl::StrAppend(
        &text, " calibrate=", options.calibration.text,
        " sequences=", options.calibration.sequences, " length=", options.calibration.length,
        options.calibration.repair ? "" : " no-repair", " sweeps=", options.calibration.sweeps,
        options.calibration.ratios == "uniform" ? "" : " ratios=" + options.calibration.ratios);
  if (!options.exclude.empty())
    absl::StrAppend(&text, " exclude=", absl::StrJoin(options.exclude, ","));
  if (options.activations != ActivationChoice::Exact)
    absl::StrAppend(&text, " activations=", activationsName(options.activations));
  return text;
}
