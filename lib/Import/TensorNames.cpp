// What containers call the weights of an imported module, for those who write checkpoints.
#include "stc/Import/TensorNames.h"

#include "Architecture.h"
#include "Rope.h"
#include "WeightTable.h"

#include <cmath>

using namespace stc;

/// The layer's number in a symbol "layers.3.q" or "encoder.layers.3.q" as text; "" in a symbol of
/// the whole model.
static llvm::StringRef layerOf(llvm::StringRef symbol) {
  symbol.consume_front("encoder.");
  return symbol.consume_front("layers.") ? symbol.take_until([](char c) { return c == '.'; })
                                         : llvm::StringRef();
}

std::optional<TensorPlace> stc::tensorPlaceOf(const ModelConfig &config, llvm::StringRef symbol,
                                              int64_t rows, Checkpoint::Container container,
                                              llvm::StringRef source) {
  int64_t layer = 0;
  if (llvm::StringRef number = layerOf(symbol); !number.empty() && number.getAsInteger(10, layer))
    return std::nullopt;
  const Architecture *family = findArchitectureTable(config.architecture);
  if (!family)
    return std::nullopt;
  int64_t expert = 0;
  auto [before, after] = symbol.split(".experts.");
  if (!after.empty() && after.split('.').first.getAsInteger(10, expert))
    return std::nullopt;
  bool isGguf = container == Checkpoint::Container::Gguf;
  for (const WeightRow &row : family->weights()) {
    if (expandName(row.symbol, layer, expert) != symbol)
      continue;
    llvm::SmallVector<llvm::StringRef> names, sources;
    llvm::StringRef(isGguf ? row.gguf : row.huggingFace).split(names, '|');
    llvm::StringRef(row.huggingFace).split(sources, '|');
    size_t chosen = 0;
    for (size_t i = 0; i < sources.size(); ++i)
      if (expandName(sources[i], layer, expert) == source)
        chosen = std::min(i, names.size() - 1);
    const Form &form = isGguf ? row.ggufForm : row.huggingFaceForm;
    TensorPlace place;
    place.name = expandName(names[chosen], layer, expert);
    place.transposed = form.transposed;
    place.offset = !isGguf && row.huggingFaceGain == Gain::MinusOne ? 1 : 0;
    auto [ranges, whole] = rangesOf(form.part, rows, config);
    place.wholeRows = whole;
    place.rowStep = rowStepOf(form.part);
    for (size_t i = 0; i < ranges.size(); i += 2)
      place.rows.emplace_back(ranges[i], ranges[i + 1]);
    if (ranges.empty())
      place.rows.emplace_back(0, rows);
    return place;
  }
  return std::nullopt;
}

bool stc::hasRotatedRows(llvm::StringRef symbol) {
  llvm::StringRef name = symbol.rsplit('.').second;
  return !layerOf(symbol).empty() &&
         (name == "q" || name == "k" || name == "q_bias" || name == "k_bias");
}

absl::StatusOr<std::vector<RotaryTensor>> stc::rotaryTensors(const Checkpoint &checkpoint) {
  const ModelConfig &config = checkpoint.config();
  const RopeScaling &scaling = config.ropeScaling;
  using Kind = RopeScaling::Kind;
  if (scaling.kind == Kind::Dynamic)
    return formatError({checkpoint.path(), "rope_scaling", {}},
                       "none, linear, yarn, llama3 or longrope, which GGUF files are written with",
                       "dynamic");
  std::vector<RotaryTensor> tensors;
  auto add = [&](llvm::StringRef name, const std::vector<double> &values) {
    tensors.emplace_back(name.str(), std::vector<float>(values.begin(), values.end()));
  };
  if (scaling.kind == Kind::LongRope) {
    add(kLongFactorsTensor, scaling.longFactors);
    add(kShortFactorsTensor, scaling.shortFactors);
    return tensors;
  }
  if (scaling.kind != Kind::Llama3 &&
      !checkpoint.find({kRopeFactorsTensor.data(), kRopeFactorsTensor.size()}))
    return tensors;
  STC_ASSIGN_OR_RETURN(Rotation rotation, rotationOf(checkpoint, config.maxPositions));
  const std::vector<double> &frequencies = rotation.inverseFrequencies;
  // A linear scaling beside the tensor is in the metadata: it must not be in the divisors too.
  double linear = scaling.kind == Kind::Linear ? scaling.factor : 1;
  std::vector<double> divisors;
  for (size_t i = 0; i < frequencies.size(); ++i)
    divisors.push_back(std::pow(config.ropeTheta, -2.0 * double(i) / double(config.rotaryDim)) /
                       linear / frequencies[i]);
  add(kRopeFactorsTensor, divisors);
  return tensors;
}
