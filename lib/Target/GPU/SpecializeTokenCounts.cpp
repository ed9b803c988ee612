// packed-specialize-token-counts: gives calls of few tokens code of their own.
#include "WorkModel.h"

#include "stc/Runtime/ModelABI.h"
#include "stc/Target/GPU/Passes.h"
#include "stc/Target/GPU/Pipeline.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/SymbolTable.h"

#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace stc::gpu;

namespace stc {

#define GEN_PASS_DEF_SPECIALIZETOKENCOUNTSPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

/// The function whose calls have any number of tokens, and numbers for which there may be code.
constexpr StringLiteral kPrefill = "prefill";
constexpr int64_t kMostTokens[] = {64, 256};
static_assert(std::size(kMostTokens) <= STC_FEW_TOKEN_KERNELS);
/// Fewest weights of a matrix for which that pays: smaller ones take less time than a barrier.
constexpr int64_t kFewestWeights = int64_t(1) << 19;

class SpecializeTokenCounts final
    : public impl::SpecializeTokenCountsPassBase<SpecializeTokenCounts> {
public:
  using SpecializeTokenCountsPassBase::SpecializeTokenCountsPassBase;

  void runOnOperation() override;

private:
  llvm::SetVector<func::FuncOp> reachable(func::FuncOp function);
  SmallVector<TokenRange> usefulRanges(ArrayRef<func::FuncOp> functions);
  func::FuncOp copyFor(TokenRange range, ArrayRef<func::FuncOp> functions);
  void choose(func::FuncOp function, ArrayRef<TokenRange> ranges, ArrayRef<func::FuncOp> copies);
  void specialize(func::FuncOp function);

  TargetDescription description;
  std::optional<SymbolTable> symbols;
};

} // namespace

/// The first argument with a row for each token; none if there is none.
static Value rowsOf(func::FuncOp function) {
  for (Value argument : function.getArguments())
    if (auto type = dyn_cast<MemRefType>(argument.getType());
        type && type.getRank() > 0 && type.isDynamicDim(0))
      return argument;
  return Value();
}

/// `function` and what it calls, itself first.
llvm::SetVector<func::FuncOp> SpecializeTokenCounts::reachable(func::FuncOp function) {
  llvm::SetVector<func::FuncOp> functions;
  functions.insert(function);
  for (size_t i = 0; i < functions.size(); ++i) {
    func::FuncOp caller = functions[i];
    caller.walk([&](func::CallOp call) {
      if (auto callee = symbols->lookup<func::FuncOp>(call.getCallee()))
        functions.insert(callee);
    });
  }
  return functions;
}

/// Numbers of tokens whose multiplications are better divided differently, in ascending order.
SmallVector<TokenRange> SpecializeTokenCounts::usefulRanges(ArrayRef<func::FuncOp> functions) {
  SmallVector<packed::MatmulOp> products;
  for (func::FuncOp function : functions)
    function.walk([&](packed::MatmulOp op) {
      auto weight = cast<packed::WeightType>(op.getWeight().getType());
      if (!op.getConfigAttr() && weight.getRows() * weight.getColumns() >= kFewestWeights)
        products.push_back(op);
    });
  auto areDivided = [&](TokenRange range) {
    return llvm::map_to_vector(products, [&](packed::MatmulOp op) {
      return chooseBlockConfig(op, description, range).getRowTiles();
    });
  };
  SmallVector<TokenRange> ranges;
  int64_t fewest = 1;
  for (int64_t most : kMostTokens) {
    if (most >= maxTokens)
      break;
    ranges.push_back({fewest, most});
    fewest = most + 1;
  }
  ranges.push_back({fewest, maxTokens});
  // From the largest numbers down: those that are divided as the next ones, and as both together,
  // join them.
  for (size_t i = ranges.size() - 1; i > 0; --i) {
    TokenRange both{ranges[i - 1].fewest, ranges[i].most};
    auto own = areDivided(ranges[i]);
    if (areDivided(ranges[i - 1]) != own || areDivided(both) != own)
      continue;
    ranges[i] = both;
    ranges.erase(ranges.begin() + static_cast<ptrdiff_t>(i) - 1);
  }
  return ranges;
}

/// Copies functions, which then call each other, for calls of so many tokens; gives the first.
func::FuncOp SpecializeTokenCounts::copyFor(TokenRange range, ArrayRef<func::FuncOp> functions) {
  llvm::StringMap<func::FuncOp> copies;
  SmallVector<func::FuncOp> all;
  for (func::FuncOp function : functions) {
    func::FuncOp copy = function.clone();
    copy.setName(absl::StrCat(function.getName().str(), "_", range.most));
    copy.setPrivate();
    copy->setAttr(kTokenRangeAttr,
                  Builder(&getContext()).getDenseI64ArrayAttr({range.fewest, range.most}));
    symbols->insert(copy, Block::iterator(function));
    copies[function.getName()] = copy;
    all.push_back(copy);
    ++copied;
  }
  for (func::FuncOp copy : all)
    copy.walk([&](func::CallOp call) {
      if (auto found = copies.find(call.getCallee()); found != copies.end())
        call.setCallee(found->second.getName());
    });
  return all.front();
}

/// Makes `function`, empty, a choice among `copies` by the number of tokens.
void SpecializeTokenCounts::choose(func::FuncOp function, ArrayRef<TokenRange> ranges,
                                   ArrayRef<func::FuncOp> copies) {
  Location loc = function.getLoc();
  OpBuilder builder = OpBuilder::atBlockBegin(&function.front());
  Value first = arith::ConstantIndexOp::create(builder, loc, 0);
  Value tokens = memref::DimOp::create(builder, loc, rowsOf(function), first);
  func::ReturnOp::create(builder, loc);
  builder.setInsertionPointAfterValue(tokens);
  for (auto [i, copy] : llvm::enumerate(copies)) {
    if (i + 1 < copies.size()) {
      Value most = arith::ConstantIndexOp::create(builder, loc, ranges[i].most);
      Value isBelow = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ule, tokens, most);
      auto branch = scf::IfOp::create(builder, loc, isBelow, /*withElseRegion=*/true);
      builder.setInsertionPointToStart(branch.thenBlock());
      func::CallOp::create(builder, loc, copy, function.getArguments());
      builder.setInsertionPointToStart(branch.elseBlock());
    } else {
      func::CallOp::create(builder, loc, copy, function.getArguments());
    }
  }
}

void SpecializeTokenCounts::specialize(func::FuncOp function) {
  if (!rowsOf(function))
    return;
  SmallVector<func::FuncOp> functions = reachable(function).takeVector();
  SmallVector<TokenRange> ranges = usefulRanges(functions);
  if (ranges.size() < 2)
    return;
  SmallVector<func::FuncOp> copies;
  SmallVector<int64_t> few;
  for (TokenRange range : ranges) {
    copies.push_back(copyFor(range, functions));
    few.push_back(range.most);
  }
  few.pop_back();
  if (description.isSimulated()) {
    function.front().clear();
    choose(function, ranges, copies);
  } else {
    // Each a kernel: that of most tokens takes the function's place.
    symbols->erase(function);
    functions.erase(functions.begin());
    copies.back().setName(kPrefill);
    copies.back().setPublic();
    for (func::FuncOp copy : ArrayRef(copies).drop_back())
      copy.setPublic();
    getOperation()->setAttr(kFewTokensAttr, Builder(&getContext()).getDenseI64ArrayAttr(few));
  }
  // What nobody calls any more.
  for (func::FuncOp callee : functions)
    if (callee.isPrivate() && SymbolTable::symbolKnownUseEmpty(callee, getOperation()))
      symbols->erase(callee);
}

void SpecializeTokenCounts::runOnOperation() {
  auto parsed = TargetDescription::parse(target);
  if (!parsed.ok()) {
    getOperation().emitError() << std::string(parsed.status().message());
    return signalPassFailure();
  }
  description = *std::move(parsed);
  symbols.emplace(getOperation());
  if (auto function = symbols->lookup<func::FuncOp>(kPrefill))
    specialize(function);
}

} // namespace stc
