// stc-share-experts: turns experts of equal signature into one function.
#include "LayerSignature.h"

#include "stc/Dialect/STC/Transforms/Passes.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/Builders.h"

#include <map>

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_SHAREEXPERTSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

struct SignedExpert {
  ExpertOp op;
  LayerSignature signature;
  int64_t index;
};

/// True if `next` can be the call after `previous` of one stc.repeat.
bool follows(const SignedExpert &previous, const SignedExpert &next) {
  ExpertOp first = previous.op, second = next.op;
  return previous.signature.key == next.signature.key &&
         llvm::equal(previous.signature.captures, next.signature.captures) &&
         second.getAccumulator() == first.getResult() && first.getResult().hasOneUse() &&
         next.index == previous.index + 1;
}

class ShareExperts final : public impl::ShareExpertsPassBase<ShareExperts> {
public:
  void runOnOperation() override {
    SymbolTable table(getOperation());
    symbols = &table;
    functions.clear();
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      SmallVector<Block *> blocks;
      function.walk([&](Block *block) {
        if (!block->getOps<ExpertOp>().empty())
          blocks.push_back(block);
      });
      for (Block *block : blocks)
        shareBlock(*block, function);
    }
  }

private:
  void shareBlock(Block &block, func::FuncOp parent) {
    std::vector<SignedExpert> chain;
    for (auto expert : block.getOps<ExpertOp>())
      if (std::optional<int64_t> index = getConstantIntValue(expert.getIndex()))
        chain.push_back({expert, LayerSignature::of(expert), *index});
    for (size_t first = 0, last; first < chain.size(); first = last) {
      for (last = first + 1; last < chain.size() && follows(chain[last - 1], chain[last]);)
        ++last;
      func::FuncOp &function = functions[chain[first].signature.key];
      if (!function)
        function = outline(chain[first], parent);
      replaceRun(ArrayRef(chain).slice(first, last - first), function);
    }
  }

  /// The expert as a function of what it adds to, its index, captures and weights.
  func::FuncOp outline(const SignedExpert &expert, func::FuncOp parent) {
    ExpertOp op = expert.op;
    func::FuncOp function = expert.signature.declareFunction(
        *symbols, parent, "_expert", op.getLoc(), op.getResult().getType());
    Block *body = function.addEntryBlock();
    OpBuilder builder = OpBuilder::atBlockBegin(body);
    auto clone = cast<ExpertOp>(builder.clone(*op));
    func::ReturnOp::create(builder, op.getLoc(), clone.getResult());
    clone.getIndexMutable().assign(body->getArgument(1));
    useParameters(function, /*layer=*/-1, expert.signature);
    // What it adds to may be its input too, which is a parameter by itself.
    clone.getAccumulatorMutable().assign(body->getArgument(0));
    ++expertFunctions;
    return function;
  }

  void replaceRun(ArrayRef<SignedExpert> run, func::FuncOp function) {
    ExpertOp first = run.front().op;
    OpBuilder builder(first);
    SmallVector<Attribute> rows;
    SmallVector<Location> locations;
    for (const SignedExpert &expert : run) {
      rows.push_back(expert.signature.weightRow(&getContext()));
      locations.push_back(ExpertOp(expert.op).getLoc());
    }
    auto repeat = RepeatOp::create(
        builder, builder.getFusedLoc(locations), first.getResult().getType(),
        FlatSymbolRefAttr::get(function), first.getAccumulator(),
        run.front().signature.captures.getArrayRef(), /*row=*/Value(),
        builder.getI64IntegerAttr(run.front().index), /*count=*/IntegerAttr(),
        builder.getArrayAttr(rows));
    ExpertOp(run.back().op).getResult().replaceAllUsesWith(repeat.getResult());
    for (const SignedExpert &expert : llvm::reverse(run))
      ExpertOp(expert.op).erase();
    experts += run.size();
  }

  SymbolTable *symbols = nullptr;
  std::map<std::vector<uintptr_t>, func::FuncOp> functions;
};

} // namespace

} // namespace stc
