// What containers call the weights of an imported module, for those who write checkpoints.
#include "stc/Import/TensorNames.h"

#include "Architecture.h"
#include "Rope.h"

#include <cmath>

using namespace stc;

/// The layer's number in a symbol "layers.3.q" as text; "" in a symbol of the whole model.
static llvm::StringRef layerOf(llvm::StringRef symbol) {
  return symbol.consume_front("layers.") ? symbol.take_until([](char c) { return c == '.'; })
                                         : llvm::StringRef();
}

std::string stc::tensorNameOf(llvm::StringRef architecture, llvm::StringRef symbol,
                              Checkpoint::Container container) {
  int64_t layer = 0;
  if (llvm::StringRef number = layerOf(symbol); !number.empty() && number.getAsInteger(10, layer))
    return "";
  const Architecture *family = findArchitectureTable(architecture);
  if (!family)
    return "";
  int64_t expert = 0;
  auto [before, after] = symbol.split(".experts.");
  if (!after.empty() && after.split('.').first.getAsInteger(10, expert))
    return "";
  for (const WeightRow &row : family->weights()) {
    if (expandName(row.symbol, layer, expert) != symbol)
      continue;
    llvm::StringRef names = container == Checkpoint::Container::Gguf ? row.gguf : row.huggingFace;
    return expandName(names.split('|').first, layer, expert);
  }
  return "";
}

bool stc::hasRotatedRows(llvm::StringRef symbol) {
  llvm::StringRef name = symbol.rsplit('.').second;
  return !layerOf(symbol).empty() &&
         (name == "q" || name == "k" || name == "q_bias" || name == "k_bias");
}

absl::StatusOr<std::vector<float>> stc::rotaryDivisors(const Checkpoint &checkpoint) {
  const ModelConfig &config = checkpoint.config();
  using Kind = RopeScaling::Kind;
  Kind kind = config.ropeScaling.kind;
  if (kind == Kind::Dynamic || kind == Kind::LongRope)
    return formatError({checkpoint.path(), "rope_scaling", {}},
                       "none, linear, yarn or llama3, which GGUF files are written with",
                       "another");
  if (config.ropeScaling.kind != RopeScaling::Kind::Llama3 &&
      !checkpoint.find({kRopeFactorsTensor.data(), kRopeFactorsTensor.size()}))
    return std::vector<float>();
  STC_ASSIGN_OR_RETURN(Rotation rotation, rotationOf(checkpoint, config.maxPositions));
  const std::vector<double> &frequencies = rotation.inverseFrequencies;
  // A linear scaling beside the tensor is in the metadata: it must not be in the divisors too.
  double linear =
      config.ropeScaling.kind == RopeScaling::Kind::Linear ? config.ropeScaling.factor : 1;
  std::vector<float> divisors;
  for (size_t i = 0; i < frequencies.size(); ++i)
    divisors.push_back(
        float(std::pow(config.ropeTheta, -2.0 * i / config.headDim) / linear / frequencies[i]));
  return divisors;
}
