// What the verifiers of stc.attention, packed.attention and packed.attention_tile share, and their
// patterns.
#ifndef STC_DIALECT_STC_IR_VERIFYATTENTION_H
#define STC_DIALECT_STC_IR_VERIFYATTENTION_H

#include "stc/Compress/AttentionPattern.h"
#include "stc/Dialect/STC/IR/STC.h"

#include <cmath>

namespace stc {

/// (C1).
template <typename Op> mlir::LogicalResult verifyHeads(Op op) {
  int64_t kvHeads = mlir::cast<KVCacheType>(op.getCache().getType()).getKvHeads();
  int64_t heads = op.getHeads();
  if (heads <= 0 || heads % kvHeads != 0)
    return op.emitOpError("expects heads that are a positive multiple of ")
           << kvHeads << " (C1), but got " << heads;
  return mlir::success();
}

/// The pattern of an attention that was verified; of kind None without one.
template <typename Op> AttentionPattern patternOf(Op op) {
  mlir::StringAttr text = op.getPatternAttr();
  return text ? *AttentionPattern::parse(text.getValue().str()) : AttentionPattern();
}

/// (C10).
template <typename Op> mlir::LogicalResult verifyPattern(Op op) {
  mlir::StringAttr text = op.getPatternAttr();
  if (!text)
    return mlir::success();
  auto pattern = AttentionPattern::parse(text.getValue().str());
  if (!pattern.ok())
    return op.emitOpError("expects an attention pattern (C10): ")
           << std::string(pattern.status().message());
  if (pattern->kind == AttentionPattern::Kind::None ||
      pattern->kind == AttentionPattern::Kind::Window || pattern->str() != text.getValue().str())
    return op.emitOpError("expects a pattern other than none and window, as it is printed (C10), "
                          "but got ")
           << text;
  if (op.getWindow() != 0)
    return op.emitOpError("expects no window beside a pattern (C10), but got ")
           << int64_t(op.getWindow());
  return mlir::success();
}

/// (C3) to (C10), with `buckets` rows of a bias.
template <typename Op> mlir::LogicalResult verifyScores(Op op, int64_t buckets) {
  double scale = op.getScale().convertToDouble();
  if (!std::isfinite(scale) || scale <= 0)
    return op.emitOpError("expects a finite, positive scale (C3), but got ") << scale;
  if (int64_t(op.getWindow()) < 0)
    return op.emitOpError("expects a non-negative window (C4), but got ")
           << int64_t(op.getWindow());
  if (int64_t(op.getSinks()) < 0 || (op.getSinks() != 0 && op.getWindow() == 0))
    return op.emitOpError("expects non-negative sinks, 0 without a window (C5), but got ")
           << int64_t(op.getSinks());
  double softCap = op.getSoftCap().convertToDouble();
  if (!std::isfinite(softCap) || softCap < 0)
    return op.emitOpError("expects a finite, non-negative soft_cap (C6), but got ") << softCap;
  int64_t heads = op.getHeads(), perDirection = op.getEnd() ? buckets / 2 : buckets;
  if (op.getBias() && (buckets < 4 || (op.getEnd() && buckets % 2 != 0)))
    return op.emitOpError("expects a bias of at least 4 buckets, an even number for two directions "
                          "(C7), but got ")
           << buckets;
  if (op.getBias() ? int64_t(op.getBiasDistance()) <= perDirection : op.getBiasDistance() != 0)
    return op.emitOpError("expects a bias_distance above the buckets of a direction, and none "
                          "without a bias (C7), but got ")
           << int64_t(op.getBiasDistance());
  if (auto slopes = op.getSlopes()) {
    if (int64_t(slopes->size()) != heads)
      return op.emitOpError("expects ") << heads << " slopes (C8), but got " << slopes->size();
    for (double slope : *slopes)
      if (!std::isfinite(slope) || slope < 0)
        return op.emitOpError("expects finite slopes that are not negative (C8), but got ")
               << slope;
  }
  if (mlir::Value logits = op.getSinkLogits())
    if (int64_t count = mlir::cast<mlir::ShapedType>(logits.getType()).getDimSize(0);
        count != heads)
      return op.emitOpError("expects ") << heads << " sink logits (C9), but got " << count;
  return verifyPattern(op);
}

} // namespace stc

#endif // STC_DIALECT_STC_IR_VERIFYATTENTION_H
