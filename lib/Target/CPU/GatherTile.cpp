// packed.gather: rows of a table of floats, one per token.
#include "TileLowerings.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

namespace {

class GatherEmitter {
public:
  GatherEmitter(packed::GatherOp op, const TargetDescription &target)
      : op(op), builder(op, target), type(cast<packed::WeightType>(op.getTable().getType())),
        layout(type.getLayout().getLayout()) {
    element = type.getLayout().getElement();
    elementBytes = element.getIntOrFloatBitWidth() / 8;
  }
  void emit();

private:
  void copyRow(Value token, Value row);
  void copyTileRow(Value token, Value row);

  packed::GatherOp op;
  KernelBuilder builder;
  packed::WeightType type;
  Layout layout;
  Type element;
  int64_t elementBytes = 0;
  Value table;
};

} // namespace

void GatherEmitter::emit() {
  table = builder.weightAddress(op.getTable());
  forEachToken(builder, op.getOut(), [&](Value token) {
    Value row = arith::IndexCastUIOp::create(builder, builder.getIndexType(),
                                             builder.loadElement(op.getTokens(), token));
    if (layout.kind == LayoutKind::Rows)
      copyRow(token, row);
    else
      copyTileRow(token, row);
  });
}

/// A row of a row-major table: contiguous.
void GatherEmitter::copyRow(Value token, Value row) {
  int64_t columns = type.getColumns(), whole = columns / kLanes * kLanes;
  Value start = builder.address(table, builder.mul(row, columns * elementBytes));
  auto copy = [&](Value column, int64_t lanes) {
    Value address = builder.address(start, builder.mul(column, elementBytes));
    Value x = builder.load(VectorType::get(lanes, element), address);
    builder.storeVector(builder.toF32(x), op.getOut(), {token, column});
  };
  if (whole > 0)
    builder.loop(builder.index(0), builder.index(whole), kLanes,
                 [&](Value column) { copy(column, kLanes); });
  // The rest in powers of two.
  int64_t column = whole;
  for (int64_t lanes = kLanes / 2; lanes > 0; lanes /= 2)
    if ((columns - whole) & lanes) {
      copy(builder.index(column), lanes);
      column += lanes;
    }
}

/// A row of tiles: its elements lie 16 apart.
void GatherEmitter::copyTileRow(Value token, Value row) {
  TileGeometry geometry = tileGeometry(layout, type.getRows(), type.getColumns());
  Value rows = builder.index(kTileRows);
  Value tile = arith::DivUIOp::create(builder, row, rows);
  Value inTile = arith::RemUIOp::create(builder, row, rows);
  Value start = builder.address(table, builder.mul(tile, geometry.tileBytes));
  start = builder.address(start, builder.mul(inTile, elementBytes));
  builder.loop(builder.index(0), builder.index(type.getColumns()), 1, [&](Value column) {
    Value address = builder.address(start, builder.mul(column, kTileRows * elementBytes));
    Value x = builder.load(VectorType::get(1, element), address);
    builder.storeVector(builder.toF32(x), op.getOut(), {token, column});
  });
}

void stc::cpu::emitGather(packed::GatherOp op, const TargetDescription &target) {
  GatherEmitter(op, target).emit();
}
