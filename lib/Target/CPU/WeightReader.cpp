// Reads the codes of a quantized row tile, step by step, whatever layout they are stored in.
#include "WeightReader.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

WeightReader::WeightReader(KernelBuilder &builder, packed::WeightType type, Value weights,
                           Value tile)
    : builder(builder), layout(type.getLayout().getLayout()),
      geometry(tileGeometry(layout, type.getRows(), type.getColumns())) {
  if (layout.kind != LayoutKind::Bitmap) {
    tileAddress = builder.address(weights, builder.mul(tile, geometry.tileBytes));
    return;
  }
  // The table of a bitmap counts units of 64 bytes.
  Type i64 = builder.getI64Type();
  Value unit = builder.constant(i64, kSectionAlignment);
  Value entry = builder.address(weights, builder.mul(tile, 4));
  auto loadEntry = [&](int64_t number) -> Value {
    Value units = builder.load(builder.getI32Type(), builder.address(entry, 4 * number));
    return arith::MulIOp::create(builder, arith::ExtUIOp::create(builder, i64, units), unit);
  };
  Value start = loadEntry(0);
  tileAddress = builder.address(weights, start);
  Value bytes = arith::SubIOp::create(builder, loadEntry(1), start);
  groupBytes = arith::DivUIOp::create(builder, bytes, builder.constant(i64, geometry.groups));
}

Values WeightReader::initialState() {
  if (layout.kind != LayoutKind::Bitmap)
    return {};
  return {builder.constant(builder.getI64Type(), geometry.valuesOffset)};
}

Value WeightReader::loadScales(Value group) {
  constexpr int64_t bytes = kTileRows * 2;
  Value offset = builder.add(builder.mul(group, bytes), geometry.scalesOffset);
  auto type = VectorType::get(kTileRows, builder.getF16Type());
  return builder.toF32(builder.load(type, builder.address(tileAddress, offset)));
}

Value WeightReader::laneOf(Value bytes, int64_t lane) {
  if (layout.lanes() == 1)
    return bytes;
  Type type = bytes.getType();
  if (lane == 0)
    return arith::AndIOp::create(builder, bytes, builder.constant(type, int64_t(15)));
  return arith::ShRUIOp::create(builder, bytes, builder.constant(type, int64_t(4)));
}

void WeightReader::readBlock(Value block, Values &state,
                             function_ref<void(int64_t, Value)> consume) {
  VectorType codesType = builder.bytes(kStepBytes);
  Type i64 = builder.getI64Type();
  if (!layout.isSparse()) {
    Value offset = builder.add(builder.mul(block, kStepBytes), geometry.valuesOffset);
    Value bytes = builder.load(codesType, builder.address(tileAddress, offset));
    for (int64_t lane = 0; lane < layout.lanes(); ++lane)
      consume(lane, laneOf(bytes, lane));
    return;
  }

  Value masks = builder.address(
      tileAddress, builder.add(builder.mul(block, stepsPerBlock() * 8), geometry.masksOffset));
  Value start;
  if (layout.kind == LayoutKind::Bitmap)
    start = state[0];
  else
    start = builder.toI64(
        builder.add(builder.mul(block, geometry.chunkPairBytes), geometry.valuesOffset));
  Value first = builder.load(codesType, builder.address(tileAddress, start));
  // What the stored codes do not cover is an absent weight.
  Value absent = builder.constant(codesType, layout.zeroPoint());
  Values counts;
  for (int64_t lane = 0; lane < layout.lanes(); ++lane) {
    Value position = start;
    for (int64_t step = 0; step < layout.chunkSteps(); ++step) {
      int64_t number = lane * layout.chunkSteps() + step;
      Value mask = builder.load(i64, builder.address(masks, number * 8));
      Value bytes = first;
      if (step > 0)
        bytes = builder.load(codesType, builder.address(tileAddress, position));
      Value codes = laneOf(bytes, lane);
      consume(number, packed::ExpandOp::create(builder, codesType, codes, absent, mask));
      // The codes of the next step of a chunk follow; the next chunk of N:M is found by counting.
      if (layout.kind == LayoutKind::Bitmap || step + 1 < layout.chunkSteps())
        position = arith::AddIOp::create(builder, position, math::CtPopOp::create(builder, mask));
    }
    counts.push_back(position);
  }
  if (layout.kind == LayoutKind::Bitmap)
    state[0] = counts.size() == 1
                   ? counts[0]
                   : arith::MaxSIOp::create(builder, counts[0], counts[1]).getResult();
}

void WeightReader::prefetchGroup(Value group, int64_t distance) {
  // Each group asks for an equal part of a tile, so that scales and masks are not left out.
  Value offset;
  int64_t bytes;
  if (layout.kind == LayoutKind::Bitmap) {
    // Lines for two thirds of the weights; what lies further apart is left to the hardware.
    bytes = kTileRows * 2 + layout.group * kTileRows / 8 +
            layout.group * kTileRows / layout.lanes() * 2 / 3;
    offset = arith::MulIOp::create(builder, builder.toI64(group), groupBytes);
  } else {
    bytes = geometry.tileBytes / geometry.groups;
    offset = builder.mul(group, bytes);
  }
  Value ahead = builder.address(tileAddress, offset);
  for (int64_t line = 0; line < bytes; line += 64)
    packed::PrefetchOp::create(builder, builder.address(ahead, distance + line));
}
