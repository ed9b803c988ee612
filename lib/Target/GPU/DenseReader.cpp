// Dense layouts: codes of 8, 4 and 2 bits, and floats.
#include "WeightReader.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// A lane's sixteen bytes are four rows of one vector of the layout: 16 rows, four bytes each,
/// whose fields belong to as many steps of four columns as a byte has codes. int3 has two such
/// vectors of the low bits and one of the high bits for eight steps; those are taken as two units'
/// worth. Of others a lane may take several vectors of a group, so that their products are scaled
/// once: every `sharing`-th, as so many neighbours share the group.
class DenseReader final : public ScaledReader {
public:
  explicit DenseReader(packed::WeightType type)
      : ScaledReader(type, kLaneBytes / kDotColumns), bits(layout.codeBits()),
        isThree(layout.element == ElementKind::I3), steps(isThree ? 4 : 8 / bits) {
    vectors = geometry.steps / steps;
    unitCount = unitsFor(vectors);
  }

  void takeMore() override {
    int64_t ofGroup = layout.group / (steps * kDotColumns);
    if (isThree || ofGroup == 0 || ofGroup % kWidest != 0 ||
        ofGroup / kWidest > kWarpLanes / rowLanes())
      return;
    perLane = kWidest;
    sharing = ofGroup / kWidest;
    unitCount = unitsFor(vectors / perLane);
  }

  int64_t laneBytes() const override { return (isThree ? 2 : perLane) * kLaneBytes + scaleBytes(); }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &) const override {
    Place place = placeOf(builder, unit, lane);
    // Of int3, vectors 2 i and 2 i + 1 of low bits and then the high bits lie together.
    Value number = place.piece;
    if (isThree)
      number = arith::AddIOp::create(builder, number,
                                     arith::DivUIOp::create(builder, number, builder.int32(2)));
    Values values{loadVector(builder, tile, number, place.firstRow)};
    for (int64_t i = 1; i < perLane; ++i)
      values.push_back(
          loadVector(builder, tile, Words(builder).add(number, i * sharing), place.firstRow));
    if (isThree) {
      Value pair = arith::DivUIOp::create(builder, place.piece, builder.int32(2));
      Value high = arith::MulIOp::create(builder, pair, builder.int32(3));
      high = arith::AddIOp::create(builder, high, builder.int32(2));
      values.push_back(loadVector(builder, tile, high, place.firstRow));
    }
    llvm::append_range(values, loadScales(builder, tile, place.column, place.firstRow));
    return values;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Place place = placeOf(builder, unit, lane);
    Values scales(loaded.drop_front(isThree ? 2 : perLane));
    auto words = VectorType::get(steps, builder.getI32Type());
    Value inputs = builder.address(token[0], place.column);
    Values products = startingSums(builder, scales, place.column, token);
    for (int64_t i = 0; i < perLane; ++i) {
      Value start = builder.address(inputs, i * sharing * steps * kDotColumns);
      Value codes = builder.loadAligned(words, start, 4 * steps);
      for (auto [row, product] : llvm::enumerate(products))
        for (int64_t step = 0; step < steps; ++step) {
          Value x = vector::ExtractOp::create(builder, codes, step);
          Value weights =
              field(builder, loaded.drop_front(i), place, static_cast<int64_t>(row), step);
          product = builder.dot4(weights, bits < 8 ? Bytes::Small : Bytes::Unsigned, x,
                                 Bytes::Signed, product);
        }
    }
    return addScaled(builder, scales, products, place.column, token, sums, place.isPresent);
  }

private:
  /// The piece is the lane's first vector.
  Place placeOf(BlockBuilder &builder, Value unit, Value lane) const {
    int64_t vectorColumns = steps * kDotColumns;
    Place place =
        ScaledReader::placeOf(builder, unit, lane, vectors / perLane, perLane * vectorColumns);
    if (perLane == 1 || sharing == 1) {
      place.piece = Words(builder).mul(place.piece, perLane);
      return place;
    }
    Words words(builder);
    Value group = words.div(place.piece, sharing);
    place.piece = words.add(words.mul(group, sharing * perLane), words.rem(place.piece, sharing));
    place.column = words.mul(place.piece, vectorColumns);
    return place;
  }

  Value loadVector(BlockBuilder &builder, Value tile, Value number, Value firstRow) const {
    Value offset = arith::AddIOp::create(
        builder, arith::MulIOp::create(builder, number, builder.int32(kStepBytes)),
        arith::MulIOp::create(builder, firstRow, builder.int32(kDotColumns)));
    Value start = builder.address(builder.address(tile, geometry.valuesOffset), offset);
    return fetch(builder, VectorType::get(4, builder.getI32Type()), start, kLaneBytes);
  }

  /// Four codes, one per byte, of a row and step.
  Value field(BlockBuilder &builder, ValueRange loaded, const Place &place, int64_t row,
              int64_t step) const {
    Value word = vector::ExtractOp::create(builder, loaded[0], row);
    if (steps == 1)
      return word;
    int64_t lowBits = isThree ? 2 : bits;
    auto shifted = [&](Value value, Value count) -> Value {
      return arith::ShRUIOp::create(builder, value, count);
    };
    auto masked = [&](Value value, int64_t byte) -> Value {
      return arith::AndIOp::create(builder, value, builder.int32(byte * 0x01010101));
    };
    Value low = step == 0 ? word : shifted(word, builder.int32(lowBits * step));
    low = masked(low, (1 << lowBits) - 1);
    if (!isThree)
      return low;
    // Bit s of the high bits is step s of eight: this vector has the first four or the last.
    Value high = vector::ExtractOp::create(builder, loaded[1], row);
    Value half = arith::RemUIOp::create(builder, place.piece, builder.int32(2));
    Value count = arith::AddIOp::create(
        builder, arith::MulIOp::create(builder, half, builder.int32(4)), builder.int32(step));
    high = masked(shifted(high, count), 1);
    high = arith::ShLIOp::create(builder, high, builder.int32(2));
    return arith::OrIOp::create(builder, low, high);
  }

  int64_t bits;
  bool isThree;
  int64_t steps;   // of four columns in a vector
  int64_t vectors; // of a tile
  /// Vectors that a lane takes of a unit, and how many lie from one of them to the next.
  int64_t perLane = 1, sharing = 1;
  static constexpr int64_t kWidest = 4;
};

/// Sixteen bytes are four or eight rows of one column.
class FloatReader final : public WeightReader {
public:
  explicit FloatReader(packed::WeightType type)
      : WeightReader(type, kLaneBytes / type.getLayout().getLayout().floatBytes()),
        element(type.getLayout().getElement()) {
    unitCount = llvm::divideCeil(columns, kWarpLanes / rowLanes());
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &) const override {
    auto [column, isPresent] = columnOf(builder, unit, lane);
    Value row = arith::RemUIOp::create(builder, lane, builder.int32(rowLanes()));
    Value offset = arith::AddIOp::create(
        builder,
        arith::MulIOp::create(builder, column, builder.int32(kTileRows * layout.floatBytes())),
        arith::MulIOp::create(builder, row, builder.int32(kLaneBytes)));
    return {builder.loadAligned(VectorType::get(laneRows, element), builder.address(tile, offset),
                                kLaneBytes, /*invariant=*/true)};
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Type f32 = builder.getF32Type();
    auto [column, isPresent] = columnOf(builder, unit, lane);
    Value offset = arith::MulIOp::create(builder, column, builder.int32(4));
    Value x = builder.loadAligned(f32, builder.address(token[0], offset), 4);
    if (isPresent)
      x = arith::SelectOp::create(builder, isPresent, x, builder.constant(f32, 0.0));
    Values results;
    for (int64_t row = 0; row < laneRows; ++row) {
      Value weight = vector::ExtractOp::create(builder, loaded[0], row);
      if (!element.isF32())
        weight = arith::ExtFOp::create(builder, f32, weight);
      results.push_back(builder.multiplyAdd(weight, x, sums[row]));
    }
    return results;
  }

private:
  /// The lane's column, and whether it exists (null: it always does).
  std::pair<Value, Value> columnOf(BlockBuilder &builder, Value unit, Value lane) const {
    int64_t perUnit = kWarpLanes / rowLanes();
    Value column =
        arith::AddIOp::create(builder, arith::MulIOp::create(builder, unit, builder.int32(perUnit)),
                              arith::DivUIOp::create(builder, lane, builder.int32(rowLanes())));
    if (columns % perUnit == 0)
      return {column, Value()};
    Value isPresent =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, column, builder.int32(columns));
    return {arith::SelectOp::create(builder, isPresent, column, builder.int32(0)), isPresent};
  }

  Type element;
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createDenseReader(packed::WeightType type) {
  return std::make_unique<DenseReader>(type);
}

std::unique_ptr<WeightReader> stc::gpu::createFloatReader(packed::WeightType type) {
  return std::make_unique<FloatReader>(type);
}
