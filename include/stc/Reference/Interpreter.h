// The reference interpreter: runs stc and packed graphs in float64, slowly and obviously.
#ifndef STC_REFERENCE_INTERPRETER_H
#define STC_REFERENCE_INTERPRETER_H

#include "stc/Dialect/Packed/IR/Packed.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "mlir/IR/BuiltinOps.h"

#include <memory>
#include <variant>
#include <vector>

namespace stc {

/// A dense value: shape and float64 elements, row-major (integers are exact below 2^53).
struct ReferenceTensor {
  std::vector<int64_t> shape;
  std::vector<double> values;
};

/// The mutable key/value cache: [layers][kv_heads][capacity][head_dim] each. An empty one is sized
/// by the interpreter.
struct ReferenceCache {
  std::vector<double> keys, values;
};

/// Interprets functions of one module. Supported ops: all of stc and packed on tensors and vectors,
/// func, arith on tensors, vectors and scalars, tensor.empty/dim/cast/extract_slice and
/// linalg.fill; any other op is an error that names it.
class Interpreter {
public:
  /// Weights come from the module's WeightStore; packed weights from `weightsSection`, or where it
  /// is empty from the section that pack-weights left in memory.
  explicit Interpreter(mlir::ModuleOp module, absl::Span<const uint8_t> weightsSection = {});
  ~Interpreter();

  using Value = std::variant<ReferenceTensor, int64_t, double, std::shared_ptr<ReferenceCache>>;
  /// Runs `function` on `arguments` and returns its results.
  absl::StatusOr<std::vector<Value>> run(mlir::StringRef function, std::vector<Value> arguments);

  /// How `logits` feeds the tokens: all at once, or one at a time through the cache.
  enum class Feed { Together, OneByOne };

  /// Convenience: runs the model over `tokens` from position 0 with a fresh cache and returns
  /// [tokens][vocab] logits. Uses @forward and @head where they exist, else (packed phase) @prefill
  /// and @score together and @decode one by one. A model with @encode reads `encoderTokens` first;
  /// one that reads a row of numbers with each token gets these from `rows`, [tokens][columns].
  absl::StatusOr<ReferenceTensor> logits(absl::Span<const int32_t> tokens,
                                         Feed feed = Feed::Together,
                                         absl::Span<const int32_t> encoderTokens = {},
                                         absl::Span<const double> rows = {});

private:
  struct State;
  std::unique_ptr<State> state;
};

} // namespace stc

#endif // STC_REFERENCE_INTERPRETER_H
