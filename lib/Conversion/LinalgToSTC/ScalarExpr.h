// What linalg operations compute for one element, across operations.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_SCALAREXPR_H
#define STC_LIB_CONVERSION_LINALGTOSTC_SCALAREXPR_H

#include "IndexForm.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

#include <deque>
#include <optional>

namespace stc {

/// A number that depends on the dimensions of a domain. Of a matrix they are its row d0 and its
/// column d1.
struct ScalarExpr {
  enum class Kind {
    Element,  // tensor[at...]
    Constant, // a number
    Index,    // the number at[0] itself
    Apply,    // an operation of arith or math on operands
    Sum,      // of the operand over all of dimension `dim`, which has `size` numbers
    Maximum,  // the same
    Extract,  // the element of a tensor at the indices that the operands are
    Softmax   // the operand's share of its softmax over all of dimension `dim`
  };
  Kind kind = Kind::Constant;
  mlir::Value tensor;
  llvm::SmallVector<IndexForm, 4> at;
  /// Of an element: how many operations lie between it and the one that is looked at.
  int64_t depth = 0;
  double constant = 0;
  mlir::Operation *operation = nullptr; // of Apply
  llvm::SmallVector<const ScalarExpr *, 2> operands;
  unsigned dim = 0;
  int64_t size = 0;

  /// The name of what is applied, as MLIR has it ("arith.mulf"); otherwise empty.
  llvm::StringRef name() const;
  bool is(llvm::StringRef operation) const { return name() == operation; }
  /// Whether this is an element of a matrix, at [row, d1] of the dimensions that are given.
  bool isElementAt(unsigned row, unsigned column) const {
    return kind == Kind::Element && at.size() == 2 && at[0].isDim(row) && at[1].isDim(column);
  }
  /// Whether this is tensor[d0, d1].
  bool isWhole() const { return isElementAt(0, 1); }
};

/// Operations a pattern may be split into: a norm in single steps takes fewer than this.
inline constexpr int64_t kDeepest = 20;

/// Makes expressions and owns them. An element is opened, that is replaced by what computes it, up
/// to a limit: patterns are tried with growing limits, and what they find at the smallest is the
/// least that they need to look into.
class ScalarExprs {
public:
  /// The extents of the domain's dimensions, which may be dynamic.
  ScalarExprs(int64_t limit, llvm::ArrayRef<int64_t> extents)
      : limit(limit), extents(extents.begin(), extents.end()) {}

  /// Leaves elements of a tensor as they are, however deep.
  void keep(mlir::Value tensor) { kept = tensor; }
  int64_t extent(unsigned dim) const { return extents[dim]; }
  /// A new dimension of the domain.
  unsigned addDim(int64_t extent);
  /// The element of `tensor` at the indices `at`.
  const ScalarExpr *element(mlir::Value tensor, llvm::ArrayRef<IndexForm> at, int64_t depth = 0);
  /// The element of a matrix at [d0, d1].
  const ScalarExpr *whole(mlir::Value tensor);
  /// What computes an element, if it is one that has not reached the limit and whose operation is
  /// understood; otherwise the expression itself.
  const ScalarExpr *open(const ScalarExpr *expr);
  /// The first of the elements that an element is a copy of for which `isWanted` holds, or null.
  const ScalarExpr *follow(const ScalarExpr *expr,
                           llvm::function_ref<bool(const ScalarExpr &)> isWanted);
  /// Whether two expressions are computed in the same way from the same elements.
  bool same(const ScalarExpr *left, const ScalarExpr *right);
  /// The number that an expression is, if it is one.
  std::optional<double> number(const ScalarExpr *expr);
  /// The number that an expression is where dimension `dim` is `at`, if it depends on nothing else.
  std::optional<double> numberAt(const ScalarExpr *expr, unsigned dim, int64_t at);
  /// The vector of which an expression is element d1, or null: the first one that it comes from.
  mlir::Value columnVector(const ScalarExpr *expr);

private:
  /// One operation's work of `open`: what copies an element gives another element.
  const ScalarExpr *openOnce(const ScalarExpr *expr);
  const ScalarExpr *make(ScalarExpr expr);
  const ScalarExpr *constant(double value);
  const ScalarExpr *openLinalg(mlir::linalg::LinalgOp op, const ScalarExpr &expr);
  const ScalarExpr *openReduction(mlir::linalg::LinalgOp op, const ScalarExpr &expr,
                                  llvm::ArrayRef<IndexForm> loops, unsigned dim, int64_t size);
  const ScalarExpr *openReshape(mlir::Operation *op, const ScalarExpr &expr);
  const ScalarExpr *openSlice(mlir::Operation *op, const ScalarExpr &expr);
  const ScalarExpr *openSoftmax(mlir::linalg::SoftmaxOp op, const ScalarExpr &expr);
  /// The dimension that a reduction of `size` numbers sums over: one that the element does not
  /// depend on, which is the one that its user sums over too, or a new one.
  unsigned reducedDim(const ScalarExpr &expr, int64_t size);
  using Known = llvm::DenseMap<mlir::Value, const ScalarExpr *>;
  /// The expressions of a body's inputs, and what it yields.
  const ScalarExpr *evaluateBody(mlir::linalg::LinalgOp op, const ScalarExpr &expr,
                                 llvm::ArrayRef<IndexForm> loops, mlir::Value yielded);
  const ScalarExpr *evaluate(mlir::Value value, llvm::ArrayRef<IndexForm> loops, Known &known);

  int64_t limit;
  mlir::Value kept;
  llvm::SmallVector<int64_t, 6> extents;
  std::deque<ScalarExpr> storage;
};

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_SCALAREXPR_H
