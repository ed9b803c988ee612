// How the lanes of a warp read a row tile: what layouts have in common.
#include "WeightReader.h"

#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

std::unique_ptr<WeightReader> WeightReader::create(packed::WeightType type) {
  Layout layout = type.getLayout().getLayout();
  if (layout.isSparseFloat())
    return createSparseFloatReader(type);
  switch (layout.kind) {
  case LayoutKind::Rows:
    break;
  case LayoutKind::Dense:
    return layout.isQuantized() ? createDenseReader(type) : createFloatReader(type);
  case LayoutKind::Bitmap:
    return layout.codeBits() == 4 ? createBitmapReader(type) : createMaskReader(type);
  case LayoutKind::NM:
    return createMaskReader(type);
  case LayoutKind::Pairs:
    return createPairsReader(type);
  case LayoutKind::Block:
    return createBlockReader(type);
  }
  llvm_unreachable("rows are not multiplied");
}

Value WeightReader::rowOf(BlockBuilder &builder, Value rowLane, Value number) const {
  Words words(builder);
  return words.add(words.mul(rowLane, laneRows), number);
}

Value WeightReader::tileStart(BlockBuilder &builder, Value weight, Value tile) const {
  Value base = builder.global(builder.weightAddress(weight));
  Value entry = builder.address(base, builder.mul(tile, sizeof(uint32_t)));
  return builder.loadAligned(builder.getI32Type(), entry, 4, /*invariant=*/true);
}

Value WeightReader::tileAddress(BlockBuilder &builder, Value weight, Value tile,
                                Value start) const {
  Value base = builder.global(builder.weightAddress(weight));
  if (!hasTable())
    return builder.address(base, builder.mul(tile, geometry.tileBytes));
  // The table counts units of 64 bytes.
  start = arith::ExtUIOp::create(builder, builder.getI64Type(), start);
  start = arith::MulIOp::create(builder, start,
                                builder.constant(builder.getI64Type(), kSectionAlignment));
  return builder.address(base, start);
}

Value WeightReader::storedSteps(BlockBuilder &, Value) const {
  llvm_unreachable("all tiles have the same units");
}

Value WeightReader::unitsOf(BlockBuilder &, Value) const {
  llvm_unreachable("all tiles have the same units");
}

Values WeightReader::loadCounted(BlockBuilder &, Value, Value, Value) const {
  llvm_unreachable("units are found without what lies before them");
}

Value WeightReader::countBytes(BlockBuilder &, ValueRange, Value, Value) const {
  llvm_unreachable("units are found without what lies before them");
}

Value WeightReader::fetch(BlockBuilder &builder, Type type, Value address, int64_t bytes) const {
  if (!stage)
    return builder.loadAligned(type, address, bytes, /*invariant=*/true);
  Words words(builder);
  Value place = builder.address(builder.address(stage->slot, stage->bytes * kWarpLanes),
                                words.mul(stage->lane, bytes));
  stage->bytes += bytes;
  if (stage->isCopied)
    return builder.loadAligned(type, place, bytes);
  auto modifier =
      bytes == kLaneBytes ? NVVM::LoadCacheModifierKind::CG : NVVM::LoadCacheModifierKind::CA;
  NVVM::CpAsyncOp::create(builder, place, address, bytes, modifier, /*cpSize=*/Value());
  return Value();
}

void WeightReader::copyUnit(BlockBuilder &builder, Value tile, Value unit, Value lane,
                            Value slot) const {
  Stage copies{slot, lane, /*isCopied=*/false};
  stage = &copies;
  load(builder, tile, unit, lane, {});
  stage = nullptr;
}

Values WeightReader::loadCopied(BlockBuilder &builder, Value unit, Value lane, Value slot) const {
  Stage copies{slot, lane, /*isCopied=*/true};
  stage = &copies;
  Values loaded = load(builder, slot, unit, lane, {}); // addresses of the tile are not used
  stage = nullptr;
  return loaded;
}

int64_t ScaledReader::unitsFor(int64_t pieces) const {
  return llvm::divideCeil(pieces, kWarpLanes / rowLanes());
}

ScaledReader::Place ScaledReader::placeOf(BlockBuilder &builder, Value unit, Value lane,
                                          int64_t pieces, int64_t pieceColumns,
                                          bool anyUnit) const {
  Words words(builder);
  int64_t perUnit = kWarpLanes / rowLanes();
  Place place;
  place.piece = words.add(words.mul(unit, perUnit), words.div(lane, rowLanes()));
  if (anyUnit || pieces % perUnit != 0) {
    place.isPresent = words.isBelow(place.piece, pieces);
    place.piece = words.select(place.isPresent, place.piece, words.number(0));
  }
  place.column = words.mul(place.piece, pieceColumns);
  place.firstRow = words.mul(words.rem(lane, rowLanes()), laneRows);
  return place;
}

/// Which group of scales `column` belongs to.
static Value groupOf(BlockBuilder &builder, Value column, int64_t group) {
  return arith::DivUIOp::create(builder, column, builder.int32(group));
}

Values ScaledReader::loadScales(BlockBuilder &builder, Value tile, Value column, Value firstRow,
                                int64_t rows) const {
  Value place = firstRow;
  if (!layout.perRow) {
    Value group = groupOf(builder, column, layout.group);
    place = arith::AddIOp::create(
        builder, arith::MulIOp::create(builder, group, builder.int32(kTileRows)), firstRow);
  }
  Value offset = arith::MulIOp::create(builder, place, builder.int32(2));
  Value start = builder.address(builder.address(tile, geometry.scalesOffset), offset);
  auto halves = VectorType::get(rows, builder.getF16Type());
  Values values{fetch(builder, halves, start, 2 * rows)};
  if (layout.minimums) {
    start = builder.address(builder.address(tile, geometry.minimumsOffset), offset);
    values.push_back(fetch(builder, halves, start, 2 * rows));
  }
  if (layout.asymmetric) {
    start = builder.address(builder.address(tile, geometry.zerosOffset), place);
    auto bytes = VectorType::get(rows, builder.getI8Type());
    values.push_back(fetch(builder, bytes, start, rows));
  }
  return values;
}

Value ScaledReader::correctionOf(BlockBuilder &builder, Value column,
                                 const TokenInputs &token) const {
  Value zero = builder.int32(0);
  Value group = groupOf(builder, column, layout.group);
  Value offset = arith::MulIOp::create(builder, group, builder.int32(4));
  Value sum = builder.loadAligned(builder.getI32Type(), builder.address(token[2], offset), 4);
  Value inGroup = arith::RemUIOp::create(builder, column, builder.int32(layout.group));
  Value isFirst = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, inGroup, zero);
  return arith::SelectOp::create(builder, isFirst, sum, zero);
}

Values ScaledReader::startingSums(BlockBuilder &builder, ValueRange scales, Value column,
                                  const TokenInputs &token) const {
  Type i32 = builder.getI32Type();
  if (layout.minimums)
    return Values(laneRows, emptySum(builder));
  Values sums(laneRows, correctionOf(builder, column, token));
  if (layout.asymmetric)
    for (auto [row, value] : llvm::enumerate(sums)) {
      Value rowZero = vector::ExtractOp::create(builder, scales[1], static_cast<int64_t>(row));
      rowZero = arith::ExtUIOp::create(builder, i32, rowZero);
      value = arith::MulIOp::create(builder, value, rowZero);
    }
  for (Value &value : sums)
    value = arith::AddIOp::create(builder, value, emptySum(builder));
  return sums;
}

Values ScaledReader::addScaled(BlockBuilder &builder, ValueRange scales, ValueRange products,
                               Value column, const TokenInputs &token, ValueRange sums,
                               Value isPresent, double factor) const {
  Type f32 = builder.getF32Type();
  Value group = groupOf(builder, column, layout.group);
  Value offset = arith::MulIOp::create(builder, group, builder.int32(4));
  Value scale = builder.loadAligned(f32, builder.address(token[1], offset), 4);
  if (factor != 1)
    scale = arith::MulFOp::create(builder, scale, builder.constant(f32, factor));
  if (isPresent)
    scale = arith::SelectOp::create(builder, isPresent, scale, builder.constant(f32, 0.0));
  auto wide = [&](Value halves, size_t row) -> Value {
    Value half = vector::ExtractOp::create(builder, halves, static_cast<int64_t>(row));
    return arith::ExtFOp::create(builder, f32, half);
  };
  Value correction;
  if (layout.minimums)
    correction = arith::SIToFPOp::create(builder, f32, correctionOf(builder, column, token));
  Value base = builder.constant(f32, llvm::bit_cast<float>(kEmptySum));
  Values results;
  for (auto [row, product] : llvm::enumerate(products)) {
    Value weightScale = wide(scales[0], row);
    Value value = arith::BitcastOp::create(builder, f32, product);
    value = arith::SubFOp::create(builder, value, base);
    if (layout.minimums) {
      value = arith::MulFOp::create(builder, value, weightScale);
      value = builder.multiplyAdd(wide(scales[1], row), correction, value);
      results.push_back(builder.multiplyAdd(value, scale, sums[row]));
      continue;
    }
    Value both = arith::MulFOp::create(builder, scale, weightScale);
    results.push_back(builder.multiplyAdd(value, both, sums[row]));
  }
  return results;
}
