// What makes two layers or experts equal, and what their shared function takes from outside.
#include "LayerSignature.h"

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;

namespace stc {

StringAttr weightSymbol(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringAttr>(op)
      .Case<GetWeightOp, packed::GetWeightOp>(
          [](auto value) { return value.getWeightAttr().getAttr(); })
      .Default([](Operation *) { return StringAttr(); });
}

std::optional<int64_t> cacheLayerOffset(OpOperand &operand, int64_t index) {
  Operation *owner = operand.getOwner();
  OpOperand *layer =
      llvm::TypeSwitch<Operation *, OpOperand *>(owner)
          .Case<AttentionOp, CacheUpdateOp, packed::AttentionOp, packed::CachePointersOp>(
              [](auto op) { return &op.getLayerMutable(); })
          .Default([](Operation *) { return nullptr; });
  std::optional<int64_t> number = getConstantIntValue(operand.get());
  if (layer != &operand || !number || index < 0 || *number < index)
    return std::nullopt;
  return *number - index;
}

bool isLayerIndex(OpOperand &operand, int64_t index) {
  return cacheLayerOffset(operand, index) == 0;
}

namespace {

/// Writes the key of one layer. Every construct starts with a tag, so that keys of different
/// structure differ.
class KeyWriter {
public:
  KeyWriter(int64_t layer, LayerSignature &signature) : layer(layer), signature(signature) {}

  void writeRegion(Region &region) {
    add(TagRegion, region.getBlocks().size());
    // Blocks first: branches may refer to later ones.
    for (Block &block : region)
      blocks.insert({&block, blocks.size()});
    for (Block &block : region) {
      add(TagBlock, block.getNumArguments());
      for (BlockArgument argument : block.getArguments()) {
        number(argument);
        addPointer(argument.getType());
      }
      for (Operation &op : block)
        writeOperation(op);
    }
  }

private:
  enum Tag : uintptr_t {
    TagRegion,
    TagBlock,
    TagOp,
    TagLocal,
    TagLayer,
    TagConstant,
    TagWeight,
    TagCapture
  };

  void add(Tag tag, uintptr_t word) {
    signature.key.push_back(tag);
    signature.key.push_back(word);
  }
  template <typename T> void addPointer(T value) {
    signature.key.push_back(reinterpret_cast<uintptr_t>(value.getAsOpaquePointer()));
  }
  void number(Value value) { locals.insert({value, locals.size()}); }

  void writeOperation(Operation &op) {
    // Weights and constants are named where they are used: which operand a constant is decides
    // whether it is the layer's index, which layers need not have in common.
    if (weightSymbol(&op) || op.hasTrait<OpTrait::ConstantLike>())
      return;
    add(TagOp, op.getNumOperands());
    addPointer(op.getName());
    addPointer(attributesOf(op));
    add(TagOp, op.getNumResults());
    for (OpOperand &operand : op.getOpOperands())
      writeOperand(operand);
    for (OpResult result : op.getResults()) {
      number(result);
      addPointer(result.getType());
    }
    for (Block *successor : op.getSuccessors())
      add(TagBlock, blocks.lookup(successor));
    for (Region &region : op.getRegions())
      writeRegion(region);
  }

  void writeOperand(OpOperand &operand) {
    Value value = operand.get();
    Attribute constant;
    if (std::optional<int64_t> offset = cacheLayerOffset(operand, layer)) {
      add(TagLayer, uintptr_t(*offset));
    } else if (auto local = locals.find(value); local != locals.end()) {
      add(TagLocal, local->second);
    } else if (StringAttr symbol = weightOf(value)) {
      signature.weights.insert({symbol, value.getType()});
      add(TagWeight, uintptr_t(signature.weights.find(symbol) - signature.weights.begin()));
      addPointer(value.getType());
    } else if (matchPattern(value, m_Constant(&constant))) {
      add(TagConstant, 0);
      addPointer(constant);
      addPointer(value.getType());
    } else {
      signature.captures.insert(value);
      add(TagCapture,
          uintptr_t(llvm::find(signature.captures, value) - signature.captures.begin()));
      addPointer(value.getType());
    }
  }

  /// Whose weights a repeat inside the layer calls its function with is as little a part of what
  /// the layer does as whose weights it reads; how many is.
  static DictionaryAttr attributesOf(Operation &op) {
    auto repeat = dyn_cast<RepeatOp>(op);
    if (!repeat)
      return op.getAttrDictionary();
    NamedAttrList attributes(op.getAttrDictionary());
    Builder builder(op.getContext());
    attributes.set(repeat.getWeightsAttrName(),
                   builder.getI64IntegerAttr(int64_t(repeat.getWeights().size())));
    return attributes.getDictionary(op.getContext());
  }

  StringAttr weightOf(Value value) const {
    Operation *op = value.getDefiningOp();
    return op ? weightSymbol(op) : StringAttr();
  }

  int64_t layer;
  LayerSignature &signature;
  llvm::DenseMap<Value, uintptr_t> locals;
  llvm::DenseMap<Block *, uintptr_t> blocks;
};

} // namespace

LayerSignature LayerSignature::of(LayerOp layer) {
  LayerSignature signature;
  signature.key.push_back(
      reinterpret_cast<uintptr_t>(layer->getDiscardableAttrDictionary().getAsOpaquePointer()));
  KeyWriter(int64_t(layer.getIndex()), signature).writeRegion(layer.getBody());
  return signature;
}

ArrayAttr LayerSignature::weightRow(MLIRContext *context) const {
  SmallVector<Attribute> row;
  for (auto &[symbol, type] : weights)
    row.push_back(FlatSymbolRefAttr::get(symbol));
  return ArrayAttr::get(context, row);
}

func::FuncOp LayerSignature::declareFunction(SymbolTable &symbols, func::FuncOp parent,
                                             StringRef suffix, Location loc, Type state) const {
  Builder builder(parent.getContext());
  SmallVector<Type> inputs{state, builder.getIndexType()};
  for (Value capture : captures)
    inputs.push_back(capture.getType());
  for (auto &[symbol, type] : weights)
    inputs.push_back(type);
  auto function = func::FuncOp::create(loc, (parent.getSymName() + suffix).str(),
                                       builder.getFunctionType(inputs, state));
  function.setPrivate();
  symbols.insert(function, std::next(Block::iterator(parent)));
  return function;
}

LayerSignature LayerSignature::of(ExpertOp expert) {
  LayerSignature signature;
  auto add = [&](auto value) {
    signature.key.push_back(reinterpret_cast<uintptr_t>(value.getAsOpaquePointer()));
  };
  add(expert->getDiscardableAttrDictionary());
  for (Value operand : {expert.getAccumulator(), expert.getInput(), expert.getGates()})
    add(operand.getType());
  signature.captures.insert(expert.getInput());
  signature.captures.insert(expert.getGates());
  KeyWriter(-1, signature).writeRegion(expert.getBody());
  return signature;
}

void useParameters(func::FuncOp function, int64_t layer, const LayerSignature &signature) {
  ArrayRef<BlockArgument> parameters = function.getArguments();
  ArrayRef<BlockArgument> weights = parameters.drop_front(2 + signature.captures.size());
  llvm::DenseMap<Value, Value> replacements;
  for (auto [capture, parameter] : llvm::zip(signature.captures, parameters.drop_front(2)))
    replacements[capture] = parameter;

  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  llvm::DenseMap<int64_t, Value> cacheLayers;
  auto cacheLayer = [&](int64_t offset) -> Value {
    if (offset == 0)
      return parameters[1];
    Value &known = cacheLayers[offset];
    Location loc = function.getLoc();
    if (!known)
      known = arith::AddIOp::create(builder, loc, parameters[1],
                                    arith::ConstantIndexOp::create(builder, loc, offset));
    return known;
  };
  SmallVector<Operation *> named;
  function.getBody().walk([&](Operation *op) {
    if (weightSymbol(op) || op->hasTrait<OpTrait::ConstantLike>())
      named.push_back(op);
    for (OpOperand &operand : op->getOpOperands()) {
      Operation *source = operand.get().getDefiningOp();
      if (std::optional<int64_t> offset = cacheLayerOffset(operand, layer)) {
        operand.set(cacheLayer(*offset));
      } else if (Value replacement = replacements.lookup(operand.get())) {
        operand.set(replacement);
      } else if (StringAttr symbol = source ? weightSymbol(source) : StringAttr()) {
        operand.set(weights[signature.weights.find(symbol) - signature.weights.begin()]);
      } else if (source && source->hasTrait<OpTrait::ConstantLike>() &&
                 !function->isAncestor(source)) {
        Value copy = builder.clone(*source)->getResult(0);
        replacements[operand.get()] = copy;
        operand.set(copy);
      }
    }
  });
  for (Operation *op : named)
    if (op->use_empty())
      op->erase();
}

} // namespace stc
