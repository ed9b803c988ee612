// Sensitivities that were measured before, kept on disk by what they depend on.
#include "stc/Calibration/SensitivityCache.h"

#include "stc/Support/File.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

#include <cmath>

using namespace mlir;

namespace stc {

namespace {

/// A first line without which a file is not read, and what the hash of the rest is preceded by.
constexpr const char *kHeader = "stc-sensitivity 2 ";
constexpr uint64_t kMaxFileBytes = 64 << 20;

std::string hashOf(absl::string_view text) {
  return absl::StrCat(
      absl::Hex(llvm::xxh3_64bits(StringRef(text.data(), text.size())), absl::kZeroPad16));
}

template <typename T> std::string hashOf(const std::vector<T> &values) {
  return hashOf(
      absl::string_view(reinterpret_cast<const char *>(values.data()), values.size() * sizeof(T)));
}

/// The name of the file: a hash of everything the results depend on.
absl::StatusOr<std::string> keyOf(const SensitivityCache &cache, ModuleOp module,
                                  WeightStore &store, const SensitivityOptions &options,
                                  ArrayRef<WeightOp> weights) {
  std::string key = absl::StrCat(cache.identity, "\n", options.recipe.str(), "\n");
  for (const Encoding &encoding : options.encodings)
    absl::StrAppend(&key, encoding.str(), "\n");
  for (const Sequences *text : {&options.calibration, &options.windows})
    absl::StrAppend(&key, text->count, "x", text->length, " ", text->sourceLength, " ",
                    hashOf(text->tokens), "\n");
  llvm::raw_string_ostream stream(key);
  for (auto function : module.getOps<func::FuncOp>())
    stream << function << "\n";
  for (auto weight : module.getOps<WeightOp>()) {
    STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
    stream << weight.getSymName() << " " << weight.getTensorType() << " " << hashOf(values) << "\n";
  }
  for (WeightOp weight : weights)
    stream << weight.getSymName() << "\n";
  return hashOf(key);
}

/// One line for each weight, and one, indented, for each of its encodings.
std::string print(ArrayRef<WeightSensitivity> sensitivities) {
  std::string text;
  for (const WeightSensitivity &sensitivity : sensitivities) {
    WeightOp weight = sensitivity.weight;
    absl::StrAppendFormat(&text, "%s\t%.17g\t%.17g\n", weight.getSymName().str(),
                          sensitivity.denseSlope, sensitivity.sparseSlope);
    for (const EncodedCost &cost : sensitivity.costs)
      absl::StrAppendFormat(&text, "\t%d\t%.17g\t%.17g\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n",
                            cost.encoding, cost.error, cost.divergence, cost.bytes,
                            int(cost.layout.kind), int(cost.layout.element), cost.layout.group,
                            cost.layout.n, cost.layout.m, int(cost.layout.asymmetric),
                            int(cost.layout.perRow), int(cost.layout.minimums));
  }
  return text;
}

bool parseCost(ArrayRef<absl::string_view> fields, size_t encodings, EncodedCost &cost) {
  int64_t numbers[8] = {};
  if (fields.size() != 13 || !absl::SimpleAtoi(fields[1], &cost.encoding) ||
      !absl::SimpleAtod(fields[2], &cost.error) || !absl::SimpleAtod(fields[3], &cost.divergence) ||
      !absl::SimpleAtoi(fields[4], &cost.bytes))
    return false;
  for (size_t i = 0; i < 8; ++i)
    if (!absl::SimpleAtoi(fields[5 + i], &numbers[i]))
      return false;
  cost.layout = {
      LayoutKind(numbers[0]), ElementKind(numbers[1]), numbers[2],     numbers[3], numbers[4],
      numbers[5] != 0,        numbers[6] != 0,         numbers[7] != 0};
  return cost.encoding < encodings && std::isfinite(cost.error) && std::isfinite(cost.divergence) &&
         cost.bytes > 0;
}

/// False where the text is not what `print` writes for some of these weights.
bool parse(absl::string_view text, ArrayRef<WeightOp> weights, size_t encodings,
           std::vector<WeightSensitivity> &result) {
  llvm::StringMap<WeightOp> byName;
  for (WeightOp weight : weights)
    byName[weight.getSymName()] = weight;
  for (absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    std::vector<absl::string_view> fields = absl::StrSplit(line, '\t');
    if (fields[0].empty()) {
      if (result.empty() || !parseCost(fields, encodings, result.back().costs.emplace_back()))
        return false;
      continue;
    }
    WeightSensitivity &sensitivity = result.emplace_back();
    sensitivity.weight = byName.lookup(StringRef(fields[0].data(), fields[0].size()));
    if (fields.size() != 3 || !sensitivity.weight ||
        !absl::SimpleAtod(fields[1], &sensitivity.denseSlope) ||
        !absl::SimpleAtod(fields[2], &sensitivity.sparseSlope))
      return false;
  }
  return !result.empty();
}

/// What a file holds; nothing where it is absent or damaged.
std::vector<WeightSensitivity> readFrom(const std::string &file, ArrayRef<WeightOp> weights,
                                        size_t encodings) {
  if (!llvm::sys::fs::exists(file))
    return {};
  absl::StatusOr<std::string> text = readFile(file, kMaxFileBytes);
  size_t end = text.ok() ? text->find('\n') : std::string::npos;
  if (end == std::string::npos)
    return {};
  absl::string_view body = absl::string_view(*text).substr(end + 1);
  std::vector<WeightSensitivity> result;
  bool isWhole = absl::string_view(*text).substr(0, end) == absl::StrCat(kHeader, hashOf(body));
  return isWhole && parse(body, weights, encodings, result) ? std::move(result)
                                                            : std::vector<WeightSensitivity>();
}

absl::Status writeTo(const std::string &directory, const std::string &file,
                     ArrayRef<WeightSensitivity> sensitivities) {
  if (llvm::sys::fs::create_directories(directory))
    return formatError({directory, "", {}}, "a cache directory that can be made", "an error");
  std::string body = print(sensitivities);
  STC_ASSIGN_OR_RETURN(auto output, AtomicFile::create(file));
  STC_RETURN_IF_ERROR(output->write(absl::StrCat(kHeader, hashOf(body), "\n", body)));
  return output->commit();
}

} // namespace

absl::StatusOr<std::vector<WeightSensitivity>>
measureSensitivity(const SensitivityCache &cache, ModuleOp module, WeightStore &store,
                   const SensitivityOptions &options, ArrayRef<WeightOp> weights,
                   const WeightUsesMap &uses, Progress &progress) {
  if (cache.directory.empty())
    return measureSensitivity(module, store, options, weights, uses, progress);
  STC_ASSIGN_OR_RETURN(std::string key, keyOf(cache, module, store, options, weights));
  std::string file = absl::StrCat(cache.directory, "/", key, ".txt");
  std::vector<WeightSensitivity> known = readFrom(file, weights, options.encodings.size());
  if (!known.empty()) {
    emitRemark(module.getLoc(), "sensitivities were measured before: ") << file;
    for (WeightSensitivity &sensitivity : known)
      progress.advance(uint64_t(sensitivity.weight.getTensorType().getNumElements()),
                       "measured before");
    return known;
  }
  STC_ASSIGN_OR_RETURN(std::vector<WeightSensitivity> measured,
                       measureSensitivity(module, store, options, weights, uses, progress));
  if (absl::Status status = writeTo(cache.directory, file, measured); !status.ok())
    emitWarning(module.getLoc(), "nothing is kept of what was measured: ")
        << std::string(status.message());
  return measured;
}

} // namespace stc
