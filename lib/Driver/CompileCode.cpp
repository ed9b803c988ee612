// The packed module -> machine code for every target, or what an earlier compilation made.
#include "CodeCache.h"
#include "Compilation.h"
#include "stc/Driver/Cache.h"
#include "stc/Target/Emission/CodeGenerator.h"
#include "stc/Target/Emission/GpuCodeGenerator.h"
#include "stc/Target/Kernels/FrameLowering.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include <cstdlib>

using namespace stc;

/// Tokens of a prompt that a simulated GPU takes at once: as few as have all of its kernels.
static constexpr int64_t kSimulatedPrefillChunk = 256;

/// Names of GPUs stand beside those of processors, which then default to this one's: what a GPU
/// cannot hold, or where there is none, runs there.
absl::Status Compilation::parseTargets() {
  if (gpu::TargetDescription::isSimulated(options.target)) {
    // A GPU's phases, and then code for this processor like any other.
    STC_ASSIGN_OR_RETURN(targets.emplace_back(), cpu::TargetDescription::parse("native"));
    pipeline.target = targets.front().name = options.target;
    pipeline.prefillChunk = pipeline.gpuPrefillChunk = kSimulatedPrefillChunk;
    return absl::OkStatus();
  }
  std::vector<std::string> names;
  for (absl::string_view name : absl::StrSplit(options.target, ',')) {
    if (!gpu::TargetDescription::isGpu(name)) {
      names.emplace_back(name);
      continue;
    }
    STC_ASSIGN_OR_RETURN(gpu::TargetDescription target, gpu::TargetDescription::parse(name));
    if (target.isSimulated())
      return formatError({"", "--target", {}}, absl::StrCat("no other beside ", name),
                         printable(options.target));
    for (const gpu::TargetDescription &other : gpuTargets)
      if (other.name == target.name)
        return formatError({"", "--target", {}}, "targets that differ",
                           absl::StrCat(target.name, " and ", target.name));
    auto place = llvm::find_if(gpuTargets, [&](const gpu::TargetDescription &other) {
      return target.isBetterThan(other);
    });
    gpuTargets.insert(place, std::move(target));
  }
  STC_ASSIGN_OR_RETURN(targets, cpu::TargetDescription::parseList(
                                    names.empty() ? "native" : absl::StrJoin(names, ",")));
  // Text is of one target: of the GPU, if it is the only one that was named.
  bool onlyGpu = names.empty() && gpuTargets.size() == 1;
  pipeline.target = onlyGpu ? gpuTargets.front().name : targets.front().name;
  return absl::OkStatus();
}

/// The packed module -> the images of each GPU target.
absl::StatusOr<std::vector<cpu::GpuImage>> Compilation::generateGpuCode(ModelSettings &settings) {
  std::vector<cpu::GpuImage> images;
  pipeline.variant = -1;
  // A decoder's prompt is no longer than its cache.
  if (settings.kind == ModelKind::Decoder)
    pipeline.gpuPrefillChunk = std::min(pipeline.gpuPrefillChunk, settings.maxContext);
  for (const gpu::TargetDescription &target : gpuTargets) {
    mlir::OwningOpRef<mlir::ModuleOp> copy = module->clone();
    pipeline.target = target.name;
    for (Phase phase : {Phase::Tiled, Phase::Vector, Phase::LLVM})
      STC_RETURN_IF_ERROR(runPhase(phase, *copy));
    finishGpuSettings(*copy, pipeline, settings);
    auto start = std::chrono::steady_clock::now();
    STC_ASSIGN_OR_RETURN(std::vector<cpu::GpuImage> own, generateGpuImages(*copy, target));
    std::move(own.begin(), own.end(), std::back_inserter(images));
    report(target.name, start);
  }
  return images;
}

/// The packed module -> one object per target, and their table.
absl::StatusOr<std::vector<std::string>> Compilation::generateVariants(ModelSettings &settings) {
  STC_ASSIGN_OR_RETURN(std::vector<cpu::GpuImage> images, generateGpuCode(settings));
  std::vector<mlir::OwningOpRef<mlir::ModuleOp>> modules;
  for (size_t i = 0; i < targets.size(); ++i) {
    modules.emplace_back(module->clone());
    pipeline.target = targets[i].name;
    pipeline.variant = static_cast<int64_t>(i);
    for (Phase phase : {Phase::Tiled, Phase::Vector, Phase::LLVM})
      STC_RETURN_IF_ERROR(runPhase(phase, *modules.back()));
    finishSettings(*modules.back(), pipeline, settings);
  }
  llvm::SmallVector<llvm::StringRef> functions;
  for (const EntryPoint &entry : entryPoints())
    if (module->lookupSymbol(entry.function))
      functions.push_back(entry.function);
  modules.push_back(cpu::buildVariantTable(
      context, targets, images, static_cast<int64_t>(settings.codeFingerprint), functions));
  auto start = std::chrono::steady_clock::now();
  std::vector<ObjectJob> jobs;
  for (size_t i = 0; i < modules.size(); ++i)
    jobs.push_back({*modules[i], &targets[std::min(i, targets.size() - 1)]});
  auto objects = generateObjects(jobs, pool.get());
  report("object", start);
  return objects;
}

/// The objects of an earlier compilation whose packed module was the same, else those of
/// generateVariants. What is dumped, measured, remarked or made by other tools (ptxas) is done
/// anew.
absl::StatusOr<std::vector<std::string>> Compilation::generateOrFind(ModelSettings &settings) {
  setFingerprint(*module, targets, gpuTargets);
  const char *wish = std::getenv("STC_CODE_CACHE");
  bool isOff = wish && absl::string_view(wish) == "off";
  if (isOff || autotuner || !gpuTargets.empty() || !options.dumpDirectory.empty() ||
      options.verbose)
    return generateVariants(settings);
  STC_ASSIGN_OR_RETURN(std::string key, compilerIdentity());
  absl::StrAppend(&key, " ", targetPhaseOptions(pipeline), " ", codeText(*module));
  CodeCache cache(absl::StrCat(cacheDirectory(), "/code"));
  auto start = std::chrono::steady_clock::now();
  constexpr size_t kOthers = 1; // texts in front of the objects: the size of the arena
  if (auto found = cache.find(key);
      found && found->size() > kOthers && absl::SimpleAtoi(found->front(), &settings.arenaBytes)) {
    finishSettings(*module, pipeline, settings);
    report("code (cached)", start);
    return std::vector<std::string>(found->begin() + kOthers, found->end());
  }
  int64_t before = diagnostics;
  STC_ASSIGN_OR_RETURN(std::vector<std::string> objects, generateVariants(settings));
  std::vector<std::string> texts = {absl::StrCat(settings.arenaBytes)};
  texts.insert(texts.end(), objects.begin(), objects.end());
  if (diagnostics == before)
    cache.add(key, texts);
  return objects;
}

absl::Status Compilation::prepareAutotune() {
  if (!options.autotune)
    return absl::OkStatus();
  if (targets.size() > 1)
    return formatError({"", "--autotune", {}}, "one --target", options.target);
  AutotuneOptions tuning;
  tuning.target = targets.front().name;
  tuning.promptTokens = pipeline.prefillChunk;
  tuning.cacheDirectory = absl::StrCat(cacheDirectory(), "/autotune");
  tuning.quiet = options.quiet;
  tuning.seconds = double(options.autotuneSeconds);
  STC_ASSIGN_OR_RETURN(tuning.compiler, compilerIdentity());
  STC_ASSIGN_OR_RETURN(autotuner, Autotuner::create(tuning));
  pipeline.chooser = autotuner.get();
  return absl::OkStatus();
}
