// What linalg operations compute for one element, across operations.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_SCALAREXPR_H
#define STC_LIB_CONVERSION_LINALGTOSTC_SCALAREXPR_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <deque>
#include <optional>

namespace stc {

/// A number that depends on a row d0 and a column d1.
struct ScalarExpr {
  enum class Kind {
    Element,  // tensor[map(d0, d1)]
    Constant, // a number
    Apply,    // an operation of arith or math on operands
    RowSum    // the sum of the operand over all `size` columns of row d0
  };
  Kind kind;
  mlir::Value tensor;
  mlir::AffineMap map;
  /// Of an element: how many operations lie between it and the one that is looked at.
  int64_t depth = 0;
  double constant = 0;
  llvm::StringRef name; // of Apply, as MLIR has it: "arith.mulf"
  llvm::SmallVector<const ScalarExpr *, 2> operands;
  int64_t size = 0;

  bool is(llvm::StringRef operation) const { return kind == Kind::Apply && name == operation; }
  /// Whether this is tensor[d0, d1].
  bool isWhole() const;
};

/// Makes expressions and owns them. An element is opened, that is replaced by what computes it, up
/// to a limit: patterns are tried with growing limits, and what they find at the smallest is the
/// least that they need to look into.
class ScalarExprs {
public:
  explicit ScalarExprs(int64_t limit) : limit(limit) {}

  /// The element of `tensor` at [d0, d1].
  const ScalarExpr *whole(mlir::Value tensor);
  /// What computes an element, if it is one that has not reached the limit and whose operation is
  /// understood; otherwise the expression itself.
  const ScalarExpr *open(const ScalarExpr *expr);
  /// The number that an expression is, if it is one.
  std::optional<double> number(const ScalarExpr *expr);
  /// The vector of which an expression is element d1, or null.
  mlir::Value columnVector(const ScalarExpr *expr);

private:
  /// One operation's work of `open`: what copies an element gives another element.
  const ScalarExpr *openOnce(const ScalarExpr *expr);
  const ScalarExpr *make(ScalarExpr expr);
  const ScalarExpr *element(mlir::Value tensor, mlir::AffineMap map, int64_t depth);
  const ScalarExpr *constant(double value);
  const ScalarExpr *openLinalg(mlir::linalg::LinalgOp op, const ScalarExpr &expr);
  const ScalarExpr *openReshape(mlir::Operation *op, const ScalarExpr &expr);
  const ScalarExpr *evaluate(mlir::Value value,
                             llvm::DenseMap<mlir::Value, const ScalarExpr *> &known);

  int64_t limit;
  std::deque<ScalarExpr> storage;
};

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_SCALAREXPR_H
