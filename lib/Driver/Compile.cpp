// Compiles a checkpoint into a model binary: the phases in order, then emission.
#include "stc/Driver/Compile.h"

#include "CheckKind.h"
#include "CheckOptions.h"
#include "Compilation.h"
#include "Outputs.h"
#include "ReadModule.h"
#include "SearchCost.h"
#include "stc/Chat/ChatTemplate.h"
#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Budget.h"
#include "stc/Dialect/STC/Utils/CompressLater.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Driver/Cache.h"
#include "stc/Driver/Inspect.h"
#include "stc/Export/Export.h"
#include "stc/Import/Import.h"
#include "stc/Support/ImageSettings.h"
#include "stc/Support/Progress.h"
#include "stc/Target/Emission/CodeGenerator.h"
#include "stc/Target/Emission/GpuCodeGenerator.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

using namespace stc;

/// "FILE: line N: " of what a diagnostic is about, or nothing.
static std::string lineOf(const mlir::Diagnostic &diagnostic) {
  auto location = diagnostic.getLocation()->findInstanceOf<mlir::FileLineColLoc>();
  if (!location)
    return {};
  return absl::StrCat(location.getFilename().str(), ": line ", location.getLine(), ": ");
}

Compilation::Compilation(const CompileOptions &options) : options(options) {
  registerAllDialects(registry);
  registerTranslations(registry);
  registerGpuTranslations(registry);
  context.appendDialectRegistry(registry);
  if (options.threads != 1) {
    pool = std::make_unique<llvm::DefaultThreadPool>(
        llvm::hardware_concurrency(static_cast<unsigned>(options.threads)));
    context.setThreadPool(*pool);
  }
  // Diagnostics become the one line of the error rule; remarks are shown on request.
  context.getDiagEngine().registerHandler([this](mlir::Diagnostic &diagnostic) {
    ++diagnostics;
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Error && firstError.empty())
      firstError = inGraph ? absl::StrCat(lineOf(diagnostic), diagnostic.str()) : diagnostic.str();
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Remark && this->options.verbose)
      llvm::errs() << "remark: " << diagnostic.str()
                   << (inGraph
                           ? absl::StrCat(" (", absl::StripSuffix(lineOf(diagnostic), ": "), ")")
                           : "")
                   << "\n";
    // Several passes may say the same of the same option.
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Note && !this->options.quiet)
      llvm::errs() << "note: " << diagnostic.str() << "\n";
    if (diagnostic.getSeverity() == mlir::DiagnosticSeverity::Warning && !this->options.quiet &&
        warnings.insert(diagnostic.str()).second)
      llvm::errs() << "warning: " << diagnostic.str() << "\n";
    return mlir::success();
  });
}

/// Notes how long a step took. Shown at the end: a failed compilation prints its error alone.
void Compilation::report(absl::string_view step, std::chrono::steady_clock::time_point since) {
  double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
  absl::StrAppendFormat(&timings, "%-12s %6.2f s\n", step, seconds);
}

static bool isModule(const CompileOptions &options) {
  return absl::EndsWith(options.model, ".mlir");
}

/// Whether a function takes rows of numbers beside tokens.
static bool readsRows(mlir::func::FuncOp function) {
  return llvm::any_of(function.getArgumentTypes(), [](mlir::Type type) {
    auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
    return tensor && tensor.getRank() == 2;
  });
}

static bool hasLayerNorms(mlir::ModuleOp module) {
  return module.walk([](LayerNormOp) { return mlir::WalkResult::interrupt(); }).wasInterrupted();
}

/// An encoder reads a text of any length in one call: its tokens see each other.
absl::Status Compilation::fitToEncoder() {
  auto forward = module->lookupSymbol<mlir::func::FuncOp>("forward");
  bool readsImages = forward && readsRows(forward);
  if (readsImages)
    STC_RETURN_IF_ERROR(checkVision(options));
  bool isEncoder = forward && (readsImages || !module->lookupSymbol("head"));
  if (!options.budget.empty()) {
    STC_ASSIGN_OR_RETURN(Budget budget, parseBudget(options.budget, options.objective));
    STC_RETURN_IF_ERROR(budget.check(isEncoder));
  }
  bool rotates = options.rotate || (options.recipe && options.recipe->rotate);
  if (rotates && (isEncoder || module->lookupSymbol("encode")) && hasLayerNorms(*module))
    return formatError({"", "--rotate", {}},
                       "a model whose norms are RMS norms, which commute with a rotation (T5)",
                       "one with layer norms");
  if (!isEncoder)
    return absl::OkStatus();
  for (mlir::Type type : forward.getArgumentTypes())
    if (auto cache = mlir::dyn_cast<KVCacheType>(type))
      pipeline.prefillChunk = pipeline.gpuPrefillChunk = cache.getCapacity();
  return absl::OkStatus();
}

/// A module of the user's, with the weights and the tokenizer of the checkpoint it names.
absl::Status Compilation::loadModule() {
  // Which says how much the cache holds.
  if (options.maxContext != 0)
    return formatError({options.model, "--max-context", {}},
                       "a checkpoint (a .mlir file has the capacity in its !stc.kv_cache)",
                       absl::StrCat(options.maxContext));
  STC_ASSIGN_OR_RETURN(module, readModule(context, options.model));
  findCheckpoint(*module, options.model);
  STC_ASSIGN_OR_RETURN(checkpoint, openCheckpoint(*module));
  if (!checkpoint)
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(tokenizer, checkpoint->loadTokenizer());
  WeightStore::attach(&context, std::make_unique<WeightStore>(checkpoint));
  return absl::OkStatus();
}

absl::Status Compilation::load() {
  if (isModule(options))
    return loadModule();
  STC_ASSIGN_OR_RETURN(checkpoint, Checkpoint::open(options.model));
  STC_ASSIGN_OR_RETURN(tokenizer, checkpoint->loadTokenizer());
  STC_RETURN_IF_ERROR(loadChatTemplate());
  ImportOptions importOptions;
  importOptions.maxContext = options.maxContext;
  importOptions.kvCache = options.kvCache;
  STC_ASSIGN_OR_RETURN(module, importCheckpoint(context, *checkpoint, importOptions));
  WeightStore::attach(&context, std::make_unique<WeightStore>(checkpoint));
  return absl::OkStatus();
}

/// The chat template, if there is one. One that cannot be parsed is kept, so that `run --chat` says
/// why it will not do; everything else works without.
absl::Status Compilation::loadChatTemplate() {
  STC_ASSIGN_OR_RETURN(chatTemplate, checkpoint->loadChatTemplate());
  absl::Status parsed = ChatTemplate::parse(chatTemplate, options.model).status();
  if (!parsed.ok() && !options.quiet)
    llvm::errs() << "warning: run --chat will not work: " << std::string(parsed.message()) << "\n";
  return absl::OkStatus();
}

absl::Status Compilation::dump(Phase phase, mlir::ModuleOp onto) {
  if (options.dumpDirectory.empty())
    return absl::OkStatus();
  if (std::error_code error = llvm::sys::fs::create_directories(options.dumpDirectory))
    return formatError({options.dumpDirectory, "", {}}, "a directory that can be made",
                       error.message());
  // One file per target where there are several.
  std::string target = pipeline.variant >= 0 && targets.size() > 1 ? "." + pipeline.target : "";
  std::string path = absl::StrCat(options.dumpDirectory, "/", static_cast<int>(phase), "-",
                                  phaseName(phase).str(), target, ".mlir");
  return writeText(path, printModule(onto));
}

/// Takes `onto` from the phase before `phase` to `phase`.
absl::Status Compilation::runPhase(Phase phase, mlir::ModuleOp onto) {
  auto start = std::chrono::steady_clock::now();
  if (phase != Phase::Import) {
    mlir::PassManager manager(&context);
    addPhase(manager, phase, pipeline);
    inGraph = phase == Phase::Graph && absl::EndsWith(options.model, ".mlir");
    // Kernels report what they cannot do at the operation; their pass goes on to the next.
    if (mlir::failed(manager.run(onto)) || !firstError.empty()) {
      if (firstError.empty())
        firstError = absl::StrCat("phase ", phaseName(phase).str(), " failed");
      // Of a checkpoint's graph, the user knows the weights and options that errors name.
      bool isNamed = !isModule(options) || absl::StartsWith(firstError, options.model);
      return absl::InvalidArgumentError(isNamed ? firstError
                                                : absl::StrCat(options.model, ": ", firstError));
    }
  }
  STC_RETURN_IF_ERROR(dump(phase, onto));
  report(phaseName(phase).str(), start);
  if (phase == Phase::Tiled && autotuner)
    absl::StrAppendFormat(&timings, "  autotuned: %d measured, %d known, %d left to the model\n",
                          autotuner->measured(), autotuner->known(), autotuner->left());
  return absl::OkStatus();
}

absl::Status Compilation::advanceTo(Phase last) {
  for (; nextPhase < std::size(kAllPhases) && kAllPhases[nextPhase] <= last; ++nextPhase) {
    if (kAllPhases[nextPhase] == Phase::Tiled)
      setFingerprint(*module, targets, gpuTargets);
    STC_RETURN_IF_ERROR(runPhase(kAllPhases[nextPhase], *module));
    if (kAllPhases[nextPhase] == Phase::Compressed)
      takeRecipe();
    if (page)
      page->keep(kAllPhases[nextPhase], *module);
  }
  return absl::OkStatus();
}

/// Weights of all matrices; of those that are looked up row by row too.
static int64_t matrixWeights(mlir::ModuleOp module) {
  int64_t count = 0;
  for (auto weight : module.getOps<WeightOp>())
    if (weight.getTensorType().getRank() == 2)
      count += weight.getTensorType().getNumElements();
  return count;
}

/// An encoder in front of a decoder reads a whole text at once.
absl::Status Compilation::prepareEncoder() {
  auto encode = module->lookupSymbol<mlir::func::FuncOp>("encode");
  if (!encode)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(checkEncoderDecoder(options));
  for (mlir::Type type : encode.getArgumentTypes())
    if (auto cache = mlir::dyn_cast<KVCacheType>(type))
      for (int64_t *chunk : {&pipeline.prefillChunk, &pipeline.gpuPrefillChunk})
        *chunk = std::max(*chunk, cache.getCapacity());
  // Of features, two rows become a position.
  if (module->lookupSymbol("stem"))
    for (int64_t *chunk : {&pipeline.prefillChunk, &pipeline.gpuPrefillChunk})
      *chunk *= 2;
  return absl::OkStatus();
}

/// What the search has to know about this machine.
absl::Status Compilation::prepareSearch() {
  pipeline.budget = options.budget;
  pipeline.objective = options.objective;
  if (options.budget.empty())
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(Budget budget, parseBudget(options.budget, options.objective));
  STC_ASSIGN_OR_RETURN(pipeline.compilerIdentity, compilerIdentity());
  pipeline.searchCache = absl::StrCat(cacheDirectory(), "/sensitivity");
  SearchCostOptions cost{budget,
                         targets.front().name,
                         static_cast<int>(options.threads),
                         absl::StrCat(cacheDirectory(), "/autotune"),
                         pipeline.compilerIdentity,
                         [this] { return matrixWeights(*module); }};
  STC_ASSIGN_OR_RETURN(pipeline.decodeCost, searchCost(cost, options.quiet));
  return absl::OkStatus();
}

/// Takes the recipe of a search, and the attention patterns that were imposed, from the module:
/// later phases must not see them.
void Compilation::takeRecipe() {
  if (auto recipe = (*module)->getAttrOfType<mlir::StringAttr>(kRecipeAttr)) {
    foundRecipe = recipe.str();
    (*module)->removeAttr(kRecipeAttr);
  }
  if (auto rules = (*module)->getAttrOfType<mlir::StringAttr>(kAttentionAttr)) {
    imposedAttention = rules.str();
    (*module)->removeAttr(kAttentionAttr);
  }
}

/// --emit=mlir:<phase>, llvm or asm: one text file.
absl::Status Compilation::emitText() {
  std::string path = outputPath(options);
  if (options.emit == EmitKind::MLIR) {
    STC_RETURN_IF_ERROR(advanceTo(options.mlirPhase));
    return writeText(path, printModule(*module));
  }
  STC_RETURN_IF_ERROR(advanceTo(Phase::LLVM));
  if (!gpuTargets.empty() && gpuTargets.front().name == pipeline.target) {
    if (options.emit == EmitKind::Hsaco) {
      STC_ASSIGN_OR_RETURN(std::string object, generateCodeObject(*module, gpuTargets.front()));
      return writeText(path, object);
    }
    STC_ASSIGN_OR_RETURN(std::string text,
                         stc::generateGpuCode(*module, gpuTargets.front(),
                                              /*asLLVM=*/options.emit == EmitKind::LLVMIR));
    return writeText(path, text);
  }
  CodeKind kind = options.emit == EmitKind::Assembly ? CodeKind::Assembly : CodeKind::LLVMIR;
  STC_ASSIGN_OR_RETURN(std::string text, generateCode(*module, targets.front(), kind));
  return writeText(path, text);
}

/// The architecture and the tokens that begin and end a text: a module may say the tokens itself,
/// otherwise the checkpoint's configuration does.
absl::Status Compilation::describeModel(ModelSettings &settings) {
  settings.architecture = isModule(options) ? "mlir" : checkpoint->config().architecture;
  if (settings.kind == ModelKind::Encoder) {
    ModelConfig config = checkpoint ? checkpoint->config() : ModelConfig();
    settings.pooling = std::string(poolingName(config.pooling));
    settings.normalize = config.normalizedVectors;
    if (config.readsImages())
      settings.image = formatImageSettings(config.image);
    if (settings.featureSize > 0 && settings.image.empty())
      return formatError({options.model, "stc.checkpoint", {}},
                         "a checkpoint whose config.json says how images are read", "another");
  }
  if (checkpoint) {
    const ModelConfig &config = checkpoint->config();
    settings.chatTemplate = chatTemplate;
    settings.bosToken = config.bosToken.value_or(-1);
    settings.decoderStart = config.decoderStart.value_or(-1);
    if (config.eosToken)
      settings.eosTokens.push_back(*config.eosToken);
    for (int64_t token : config.extraEosTokens)
      if (!llvm::is_contained(settings.eosTokens, token))
        settings.eosTokens.push_back(token);
    settings.suppressedTokens = config.suppressedTokens;
    settings.firstSuppressedTokens = config.firstSuppressedTokens;
    settings.forcedTokens = config.forcedTokens;
    settings.languageTokens = config.languageTokens;
  }
  return isModule(options) ? readTextTokens(*module, options.model, settings) : absl::OkStatus();
}

/// exe, shared or object: code, weights, tokenizer and settings.
absl::Status Compilation::emitBinary() {
  STC_ASSIGN_OR_RETURN(artifacts, ModelArtifacts::create(options.emit, outputPath(options),
                                                         targets.front(), matrixWeights(*module)));
  pipeline.bundle = artifacts->bundle();
  // Where nothing shows what they cost, pruning by magnitude and rounding to nearest wait for
  // packing.
  if (!page && !options.verbose && options.dumpDirectory.empty() && options.budget.empty())
    (*module)->setAttr(kCompressesLaterAttr, mlir::UnitAttr::get(&context));
  STC_RETURN_IF_ERROR(advanceTo(Phase::Packed));
  (*module)->removeAttr(kCompressesLaterAttr);
  ModelSettings settings = modelSettings(*module, modelName(options.model));
  settings.recipe = recipeText(options);
  if (!imposedAttention.empty())
    settings.other[kAttentionSetting] = imposedAttention;
  STC_RETURN_IF_ERROR(describeModel(settings));
  // The packed module is gone from here on: later phases see only offsets.
  STC_ASSIGN_OR_RETURN(std::vector<std::string> objects, generateOrFind(settings));
  auto start = std::chrono::steady_clock::now();
  STC_RETURN_IF_ERROR(
      artifacts->finish(objects, settings, tokenizer ? tokenizer->serialize() : std::string()));
  report("link", start);
  return absl::OkStatus();
}

/// --emit=safetensors or gguf: what can fail before minutes of compression.
absl::Status Compilation::checkExport() {
  if (isModule(options))
    return formatError({"", "--emit", {}}, "a checkpoint for safetensors and gguf", options.model);
  if (options.emit == EmitKind::Safetensors)
    return checkSafetensorsExport(*checkpoint, outputPath(options));
  std::vector<QuantizeSpec> specs(1);
  STC_ASSIGN_OR_RETURN(specs[0], parseQuantizeSpec(options.quantize));
  if (options.head != "auto") {
    STC_ASSIGN_OR_RETURN(specs.emplace_back(), parseQuantizeSpec(options.head));
  }
  return checkGgufExport(*checkpoint, tokenizer.get(), specs, outputPath(options));
}

/// --emit=safetensors or gguf: the weights of the compressed phase as a checkpoint.
absl::Status Compilation::emitExport() {
  STC_RETURN_IF_ERROR(checkExport());
  STC_RETURN_IF_ERROR(advanceTo(Phase::Compressed));
  auto start = std::chrono::steady_clock::now();
  ExportOptions exporting{outputPath(options), options.quiet};
  STC_RETURN_IF_ERROR(options.emit == EmitKind::Safetensors
                          ? exportSafetensors(*module, *checkpoint, exporting)
                          : exportGguf(*module, *checkpoint, tokenizer.get(), exporting));
  report("export", start);
  return absl::OkStatus();
}

absl::Status Compilation::run() {
  auto start = std::chrono::steady_clock::now();
  STC_RETURN_IF_ERROR(parseTargets());
  STC_RETURN_IF_ERROR(checkMethods(options));
  STC_ASSIGN_OR_RETURN(auto attention, parseAttentionRules(options.attention));
  STC_RETURN_IF_ERROR(checkReport(options, targets));
  bool text = isText(options.emit), exported = isExport(options.emit);
  STC_RETURN_IF_ERROR(checkEmit(options, attention));
  STC_RETURN_IF_ERROR(checkOutput(options));
  bool toTerminal = text && options.output == "-";
  if (!toTerminal && options.emit != EmitKind::Safetensors)
    STC_RETURN_IF_ERROR(checkWritable(outputPath(options)));
  pipeline.prune = options.prune;
  pipeline.quantize = options.quantize;
  pipeline.keepCodes = options.keepCodes;
  // GGUF has no orders of columns.
  pipeline.sortColumns = options.emit != EmitKind::Gguf;
  pipeline.structure = options.structure;
  pipeline.attention = attentionRulesText(attention);
  pipeline.rotate = options.rotate;
  pipeline.activations = options.activations;
  pipeline.calibration = options.calibration;
  pipeline.exclude = options.exclude;
  pipeline.recipe = options.recipe;
  STC_RETURN_IF_ERROR(prepareSearch());
  pipeline.head = options.head;
  pipeline.quiet = options.quiet;
  pipeline.verbose = options.verbose;
  STC_RETURN_IF_ERROR(prepareAutotune());
  STC_RETURN_IF_ERROR(load());
  STC_RETURN_IF_ERROR(prepareEncoder());
  STC_RETURN_IF_ERROR(fitToEncoder());
  if (!options.report.empty()) {
    STC_ASSIGN_OR_RETURN(page, Report::create(options, *checkpoint, tokenizer.get(), *module));
  }
  STC_RETURN_IF_ERROR(exported ? emitExport() : text ? emitText() : emitBinary());
  if (!foundRecipe.empty() && !toTerminal)
    STC_RETURN_IF_ERROR(writeText(recipePath(options), foundRecipe));
  if (page) {
    auto since = std::chrono::steady_clock::now();
    STC_RETURN_IF_ERROR(page->write(foundRecipe));
    report("report", since);
  }
  report("total", start);
  if (!options.quiet && !toTerminal)
    llvm::errs() << timings << "wrote " << outputPath(options) << "\n";
  return absl::OkStatus();
}

absl::Status stc::compileModel(const CompileOptions &options) { return Compilation(options).run(); }
