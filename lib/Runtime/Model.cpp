// A loaded model: opening it, and every check that code, weights and machine belong together.
#include "stc/Runtime/Model.h"

#include "stc/Runtime/CpuFeatures.h"
#include "stc/Runtime/Memory.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <cstdlib>

namespace stc {

namespace {

absl::Status checkCode(const std::string &path, const ModelSettings &settings,
                       const ModelCode &code) {
  if (code.abiVersion != STC_MODEL_ABI_VERSION)
    return formatError({path, "generated code", {}},
                       absl::StrCat("version ", STC_MODEL_ABI_VERSION, " of the runtime interface"),
                       absl::StrCat("version ", code.abiVersion));
  if (code.fingerprint != settings.codeFingerprint)
    return formatError(
        {path, "weights", {}},
        absl::StrCat("those of this model (fingerprint ", absl::Hex(code.fingerprint), ")"),
        absl::StrCat("those of another (fingerprint ", absl::Hex(settings.codeFingerprint), ")"));
  return absl::OkStatus();
}

/// The variant `forced` names, or the best one this processor can run.
absl::StatusOr<const StcVariant *> chooseVariant(const std::string &path, const ModelCode &code,
                                                 absl::string_view forced) {
  std::vector<std::string> names, tried;
  std::vector<std::string> lacking; // what the nearest variant needs
  std::string nearest;
  for (const StcVariant &variant : code.variants) {
    names.emplace_back(variant.target);
    if (!forced.empty() && forced != variant.target)
      continue;
    std::vector<std::string> missing = missingCpuFeatures(variant.features);
    if (missing.empty())
      return &variant;
    tried.emplace_back(variant.target);
    if (nearest.empty() || missing.size() < lacking.size()) {
      nearest = variant.target;
      lacking = std::move(missing);
    }
  }
  if (tried.empty())
    return formatError({path, "STC_TARGET", {}},
                       absl::StrCat("a target of this model: ", absl::StrJoin(names, ", ")),
                       printable(forced));
  return formatError({path, "processor", {}},
                     absl::StrCat("one that runs code for ", absl::StrJoin(tried, " or ")),
                     absl::StrCat("one that lacks ", absl::StrJoin(lacking, ", "), " for ", nearest,
                                  " (compile the model again with --target=native)"));
}

/// The target whose code is to run, or empty.
std::string requestedTarget(const Model::Options &options) {
  const char *variable = std::getenv("STC_TARGET");
  return options.target.empty() && variable ? variable : options.target;
}

/// The images of the target `forced`, or all.
std::vector<StcGpuImage> imagesFor(const ModelCode &code, absl::string_view forced) {
  std::vector<StcGpuImage> images;
  for (const StcGpuImage &image : code.gpuImages)
    if (forced.empty() || forced == image.target)
      images.push_back(image);
  return images;
}

/// Why a model has nothing for a GPU to run.
absl::Status noImages(const std::string &path, const ModelCode &code, absl::string_view forced) {
  auto name = [](std::string *out, const auto &row) { *out += row.target; };
  if (code.gpuImages.empty())
    return formatError({path, "device", {}},
                       "a model with code for a GPU (compiled with --target=native,nvptx-sm_80)",
                       absl::StrCat("one for ", absl::StrJoin(code.variants, ", ", name)));
  return formatError(
      {path, "STC_TARGET", {}},
      absl::StrCat("a target of this model for a GPU: ", absl::StrJoin(code.gpuImages, ", ", name)),
      printable(forced));
}

} // namespace

absl::Status Model::chooseGpu(const Options &options) {
  STC_ASSIGN_OR_RETURN(DeviceChoice choice, requestedDevice(options.device, options.deviceMemory));
  if (choice.kind == DeviceChoice::Kind::Cpu)
    return absl::OkStatus();
  bool wanted = choice.kind == DeviceChoice::Kind::Gpu;
  std::string forced = requestedTarget(options);
  std::vector<StcGpuImage> images = imagesFor(modelCode, forced);
  if (images.empty())
    return wanted ? noImages(path(), modelCode, forced) : absl::OkStatus();
  absl::StatusOr<std::unique_ptr<GpuModel>> opened = GpuModel::open(*bundle, images, choice);
  if (opened.ok())
    gpuModel = *std::move(opened);
  else if (wanted || !forced.empty())
    return opened.status();
  else
    refusal = opened.status();
  return absl::OkStatus();
}

absl::Status Model::chooseProcessor(const Options &options) {
  STC_ASSIGN_OR_RETURN(chosen, chooseVariant(path(), modelCode, requestedTarget(options)));
  uint64_t needed = bundle->weights().size() + TextSizes(settings()).total();
  STC_RETURN_IF_ERROR(checkMemory(path(), needed, totalMemoryBytes()));
  bundle->preferLargePages(); // before the first page is touched: it decides how they come
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Model>> Model::open(const ModelCode &code, const std::string &path,
                                                   const Options &options) {
  std::unique_ptr<Model> model(new Model);
  model->modelCode = code;
  STC_ASSIGN_OR_RETURN(model->bundle, Bundle::open(path));
  if (const std::string &image = model->settings().image; !image.empty()) {
    STC_ASSIGN_OR_RETURN(model->imageSettings, parseImageSettings(image));
  }
  STC_RETURN_IF_ERROR(checkCode(path, model->settings(), code));
  STC_RETURN_IF_ERROR(model->chooseGpu(options));
  if (!model->gpuModel)
    STC_RETURN_IF_ERROR(model->chooseProcessor(options));
  STC_ASSIGN_OR_RETURN(model->threadPool, ThreadPool::create(options.threads));
  if (options.verify)
    STC_RETURN_IF_ERROR(model->bundle->verifyChecksums(model->threadPool->threads()));
  if (!model->bundle->tokenizer().empty()) {
    STC_ASSIGN_OR_RETURN(model->modelTokenizer, Tokenizer::parse(model->bundle->tokenizer(), path));
  }
  if (model->gpuModel)
    STC_RETURN_IF_ERROR(model->gpuModel->uploadWeights(*model->threadPool, options.progress));
  return model;
}

absl::StatusOr<std::unique_ptr<Executor>> Model::createExecutor() {
  return gpuModel ? gpuModel->createExecutor() : createCpuExecutor(*this);
}

absl::StatusOr<const Tokenizer *> Model::requireTokenizer() const {
  if (!modelTokenizer)
    return formatError({path(), "tokenizer", {}}, "one, to read and write text",
                       "none (the model was compiled without; use token ids)");
  return modelTokenizer.get();
}

absl::Status Model::require(Ability ability) const {
  ModelKind kind = settings().kind;
  bool sees = image() != nullptr, reads = kind == ModelKind::Encoder && !sees;
  struct {
    Ability ability;
    const char *expected;
    bool isThere;
  } abilities[] = {
      {Ability::Continue, "a decoder, which continues texts", kind == ModelKind::Decoder},
      {Ability::Write, "a decoder, which continues texts", kind != ModelKind::Encoder},
      {Ability::Embed, "an encoder, which turns texts into vectors", reads},
      {Ability::See, "a vision transformer, which reads images", sees},
      {Ability::Classify, "a vision transformer with a head that classifies",
       settings().labelLogits > 0},
  };
  bool isDecoder = kind == ModelKind::Decoder, hearsSound = !sees && settings().featureSize > 0;
  const char *offered = settings().labelLogits > 0 ? "classify, embed, logits, bench and info"
                        : sees                     ? "embed, logits, bench and info"
                        : reads ? "embed, serve, logits, tokenize, eval, bench and info"
                        : isDecoder || !hearsSound
                            ? "run, serve, logits, tokenize, eval, bench and info"
                            : "run, logits, tokenize, eval, bench and info";
  for (const auto &known : abilities)
    if (known.ability == ability && !known.isThere)
      return formatError({path(), "model", {}}, known.expected,
                         absl::StrCat("one of kind ", modelKindName(kind),
                                      sees ? " that reads images" : "", " (it offers ", offered,
                                      ")"));
  return absl::OkStatus();
}

bool Model::isEndOfText(int32_t token) const {
  const std::vector<int64_t> &ends = settings().eosTokens;
  return std::find(ends.begin(), ends.end(), token) != ends.end();
}

std::string Model::piece(int32_t token) const {
  if (!modelTokenizer || token < 0 || size_t(token) >= modelTokenizer->spec().tokens.size())
    return "";
  return modelTokenizer->piece(token);
}

absl::StatusOr<std::unique_ptr<Tokenizer>> openTokenizer(const std::string &path) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Bundle> bundle, Bundle::open(path));
  if (bundle->tokenizer().empty())
    return formatError({path, "tokenizer", {}}, "one, to read and write text",
                       "none (the model was compiled without; use token ids)");
  return Tokenizer::parse(bundle->tokenizer(), path);
}

} // namespace stc
