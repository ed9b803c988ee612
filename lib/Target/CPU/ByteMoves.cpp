// packed.expand and packed.select16 as instructions of each target.
#include "MicroOps.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

static constexpr int64_t kBytes = 64; // of the vectors of both operations
static constexpr int64_t kTable = 16; // bytes that one lookup chooses among

Value stc::cpu::lookUpBytes(KernelBuilder &builder, Value table, Value positions) {
  Type type = table.getType();
  if (builder.getTarget().byteLookup() == TargetDescription::Lookup::Tbl)
    return callIntrinsic(builder, "llvm.aarch64.neon.tbl1.v16i8", type, {table, positions});
  return callIntrinsic(builder, "llvm.x86.ssse3.pshuf.b.128", type, {table, positions});
}

Value stc::cpu::constantTable(KernelBuilder &builder, StringRef name,
                              function_ref<SmallVector<int64_t>()> makeWords) {
  auto module = builder.getInsertionBlock()->getParentOp()->getParentOfType<ModuleOp>();
  auto table = module.lookupSymbol<LLVM::GlobalOp>(name);
  if (!table) {
    SmallVector<int64_t> words = makeWords();
    auto count = int64_t(words.size());
    Type i64 = builder.getI64Type();
    auto values = RankedTensorType::get({count}, i64);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    table = LLVM::GlobalOp::create(builder, LLVM::LLVMArrayType::get(i64, unsigned(count)),
                                   /*isConstant=*/true, LLVM::Linkage::Internal, name,
                                   DenseElementsAttr::get(values, ArrayRef(words)));
    // Rows of positions do not lie in two cache lines.
    table.setAlignment(64);
  }
  return LLVM::AddressOfOp::create(builder, table);
}

//===----------------------------------------------------------------------===//
// packed.expand
//===----------------------------------------------------------------------===//

static void storeTo(KernelBuilder &builder, Value value, Value address) {
  LLVM::StoreOp::create(builder, value, address, /*alignment=*/1);
}

namespace {

/// The values of packed.expand in memory. What was computed of each loaded byte by itself is
/// repeated on the expanded bytes instead, so that loaded values are read where they lie.
class ValuesInMemory {
public:
  ValuesInMemory(KernelBuilder &builder, packed::ExpandOp op) : builder(builder) {
    Value values = op.getValues();
    SmallVector<Operation *> found;
    while (Operation *definition = values.getDefiningOp()) {
      if (auto load = dyn_cast<LLVM::LoadOp>(definition)) {
        if (!mayChange(load, op)) {
          address = load.getAddr();
          steps = std::move(found);
          return;
        }
        break;
      }
      bool isStep = isa<arith::AndIOp, arith::ShRUIOp>(definition) &&
                    matchPattern(definition->getOperand(1), m_Constant());
      if (!isStep)
        break;
      found.push_back(definition);
      values = definition->getOperand(0);
    }
    address = builder.stackBuffer(kBytes);
    storeTo(builder, op.getValues(), address);
  }

  Value getAddress() const { return address; }

  /// What was computed of the loaded bytes, of expanded ones.
  Value compute(Value expanded) {
    for (Operation *step : llvm::reverse(steps)) {
      IRMapping mapping;
      mapping.map(step->getOperand(0), expanded);
      expanded = builder.clone(*step, mapping)->getResult(0);
    }
    return expanded;
  }

private:
  /// Whether memory may be written between the load and its use.
  static bool mayChange(LLVM::LoadOp load, Operation *use) {
    if (load->getBlock() != use->getBlock())
      return true;
    for (Operation *op = load; op != use; op = op->getNextNode())
      if (!isa<packed::PrefetchOp, LLVM::Prefetch, LLVM::LoadOp>(op) && !isMemoryEffectFree(op) &&
          !hasSingleEffect<MemoryEffects::Read>(op))
        return true;
    return false;
  }

  KernelBuilder &builder;
  Value address;
  SmallVector<Operation *> steps; // last first
};

/// For each of the 256 patterns of eight mask bits, the positions of the bytes they take. 128, for
/// clear bits, takes nothing.
Value expandTable(KernelBuilder &builder) {
  return constantTable(builder, "stc_expand_positions", [] {
    SmallVector<int64_t> rows;
    for (unsigned mask = 0; mask < 256; ++mask) {
      uint64_t row = 0, next = 0;
      for (unsigned bit = 0; bit < 8; ++bit)
        row |= (mask >> bit & 1 ? next++ : uint64_t(128)) << (8 * bit);
      rows.push_back(int64_t(row));
    }
    return rows;
  });
}

/// Byte i: how many of the mask's first 8 (i + 1) bits are set.
Value countBytewise(KernelBuilder &builder, Value mask) {
  Type i64 = builder.getI64Type();
  auto number = [&](uint64_t value) { return builder.constant(i64, int64_t(value)); };
  auto shifted = [&](Value value, int64_t bits, uint64_t keep) -> Value {
    value = arith::ShRUIOp::create(builder, value, number(bits));
    return arith::AndIOp::create(builder, value, number(keep));
  };
  constexpr uint64_t everyOther = 0x5555555555555555, pairs = 0x3333333333333333,
                     halves = 0x0F0F0F0F0F0F0F0F, ones = 0x0101010101010101;
  Value counts = arith::SubIOp::create(builder, mask, shifted(mask, 1, everyOther));
  Value low = arith::AndIOp::create(builder, counts, number(pairs));
  counts = arith::AddIOp::create(builder, low, shifted(counts, 2, pairs));
  Value next = arith::ShRUIOp::create(builder, counts, number(4));
  counts = arith::AddIOp::create(builder, counts, next);
  counts = arith::AndIOp::create(builder, counts, number(halves));
  return arith::MulIOp::create(builder, counts, number(ones));
}

/// Eight mask bits choose a row of positions, by which eight loaded bytes are spread.
Value expandWithTable(KernelBuilder &builder, packed::ExpandOp op) {
  ValuesInMemory values(builder, op);
  Type i64 = builder.getI64Type();
  Value table = expandTable(builder);
  Value counts = countBytewise(builder, op.getMask());
  auto byteOf = [&](Value word, int64_t number) -> Value {
    Value shift = builder.constant(i64, 8 * number);
    word = arith::ShRUIOp::create(builder, word, shift);
    return arith::AndIOp::create(builder, word, builder.constant(i64, int64_t(255)));
  };
  auto words = VectorType::get(2, i64);
  VectorType bytes = builder.bytes(kTable);
  auto pair = [&](Value low, Value high) -> Value {
    Value both = vector::FromElementsOp::create(builder, words, ValueRange{low, high});
    return vector::BitCastOp::create(builder, bytes, both);
  };
  // The second eight positions count from the second eight bytes.
  SmallVector<int8_t> eights(kTable, 0);
  std::fill(eights.begin() + 8, eights.end(), 8);
  Value second =
      arith::ConstantOp::create(builder, DenseElementsAttr::get(bytes, ArrayRef(eights)));
  Values spread, positions;
  for (int64_t i = 0; i < kBytes / kTable; ++i) {
    Value loaded[2], rows[2];
    for (int64_t j : {0, 1}) {
      int64_t number = 2 * i + j;
      Value start = values.getAddress();
      if (number > 0)
        start = builder.address(start, byteOf(counts, number - 1));
      loaded[j] = builder.load(i64, start);
      Value row = arith::ShLIOp::create(builder, byteOf(op.getMask(), number),
                                        builder.constant(i64, int64_t(3)));
      rows[j] = builder.load(i64, builder.address(table, row));
    }
    Value index = pair(rows[0], rows[1]);
    positions.push_back(index);
    index = arith::AddIOp::create(builder, index, second);
    spread.push_back(lookUpBytes(builder, pair(loaded[0], loaded[1]), index));
  }
  Value result = values.compute(joinVectors(builder, spread));
  Value absent =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::slt, joinVectors(builder, positions),
                            builder.constant(result.getType(), int64_t(0)));
  return arith::SelectOp::create(builder, absent, op.getPassthrough(), result);
}

/// LLVM's expanding load, where it is a few instructions (viota and vrgather).
Value expandWithLoad(KernelBuilder &builder, packed::ExpandOp op) {
  ValuesInMemory values(builder, op);
  auto bits = VectorType::get(kBytes, builder.getI1Type());
  Value mask = LLVM::BitcastOp::create(builder, bits, op.getMask());
  Value undefined = LLVM::PoisonOp::create(builder, op.getResult().getType());
  Value expanded = LLVM::masked_expandload::create(builder, undefined.getType(),
                                                   values.getAddress(), mask, undefined);
  return arith::SelectOp::create(builder, mask, values.compute(expanded), op.getPassthrough());
}

/// Byte by byte in memory: right everywhere.
Value expandGeneric(KernelBuilder &builder, packed::ExpandOp op) {
  Type i64 = builder.getI64Type();
  Value values = builder.stackBuffer(kBytes);
  Value result = builder.stackBuffer(kBytes);
  storeTo(builder, op.getValues(), values);
  storeTo(builder, op.getPassthrough(), result);
  Value zero = builder.constant(i64, int64_t(0)), one = builder.constant(i64, int64_t(1));
  builder.loop(builder.index(0), builder.index(kBytes), 1, zero,
               [&](Value index, ValueRange carried) -> Values {
                 Value source = carried[0];
                 Value bit = arith::ShRUIOp::create(builder, op.getMask(), builder.toI64(index));
                 bit = arith::AndIOp::create(builder, bit, one);
                 Value target = builder.address(result, index);
                 Value value = builder.load(builder.getI8Type(), builder.address(values, source));
                 Value kept = builder.load(builder.getI8Type(), target);
                 Value isSet = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, bit, zero);
                 storeTo(builder, arith::SelectOp::create(builder, isSet, value, kept), target);
                 return {arith::AddIOp::create(builder, source, bit)};
               });
  return builder.load(op.getResult().getType(), result);
}

} // namespace

Value stc::cpu::lowerExpand(KernelBuilder &builder, packed::ExpandOp op) {
  using Lookup = TargetDescription::Lookup;
  if (builder.getTarget().hasByteExpand()) {
    auto bits = VectorType::get(kBytes, builder.getI1Type());
    Value mask = LLVM::BitcastOp::create(builder, bits, op.getMask());
    return callIntrinsic(builder, "llvm.x86.avx512.mask.expand.v64i8", op.getResult().getType(),
                         {op.getValues(), op.getPassthrough(), mask});
  }
  switch (builder.getTarget().byteLookup()) {
  case Lookup::Generic:
    return expandGeneric(builder, op);
  case Lookup::Gather:
    return expandWithLoad(builder, op);
  default:
    return expandWithTable(builder, op);
  }
}

//===----------------------------------------------------------------------===//
// packed.select16 and packed.select64
//===----------------------------------------------------------------------===//

/// One byte after the other, in memory, from tables of `size` bytes.
template <typename Op>
static Value selectGeneric(KernelBuilder &builder, Op op, Value positions, int64_t size) {
  Value table = builder.stackBuffer(kBytes);
  Value result = builder.stackBuffer(kBytes);
  storeTo(builder, op.getTable(), table);
  storeTo(builder, positions, result);
  Type i64 = builder.getI64Type();
  builder.loop(builder.index(0), builder.index(kBytes), 1, [&](Value index) {
    Value place = builder.address(result, index);
    Value position = builder.load(builder.getI8Type(), place);
    Value first =
        arith::AndIOp::create(builder, builder.toI64(index), builder.constant(i64, -size));
    position =
        arith::AddIOp::create(builder, arith::ExtUIOp::create(builder, i64, position), first);
    storeTo(builder, builder.load(builder.getI8Type(), builder.address(table, position)), place);
  });
  return builder.load(op.getResult().getType(), result);
}

/// vrgather on vectors of 16 bytes, which every register holds.
static Value gather16(KernelBuilder &builder, Value table, Value positions) {
  VectorType scalable = VectorType::get({8}, builder.getI8Type(), {true});
  Type i64 = builder.getI64Type();
  Value undefined = LLVM::PoisonOp::create(builder, scalable);
  auto toScalable = [&](Value fixed) -> Value {
    return LLVM::vector_insert::create(builder, scalable, undefined, fixed, /*pos=*/0);
  };
  Value gathered = callIntrinsic(
      builder, "llvm.riscv.vrgather.vv.nxv8i8.i64", scalable,
      {undefined, toScalable(table), toScalable(positions), builder.constant(i64, kTable)});
  return LLVM::vector_extract::create(builder, table.getType(), gathered, /*pos=*/0);
}

/// Where in a register of `bytes` the table of each of 64 bytes begins.
static Value tableStarts(KernelBuilder &builder, int64_t bytes) {
  SmallVector<int8_t> starts;
  for (int64_t i = 0; i < kBytes; ++i)
    starts.push_back(int8_t(i % bytes / kTable * kTable));
  auto type = VectorType::get(kBytes, builder.getI8Type());
  return arith::ConstantOp::create(builder, DenseElementsAttr::get(type, ArrayRef(starts)));
}

Value stc::cpu::lowerSelect16(KernelBuilder &builder, packed::Select16Op op) {
  using Lookup = TargetDescription::Lookup;
  Value table = op.getTable(), positions = op.getPositions();
  // Instructions look at more than four bits of a position.
  positions =
      arith::AndIOp::create(builder, positions, builder.constant(positions.getType(), int64_t(15)));
  Lookup kind = builder.getTarget().byteLookup();
  if (kind == Lookup::Generic)
    return selectGeneric(builder, op, positions, kTable);
  if (kind == Lookup::Pshufb512)
    return callIntrinsic(builder, "llvm.x86.avx512.pshuf.b.512", table.getType(),
                         {table, positions});
  bool isLong = builder.getTarget().hasLongVectors();
  int64_t pieces = kind == Lookup::Pshufb256 ? 2 : 4;
  if (isLong) {
    // The table of a lookup is a whole register.
    pieces = kBytes * 8 / builder.getTarget().vectorBits;
    positions = arith::OrIOp::create(builder, positions, tableStarts(builder, kBytes / pieces));
  }
  Values tables = splitVector(builder, table, pieces);
  Values indices = splitVector(builder, positions, pieces);
  for (int64_t i = 0; i < pieces; ++i) {
    if (isLong)
      tables[i] = callScalable(builder, "llvm.aarch64.sve.tbl", tables[i].getType(),
                               {tables[i], indices[i]});
    else if (kind == Lookup::Pshufb256)
      tables[i] = callIntrinsic(builder, "llvm.x86.avx2.pshuf.b", tables[i].getType(),
                                {tables[i], indices[i]});
    else if (kind == Lookup::Gather)
      tables[i] = gather16(builder, tables[i], indices[i]);
    else
      tables[i] = lookUpBytes(builder, tables[i], indices[i]);
  }
  return joinVectors(builder, tables);
}

Value stc::cpu::lowerSelect64(KernelBuilder &builder, packed::Select64Op op) {
  Value table = op.getTable(), positions = op.getPositions();
  if (builder.getTarget().hasTable64())
    return callIntrinsic(builder, "llvm.x86.avx512.permvar.qi.512", table.getType(),
                         {table, positions});
  positions =
      arith::AndIOp::create(builder, positions, builder.constant(positions.getType(), kBytes - 1));
  return selectGeneric(builder, op, positions, kBytes);
}
