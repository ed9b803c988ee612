// Makes the entry points of a model binary from the imported functions.
#include "InferTypes.h"

#include "stc/Dialect/STC/Transforms/Passes.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/IRMapping.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SPECIALIZEENTRYPOINTSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

class SpecializeEntryPoints final
    : public impl::SpecializeEntryPointsPassBase<SpecializeEntryPoints> {
public:
  void runOnOperation() override {
    if (failed(findSources()) || failed(checkSignatures()) || failed(checkNames()))
      return signalPassFailure();
    // An encoder reads texts as a whole, and has nothing to say about next tokens. The head of one
    // that reads images classifies.
    if (!head || readsRows()) {
      forward.setSymName("prefill");
      if (head)
        head.setSymName("score");
      return;
    }
    func::FuncOp decode = makeDecode();
    if (failed(inferResultTypes(decode.getBody().front())))
      return signalPassFailure();
    decode.setFunctionType(
        FunctionType::get(&getContext(), decode.getArgumentTypes(),
                          decode.getBody().front().getTerminator()->getOperandTypes()));
    // The originals become the other two entry points, which saves copying them.
    forward.setSymName("prefill");
    head.setSymName("score");
  }

private:
  LogicalResult findSources() {
    ModuleOp module = getOperation();
    head = {};
    for (auto [name, slot] : {std::pair("forward", &forward), std::pair("head", &head)}) {
      auto function = module.lookupSymbol<func::FuncOp>(name);
      if (!function && slot == &head && isEncoder(forward))
        return success();
      if (!function || function.isExternal() || !function.getBody().hasOneBlock())
        return emitError(module.getLoc(), "expected a function @")
               << name << " of one block, got none";
      if (!SymbolTable::symbolKnownUseEmpty(function, module))
        return emitError(function.getLoc(),
                         "expected a function that nothing refers to, got uses of @")
               << name;
      *slot = function;
    }
    return success();
  }

  /// Whether every token sees those behind it, so that a text cannot grow token by token.
  static bool isEncoder(func::FuncOp function) {
    bool any = false, all = true;
    function.walk([&](AttentionOp op) {
      any = true;
      all &= bool(op.getEnd());
    });
    return any && all;
  }

  /// Whether rows of numbers stand between the tokens and the position, as those of images do.
  bool readsRows() {
    return isEncoder(forward) && forward.getNumArguments() == 4 &&
           isa<RankedTensorType>(forward.getArgumentTypes()[1]);
  }

  LogicalResult checkSignatures() {
    auto isActivation = [](Type type) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      return tensor && tensor.getRank() == 2 && tensor.isDynamicDim(0) && !tensor.isDynamicDim(1) &&
             tensor.getElementType().isF32();
    };
    ArrayRef<Type> inputs = forward.getArgumentTypes(), results = forward.getResultTypes();
    Type tokens =
        RankedTensorType::get({ShapedType::kDynamic}, IntegerType::get(&getContext(), 32));
    auto encode = getOperation().lookupSymbol<func::FuncOp>("encode");
    // Behind an encoder, the decoder is told how many positions that left. An encoder of images
    // takes rows of pixels.
    SmallVector<Type> expected{tokens, IndexType::get(&getContext())};
    if (readsRows() && isActivation(inputs[1]))
      expected.insert(expected.begin() + 1, inputs[1]);
    if (encode)
      expected.push_back(expected.back());
    if (inputs.size() != expected.size() + 1 || inputs.drop_back() != ArrayRef(expected) ||
        !isa<KVCacheType>(inputs.back()) || results.size() != 1 || !isActivation(results[0]))
      return emitError(forward.getLoc(), "expected @forward(tensor<?xi32>, index, ")
             << (encode ? "index, " : "") << "!stc.kv_cache) -> tensor<?xHxf32>, got "
             << forward.getFunctionType();
    if (encode) {
      // Rows of features may stand between the positions, in place of tokens, and the cache.
      ArrayRef<Type> read = encode.getArgumentTypes();
      bool hasRows = read.size() == 3 && isActivation(read[1]);
      if (encode.getNumResults() != 0 || read.size() != (hasRows ? 3 : 2) || read[0] != tokens ||
          read.back() != inputs.back())
        return emitError(encode.getLoc(), "expected @encode(tensor<?xi32>, ")
               << inputs.back() << "), got " << encode.getFunctionType();
    }
    if (!head)
      return success();
    if (head.getArgumentTypes() != results || head.getNumResults() != 1 ||
        !isActivation(head.getResultTypes()[0]))
      return emitError(head.getLoc(), "expected @head(")
             << results[0] << ") -> tensor<?xVxf32>, got " << head.getFunctionType();
    return success();
  }

  LogicalResult checkNames() {
    for (StringRef name : {"prefill", "decode", "score"})
      if (Operation *taken = getOperation().lookupSymbol(name))
        return emitError(taken->getLoc(), "expected the name @")
               << name << " to be free, got a symbol";
    return success();
  }

  /// @forward for one token followed by @head, with types not inferred yet.
  func::FuncOp makeDecode() {
    OpBuilder builder(forward);
    builder.setInsertionPointAfter(forward);
    auto decode = cast<func::FuncOp>(builder.clone(*forward));
    decode.setSymName("decode");
    Block &body = decode.getBody().front();
    BlockArgument tokens = body.getArgument(0);
    tokens.setType(cast<RankedTensorType>(tokens.getType()).clone({1}));
    decode.setFunctionType(
        FunctionType::get(&getContext(), body.getArgumentTypes(), decode.getResultTypes()));

    auto result = cast<func::ReturnOp>(body.getTerminator());
    IRMapping mapping;
    mapping.map(head.getArgument(0), result.getOperand(0));
    builder.setInsertionPoint(result);
    for (Operation &op : head.getBody().front())
      builder.clone(op, mapping);
    result.erase();
    return decode;
  }

  func::FuncOp forward, head;
};

} // namespace

} // namespace stc
