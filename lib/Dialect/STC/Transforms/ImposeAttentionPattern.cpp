// stc-impose-attention-pattern: lets the tokens of layers see less than they did.
#include "NamePatterns.h"

#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/AttentionRules.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"

#include "absl/strings/str_cat.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_IMPOSEATTENTIONPATTERNPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

using Kind = AttentionPattern::Kind;

class ImposeAttentionPattern final
    : public impl::ImposeAttentionPatternPassBase<ImposeAttentionPattern> {
public:
  using ImposeAttentionPatternPassBase::ImposeAttentionPatternPassBase;

  void runOnOperation() override {
    absl::StatusOr<std::vector<AttentionRule>> parsed = parseAttentionRules(rules.getValue());
    if (!parsed.ok()) {
      (void)emitStatus(getOperation(), parsed.status());
      return signalPassFailure();
    }
    std::string text = attentionRulesText(*parsed);
    auto before = getOperation()->getAttrOfType<StringAttr>(kAttentionAttr);
    if (text == "none" || (before && before.getValue() == text))
      return markAllAnalysesPreserved();
    if (before) {
      getOperation().emitError("attention: expected a model without other patterns imposed, got ")
          << before;
      return signalPassFailure();
    }
    if (failed(imposeAll(*parsed)))
      return signalPassFailure();
    getOperation()->setAttr(kAttentionAttr, StringAttr::get(&getContext(), text));
  }

private:
  LogicalResult imposeAll(ArrayRef<AttentionRule> parsed);
  LogicalResult impose(AttentionOp op, StringRef layer, const AttentionPattern &pattern);
  LogicalResult imposeWindow(AttentionOp op, StringRef layer, int64_t window, int64_t sinks);
  void count(Operation *op, StringRef layer, StringRef what) {
    ++imposed;
    if (verbose)
      op->emitRemark(layer + ": attention sees " + what);
  }
};

/// Whether what the operation reads from the cache is what its layer puts there.
bool readsOwnPositions(LayerOp layer, AttentionOp op) {
  WalkResult walked = layer.walk([&](CacheUpdateOp update) {
    return update.getCache() == op.getCache() ? WalkResult::interrupt() : WalkResult::advance();
  });
  return walked.wasInterrupted();
}

} // namespace

LogicalResult ImposeAttentionPattern::imposeAll(ArrayRef<AttentionRule> parsed) {
  ModuleOp module = getOperation();
  SmallVector<std::string> matches, layerNames;
  for (const AttentionRule &rule : parsed)
    matches.push_back(rule.match);
  FailureOr<SmallVector<NamePattern>> patterns = parseNamePatterns(module, "attention", matches);
  if (failed(patterns))
    return failure();
  WalkResult walked = module.walk([&](LayerOp layer) {
    std::string name = absl::StrCat("layers.", layer.getIndex());
    const AttentionRule *decides = nullptr;
    for (auto [pattern, rule] : llvm::zip_equal(*patterns, parsed)) {
      if (!pattern.glob.match(name))
        continue;
      pattern.matched = true;
      if (!decides)
        decides = &rule;
    }
    layerNames.push_back(name);
    if (!decides || decides->pattern.kind == Kind::None)
      return WalkResult::advance();
    return layer.walk([&, layer](AttentionOp op) mutable {
      if (readsOwnPositions(layer, op) && failed(impose(op, name, decides->pattern)))
        return WalkResult::interrupt();
      return WalkResult::advance();
    });
  });
  warnOfUnmatched(module, "attention", "layer", *patterns,
                  SmallVector<StringRef>(layerNames.begin(), layerNames.end()));
  return failure(walked.wasInterrupted());
}

LogicalResult ImposeAttentionPattern::impose(AttentionOp op, StringRef layer,
                                             const AttentionPattern &pattern) {
  std::string text = pattern.str();
  if (StringAttr other = op.getPatternAttr()) {
    if (other.getValue() == text)
      return success();
    return op.emitError("attention: expected ")
           << layer << " without another pattern, got " << other;
  }
  bool isWindow = pattern.kind == Kind::Window || (pattern.kind == Kind::Local && !op.getEnd());
  if (isWindow)
    return imposeWindow(op, layer, pattern.size, pattern.globals);
  if (op.getWindow() != 0)
    return op.emitError("attention: expected window:KEYS for ")
           << layer << ", which has a window of " << int64_t(op.getWindow())
           << " (layers.N=none in front leaves layer N as it is), got " << text;
  op.setPattern(text);
  count(op, layer, text);
  return success();
}

/// The narrower of two windows is inside the other: together they show it, if the same holds of
/// their sinks.
LogicalResult ImposeAttentionPattern::imposeWindow(AttentionOp op, StringRef layer, int64_t window,
                                                   int64_t sinks) {
  int64_t ownWindow = op.getWindow(), ownSinks = op.getSinks();
  if (ownWindow != 0) {
    if (ownWindow <= window && ownSinks <= sinks)
      return success();
    if (ownWindow < window || ownSinks < sinks)
      return op.emitError("attention: expected a narrower window with no more sinks than the ")
             << ownSinks << " of " << layer << ", whose window is " << ownWindow << ", got "
             << window << "+" << sinks;
  }
  op.setWindow(window);
  op.setSinks(sinks);
  count(op, layer, absl::StrCat("window:", window, sinks ? absl::StrCat("+", sinks) : ""));
  return success();
}

} // namespace stc
