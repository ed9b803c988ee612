// Reads the codes of a quantized row tile, or its floats with masks, step by step, whatever layout
// they are stored in.
#include "WeightReader.h"

#include "MicroOps.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::cpu;

WeightReader::WeightReader(KernelBuilder &builder, packed::WeightType type, Value weights,
                           Value tile)
    : builder(builder), layout(type.getLayout().getLayout()),
      geometry(tileGeometry(layout, type.getRows(), type.getColumns())),
      partColumns(layout.isQuantized() ? layout.group : kSparseFloatColumns),
      parts(geometry.paddedColumns / partColumns) {
  if (!layout.hasTable()) {
    tileAddress = builder.address(weights, builder.mul(tile, geometry.tileBytes));
    return;
  }
  // The table counts units of 64 bytes.
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
  partBytes = arith::DivUIOp::create(builder, bytes, builder.constant(i64, parts));
}

Values WeightReader::initialState() {
  Type i64 = builder.getI64Type();
  if (layout.kind == LayoutKind::Block) {
    // The first stored step of a group, and where values begin: behind all indices.
    Value last = builder.address(tileAddress, geometry.endsOffset + (geometry.groups - 1) * 2);
    Value stored =
        arith::ExtUIOp::create(builder, i64, builder.load(builder.getIntegerType(16), last));
    Value bytes = arith::MulIOp::create(builder, stored, builder.constant(i64, int64_t(2)));
    bytes = arith::AddIOp::create(builder, bytes, builder.constant(i64, kSectionAlignment - 1));
    bytes = arith::AndIOp::create(builder, bytes, builder.constant(i64, -kSectionAlignment));
    Value begin = builder.constant(i64, geometry.indicesOffset);
    return {builder.index(0), arith::AddIOp::create(builder, begin, bytes)};
  }
  if (layout.kind != LayoutKind::Bitmap)
    return {};
  if (layout.isSparseFloat())
    return {builder.address(tileAddress, geometry.valuesOffset)};
  return {builder.constant(builder.getI64Type(), geometry.valuesOffset)};
}

Value WeightReader::loadHalves(Value group, int64_t offset) {
  Value place = builder.add(builder.mul(group, kTileRows * 2), offset);
  auto type = VectorType::get(kTileRows, builder.getF16Type());
  return builder.toF32(builder.load(type, builder.address(tileAddress, place)));
}

Value WeightReader::loadScales(Value group) {
  Value scales = loadHalves(group, geometry.scalesOffset);
  if (storedFactor() == 1)
    return scales;
  // Exact: a power of two.
  return arith::MulFOp::create(builder, scales,
                               builder.constant(builder.floats(), 1.0 / storedFactor()));
}

Value WeightReader::loadZeros(Value group) {
  Value offset = builder.add(builder.mul(group, kTileRows), geometry.zerosOffset);
  Value zeros = builder.load(builder.bytes(kTileRows), builder.address(tileAddress, offset));
  return arith::UIToFPOp::create(builder, builder.floats(), zeros);
}

Value WeightReader::loadMinimums(Value group) { return loadHalves(group, geometry.minimumsOffset); }

Value WeightReader::codesAddress(Value group) {
  Value offset = builder.mul(group, layout.group * kTileRows);
  return builder.address(tileAddress, builder.add(offset, geometry.valuesOffset));
}

Value WeightReader::laneOf(Value bytes, int64_t lane) {
  int64_t bits = 8 / layout.lanes();
  Type type = bytes.getType();
  if (lane > 0)
    bytes = arith::ShRUIOp::create(builder, bytes, builder.constant(type, lane * bits));
  if (lane + 1 < layout.lanes())
    bytes = arith::AndIOp::create(builder, bytes, builder.constant(type, (int64_t(1) << bits) - 1));
  return bytes;
}

/// Vectors of lanes; behind those of I3, which hold the low two bits, one with a bit for each step.
void WeightReader::readDenseBlock(Value block, function_ref<void(int64_t, Value)> consume) {
  VectorType type = builder.bytes(kStepBytes);
  int64_t lanes = layout.lanes(), steps = layout.denseSteps();
  int64_t blockBytes = steps * kStepBytes * layout.codeBits() / 8;
  Value start = builder.address(tileAddress,
                                builder.add(builder.mul(block, blockBytes), geometry.valuesOffset));
  Value high;
  if (layout.element == ElementKind::I3)
    high = builder.load(type, builder.address(start, blockBytes - kStepBytes));
  Value vector;
  for (int64_t step = 0; step < steps; ++step) {
    if (step % lanes == 0)
      vector = builder.load(type, builder.address(start, step / lanes * kStepBytes));
    Value codes = laneOf(vector, step % lanes);
    if (high) {
      // Bit `step` becomes bit 2.
      Value distance = builder.constant(type, std::abs(step - 2));
      Value bit = step < 2 ? arith::ShLIOp::create(builder, high, distance).getResult()
                           : arith::ShRUIOp::create(builder, high, distance).getResult();
      bit = arith::AndIOp::create(builder, bit, builder.constant(type, int64_t(4)));
      codes = arith::OrIOp::create(builder, codes, bit);
    }
    consume(step, codes);
  }
}

Value WeightReader::readPairs(Value number) {
  Value offset = builder.add(builder.mul(number, kStepBytes), geometry.valuesOffset);
  return builder.load(builder.bytes(kStepBytes), builder.address(tileAddress, offset));
}

Value WeightReader::weightsOf(Value pairs) { return signedNibbles(pairs, /*high=*/true); }

Value WeightReader::signedNibbles(Value bytes, bool high) {
  Type type = bytes.getType();
  auto constant = [&](int64_t value) { return builder.constant(type, value); };
  // In the upper half of a byte they are 16 times the weight as they are.
  if (storedFactor() == 16)
    return high ? arith::AndIOp::create(builder, bytes, constant(-16)).getResult()
                : arith::ShLIOp::create(builder, bytes, constant(4)).getResult();
  Value nibbles = high ? arith::ShRUIOp::create(builder, bytes, constant(4)).getResult()
                       : arith::AndIOp::create(builder, bytes, constant(15)).getResult();
  nibbles = arith::XOrIOp::create(builder, nibbles, constant(8));
  return arith::SubIOp::create(builder, nibbles, constant(8));
}

Value WeightReader::readStoredStep(Value stored, Value values) {
  Value start = builder.address(tileAddress, values);
  start = builder.address(start, builder.mul(stored, blockStepBytes(layout)));
  VectorType type = builder.bytes(kStepBytes);
  if (layout.element == ElementKind::I8)
    return builder.load(type, start);
  Value bytes = builder.load(builder.bytes(kStepBytes / 2), start);
  Value low = signedNibbles(bytes, /*high=*/false), high = signedNibbles(bytes, /*high=*/true);
  llvm::SmallVector<int64_t> lanes(kStepBytes);
  std::iota(lanes.begin(), lanes.end(), 0);
  return vector::ShuffleOp::create(builder, low, high, lanes);
}

void WeightReader::readBlock(Value block, Values &state,
                             function_ref<void(int64_t, Value)> consume) {
  VectorType codesType = builder.bytes(kStepBytes);
  Type i64 = builder.getI64Type();
  if (!layout.hasMasks())
    return readDenseBlock(block, consume);

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

void WeightReader::readFloatChunk(Value chunk, int64_t steps, Values &state,
                                  function_ref<void(int64_t, int64_t, Value)> consume) {
  constexpr int64_t quarters = kStepBytes / kLanes, bits = kLanes;
  Type i64 = builder.getI64Type(), part = builder.getIntegerType(bits);
  Type element = layout.element == ElementKind::F32   ? Type(builder.getF32Type())
                 : layout.element == ElementKind::F16 ? Type(builder.getF16Type())
                                                      : Type(builder.getBF16Type());
  // Where M is a step's columns, every row of it has N, and nothing need be counted.
  int64_t perRow = layout.m == kDotColumns ? layout.n : 0;
  auto sectionOf = [&](int64_t chunkBytes, int64_t offset) {
    return builder.address(tileAddress, builder.add(builder.mul(chunk, chunkBytes), offset));
  };
  Value masks = sectionOf(layout.chunkSteps() * 8, geometry.masksOffset), address;
  if (layout.kind == LayoutKind::Bitmap)
    address = state[0];
  else
    address = sectionOf(geometry.chunkPairBytes, geometry.valuesOffset);
  for (int64_t step = 0; step < steps; ++step) {
    Value mask = builder.load(i64, builder.address(masks, step * 8));
    for (int64_t quarter = 0; quarter < quarters; ++quarter) {
      Value own = mask;
      if (quarter > 0)
        own = arith::ShRUIOp::create(builder, own, builder.constant(i64, quarter * bits));
      own = arith::TruncIOp::create(builder, part, own);
      consume(step, quarter, expandFloats(builder, {element, address, own, perRow}));
      if (perRow > 0) {
        address = builder.address(address, perRow * kDotColumns * layout.floatBytes());
        continue;
      }
      Value count = arith::ExtUIOp::create(builder, i64, math::CtPopOp::create(builder, own));
      address = builder.address(
          address,
          arith::MulIOp::create(builder, count, builder.constant(i64, layout.floatBytes())));
    }
  }
  if (layout.kind == LayoutKind::Bitmap)
    state[0] = address;
}

void WeightReader::prefetchPart(Value part, int64_t distance, int64_t level) {
  // Each part asks for an equal share of a tile, so that scales and masks are not left out.
  Value offset;
  int64_t bytes;
  if (layout.hasTable()) {
    // Lines for two thirds of a bitmap's weights and a quarter of the blocks; what lies further
    // apart is left to the hardware.
    int64_t weights = partColumns * kTileRows;
    bytes = layout.isQuantized() ? kTileRows * 2 : 0;
    int64_t values =
        layout.isQuantized() ? weights / layout.lanes() : weights * layout.floatBytes();
    bool isBitmap = layout.kind == LayoutKind::Bitmap;
    bytes += isBitmap ? weights / 8 + values * 2 / 3 : values / 4;
    offset = arith::MulIOp::create(builder, builder.toI64(part), partBytes);
  } else {
    bytes = geometry.tileBytes / parts;
    offset = builder.mul(part, bytes);
  }
  Value ahead = builder.address(tileAddress, offset);
  for (int64_t line = 0; line < bytes; line += 64)
    packed::PrefetchOp::create(builder, builder.address(ahead, distance + line), level);
}
