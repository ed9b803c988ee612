// Kernels of single rows: rotary embeddings, lookups in tables.
#include "BlockLowerings.h"
#include "RowBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

static int64_t columnsOf(Value matrix) { return cast<MemRefType>(matrix.getType()).getDimSize(1); }

//===----------------------------------------------------------------------===//
// packed.rotary: each thread turns pairs
//===----------------------------------------------------------------------===//

void stc::gpu::emitRotary(packed::RotaryOp op, const TargetDescription &target) {
  RowBuilder builder(op, target);
  int64_t pairs = columnsOf(op.getCos()), headDim = op.getHeadColumns();
  int64_t heads = columnsOf(op.getInput()) / headDim, rest = headDim - 2 * pairs;
  bool copies = rest > 0 && op.getInput() != op.getOut();
  forEachToken(builder, op.getInput(), [&](Value token) {
    auto load = [&](Value matrix, Value column) {
      return builder.loadElement(matrix, {token, column});
    };
    auto store = [&](Value value, Value column) {
      memref::StoreOp::create(builder, value, op.getOut(), ValueRange{token, column});
    };
    builder.forThreads(heads * pairs, [&](Value number) {
      Value head = builder.times(builder.quotient(number, pairs), headDim);
      Value pair = builder.remainder(number, pairs);
      Value columnA = builder.add(head, op.getInterleaved() ? builder.times(pair, 2) : pair);
      Value columnB = builder.plus(columnA, op.getInterleaved() ? 1 : pairs);
      Value a = load(op.getInput(), columnA), b = load(op.getInput(), columnB);
      Value cos = load(op.getCos(), pair), sin = load(op.getSin(), pair);
      store(arith::SubFOp::create(builder, builder.productOf(a, cos), builder.productOf(b, sin)),
            columnA);
      store(arith::AddFOp::create(builder, builder.productOf(a, sin), builder.productOf(b, cos)),
            columnB);
    });
    if (copies)
      builder.forThreads(heads * rest, [&](Value number) {
        Value head = builder.times(builder.quotient(number, rest), headDim);
        Value column = builder.add(head, builder.plus(builder.remainder(number, rest), 2 * pairs));
        store(load(op.getInput(), column), column);
      });
  });
  builder.barrier();
}

//===----------------------------------------------------------------------===//
// packed.gather
//===----------------------------------------------------------------------===//

void stc::gpu::emitGather(packed::GatherOp op, const TargetDescription &target) {
  RowBuilder builder(op, target);
  auto type = cast<packed::WeightType>(op.getTable().getType());
  Layout layout = type.getLayout().getLayout();
  Type element = type.getLayout().getElement();
  int64_t bytes = element.getIntOrFloatBitWidth() / 8, columns = type.getColumns();
  Value table = builder.global(builder.weightAddress(op.getTable()));
  auto load = [&](Value address, int64_t count) {
    Value x = builder.loadAligned(VectorType::get(count, element), address, count * bytes,
                                  /*invariant=*/true);
    return builder.toF32(x);
  };
  forEachToken(builder, op.getOut(), [&](Value token) {
    Value row = builder.toIndex(builder.loadElement(op.getTokens(), token));
    if (layout.kind == LayoutKind::Rows && RowBuilder::isAligned(op.getOut(), columns)) {
      Value start = builder.address(table, builder.times(row, columns * bytes));
      builder.forThreads(columns / kFour, [&](Value number) {
        Value column = builder.times(number, kFour);
        Value x = load(builder.address(start, builder.times(column, bytes)), kFour);
        vector::StoreOp::create(builder, x, op.getOut(), ValueRange{token, column},
                                /*nontemporal=*/false, llvm::MaybeAlign(16));
      });
      return;
    }
    // Single columns; those of tiles lie 16 rows apart.
    int64_t stride = bytes;
    Value start;
    if (layout.kind == LayoutKind::Rows) {
      start = builder.address(table, builder.times(row, columns * bytes));
    } else {
      int64_t tileBytes = tileGeometry(layout, type.getRows(), columns).tileBytes;
      start = builder.address(table, builder.times(builder.quotient(row, kTileRows), tileBytes));
      start = builder.address(start, builder.times(builder.remainder(row, kTileRows), bytes));
      stride = kTileRows * bytes;
    }
    builder.forThreads(columns, [&](Value column) {
      Value x = load(builder.address(start, builder.times(column, stride)), 1);
      memref::StoreOp::create(builder, vector::ExtractOp::create(builder, x, 0), op.getOut(),
                              ValueRange{token, column});
    });
  });
  builder.barrier();
}
