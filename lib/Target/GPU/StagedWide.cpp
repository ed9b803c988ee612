// Dense codes times activations rounded to f16 by tensor cores: codes become f16 in registers.
#include "StagedHalves.h"

#include "HalfProducts.h"
#include "WarpgroupProducts.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

constexpr int64_t kCopyBytes = 16, kSpans = kPortionColumns16 / kSpanColumns;
/// Of an f16 from 1024 on, the lower byte is a whole number: 0x6400 and a code is 1024 more than
/// the code (Kim, Henry, Fahim and Awadalla, "Who Says Elephants Can't Run", 2022).
constexpr uint32_t kUpperBytes = 0x64646464;

/// A weight is (code - zero) * scale, rounded to f16: the difference is exact. A thread's part of a
/// span of 32 columns are eight columns that lie together, of two neighbouring rows of each tile
/// and of a token of each eight: which columns an instruction calls its first does not matter, as
/// long as weights and activations agree. Warpgroups take activations in their order, so there a
/// thread's codes are those of two columns of each eight. Scales and zeros come from the caches, a
/// portion ahead.
class StagedWide final : public StagedHalves {
public:
  using StagedHalves::StagedHalves;

private:
  int64_t tileBytes() const override {
    return kPortionColumns16 * kTileRows * layout.codeBits() / 8;
  }
  void findTileCopies(State &state, Value firstSlot) override;
  bool prepares() const override { return true; }
  void prepare(State &state, Value buffer, ValueRange ahead, Value prepared) override;
  ElementKind productElement() const override { return ElementKind::F16; }
  Value placeOfChunk(Value token, Value chunk) override;
  void findPlaces(State &state, Value firstSlot) override;
  Values loadAhead(State &state, Value number) override;
  void multiplyPortion(State &state, Value buffer, ValueRange ahead, Values &sums) override;
  bool takesNeighbours(const Division &division) const override {
    return !division.overlaps; // then rows are where they were written to
  }

  /// Groups that a portion has columns of.
  int64_t groups() const { return std::max<int64_t>(1, kPortionColumns16 / layout.group); }
  /// Values of `loadAhead` for each group of each tile.
  int64_t aheadOfGroup() const { return layout.asymmetric ? 2 : 1; }
  /// What codes become weights by, of both rows as pairs of f16.
  struct Factors {
    Value zeros[2], scales[2];
  };
  /// Those of the group of span `span` of a portion, of tile `tile` of the warp.
  Factors factorsOf(ValueRange ahead, int64_t tile, int64_t span);
  /// The weights of a warpgroup's portion: of each 16 columns four words.
  SmallVector<std::array<Value, 4>> widenTogether(State &state, Value weights, ValueRange ahead);
  /// Four codes as two pairs of f16.
  std::array<Value, 2> widen(Value codes, Value zeros, Value scales);
  /// Those of both rows as an instruction's words.
  std::array<Value, 4> widenRows(std::array<Value, 2> codes, const Factors &factors) {
    auto [first, firstNext] = widen(codes[0], factors.zeros[0], factors.scales[0]);
    auto [second, secondNext] = widen(codes[1], factors.zeros[1], factors.scales[1]);
    return {first, second, firstNext, secondNext};
  }
  VectorType pairType() { return VectorType::get(2, builder.getF16Type()); }

  SmallVector<Value> tiles; // of the warp, in global memory
};

} // namespace

bool stc::gpu::takesRoundedInputs(packed::WeightType weight) {
  Layout layout = weight.getLayout().getLayout();
  return layout.kind == LayoutKind::Dense && layout.isQuantized() && layout.group >= kSpanColumns &&
         !layout.perRow && !layout.minimums && weight.getColumns() % kPortionColumns16 == 0;
}

void StagedWide::findTileCopies(State &state, Value firstSlot) {
  copySection(state, firstSlot, geometry.valuesOffset, tileBytes(), 0,
              [&](Value offset) { return state.readers.front().stagedPlace(offset); });
}

/// What eight threads read at once are four chunks of each of two tokens: those of odd ones are in
/// the other half of all banks.
Value StagedWide::placeOfChunk(Value token, Value chunk) {
  Words words(builder);
  Value flipped = words.flip(chunk, words.mul(words.rem(token, 2), kSpanParts));
  return words.add(words.mul(token, kPortionBytes16), words.mul(flipped, kCopyBytes));
}

void StagedWide::findPlaces(State &state, Value firstSlot) {
  Words words(builder);
  const Division &division = state.division;
  Value token = words.add(words.mul(state.tokenWarp, division.warpFragments * kFragmentTokens),
                          state.share.rowPair);
  state.tokenPlace = placeOfChunk(token, state.share.part);
  state.weightPlace = words.mul(state.rowWarp, division.warpTiles * tileBytes());
  state.readers.clear();
  tiles.clear();
  Value firstTile = words.mul(state.rowWarp, division.warpTiles);
  for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
    Value slot = builder.add(firstSlot, builder.toIndex(words.add(firstTile, tile)));
    // A distance that is known takes no registers.
    tiles.push_back(tile > 0 && tilesFollow() ? builder.address(tiles[0], tile * geometry.tileBytes)
                                              : tileAddress(tileOf(slot)));
    state.readers.emplace_back(builder, type, tiles.back(), state.share.rowPair);
  }
}

/// Of each tile and group the scales of both rows, and their zeros, as words of two.
Values StagedWide::loadAhead(State &state, Value number) {
  Words words(builder);
  Value first = builder.mul(number, kPortionColumns16);
  first = arith::DivUIOp::create(builder, first, builder.index(layout.group));
  Values loaded;
  for (Value tile : tiles)
    for (int64_t i = 0; i < groups(); ++i) {
      Value group = builder.add(first, i);
      auto at = [&](int64_t offset, int64_t bytes) {
        Value start = builder.address(tile, builder.mul(group, kTileRows * bytes));
        return builder.address(builder.address(start, offset),
                               words.mul(state.share.rowPair, 2 * bytes));
      };
      loaded.push_back(words.load(at(geometry.scalesOffset, 2), 1, /*invariant=*/true));
      if (layout.asymmetric)
        loaded.push_back(arith::ExtUIOp::create(builder, builder.getI32Type(),
                                                builder.loadAligned(builder.getI16Type(),
                                                                    at(geometry.zerosOffset, 1), 2,
                                                                    /*invariant=*/true)));
    }
  return loaded;
}

std::array<Value, 2> StagedWide::widen(Value codes, Value zeros, Value scales) {
  Words words(builder);
  std::array<Value, 2> pairs;
  for (int64_t i : {0, 1}) {
    Value pair = words.permute(codes, words.number(kUpperBytes), i == 0 ? 0x4140 : 0x4342);
    pair = LLVM::BitcastOp::create(builder, pairType(), pair);
    pair = arith::MulFOp::create(builder, arith::SubFOp::create(builder, pair, zeros), scales);
    pairs[i] = LLVM::BitcastOp::create(builder, builder.getI32Type(), pair);
  }
  return pairs;
}

StagedWide::Factors StagedWide::factorsOf(ValueRange ahead, int64_t tile, int64_t span) {
  Words words(builder);
  auto inBoth = [&](Value word, uint32_t selector) -> Value {
    Value pair = words.permute(word, words.number(kUpperBytes), selector);
    return LLVM::BitcastOp::create(builder, pairType(), pair);
  };
  int64_t group = span * kSpanColumns / layout.group;
  int64_t loaded = (tile * groups() + group) * aheadOfGroup();
  Factors factors;
  for (int64_t row : {0, 1}) {
    if (layout.asymmetric)
      factors.zeros[row] = inBoth(ahead[loaded + 1], row == 0 ? 0x4040 : 0x4141);
    else
      factors.zeros[row] = LLVM::BitcastOp::create(
          builder, pairType(), words.number(0x64006400 + uint32_t(layout.zeroPoint()) * 0x10001));
    factors.scales[row] = inBoth(ahead[loaded], row == 0 ? 0x1010 : 0x3232);
  }
  return factors;
}

SmallVector<std::array<Value, 4>> StagedWide::widenTogether(State &state, Value weights,
                                                            ValueRange ahead) {
  SmallVector<std::array<Value, 4>> steps;
  for (int64_t span = 0; span < kSpans; ++span) {
    Factors factors = factorsOf(ahead, 0, span);
    for (int64_t half : {0, 1}) {
      std::array<Value, 2> codes =
          state.readers.front().readStagedPairs(weights, span, half, state.share.part);
      steps.push_back(widenRows(codes, factors));
    }
  }
  return steps;
}

/// A thread's four codes of a row are eight bytes of its 128, whose chunks are exchanged as tokens'
/// are: half a warp writes to all banks.
void StagedWide::prepare(State &state, Value buffer, ValueRange ahead, Value prepared) {
  Words words(builder);
  Value place = builder.address(prepared, words.mul(state.rowWarp, kTileRows * kPortionBytes16));
  Value weights = builder.address(builder.address(state.share.staging, buffer), state.weightPlace);
  auto two = VectorType::get(2, builder.getI32Type());
  Value inChunk = words.mul(words.rem(state.share.part, 2), 8);
  for (int64_t span = 0; span < kSpans; ++span) {
    CodeWords codes = state.readers.front().readStagedInOrder(weights, span, state.share.part,
                                                              /*asWeights=*/false);
    Factors factors = factorsOf(ahead, 0, span);
    for (int64_t row : {0, 1}) {
      Value inTile = words.add(words.mul(state.share.rowPair, 2), row);
      for (int64_t half : {0, 1}) {
        Value chunk = words.add(words.div(state.share.part, 2), uint32_t(span * 4 + half * 2));
        Value to = words.add(warpgroupPlace(builder, inTile, chunk), inChunk);
        std::array<Value, 2> pairs =
            widen(codes.words[half][row], factors.zeros[row], factors.scales[row]);
        builder.storeAligned(
            vector::FromElementsOp::create(builder, two, ValueRange{pairs[0], pairs[1]}),
            builder.address(place, to), 8);
      }
    }
  }
}

void StagedWide::multiplyPortion(State &state, Value buffer, ValueRange ahead, Values &sums) {
  Words words(builder);
  const Division &division = state.division;
  Value start = builder.address(state.share.staging, buffer);
  Value weights = builder.address(start, state.weightPlace);
  if (division.usesWarpgroups)
    return multiplyTogether(state, buffer, ElementKind::F16, widenTogether(state, weights, ahead),
                            sums);
  auto four = VectorType::get(4, builder.getI32Type());
  for (int64_t span = 0; span < kSpans; ++span) {
    // Chunks of the second span are those of the first one whose third bit differs.
    Value place = words.flip(state.tokenPlace, uint32_t(span * kSpanParts * kCopyBytes));
    Value tokens = builder.address(builder.address(start, place), weightBytes(division));
    Values inputs;
    for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment) {
      Value own = builder.loadAligned(
          four, builder.address(tokens, fragment * kFragmentTokens * kPortionBytes16), kCopyBytes);
      for (int64_t word = 0; word < 4; ++word)
        inputs.push_back(words.part(own, word));
    }
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      CodeWords codes = state.readers[tile].readStaged(builder.address(weights, tile * tileBytes()),
                                                       span, state.share.part);
      Factors factors = factorsOf(ahead, tile, span);
      for (int64_t step : {0, 1}) {
        std::array<Value, 4> own = widenRows({codes.words[step][0], codes.words[step][1]}, factors);
        for (int64_t fragment = 0; fragment < division.warpFragments; ++fragment)
          addHalfProducts(
              builder, ElementKind::F16, own, ValueRange(inputs).slice(4 * fragment + 2 * step, 2),
              MutableArrayRef<Value>(sums).slice(
                  (tile * division.warpFragments + fragment) * kFragmentValues, kFragmentValues));
      }
    }
  }
}

std::unique_ptr<MatmulEmitter> stc::gpu::createStagedWide(packed::MatmulTileOp op,
                                                          const TargetDescription &target) {
  auto type = cast<packed::WeightType>(op.getWeight().getType());
  if (op.getInputs().size() != 1 || !takesRoundedInputs(type) || !target.hasMma ||
      !cast<MemRefType>(op.getInputs()[0].getType()).isDynamicDim(0))
    return nullptr;
  auto emitter = std::make_unique<StagedWide>(op, target);
  if (emitter->blockSizes().empty())
    return nullptr;
  return emitter;
}
