// What makes two layers equal, and what a shared layer function takes from outside.
#include "LayerSignature.h"

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
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

bool isLayerIndex(OpOperand &operand, int64_t index) {
  Operation *owner = operand.getOwner();
  OpOperand *layer =
      llvm::TypeSwitch<Operation *, OpOperand *>(owner)
          .Case<AttentionOp, CacheUpdateOp, packed::AttentionOp, packed::CachePointersOp>(
              [](auto op) { return &op.getLayerMutable(); })
          .Default([](Operation *) { return nullptr; });
  return layer == &operand && isConstantIntValue(operand.get(), index);
}

namespace {

/// Writes the key of one layer. Every construct starts with a tag, so that keys of different
/// structure differ.
class KeyWriter {
public:
  KeyWriter(LayerOp layer, LayerSignature &signature) : layer(layer), signature(signature) {}

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
    addPointer(op.getAttrDictionary());
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
    if (isLayerIndex(operand, int64_t(layer.getIndex()))) {
      add(TagLayer, 0);
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

  StringAttr weightOf(Value value) const {
    Operation *op = value.getDefiningOp();
    return op ? weightSymbol(op) : StringAttr();
  }

  LayerOp layer;
  LayerSignature &signature;
  llvm::DenseMap<Value, uintptr_t> locals;
  llvm::DenseMap<Block *, uintptr_t> blocks;
};

} // namespace

LayerSignature LayerSignature::of(LayerOp layer) {
  LayerSignature signature;
  signature.key.push_back(
      reinterpret_cast<uintptr_t>(layer->getDiscardableAttrDictionary().getAsOpaquePointer()));
  KeyWriter(layer, signature).writeRegion(layer.getBody());
  return signature;
}

} // namespace stc
