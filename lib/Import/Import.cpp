// Checkpoint -> stc graph: finds the architecture's table and has its graph built.
#include "stc/Import/Import.h"

#include "Decoder.h"
#include "Encoder.h"
#include "EncoderDecoder.h"
#include "LatentAttention.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Verifier.h"

#include <cmath>

using namespace mlir;
using namespace stc;

/// Positions of the cache when the user names none: what the model was made for, within reason.
static constexpr int64_t kDefaultContext = 4096;
/// A cache beyond this cannot be addressed by the 32-bit positions of generated code.
static constexpr int64_t kLargestContext = int64_t(1) << 30;

static absl::StatusOr<const Architecture *> findArchitecture(const Checkpoint &checkpoint) {
  const std::string &name = checkpoint.config().architecture;
  if (const Architecture *architecture = findArchitectureTable(name))
    return architecture;
  bool gguf = checkpoint.container() == Checkpoint::Container::Gguf;
  return formatError({checkpoint.path(), gguf ? "general.architecture" : "model_type", {}},
                     "an architecture with a table of weights", name);
}

static absl::StatusOr<ActivationKind> activationKind(const Checkpoint &checkpoint) {
  const std::string &name = checkpoint.config().activation;
  // What its configurations call silu.
  if (checkpoint.config().block.clampedGate) {
    if (name == "silu")
      return ActivationKind::QuickGelu;
    return formatError({checkpoint.path(), "activation", {}}, "silu", name);
  }
  if (std::optional<ActivationKind> kind = symbolizeActivationKind(name))
    return *kind;
  return formatError({checkpoint.path(), "activation", {}}, "silu, gelu, gelu_tanh, relu or relu2",
                     name);
}

static absl::StatusOr<int64_t> cacheCapacity(const Checkpoint &checkpoint,
                                             const ImportOptions &options) {
  int64_t context = options.maxContext;
  if (context < 0 || context > kLargestContext)
    return formatError({checkpoint.path(), "max-context", {}},
                       absl::StrCat("0 to ", kLargestContext), absl::StrCat(context));
  if (context == 0)
    context = std::min(checkpoint.config().usablePositions(), kDefaultContext);
  if (checkpoint.config().readsImages()) {
    // An image has always the same positions.
    int64_t positions = checkpoint.config().image.positions();
    if (options.maxContext != 0)
      return formatError({checkpoint.path(), "max-context", {}},
                         absl::StrCat("none: an image has ", positions, " positions"),
                         absl::StrCat(options.maxContext));
    return (positions + 15) / 16 * 16;
  }
  if (!checkpoint.config().block.learnedPositions)
    return (context + 15) / 16 * 16;
  // There is no embedding of further positions.
  int64_t positions = checkpoint.config().usablePositions(), most = positions / 16 * 16;
  if (context > positions || most == 0)
    return formatError({checkpoint.path(), "max-context", {}},
                       absl::StrCat("up to the ", positions,
                                    " positions that the model has learned, and at least 16"),
                       absl::StrCat(context));
  return std::min((context + 15) / 16 * 16, most);
}

/// Says what of an encoder's checkpoint goes unused: the heads that others put on it.
static void noteIgnored(const WeightTable &weights, ModuleOp module) {
  const std::vector<std::string> &ignored = weights.ignoredTensors();
  if (ignored.empty())
    return;
  InFlightDiagnostic note =
      module.getContext()->getDiagEngine().emit(module.getLoc(), DiagnosticSeverity::Note);
  note << "tensors of a head are not used, an encoder ends with hidden states: " << ignored.front();
  if (ignored.size() > 1)
    note << " and " << ignored.size() - 1 << " more";
}

/// What embeddings are multiplied by. transformers rounds sqrt(hidden) to the type of the table,
/// llama.cpp to f32.
static double embeddingScale(const Checkpoint &checkpoint, const WeightTable &weights) {
  const ModelConfig &config = checkpoint.config();
  if (!config.block.normalizedEmbedding)
    return config.embeddingScale;
  auto scale = float(std::sqrt(double(config.hiddenSize)));
  const TensorView *table = checkpoint.find(weights.find("embed").getSource()->str());
  if (checkpoint.container() == Checkpoint::Container::HuggingFace && table) {
    if (table->dtype == DType::BF16)
      scale = bfloat16ToFloat(floatToBfloat16(scale));
    else if (table->dtype == DType::F16)
      scale = halfToFloat(floatToHalf(scale));
  }
  return double(scale);
}

absl::StatusOr<OwningOpRef<ModuleOp>> stc::importCheckpoint(MLIRContext &context,
                                                            const Checkpoint &checkpoint,
                                                            const ImportOptions &options) {
  context.loadDialect<STCDialect, arith::ArithDialect, func::FuncDialect, tensor::TensorDialect>();
  STC_ASSIGN_OR_RETURN(const Architecture *architecture, findArchitecture(checkpoint));
  GraphSettings settings;
  STC_ASSIGN_OR_RETURN(settings.activation, activationKind(checkpoint));
  STC_ASSIGN_OR_RETURN(settings.capacity, cacheCapacity(checkpoint, options));
  settings.kvCache = options.kvCache;

  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
  (*module)->setAttr("stc.checkpoint", builder.getStringAttr(checkpoint.path()));
  builder.setInsertionPointToEnd(module->getBody());
  WeightTable weights(checkpoint, *architecture);
  STC_RETURN_IF_ERROR(weights.declare(builder));
  declareHeadOrders(builder, checkpoint.config(), weights);
  settings.embeddingScale = embeddingScale(checkpoint, weights);
  STC_ASSIGN_OR_RETURN(settings.rotation, rotationOf(checkpoint, settings.capacity));
  if (checkpoint.config().localRopeTheta != 0)
    settings.localRotation = localRotation(checkpoint.config());
  if (int64_t positions = checkpoint.config().encoderPositions) {
    (*module)->setAttr(kDecoderContextAttr, builder.getI64IntegerAttr(settings.capacity));
    (*module)->setAttr(kEncoderContextAttr, builder.getI64IntegerAttr(positions));
    settings.capacity = std::max(settings.capacity, (positions + 15) / 16 * 16);
  }
  if (checkpoint.config().kind == ModelKind::Encoder) {
    buildEncoder(builder, checkpoint.config(), weights, settings);
    noteIgnored(weights, *module);
  } else if (checkpoint.config().kind == ModelKind::EncoderDecoder) {
    buildEncoderDecoder(builder, checkpoint.config(), weights, settings);
  } else {
    buildDecoder(builder, checkpoint.config(), weights, settings);
  }

  // Sizes the tables let through may still break an op's constraints; the verifier says which.
  std::string message;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    if (message.empty())
      message = diagnostic.str();
    return success();
  });
  if (failed(verify(*module)))
    return formatError({checkpoint.path(), "model", {}}, "a valid graph", message);
  return module;
}
