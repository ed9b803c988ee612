// Attention by tensor cores: queries, and products with what is in shared memory.
#include "AttentionMatrix.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr double kLargestHalf = 65504;
/// Bytes of a warp's words of 16 x 16 halves.
constexpr int64_t kFragmentBytes = 512;

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

MatrixAttention::Split MatrixAttention::split(Value a, Value b) {
  auto floats = builder.floats(2);
  auto halves = VectorType::get(2, builder.getF16Type());
  Value both = vector::FromElementsOp::create(builder, floats, ValueRange{a, b});
  Split result;
  result.high = arith::TruncFOp::create(builder, halves, both);
  Value rest = arith::ExtFOp::create(builder, floats, result.high);
  rest = arith::SubFOp::create(builder, both, rest);
  result.low = arith::TruncFOp::create(builder, halves, rest);
  return result;
}

/// Queries times the softmax's scale, or their codes, in the order in which lanes need them: a
/// lane's words of 16 rows and 16 elements lie together.
void MatrixAttention::prepareQueries() {
  int64_t padded = layout.paddedDim(), headDim = layout.headDim, pairs = padded / 2;
  Type f32 = builder.getF32Type();
  Value scale = builder.constant(f32, op.getScale().convertToDouble());
  Value zero = builder.constant(f32, 0.0);
  if (isInt8()) {
    prepareCodes();
    builder.barrier();
  }
  auto number = [&](Value row, Value d) -> Value {
    if (isInt8()) {
      Value place = builder.add(builder.times(row, padded), d);
      Value code = builder.loadAligned(builder.getI8Type(), builder.address(queries, place), 1);
      return arith::SIToFPOp::create(builder, f32, code);
    }
    auto [token, head] = tokenAndHead(row);
    Value column = builder.times(head, headDim);
    column = builder.add(column, builder.smaller(d, headDim - 1));
    Value x = builder.loadElement(op.getQueries(), {builder.add(op.getToken(), token), column});
    x = builder.productOf(x, scale);
    x = builder.maximum(x, builder.constant(f32, -kLargestHalf));
    x = builder.minimum(x, builder.constant(f32, kLargestHalf));
    return padded == headDim ? x : builder.choose(builder.isBelow(d, headDim), x, zero);
  };
  builder.forThreads(plannedTile.rowTiles * 16 * pairs, [&](Value index) {
    Value row = builder.quotient(index, pairs), pair = builder.remainder(index, pairs);
    Value d = builder.times(pair, 2);
    Split words = split(number(row, d), number(row, builder.plus(d, 1)));
    Value step = builder.quotient(pair, 8);
    Value inStep = builder.remainder(pair, 8);
    Value tile = builder.add(builder.times(builder.quotient(row, 16), keySteps()), step);
    Value lane =
        builder.add(builder.times(builder.remainder(row, 8), 4), builder.remainder(inStep, 4));
    Value word = builder.add(builder.times(builder.quotient(inStep, 4), 2),
                             builder.quotient(builder.remainder(row, 16), 8));
    Value place = builder.times(tile, querySplits() * kFragmentBytes);
    place = builder.add(place, builder.times(lane, 16));
    place = builder.add(place, builder.times(word, 4));
    Value address = builder.address(fragmentQueries, place);
    builder.storeAligned(words.high, address, 4);
    if (querySplits() == 2)
      builder.storeAligned(words.low, builder.address(address, kFragmentBytes), 4);
  });
}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

/// Lanes 0-7 have the rows of the first matrix, and so on. The first two are of 16 numbers that are
/// summed over, the last two of the next eight columns. `rowsBefore` (bytes) and `unitsBefore` (of
/// units, exchanged like those of rows) are what the warp passes over.
MatrixAttention::LanePlace MatrixAttention::findLane(const Staged &staged, Value rowsBefore,
                                                     Value unitsBefore) {
  Words words(builder);
  Value number = builder.lane(), inMatrix = words.both(number, 7);
  Value isOdd = words.both(words.right(number, 3), 1), isUpper = words.right(number, 4);
  Value row = words.add(inMatrix, words.left(staged.areRowsSummed ? isOdd : isUpper, 3));
  Value unit = staged.areRowsSummed ? isUpper : isOdd;
  Value place = swizzled(staged, row, unit);
  place = words.flip(place, words.left(unitsBefore, 4));
  return {staged, words.add(place, rowsBefore)};
}

Values MatrixAttention::loadMatrices(const LanePlace &from, Value buffer, int64_t k, int64_t n) {
  Words words(builder);
  const Staged &staged = from.staged;
  int64_t row = staged.areRowsSummed ? k : n, unit = (staged.areRowsSummed ? n : k) / 8;
  int64_t exchanged = unit % staged.period();
  Value place = words.flip(from.place, exchanged * 16);
  Value address = builder.address(buffer, place);
  address =
      builder.address(address, staged.offset + row * staged.rowBytes() + (unit - exchanged) * 16);
  Type i32 = builder.getI32Type();
  auto result = LLVM::LLVMStructType::getLiteral(builder.getContext(), {i32, i32, i32, i32});
  Value loaded = NVVM::LdMatrixOp::create(
      builder, result, address, 4,
      staged.areRowsSummed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(builder.getContext(), 8, 8), NVVM::LdStMatrixEltType::B16);
  auto halves = VectorType::get(2, builder.getF16Type());
  Values values;
  for (int64_t i = 0; i < 4; ++i)
    values.push_back(
        LLVM::BitcastOp::create(builder, halves, LLVM::ExtractValueOp::create(builder, loaded, i)));
  return values;
}

void MatrixAttention::multiply(ValueRange a, ValueRange b, MutableArrayRef<Value> sums) {
  Type f32 = builder.getF32Type();
  auto result = LLVM::LLVMStructType::getLiteral(builder.getContext(), {f32, f32, f32, f32});
  Value product = NVVM::MmaOp::create(
      builder, result, a, b, ValueRange(sums), ArrayRef<int64_t>{16, 8, 16}, std::nullopt,
      std::nullopt, std::array<NVVM::MMATypes, 2>{NVVM::MMATypes::f16, NVVM::MMATypes::f16},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, product, static_cast<int64_t>(i));
}

Values MatrixAttention::keyProducts(const Block &block, int64_t first) {
  int64_t keys = std::min(kKVBlock / plannedTile.keyParts, kKeysAtOnce);
  Values sums(keys / 8 * 4, builder.constant(builder.getF32Type(), 0.0));
  auto four = VectorType::get(4, builder.getI32Type());
  auto halves = VectorType::get(2, builder.getF16Type());
  auto query = [&](int64_t number) {
    Value words =
        builder.loadAligned(four, builder.address(ownQueries, number * kFragmentBytes), 16);
    Values result;
    for (int64_t i = 0; i < 4; ++i)
      result.push_back(
          LLVM::BitcastOp::create(builder, halves, vector::ExtractOp::create(builder, words, i)));
    return result;
  };
  for (int64_t step = 0; step < keySteps(); ++step) {
    Values high = query(step * querySplits()), low;
    if (querySplits() == 2)
      low = query(step * querySplits() + 1);
    for (int64_t n = 0; n < keys; n += 16) {
      int64_t tile = (first + n) / kKVTile;
      // Keys whose positions lie side by side are in tiles of 16.
      Values b =
          stagedKeys.areRowsSummed
              ? loadMatrices(keyPlace, block.buffer, tile * layout.paddedDim() + step * 16, 0)
              : loadMatrices(keyPlace, block.buffer, step * 16, first + n);
      for (int64_t half : {0, 1}) {
        auto own = MutableArrayRef(sums).slice(size_t(n / 8 + half) * 4, 4);
        auto column = ValueRange(b).slice(size_t(half) * 2, 2);
        // The smaller ones first.
        if (!low.empty())
          multiply(low, column, own);
        multiply(high, column, own);
      }
    }
  }
  return sums;
}

/// `weights`: f32 [eight keys][row][key].
void MatrixAttention::addValues(const Block &block, int64_t first, ValueRange weights,
                                Values &outs) {
  for (int64_t k = 0; k < int64_t(weights.size()) * 2; k += 16) {
    Values high, low;
    for (int64_t i = 0; i < 4; ++i) {
      size_t place = size_t((k / 8 + i / 2) * 4 + i % 2 * 2);
      Split words = split(weights[place], weights[place + 1]);
      high.push_back(words.high);
      low.push_back(words.low);
    }
    for (int64_t n = 0; n < plannedTile.columns; n += 16) {
      Values b = loadMatrices(valuePlace, block.buffer, first + k, n);
      for (int64_t half : {0, 1}) {
        auto own = MutableArrayRef(outs).slice(size_t(n / 8 + half) * 4, 4);
        auto column = ValueRange(b).slice(size_t(half) * 2, 2);
        multiply(low, column, own);
        multiply(high, column, own);
      }
    }
  }
}
