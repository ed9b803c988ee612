// What the builders of all graphs share: weights, projections, norms, attention, feed-forward.
#ifndef STC_LIB_IMPORT_GRAPHBUILDER_H
#define STC_LIB_IMPORT_GRAPHBUILDER_H

#include "Rope.h"
#include "WeightTable.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace stc {

/// What a graph needs beyond the configuration.
struct GraphSettings {
  Rotation rotation, localRotation; // the latter empty where all layers have the former
  double embeddingScale = 1;
  ActivationKind activation = ActivationKind::Silu;
  int64_t capacity = 0;               // positions of the key/value cache
  KVElement kvCache = KVElement::F32; // and how it keeps them
};

/// The parts that graphs are made of. A derived class composes them into functions, top to bottom.
/// Weights are named by their symbols: `linear("layers.0.q", x)` reads @layers.0.q and, where the
/// model has it, @layers.0.q_bias. Locations name the part of the model an op belongs to.
class GraphBuilder {
public:
  GraphBuilder(mlir::OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
               const GraphSettings &settings)
      : builder(builder), config(config), weights(weights), settings(settings) {}

protected:
  mlir::Location at(const llvm::Twine &part) {
    return mlir::NameLoc::get(builder.getStringAttr(part));
  }
  /// [tokens, columns].
  mlir::RankedTensorType activations(int64_t columns) {
    return mlir::RankedTensorType::get({mlir::ShapedType::kDynamic, columns}, builder.getF32Type());
  }
  /// The type of token ids: [tokens].
  mlir::RankedTensorType tokensType() {
    return mlir::RankedTensorType::get({mlir::ShapedType::kDynamic}, builder.getI32Type());
  }
  /// A cache for the keys and values of `layers` layers.
  KVCacheType cacheType(int64_t layers, int64_t capacity);
  /// An empty function at the builder, which then stands at its start. The caller restores it.
  mlir::func::FuncOp beginFunction(llvm::StringRef name, mlir::TypeRange inputs,
                                   mlir::TypeRange results);
  /// Adds @head: the logits of hidden states, over the vocabulary or over labels.
  void buildHead();

  /// The value of a weight, or null for one the model lacks.
  mlir::Value weight(mlir::Location loc, const llvm::Twine &symbol);
  mlir::Value linear(const llvm::Twine &symbol, mlir::Value input);
  /// A root-mean-square or layer norm, as the configuration says.
  mlir::Value norm(const llvm::Twine &symbol, mlir::Value input);
  mlir::Value scale(mlir::Location loc, mlir::Value input, double factor);
  /// `hidden` + `output` * the configuration's residual scale.
  mlir::Value addTo(const llvm::Twine &part, mlir::Value hidden, mlir::Value output);
  mlir::Value activate(const llvm::Twine &part, mlir::Value input) {
    return ActivationOp::create(builder, at(part), input, settings.activation);
  }

  /// One stc.layer after another around what `build` makes of each hidden state; the last one's.
  mlir::Value buildLayers(
      mlir::Value hidden,
      llvm::function_ref<mlir::Value(const std::string &layer, int64_t index, mlir::Value hidden)>
          build);

  /// `hidden` plus the learned embeddings of the tokens' positions.
  mlir::Value addPositions(const llvm::Twine &symbol, mlir::Value tokens, mlir::Value hidden);
  /// Sets `table` and `localTable`, as far as layers need them.
  void makeRotaryTables(mlir::Value tokens);
  /// Rotates the first columns of every head.
  mlir::Value rotate(mlir::Location loc, int64_t layer, mlir::Value input);
  /// The columns that an order among the weights names.
  mlir::Value ordered(mlir::Location loc, const llvm::Twine &symbol, mlir::Value input);
  /// The norm of queries or keys, where the model has one.
  mlir::Value normHeads(const llvm::Twine &symbol, mlir::Value input, int64_t heads);
  /// Queries or keys of a projection, normalized and rotated as the model has it.
  mlir::Value headsOf(const std::string &layer, int64_t index, const std::string &name,
                      mlir::Value input, int64_t heads);
  /// `input` within the model's bounds of queries, keys and values.
  mlir::Value clip(mlir::Location loc, mlir::Value input);
  /// What scores of attention are multiplied by.
  double scoreScale() const;
  /// Self-attention of a layer, from its normalized input to what the output projection gives:
  /// causal, or over all positions below `end` where that is set.
  mlir::Value attention(const std::string &layer, int64_t index, mlir::Value input);
  /// The same of a model whose keys and values are made from one short vector.
  mlir::Value latentAttention(const std::string &layer, int64_t index, mlir::Value input);
  /// What the heads give whose queries, keys and values these are, the latter two being cached.
  mlir::Value attend(const std::string &layer, int64_t index, mlir::Value queries, mlir::Value keys,
                     mlir::Value values);
  /// A feed-forward block with a gate or without one.
  mlir::Value feedForward(const std::string &layer, mlir::Value input);
  /// The weights are those whose names begin with `part`.
  mlir::Value gatedUnit(const std::string &part, mlir::Value input);

  mlir::OpBuilder &builder;
  const ModelConfig &config;
  const WeightTable &weights;
  const GraphSettings &settings;
  mlir::Value position, cache;     // arguments of the function being built
  mlir::Value end;                 // null: attention is causal
  std::string biasSymbol;          // of T5's biases of scores; empty: there are none
  RotaryTableOp table, localTable; // null where no layer is rotated so
};

} // namespace stc

#endif // STC_LIB_IMPORT_GRAPHBUILDER_H
