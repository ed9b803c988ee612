// Checkpoint -> stc graph: finds the architecture's table and has the decoder built from it.
#include "stc/Import/Import.h"

#include "Decoder.h"
#include "Rope.h"

#include "absl/strings/str_cat.h"
#include "mlir/IR/Verifier.h"

using namespace mlir;
using namespace stc;

/// Positions of the cache when the user names none: what the model was made for, within reason.
static constexpr int64_t kDefaultContext = 4096;
/// A cache beyond this cannot be addressed by the 32-bit positions of generated code.
static constexpr int64_t kLargestContext = int64_t(1) << 30;

static absl::StatusOr<const Architecture *> findArchitecture(const Checkpoint &checkpoint) {
  const std::string &name = checkpoint.config().architecture;
  std::string supported;
  for (const Architecture &architecture : llamaArchitectures()) {
    if (architecture.name == name)
      return &architecture;
    absl::StrAppend(&supported, supported.empty() ? "" : ", ", std::string(architecture.name));
  }
  bool gguf = checkpoint.container() == Checkpoint::Container::Gguf;
  return formatError({checkpoint.path(), gguf ? "general.architecture" : "model_type", {}},
                     absl::StrCat("one of ", supported), name);
}

static absl::StatusOr<ActivationKind> activationKind(const Checkpoint &checkpoint) {
  const std::string &name = checkpoint.config().activation;
  if (name == "silu" || name == "swish")
    return ActivationKind::Silu;
  if (name == "gelu")
    return ActivationKind::Gelu;
  if (name == "gelu_new" || name == "gelu_tanh" || name == "gelu_pytorch_tanh")
    return ActivationKind::GeluTanh;
  if (name == "relu")
    return ActivationKind::Relu;
  return formatError({checkpoint.path(), "hidden_act", {}}, "silu, gelu, gelu_pytorch_tanh or relu",
                     name);
}

static absl::StatusOr<int64_t> cacheCapacity(const Checkpoint &checkpoint,
                                             const ImportOptions &options) {
  int64_t context = options.maxContext;
  if (context < 0 || context > kLargestContext)
    return formatError({checkpoint.path(), "max-context", {}},
                       absl::StrCat("0 to ", kLargestContext), absl::StrCat(context));
  if (context == 0)
    context = std::min(checkpoint.config().maxPositions, kDefaultContext);
  return (context + 15) / 16 * 16;
}

absl::StatusOr<OwningOpRef<ModuleOp>> stc::importCheckpoint(MLIRContext &context,
                                                            const Checkpoint &checkpoint,
                                                            const ImportOptions &options) {
  context.loadDialect<STCDialect, arith::ArithDialect, func::FuncDialect>();
  STC_ASSIGN_OR_RETURN(const Architecture *architecture, findArchitecture(checkpoint));
  DecoderSettings settings;
  STC_ASSIGN_OR_RETURN(settings.activation, activationKind(checkpoint));
  STC_ASSIGN_OR_RETURN(settings.capacity, cacheCapacity(checkpoint, options));
  settings.kvCache = options.kvCache;

  OpBuilder builder(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(builder.getUnknownLoc());
  (*module)->setAttr("stc.checkpoint", builder.getStringAttr(checkpoint.path()));
  builder.setInsertionPointToEnd(module->getBody());
  WeightTable weights(checkpoint, *architecture);
  STC_RETURN_IF_ERROR(weights.declare(builder));
  STC_ASSIGN_OR_RETURN(settings.inverseFrequencies, inverseFrequencies(checkpoint));
  buildDecoder(builder, checkpoint.config(), weights, settings);

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
