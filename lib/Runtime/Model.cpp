// A loaded model: opening it, and every check that code, weights and machine belong together.
#include "stc/Runtime/Model.h"

#include "stc/Runtime/CpuFeatures.h"
#include "stc/Runtime/Memory.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <sys/stat.h>
#include <unistd.h>

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

/// Everything a session and the weights occupy. The bundle bounds each size, not their products.
uint64_t bytesNeeded(const Bundle &bundle) {
  const ModelSettings &s = bundle.settings();
  uint64_t hidden = uint64_t(std::min(s.prefillChunk, s.maxContext)) * uint64_t(s.hiddenSize);
  uint64_t floats = hidden + uint64_t(s.vocabSize);
  constexpr uint64_t beyondAnyMachine = uint64_t(1) << 58; // and four times it fits 64 bits
  return bundle.weights().size() + uint64_t(s.arenaBytes) + uint64_t(s.keyCacheBytes) +
         uint64_t(s.valueCacheBytes) + sizeof(float) * std::min(floats, beyondAnyMachine);
}

} // namespace

std::string executablePath() {
  constexpr const char *link = "/proc/self/exe";
  char name[PATH_MAX];
  ssize_t length = readlink(link, name, sizeof(name) - 1);
  struct stat running, named;
  if (length <= 0)
    return link;
  name[length] = '\0';
  // The name may by now belong to another file (a rebuild); the link always means this one.
  if (stat(link, &running) != 0 || stat(name, &named) != 0 || running.st_ino != named.st_ino ||
      running.st_dev != named.st_dev)
    return link;
  return name;
}

absl::StatusOr<std::unique_ptr<Model>> Model::open(const ModelCode &code, const std::string &path,
                                                   const Options &options) {
  std::unique_ptr<Model> model(new Model);
  model->modelCode = code;
  STC_ASSIGN_OR_RETURN(model->bundle, Bundle::open(path));
  const ModelSettings &settings = model->settings();
  STC_RETURN_IF_ERROR(checkCode(path, settings, code));
  const char *variable = std::getenv("STC_TARGET");
  STC_ASSIGN_OR_RETURN(
      model->chosen,
      chooseVariant(path, code,
                    options.target.empty() && variable ? variable : options.target.c_str()));
  STC_RETURN_IF_ERROR(checkMemory(path, bytesNeeded(*model->bundle), totalMemoryBytes()));
  model->bundle->preferLargePages(); // before the first page is touched: it decides how they come
  STC_ASSIGN_OR_RETURN(model->threadPool, ThreadPool::create(options.threads));
  if (options.verify)
    STC_RETURN_IF_ERROR(model->bundle->verifyChecksums(model->threadPool->threads()));
  if (!model->bundle->tokenizer().empty()) {
    STC_ASSIGN_OR_RETURN(model->modelTokenizer, Tokenizer::parse(model->bundle->tokenizer(), path));
  }
  return model;
}

absl::StatusOr<const Tokenizer *> Model::requireTokenizer() const {
  if (!modelTokenizer)
    return formatError({path(), "tokenizer", {}}, "one, to read and write text",
                       "none (the model was compiled without; use token ids)");
  return modelTokenizer.get();
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
