// Which blocks of the cache an attention pattern lets positions see, as code.
#include "stc/Dialect/Packed/Transforms/PatternBlocks.h"

#include "stc/Packing/KVCache.h"

#include "absl/strings/str_cat.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace stc;
using namespace stc::packed;

using Kind = AttentionPattern::Kind;
using Predicate = arith::CmpIPredicate;

static Value index(ImplicitLocOpBuilder &builder, int64_t value) {
  return arith::ConstantIndexOp::create(builder, value);
}
static Value add(ImplicitLocOpBuilder &builder, Value a, int64_t b) {
  return arith::AddIOp::create(builder, a, index(builder, b));
}
static Value subtract(ImplicitLocOpBuilder &builder, Value a, Value b) {
  return arith::SubIOp::create(builder, a, b);
}
static Value divide(ImplicitLocOpBuilder &builder, Value a, int64_t b) {
  return arith::DivUIOp::create(builder, a, index(builder, b));
}
static Value larger(ImplicitLocOpBuilder &builder, Value a, Value b) {
  return arith::MaxSIOp::create(builder, a, b);
}
static Value smaller(ImplicitLocOpBuilder &builder, Value a, Value b) {
  return arith::MinSIOp::create(builder, a, b);
}
static Value isAtMost(ImplicitLocOpBuilder &builder, Value a, Value b) {
  return arith::CmpIOp::create(builder, Predicate::sle, a, b);
}
static Value isBelow(ImplicitLocOpBuilder &builder, Value a, int64_t b) {
  return arith::CmpIOp::create(builder, Predicate::slt, a, index(builder, b));
}
static Value either(ImplicitLocOpBuilder &builder, Value a, Value b) {
  return arith::OrIOp::create(builder, a, b);
}

Value PatternBlocks::hasMultiple(ImplicitLocOpBuilder &builder, Value low, Value high,
                                 int64_t unit) {
  Value number = divide(builder, add(builder, low, unit - 1), unit);
  return isAtMost(builder, arith::MulIOp::create(builder, number, index(builder, unit)), high);
}

Value PatternBlocks::sees(ImplicitLocOpBuilder &builder, Value first, Value last, Value block,
                          Value table) const {
  if (pattern.hasTable())
    return seesBlockByTable(builder, first, last, block, table);
  Value begin = arith::MulIOp::create(builder, block, index(builder, kKVBlock));
  Value end = add(builder, begin, kKVBlock - 1);
  // Every distance from `low` to `high` is one between a position and a key.
  Value low = larger(builder, subtract(builder, first, end), index(builder, 0));
  Value high = subtract(builder, last, begin);
  if (!isCausal) {
    low = larger(builder, low, subtract(builder, begin, last));
    high = larger(builder, high, subtract(builder, end, first));
  }
  int64_t size = pattern.size;
  switch (pattern.kind) {
  case Kind::Dilated:
    high = smaller(builder, high, index(builder, (size - 1) * pattern.step));
    return hasMultiple(builder, low, high, pattern.step);
  case Kind::Strided:
    return either(builder, isBelow(builder, low, size), hasMultiple(builder, low, high, size));
  case Kind::Fixed: {
    Value reaches = isAtMost(builder, divide(builder, first, size), divide(builder, end, size));
    Value begun = isAtMost(builder, divide(builder, begin, size), divide(builder, last, size));
    Value own = arith::AndIOp::create(builder, reaches, begun);
    // The first summary that is no earlier than the block.
    Value place = arith::RemUIOp::create(builder, begin, index(builder, size));
    Value wait = subtract(builder, index(builder, size - pattern.summary), place);
    Value next = arith::AddIOp::create(builder, begin, larger(builder, wait, index(builder, 0)));
    Value bound = isCausal ? smaller(builder, end, last) : end;
    return either(builder, own, isAtMost(builder, next, bound));
  }
  case Kind::Local: {
    Value isGlobal = either(builder, isBelow(builder, begin, pattern.globals),
                            isBelow(builder, first, pattern.globals));
    return either(builder, isBelow(builder, low, size), isGlobal);
  }
  case Kind::None:
  case Kind::Window: // which is the operation's own
  case Kind::BigBird:
  case Kind::Blocks:
    break;
  }
  llvm_unreachable("other patterns have no rule of distances");
}

Value PatternBlocks::countSeen(ImplicitLocOpBuilder &builder, Value position, Value count) const {
  if (pattern.hasTable()) {
    if (!isCausal && pattern.kind == Kind::BigBird && pattern.globals > 0)
      return count; // as far as global positions see
    int64_t each = pattern.size % kKVBlock == 0 ? pattern.size / kKVBlock
                                                : llvm::divideCeil(pattern.size, kKVBlock) + 1;
    return smaller(builder, count, index(builder, pattern.tableWidth() * each));
  }
  Value zero = index(builder, 0), one = index(builder, 1);
  auto loop = scf::ForOp::create(builder, zero, count, one, zero);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  Value seen = sees(builder, position, position, loop.getInductionVar(), Value());
  Value before = loop.getRegionIterArg(0);
  Value next = arith::AddIOp::create(builder, before, one);
  scf::YieldOp::create(builder, arith::SelectOp::create(builder, seen, next, before).getResult());
  return loop.getResult(0);
}

Value PatternBlocks::seesKeys(ImplicitLocOpBuilder &builder, Value positions, Value keys) const {
  Type type = keys.getType();
  auto number = [&](int64_t value) -> Value {
    TypedAttr attribute = builder.getIntegerAttr(getElementTypeOrSelf(type), value);
    if (auto vector = dyn_cast<VectorType>(type))
      attribute = DenseElementsAttr::get(vector, attribute);
    return arith::ConstantOp::create(builder, attribute);
  };
  auto compare = [&](Predicate predicate, Value a, Value b) -> Value {
    return arith::CmpIOp::create(builder, predicate, a, b);
  };
  auto remainder = [&](Value a, int64_t b) -> Value {
    return arith::RemUIOp::create(builder, a, number(b));
  };
  auto isNear = [&](Value distance) {
    return compare(Predicate::slt, distance, number(pattern.size));
  };
  Value distance = subtract(builder, positions, keys);
  distance = larger(builder, distance, subtract(builder, number(0), distance));
  switch (pattern.kind) {
  case Kind::Dilated: {
    Value isStep = compare(Predicate::eq, remainder(distance, pattern.step), number(0));
    Value farthest = number((pattern.size - 1) * pattern.step);
    return arith::AndIOp::create(builder, isStep, compare(Predicate::sle, distance, farthest));
  }
  case Kind::Strided:
    return either(builder, isNear(distance),
                  compare(Predicate::eq, remainder(distance, pattern.size), number(0)));
  case Kind::Fixed: {
    // The key's chunk is the position's if it begins where that does.
    Value place = remainder(keys, pattern.size);
    Value chunk = subtract(builder, positions, remainder(positions, pattern.size));
    return either(builder, compare(Predicate::eq, subtract(builder, keys, place), chunk),
                  compare(Predicate::sge, place, number(pattern.size - pattern.summary)));
  }
  case Kind::Local: {
    Value globals = number(pattern.globals);
    Value isGlobal = either(builder, compare(Predicate::slt, keys, globals),
                            compare(Predicate::slt, positions, globals));
    return either(builder, isNear(distance), isGlobal);
  }
  case Kind::None:
  case Kind::Window:
  case Kind::BigBird:
  case Kind::Blocks:
    break;
  }
  llvm_unreachable("other patterns have a table, or a window");
}

Value PatternBlocks::seesKey(ImplicitLocOpBuilder &builder, Value position, Value key,
                             Value table) const {
  if (!pattern.hasTable())
    return seesKeys(builder, position, key);
  return seesByTable(builder, divide(builder, position, pattern.size),
                     divide(builder, key, pattern.size), table);
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

int64_t PatternBlocks::rowWidth() const { return llvm::alignTo(pattern.tableWidth(), kRowUnit); }

Value PatternBlocks::table(ImplicitLocOpBuilder &builder, Operation *user) const {
  if (!pattern.hasTable())
    return {};
  auto module = user->getParentOfType<ModuleOp>();
  int64_t rows = pattern.tableRows(capacity), width = rowWidth();
  std::string key = absl::StrCat(pattern.str(), " ", rows);
  std::string name =
      absl::StrCat("attention_pattern_", absl::Hex(llvm::xxh3_64bits(key), absl::kZeroPad16));
  auto global = module.lookupSymbol<LLVM::GlobalOp>(name);
  if (!global) {
    Type i32 = builder.getI32Type();
    std::vector<int32_t> numbers = pattern.table(rows, width);
    auto type = RankedTensorType::get({rows * width}, i32);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    global = LLVM::GlobalOp::create(builder, LLVM::LLVMArrayType::get(i32, unsigned(rows * width)),
                                    /*isConstant=*/true, LLVM::Linkage::Internal, name,
                                    DenseElementsAttr::get(type, ArrayRef<int32_t>(numbers)));
  }
  return LLVM::AddressOfOp::create(builder, global);
}

Value PatternBlocks::seesByTable(ImplicitLocOpBuilder &builder, Value queryBlock, Value keyBlock,
                                 Value table) const {
  Type i32 = builder.getI32Type();
  auto pointer = LLVM::LLVMPointerType::get(builder.getContext());
  Value row = smaller(builder, queryBlock, index(builder, pattern.tableRows(capacity) - 1));
  // Behind the last row, what it lists moves along.
  Value wanted = subtract(builder, keyBlock, subtract(builder, queryBlock, row));
  auto type = VectorType::get(kRowUnit, i32);
  wanted =
      vector::BroadcastOp::create(builder, type, arith::IndexCastOp::create(builder, i32, wanted));
  Value start = arith::MulIOp::create(builder, row, index(builder, rowWidth()));
  start = arith::IndexCastOp::create(builder, builder.getI64Type(), start);
  Value address = LLVM::GEPOp::create(builder, pointer, i32, table, start);
  Value found;
  for (int64_t i = 0; i < rowWidth(); i += kRowUnit) {
    Value part =
        LLVM::GEPOp::create(builder, pointer, i32, address, ArrayRef<LLVM::GEPArg>{int32_t(i)});
    Value listed = LLVM::LoadOp::create(builder, type, part, /*alignment=*/4, /*isVolatile=*/false,
                                        /*isNonTemporal=*/false, /*isInvariant=*/true);
    Value equal = arith::CmpIOp::create(builder, Predicate::eq, listed, wanted);
    found = found ? either(builder, found, equal) : equal;
  }
  Value seen = vector::ReductionOp::create(builder, vector::CombiningKind::OR, found);
  if (!isCausal && pattern.globals > 0)
    seen = either(builder, seen, isBelow(builder, queryBlock, pattern.globals));
  return seen;
}

Value PatternBlocks::seesBlockByTable(ImplicitLocOpBuilder &builder, Value first, Value last,
                                      Value block, Value table) const {
  Value begin = arith::MulIOp::create(builder, block, index(builder, kKVBlock));
  Value firstQuery = divide(builder, first, pattern.size);
  Value firstKey = divide(builder, begin, pattern.size);
  bool isOneQuery = first == last, isOneKey = pattern.size % kKVBlock == 0;
  Value lastQuery = isOneQuery ? firstQuery : divide(builder, last, pattern.size);
  Value lastKey =
      isOneKey ? firstKey : divide(builder, add(builder, begin, kKVBlock - 1), pattern.size);
  if (isOneQuery && isOneKey)
    return seesByTable(builder, firstQuery, firstKey, table);
  // Any query block of the positions with any key block of the block.
  Value no = arith::ConstantIntOp::create(builder, 0, 1), one = index(builder, 1);
  auto outer = scf::ForOp::create(builder, firstQuery, add(builder, lastQuery, 1), one, no);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(outer.getBody());
  auto inner = scf::ForOp::create(builder, firstKey, add(builder, lastKey, 1), one,
                                  outer.getRegionIterArg(0));
  {
    OpBuilder::InsertionGuard innerGuard(builder);
    builder.setInsertionPointToStart(inner.getBody());
    Value seen = seesByTable(builder, outer.getInductionVar(), inner.getInductionVar(), table);
    scf::YieldOp::create(builder, either(builder, inner.getRegionIterArg(0), seen));
  }
  scf::YieldOp::create(builder, inner.getResult(0));
  return outer.getResult(0);
}
