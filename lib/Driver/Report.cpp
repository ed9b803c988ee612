// --report: what a compilation leaves to be shown, measured and written as one page.
#include "Report.h"

#include "Artifacts.h"
#include "ReportBinary.h"
#include "ReportModel.h"
#include "stc/Calibration/Divergence.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Driver/Cache.h"
#include "stc/Driver/Driver.h"
#include "stc/Runtime/CpuFeatures.h"
#include "stc/Support/Progress.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace stc;

static constexpr int64_t kWindowTokens = 256, kWindows = 32, kFewestWindows = 4;

/// The file a path means, whether it exists or not.
static std::string absolutePath(const std::string &path) {
  llvm::SmallString<256> absolute(path);
  (void)llvm::sys::fs::make_absolute(absolute); // it stays as it is
  llvm::sys::path::remove_dots(absolute, /*remove_dot_dot=*/true);
  return absolute.str().str();
}

absl::Status stc::checkReport(const CompileOptions &options,
                              llvm::ArrayRef<cpu::TargetDescription> targets) {
  if (options.report.empty())
    return options.reportText.empty()
               ? absl::OkStatus()
               : formatError({"", "--report-text", {}}, "--report beside it", "none");
  if (options.emit != EmitKind::Executable)
    return formatError({"", "--report", {}}, "--emit=exe, whose program it measures",
                       "another kind");
  if (absl::EndsWith(options.model, ".mlir"))
    return formatError({"", "--report", {}}, "a checkpoint, which it compares with",
                       printable(options.model));
  if (absolutePath(options.report) == absolutePath(outputPath(options)))
    return formatError({options.report, "--report", {}}, "another file than the program's",
                       "the same");
  STC_RETURN_IF_ERROR(checkWritable(options.report));
  bool runs = llvm::any_of(targets, [](const cpu::TargetDescription &target) {
    return missingCpuFeatures(absl::StrJoin(target.features, ",")).empty();
  });
  if (!runs)
    return formatError({"", "--report", {}}, "a --target that this machine can run",
                       printable(options.target));
  if (options.reportText.empty() || options.reportText == "default")
    return absl::OkStatus();
  return MappedFile::open(options.reportText).status();
}

/// What the options say, as a recipe.
static Recipe recipeOf(const CompileOptions &options) {
  if (options.recipe)
    return *options.recipe;
  Recipe recipe = Recipe::uniform(options.prune, options.quantize);
  recipe.rotate = options.rotate;
  // Checked before.
  if (auto rules = parseAttentionRules(options.attention);
      rules.ok() && options.attention != "none")
    recipe.attention = *std::move(rules);
  recipe.head = options.head;
  recipe.calibration.text = options.calibration.text;
  recipe.calibration.sequences = options.calibration.sequences;
  recipe.calibration.length = options.calibration.length;
  recipe.repair.enabled = options.calibration.repair;
  recipe.repair.sweeps = options.calibration.sweeps;
  recipe.ratios.owl = options.calibration.ratios == "owl";
  // The first stage that matches decides.
  for (const std::string &pattern : llvm::reverse(options.exclude))
    recipe.stages.insert(recipe.stages.begin(), {pattern, "none", "none"});
  return recipe;
}

/// Positions that the cache of an imported model has.
static int64_t contextOf(mlir::ModuleOp module) {
  int64_t context = 0;
  if (auto forward = module.lookupSymbol<mlir::func::FuncOp>("forward"))
    for (mlir::Type type : forward.getArgumentTypes())
      if (auto cache = mlir::dyn_cast<KVCacheType>(type))
        context = cache.getCapacity();
  return context;
}

absl::StatusOr<std::unique_ptr<Report>> Report::create(const CompileOptions &options,
                                                       const Checkpoint &checkpoint,
                                                       const Tokenizer *tokenizer,
                                                       mlir::ModuleOp module) {
  std::unique_ptr<Report> report(new Report(options, checkpoint, tokenizer));
  report->recipe = recipeOf(options);
  STC_RETURN_IF_ERROR(report->chooseText(module));
  STC_RETURN_IF_ERROR(report->compileSource());
  return report;
}

absl::Status Report::chooseText(mlir::ModuleOp module) {
  int64_t context = contextOf(module);
  if (context < 2)
    return formatError({"", "--report", {}}, "a model that predicts tokens", "another");
  EvaluationTextOptions wanted;
  wanted.name = options.reportText.empty() ? "default" : options.reportText;
  wanted.calibration = recipe.calibration;
  if (!options.budget.empty())
    wanted.searchWindows = SearchRecipePassOptions().windows;
  wanted.length = std::min(kWindowTokens, context);
  wanted.windows = affordableWindows(module, wanted.length, 1, kFewestWindows, kWindows);
  STC_ASSIGN_OR_RETURN(wanted.reader, textReaderOf(module, tokenizer));
  STC_ASSIGN_OR_RETURN(text, readEvaluationText(wanted));
  return absl::OkStatus();
}

absl::Status Report::compileSource() {
  if (!options.quiet)
    llvm::errs() << "report: the source without compression\n";
  CompileOptions plain;
  plain.model = options.model;
  plain.target = options.target;
  plain.maxContext = options.maxContext;
  plain.threads = options.threads;
  plain.quiet = true;
  STC_ASSIGN_OR_RETURN(source, cachedExecutable(plain));
  source = absolutePath(source);
  return absl::OkStatus();
}

void Report::keep(Phase phase, mlir::ModuleOp module) {
  if (phase == Phase::Graph)
    graph = module.clone();
  else if (phase == Phase::Compressed)
    compressed = module.clone();
}

static absl::StatusOr<uint64_t> fileBytes(const std::string &path) {
  uint64_t bytes = 0;
  if (std::error_code error = llvm::sys::fs::file_size(path, bytes))
    return formatError({path, "", {}}, "a file", error.message());
  return bytes;
}

/// The files that a checkpoint is made of, as far as they decide what is compiled.
static std::vector<std::string> checkpointFiles(const std::string &path) {
  llvm::StringRef name = llvm::sys::path::filename(path);
  if (name.ends_with(".gguf"))
    return {path};
  bool isFolder = llvm::sys::fs::is_directory(path);
  std::string folder = isFolder ? path : llvm::sys::path::parent_path(path).str();
  std::vector<std::string> files;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(folder.empty() ? "." : folder, error), end;
       it != end && !error; it.increment(error)) {
    llvm::StringRef file = llvm::sys::path::filename(it->path());
    bool weights = file.ends_with(".safetensors") && (isFolder || file == name);
    bool settings =
        file == "config.json" || file.starts_with("tokenizer") || file == "generation_config.json";
    if ((weights || settings) && !llvm::sys::fs::is_directory(it->path()))
      files.push_back(it->path());
  }
  llvm::sort(files); // the order of a directory is the file system's
  return files;
}

/// What needs no measurement.
absl::Status Report::describe(ReportData &data) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, Bundle::open(outputPath(options)));
  data.model = bundle->settings().name;
  data.architecture = bundle->settings().architecture;
  data.recipe = bundle->settings().recipe;
  data.records = bundle->records();
  double sourceWeights = 0;
  for (const TensorView &tensor : checkpoint.tensors()) {
    data.sourceBytes += tensor.bytes.size();
    sourceWeights += double(tensor.elementCount());
  }
  data.sourceBitsPerWeight = sourceWeights > 0 ? 8 * double(data.sourceBytes) / sourceWeights : 0;
  STC_ASSIGN_OR_RETURN(data.binaryBytes, fileBytes(outputPath(options)));
  STC_ASSIGN_OR_RETURN(data.sourceBinaryBytes, fileBytes(source));
  data.text = text.facts;
  data.hasTokenizer = tokenizer != nullptr;
  data.version = kVersion;
  data.target = options.target;
  data.commandLine = options.commandLine;
  data.recipeText = recipe.str();
  data.structure = std::string(absl::StripLeadingAsciiWhitespace(options.structure.str()));
  for (const std::string &path : checkpointFiles(checkpoint.path())) {
    STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(path));
    data.files.push_back(
        {llvm::sys::path::filename(path).str(), sha256(file->bytes()), file->bytes().size()});
    file->release(0, file->bytes().size());
  }
  return absl::OkStatus();
}

/// What the IR cannot be measured for is said, and no reason to fail: the binary is there.
static std::string missing(absl::string_view what, const absl::Status &status, bool quiet) {
  if (!quiet)
    llvm::errs() << "warning: --report: " << std::string(what)
                 << " not measured: " << std::string(status.message()) << "\n";
  return std::string(status.message());
}

absl::Status Report::measure(ReportData &data) {
  int64_t layers = 0;
  graph->walk([&](LayerOp) { ++layers; });
  // Units of about the same time: a part runs half of the model over a quarter of the windows.
  constexpr uint64_t kRow = 16, kBinary = 16;
  Progress progress("report", uint64_t(layers) + 2 + 3 * kRow + 3 * kBinary,
                    options.quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  ReportBinaries binaries{source, absolutePath(outputPath(options))};
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, Bundle::open(binaries.model));
  int64_t context = bundle->settings().maxContext;
  STC_ASSIGN_OR_RETURN(data.quality,
                       evaluateBinary(binaries, text, absolutePath(options.report) + ".ids"));
  progress.advance(kBinary, "evaluation");
  if (!text.isOfEncoder) {
    STC_ASSIGN_OR_RETURN(data.samples, sampleBinaries(binaries, text, tokenizer, context));
  }
  STC_ASSIGN_OR_RETURN(data.speed, benchBinaries(binaries, bundle->settings()));
  progress.advance(2 * kBinary, "speed");

  ReportModel model{*graph,       *compressed,  recipe, options.structure.any(),
                    text.windows, options.quiet};
  if (absl::Status status =
          measureParts(model, data, [&](const std::string &name) { progress.advance(1, name); });
      !status.ok())
    data.layersMissing = missing("the parts of the model", status, options.quiet);
  if (absl::Status status = compareWithDense(
          model, data, [&](const std::string &name) { progress.advance(kRow, name); });
      !status.ok()) {
    data.rows.clear();
    data.rowsMissing = missing("dense recipes", status, options.quiet);
  }
  progress.finish();
  return absl::OkStatus();
}

absl::Status Report::write(const std::string &foundRecipe) {
  if (!foundRecipe.empty()) {
    STC_ASSIGN_OR_RETURN(recipe, Recipe::parse(foundRecipe, outputPath(options) + ".recipe.yaml"));
  }
  ReportData data;
  STC_RETURN_IF_ERROR(describe(data));
  STC_RETURN_IF_ERROR(measure(data));
  return writeText(options.report, reportPage(data));
}
