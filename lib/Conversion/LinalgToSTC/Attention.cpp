// Attention and rotary embeddings, in the spellings that model code has.
#include "Attention.h"

#include "ExprMatcher.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"

#include <functional>

using namespace mlir;

namespace stc {

bool isActivations(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getRank() == 2 && tensor.getElementType().isF32() &&
         !tensor.isDynamicDim(1);
}

namespace {

/// Operations that an attention may be split into, from its rows of activations to its own.
constexpr int64_t kAttentionDepth = 64;
/// A score that this is added to has no weight beside others.
constexpr double kMasked = -1e4;

/// Which positions a condition holds for.
enum class Positions { Unknown, UpToToken, AfterToken };

/// How the columns of a tensor are heads: sizes of dimensions of heads, and the columns of each.
struct HeadSplit {
  SmallVector<int64_t> heads;
  int64_t headDim;
};

/// Rows, and how many of the dimensions of heads their columns have.
struct HeadRows {
  RowsPattern pattern;
  size_t headDims;
};

/// Matches over a domain of (token, dimensions of heads..., column of a head).
class AttentionMatcher : public ExprMatcher {
public:
  AttentionMatcher(ScalarExprs &exprs, const HeadSplit &split)
      : ExprMatcher(exprs), split(split), column(unsigned(split.heads.size()) + 1) {}

  const ScalarExpr *root(Value result) {
    return exprs.element(result, {IndexForm::ofDim(0), columns(split.heads.size(), column)});
  }
  std::optional<AttentionPattern> attention(Value result);
  std::optional<RowsPattern> rotaryOf(Value result) {
    auto rows = rotary(root(result), 0, column);
    return rows && rows->headDims == split.heads.size() ? std::optional(rows->pattern)
                                                        : std::nullopt;
  }

private:
  /// The column of a tensor that has the first `headDims` dimensions of heads.
  IndexForm columns(size_t headDims, unsigned column) const;
  std::optional<size_t> headDimsOf(const IndexForm &index, unsigned column, int64_t start = 0);
  /// The rows that `expr` is the element at [row, ...column] of.
  std::optional<HeadRows> rows(const ScalarExpr *expr, unsigned row, unsigned column);
  std::optional<HeadRows> plainRows(const ScalarExpr *expr, unsigned row, unsigned column,
                                    int64_t start = 0);
  std::optional<HeadRows> rotary(const ScalarExpr *expr, unsigned row, unsigned column);
  /// Scores of a softmax over `dim`.
  const ScalarExpr *softmaxArgument(const ScalarExpr *expr, unsigned dim);
  /// The score itself, without factors and masks, which go to `found`.
  const ScalarExpr *peel(const ScalarExpr *score, unsigned key, AttentionPattern &found);
  bool peelFactor(const ScalarExpr *&expr, double &scale);
  /// Whether a number is one that leaves what is up to the token (true) or everything (false).
  std::optional<bool> mask(const ScalarExpr *expr, unsigned key);
  Positions condition(const ScalarExpr *expr, unsigned key);
  Positions tableOfPositions(const ScalarExpr *expr, unsigned key,
                             llvm::function_ref<std::optional<bool>(int64_t)> isKept);
  bool isMasked(const ScalarExpr *expr) {
    std::optional<double> value = exprs.number(expr);
    return value && *value <= kMasked;
  }

  struct Term {
    bool negative;
    SmallVector<const ScalarExpr *> factors;
  };
  /// A sum's terms, or nothing if there is a number among the factors. Factors that are activations
  /// are opened or not.
  std::optional<SmallVector<Term>> terms(const ScalarExpr *sum, bool opensActivations);
  struct Rotation {
    HeadRows straight, crossed;
    const ScalarExpr *cos, *sin;
  };
  /// x[i + straight] * cos + x[i + crossed] * sin, whose second term is negative or not.
  std::optional<Rotation> rotation(const ScalarExpr *sum, unsigned row, unsigned pair,
                                   int64_t straight, int64_t crossed, bool negative);
  /// The frequencies of the angles that `function` is of.
  std::optional<SmallVector<double>> frequencies(const ScalarExpr *expr, StringRef function,
                                                 unsigned row, unsigned pair);

  const HeadSplit &split;
  unsigned column;
};

} // namespace

//===----------------------------------------------------------------------===//
// Rows
//===----------------------------------------------------------------------===//

IndexForm AttentionMatcher::columns(size_t headDims, unsigned column) const {
  IndexForm index = IndexForm::ofDim(column);
  int64_t stride = split.headDim;
  for (size_t i = headDims; i-- > 0; stride *= split.heads[i])
    index.add(IndexForm::ofDim(unsigned(i) + 1), stride);
  return index;
}

std::optional<size_t> AttentionMatcher::headDimsOf(const IndexForm &index, unsigned column,
                                                   int64_t start) {
  for (size_t headDims = 0; headDims <= split.heads.size(); ++headDims) {
    IndexForm wanted = columns(headDims, column);
    wanted.offset = start;
    if (index == wanted)
      return headDims;
  }
  return std::nullopt;
}

std::optional<HeadRows> AttentionMatcher::plainRows(const ScalarExpr *expr, unsigned row,
                                                    unsigned column, int64_t start) {
  const ScalarExpr *found = exprs.follow(expr, [&](const ScalarExpr &element) {
    return isActivations(element.tensor.getType()) && element.at[0].isDim(row) &&
           headDimsOf(element.at[1], column, start);
  });
  if (!found)
    return std::nullopt;
  return HeadRows{{found->tensor, split.headDim, {}}, *headDimsOf(found->at[1], column, start)};
}

std::optional<HeadRows> AttentionMatcher::rows(const ScalarExpr *expr, unsigned row,
                                               unsigned column) {
  auto found = plainRows(expr, row, column);
  return found ? found : rotary(expr, row, column);
}

//===----------------------------------------------------------------------===//
// Rotary embeddings
//===----------------------------------------------------------------------===//

std::optional<SmallVector<AttentionMatcher::Term>> AttentionMatcher::terms(const ScalarExpr *sum,
                                                                           bool opensActivations) {
  sum = exprs.open(sum);
  if (sum->is(kAdd) || sum->is(kSub)) {
    auto left = terms(sum->operands[0], opensActivations);
    auto right = terms(sum->operands[1], opensActivations);
    if (!left || !right)
      return std::nullopt;
    for (Term &term : *right)
      term.negative ^= sum->is(kSub);
    left->append(*right);
    return left;
  }
  Term term{false, {}};
  double number = 1;
  // Factors are left as elements where they are some.
  std::function<void(const ScalarExpr *)> collect = [&](const ScalarExpr *factor) {
    const ScalarExpr *inner = exprs.open(factor);
    bool stays = !opensActivations && exprs.follow(factor, [](const ScalarExpr &element) {
      return isActivations(element.tensor.getType());
    });
    if (stays)
      term.factors.push_back(factor);
    else if (inner->kind == ScalarExpr::Kind::Constant)
      number *= inner->constant;
    else if (inner->is("arith.negf"))
      number = -number, collect(inner->operands[0]);
    else if (inner->is(kMul))
      collect(inner->operands[0]), collect(inner->operands[1]);
    else
      term.factors.push_back(factor);
  };
  collect(sum);
  if (std::abs(number) != 1)
    return std::nullopt;
  term.negative = number < 0;
  return SmallVector<Term>{term};
}

std::optional<AttentionMatcher::Rotation>
AttentionMatcher::rotation(const ScalarExpr *sum, unsigned row, unsigned pair, int64_t straight,
                           int64_t crossed, bool negative) {
  std::optional<SmallVector<Term>> found;
  for (bool opensActivations : {false, true})
    if (found = terms(sum, opensActivations);
        found && found->size() == 2 &&
        llvm::all_of(*found, [](const Term &term) { return term.factors.size() == 2; }))
      break;
  if (!found || found->size() != 2)
    return std::nullopt;
  for (auto [first, second] : {std::pair(0, 1), std::pair(1, 0)}) {
    const Term &cosine = (*found)[first], &sine = (*found)[second];
    if (cosine.negative || sine.negative != negative || cosine.factors.size() != 2 ||
        sine.factors.size() != 2)
      continue;
    for (int i : {0, 1})
      for (int j : {0, 1}) {
        auto own = plainRows(cosine.factors[i], row, pair, straight);
        auto other = plainRows(sine.factors[j], row, pair, crossed);
        if (own && other && own->pattern.rows == other->pattern.rows &&
            own->headDims == other->headDims)
          return Rotation{*own, *other, cosine.factors[1 - i], sine.factors[1 - j]};
      }
  }
  return std::nullopt;
}

std::optional<SmallVector<double>> AttentionMatcher::frequencies(const ScalarExpr *expr,
                                                                 StringRef function, unsigned row,
                                                                 unsigned pair) {
  const ScalarExpr *angle = argument(expr, function);
  if (!angle)
    return std::nullopt;
  SmallVector<std::pair<Pair, bool>, 3> candidates; // position and frequency, or what divides it
  for (const Pair &both : bothWays(angle, kMul))
    candidates.emplace_back(both, false);
  if (auto sides = quotient(angle))
    candidates.emplace_back(*sides, true);
  for (auto [both, divides] : candidates) {
    const ScalarExpr *index = argument(both.first, "arith.sitofp");
    if (!index)
      index = argument(both.first, "arith.uitofp");
    if (!index || exprs.open(index)->kind != ScalarExpr::Kind::Index ||
        !exprs.open(index)->at[0].isDim(row))
      continue;
    SmallVector<double> result;
    for (int64_t i = 0; i < exprs.extent(pair); ++i) {
      std::optional<double> number = exprs.numberAt(both.second, pair, i);
      if (!number)
        break;
      result.push_back(divides ? 1 / *number : *number);
    }
    if (int64_t(result.size()) == exprs.extent(pair))
      return result;
  }
  return std::nullopt;
}

std::optional<HeadRows> AttentionMatcher::rotary(const ScalarExpr *expr, unsigned row,
                                                 unsigned column) {
  if (expr->kind != ScalarExpr::Kind::Element || split.headDim % 2 != 0)
    return std::nullopt;
  int64_t half = split.headDim / 2;
  unsigned pair = exprs.addDim(half);
  auto part = [&](int64_t start) {
    SmallVector<IndexForm> at;
    for (const IndexForm &index : expr->at)
      at.push_back(index.substitute(column, pair, start));
    return exprs.element(expr->tensor, at, expr->depth);
  };
  auto low = rotation(part(0), row, pair, 0, half, /*negative=*/true);
  auto high = rotation(part(half), row, pair, half, 0, /*negative=*/false);
  if (!low || !high || low->straight.pattern.rows != high->straight.pattern.rows ||
      low->straight.headDims != high->straight.headDims)
    return std::nullopt;
  AnglesPattern angles;
  auto frequency = frequencies(low->cos, "math.cos", row, pair);
  if (frequency) {
    for (auto [table, function] :
         {std::pair(high->cos, "math.cos"), {low->sin, "math.sin"}, {high->sin, "math.sin"}})
      if (frequencies(table, function, row, pair) != frequency)
        return std::nullopt;
    angles.frequencies = *frequency;
  } else {
    auto table = [&](const ScalarExpr *expr) {
      const ScalarExpr *found = exprs.follow(expr, [&](const ScalarExpr &element) {
        return isActivations(element.tensor.getType()) && element.isElementAt(row, pair) &&
               cast<RankedTensorType>(element.tensor.getType()).getDimSize(1) == half;
      });
      return found ? found->tensor : Value();
    };
    angles.cos = table(low->cos);
    angles.sin = table(low->sin);
    if (!angles.cos || !angles.sin || table(high->cos) != angles.cos ||
        table(high->sin) != angles.sin || angles.cos.getType() != angles.sin.getType())
      return std::nullopt;
  }
  HeadRows result = low->straight;
  result.pattern.angles = angles;
  return result;
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

const ScalarExpr *AttentionMatcher::softmaxArgument(const ScalarExpr *expr, unsigned dim) {
  expr = exprs.open(expr);
  if (expr->kind == ScalarExpr::Kind::Softmax)
    return expr->dim == dim ? expr->operands[0] : nullptr;
  const ScalarExpr *exponential = nullptr, *sum = nullptr;
  if (auto sides = quotient(expr))
    std::tie(exponential, sum) = *sides;
  for (auto [left, right] : bothWays(expr, kMul))
    if (auto inverse = quotient(right); inverse && isNumber(inverse->first, 1)) {
      exponential = left;
      sum = inverse->second;
    }
  sum = sum ? exprs.open(sum) : nullptr;
  if (!sum || sum->kind != ScalarExpr::Kind::Sum || sum->dim != dim ||
      !exprs.same(exponential, sum->operands[0]))
    return nullptr;
  const ScalarExpr *exponent = argument(exponential, "math.exp");
  if (!exponent)
    return nullptr;
  const ScalarExpr *opened = exprs.open(exponent);
  if (!opened->is(kSub))
    return exponent;
  const ScalarExpr *largest = exprs.open(opened->operands[1]);
  bool isShift = largest->kind == ScalarExpr::Kind::Maximum && largest->dim == dim &&
                 exprs.same(largest->operands[0], opened->operands[0]);
  return isShift ? opened->operands[0] : nullptr;
}

Positions
AttentionMatcher::tableOfPositions(const ScalarExpr *expr, unsigned key,
                                   llvm::function_ref<std::optional<bool>(int64_t)> isKept) {
  auto type = cast<RankedTensorType>(expr->tensor.getType());
  auto index = linearize(expr->at, type.getShape());
  int64_t tokens = exprs.extent(0), keys = exprs.extent(key);
  if (!index || index->offset != 0 || ShapedType::isDynamic(tokens) || ShapedType::isDynamic(keys))
    return Positions::Unknown;
  IndexForm wanted = IndexForm::ofDim(0, keys);
  wanted.add(IndexForm::ofDim(key), 1);
  // Tokens above keys would see nothing.
  if (!(*index == wanted) || type.getNumElements() != tokens * keys || tokens != keys)
    return Positions::Unknown;
  for (int64_t i = 0; i < tokens * keys; ++i)
    if (isKept(i) != std::optional(i % keys <= i / keys))
      return Positions::Unknown;
  return Positions::UpToToken;
}

Positions AttentionMatcher::condition(const ScalarExpr *expr, unsigned key) {
  expr = exprs.open(expr);
  if (expr->kind == ScalarExpr::Kind::Element) {
    DenseIntElementsAttr values;
    if (!matchPattern(expr->tensor, m_Constant(&values)) || !values.getElementType().isInteger(1))
      return Positions::Unknown;
    auto bits = llvm::to_vector(values.getValues<bool>());
    return tableOfPositions(expr, key, [&](int64_t i) { return bits[size_t(i)]; });
  }
  if (!expr->is("arith.cmpi"))
    return Positions::Unknown;
  const ScalarExpr *left = exprs.open(expr->operands[0]), *right = exprs.open(expr->operands[1]);
  if (left->kind != ScalarExpr::Kind::Index || right->kind != ScalarExpr::Kind::Index)
    return Positions::Unknown;
  bool keyFirst = left->at[0].isDim(key) && right->at[0].isDim(0);
  if (!keyFirst && !(left->at[0].isDim(0) && right->at[0].isDim(key)))
    return Positions::Unknown;
  switch (cast<arith::CmpIOp>(expr->operation).getPredicate()) {
  case arith::CmpIPredicate::sle:
  case arith::CmpIPredicate::ule:
    return keyFirst ? Positions::UpToToken : Positions::Unknown;
  case arith::CmpIPredicate::sge:
  case arith::CmpIPredicate::uge:
    return keyFirst ? Positions::Unknown : Positions::UpToToken;
  case arith::CmpIPredicate::sgt:
  case arith::CmpIPredicate::ugt:
    return keyFirst ? Positions::AfterToken : Positions::Unknown;
  case arith::CmpIPredicate::slt:
  case arith::CmpIPredicate::ult:
    return keyFirst ? Positions::Unknown : Positions::AfterToken;
  default:
    return Positions::Unknown;
  }
}

std::optional<bool> AttentionMatcher::mask(const ScalarExpr *expr, unsigned key) {
  expr = exprs.open(expr);
  if (isNumber(expr, 0))
    return false;
  if (expr->is("arith.select")) {
    Positions kept = condition(expr->operands[0], key);
    const ScalarExpr *yes = expr->operands[1], *no = expr->operands[2];
    if ((kept == Positions::UpToToken && isNumber(yes, 0) && isMasked(no)) ||
        (kept == Positions::AfterToken && isNumber(no, 0) && isMasked(yes)))
      return true;
    return std::nullopt;
  }
  DenseFPElementsAttr values;
  if (expr->kind != ScalarExpr::Kind::Element || !matchPattern(expr->tensor, m_Constant(&values)))
    return std::nullopt;
  auto numbers =
      llvm::to_vector(llvm::map_range(values.getValues<APFloat>(), [](const APFloat &value) {
        return value.isZero() ? 0.0 : value.convertToDouble();
      }));
  auto isKept = [&](int64_t i) -> std::optional<bool> {
    double number = numbers[size_t(i)];
    return number == 0         ? std::optional(true)
           : number <= kMasked ? std::optional(false)
                               : std::nullopt;
  };
  return tableOfPositions(expr, key, isKept) == Positions::UpToToken ? std::optional(true)
                                                                     : std::nullopt;
}

/// Takes one factor off, if there is one.
bool AttentionMatcher::peelFactor(const ScalarExpr *&expr, double &scale) {
  for (auto [inner, factor] : bothWays(expr, kMul))
    if (std::optional<double> number = exprs.number(factor)) {
      scale *= *number;
      expr = inner;
      return true;
    }
  if (auto sides = quotient(expr))
    if (std::optional<double> number = exprs.number(sides->second)) {
      scale /= *number;
      expr = sides->first;
      return true;
    }
  return false;
}

const ScalarExpr *AttentionMatcher::peel(const ScalarExpr *score, unsigned key,
                                         AttentionPattern &found) {
  while (true) {
    const ScalarExpr *opened = exprs.open(score);
    if (opened->kind == ScalarExpr::Kind::Sum)
      return opened;
    if (peelFactor(score, found.scale))
      continue;
    const ScalarExpr *inner = nullptr;
    for (auto [left, right] : bothWays(opened, kAdd))
      if (std::optional<bool> causal = inner ? std::nullopt : mask(right, key)) {
        found.causal |= *causal;
        inner = left;
      }
    if (opened->is("arith.select")) {
      Positions kept = condition(opened->operands[0], key);
      if (kept == Positions::UpToToken && isMasked(opened->operands[2]))
        inner = opened->operands[1];
      if (kept == Positions::AfterToken && isMasked(opened->operands[1]))
        inner = opened->operands[2];
      found.causal |= inner != nullptr;
    }
    if (!inner)
      return nullptr;
    score = inner;
  }
}

std::optional<AttentionPattern> AttentionMatcher::attention(Value result) {
  AttentionPattern found;
  found.result = result;
  const ScalarExpr *sum = exprs.open(root(result));
  if (sum->kind != ScalarExpr::Kind::Sum || sum->dim <= column)
    return std::nullopt;
  unsigned key = sum->dim;
  const ScalarExpr *scores = nullptr;
  std::optional<HeadRows> values;
  for (auto [weights, value] : bothWays(sum->operands[0], kMul))
    if (const ScalarExpr *argument = scores ? nullptr : softmaxArgument(weights, key)) {
      scores = argument;
      values = plainRows(value, key, column);
    }
  const ScalarExpr *product = values ? peel(scores, key, found) : nullptr;
  if (!product || product->size != split.headDim)
    return std::nullopt;
  std::optional<HeadRows> queries, keys;
  for (auto [left, right] : bothWays(product->operands[0], kMul)) {
    if (queries && keys)
      break;
    double scale = 1;
    auto side = [&](const ScalarExpr *expr, unsigned row) {
      auto found = rows(expr, row, product->dim);
      if (!found && peelFactor(expr, scale))
        found = rows(expr, row, product->dim);
      return found;
    };
    queries = side(left, 0);
    keys = queries ? side(right, key) : std::nullopt;
    if (keys)
      found.scale *= scale;
  }
  if (!queries || !keys || queries->headDims != split.heads.size() ||
      keys->headDims != values->headDims || !std::isfinite(found.scale) || found.scale <= 0)
    return std::nullopt;
  found.queries = queries->pattern;
  found.keys = keys->pattern;
  found.values = values->pattern.rows;
  found.headDim = split.headDim;
  for (auto [i, size] : llvm::enumerate(split.heads)) {
    found.heads *= size;
    found.kvHeads *= i < keys->headDims ? size : 1;
  }
  auto columnsOf = [](Value value) {
    return cast<RankedTensorType>(value.getType()).getDimSize(1);
  };
  if (found.queries.rows.getType() != result.getType() ||
      found.keys.rows.getType() != found.values.getType() ||
      columnsOf(found.values) != found.kvHeads * found.headDim)
    return std::nullopt;
  return found;
}

/// How the columns of a result may be heads: as its last operation puts them together, and with
/// heads in groups that share keys and values.
static SmallVector<HeadSplit> headSplits(Value result) {
  HeadSplit whole{{}, cast<RankedTensorType>(result.getType()).getDimSize(1)};
  auto collapse = result.getDefiningOp<tensor::CollapseShapeOp>();
  if (!collapse)
    return {whole};
  SmallVector<int64_t> sizes;
  SmallVector<ReassociationIndices> groups = collapse.getReassociationIndices();
  for (int64_t dim : groups[1])
    if (int64_t size = collapse.getSrcType().getDimSize(dim); size != 1)
      sizes.push_back(size);
  if (sizes.empty() || llvm::is_contained(sizes, ShapedType::kDynamic))
    return {whole};
  whole.headDim = sizes.pop_back_val();
  whole.heads = sizes;
  SmallVector<HeadSplit> splits{whole};
  if (sizes.size() == 1)
    for (int64_t group = 2; group < sizes[0]; ++group)
      if (sizes[0] % group == 0)
        splits.push_back({{sizes[0] / group, group}, whole.headDim});
  return splits;
}

/// Runs `match` for each split until one gives something.
template <typename Match> static auto matchSplits(Value result, Match match) {
  decltype(match(std::declval<AttentionMatcher &>())) found;
  if (!isActivations(result.getType()))
    return found;
  for (const HeadSplit &split : headSplits(result)) {
    SmallVector<int64_t> extents{cast<RankedTensorType>(result.getType()).getDimSize(0)};
    llvm::append_range(extents, split.heads);
    extents.push_back(split.headDim);
    ScalarExprs exprs(kAttentionDepth, extents);
    AttentionMatcher matcher(exprs, split);
    if ((found = match(matcher)))
      break;
  }
  return found;
}

std::optional<AttentionPattern> matchAttention(Value result) {
  return matchSplits(result, [&](AttentionMatcher &matcher) { return matcher.attention(result); });
}

std::optional<RowsPattern> matchRotary(Value result) {
  auto found =
      matchSplits(result, [&](AttentionMatcher &matcher) { return matcher.rotaryOf(result); });
  return found && found->rows.getType() == result.getType() ? found : std::nullopt;
}

} // namespace stc
