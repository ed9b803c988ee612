// 2:4 weights of bf16 and f16 times activations of 16 bits by tensor cores that leave out what is
// not stored (mma.sp).
//
// PTX ISA, "Matrix Fragments for sparse mma.m16n8k32 with .f16 and .bf16 types": of 32 columns in
// eight chunks of four, thread t of four has the two weights of chunks t and t + 4 of two rows, and
// of a token the columns that a thread has of two dense instructions. Places of weights come from
// two threads of four, which the instruction chooses: one has those of the first four chunks of
// both rows, the first row's in its lower half, and the other those of the last four.
#include "StagedHalves.h"

#include "HalfProducts.h"
#include "WarpgroupProducts.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Bytes of the values and of the mask of a step, and of those of a portion of a tile.
constexpr int64_t kStepBytes16 = 2 * 2 * kTileRows, kMaskBytes = sizeof(uint64_t);
constexpr int64_t kPortionSteps = kPortionColumns16 / kDotColumns;
constexpr int64_t kValueBytes = kPortionSteps * kStepBytes16,
                  kMasksBytes = kPortionSteps * kMaskBytes;
/// Instructions that a portion takes, and their steps.
constexpr int64_t kProducts = kPortionColumns16 / kSparseStepColumns;
constexpr int64_t kProductSteps = kSparseStepColumns / kDotColumns;

/// Rows p and p + 8 of the instruction are neighbours in memory, so that a thread's weights of a
/// step are eight bytes. The places of a portion take one word of each thread.
///
/// f16 weights times activations that are sums of two bf16 are sums of two bf16 themselves: the
/// product of both lower parts is left out.
class StagedPrunedHalves final : public StagedHalves {
public:
  using StagedHalves::StagedHalves;

private:
  int64_t tileBytes() const override { return kValueBytes + kMasksBytes; }
  /// Products of one number of each activation take as long as one half's of two.
  int64_t partsTogether() const override { return terms; }
  bool takesNeighbours(const Division &division) const override { return true; }
  void findTileCopies(State &state, Value firstSlot) override {
    copySection(state, firstSlot, geometry.valuesOffset, kValueBytes, 0);
    copySection(state, firstSlot, geometry.masksOffset, kMasksBytes, kValueBytes);
  }
  void findPlaces(State &state, Value firstSlot) override;
  void multiplyPortion(State &state, Value buffer, ValueRange ahead, Values &sums) override;
  void startTogether(State &state, Value buffer, Value prepared, int64_t part,
                     Values &sums) override;

  bool splitsWeights() const { return layout.element == ElementKind::F16 && terms == 2; }
  /// A thread's weights for an instruction: both parts of those that are sums.
  struct Weights {
    Values high, low;
  };
  Weights loadStored(Value tile, int64_t product);
  Value loadPlaces(Value tile);
  /// Where the warp's first tile is in the portion at `buffer` (i32).
  Value tilesAt(State &state, Value buffer);
  ElementKind inputElement() const { return terms == 2 ? ElementKind::BF16 : layout.element; }

  Value maskPlace; // of the lane's first mask, in a tile
};

} // namespace

bool stc::gpu::takesPrunedHalves(packed::WeightType weight) {
  Layout layout = weight.getLayout().getLayout();
  return layout.isSparseFloat() && layout.floatBytes() == 2 && layout.n == 2 && layout.m == 4 &&
         weight.getColumns() % kPortionColumns16 == 0;
}

void StagedPrunedHalves::findPlaces(State &state, Value firstSlot) {
  StagedHalves::findPlaces(state, firstSlot);
  Words words(builder);
  Value part = state.share.part, rowPair = state.share.rowPair;
  state.weightPlace = words.add(words.mul(part, kStepBytes16), words.mul(rowPair, 8));
  maskPlace = words.add(words.mul(part, 4 * kMaskBytes), rowPair);
}

/// Both rows of a step, and of the step four behind it.
StagedPrunedHalves::Weights StagedPrunedHalves::loadStored(Value tile, int64_t product) {
  Words words(builder);
  Weights weights;
  for (int64_t step : {0, 4}) {
    int64_t offset = (product * kProductSteps + step) * kStepBytes16;
    Value both = words.load(builder.address(tile, offset), 2, false);
    for (int64_t row : {0, 1}) {
      Value word = words.part(both, row);
      if (splitsWeights()) {
        SplitPair halves = splitHalves(builder, word);
        word = halves.high;
        weights.low.push_back(halves.low);
      }
      weights.high.push_back(word);
    }
  }
  return weights;
}

/// The places of four steps of both rows, from a byte of the mask of each.
Value StagedPrunedHalves::loadPlaces(Value tile) {
  Words words(builder);
  Value bytes[4];
  for (int64_t step = 0; step < 4; ++step)
    bytes[step] = arith::ExtUIOp::create(
        builder, builder.getI32Type(),
        builder.loadAligned(builder.getI8Type(), builder.address(tile, step * kMaskBytes), 1));
  Value mask = words.permute(words.permute(bytes[0], bytes[1], 0x0040),
                             words.permute(bytes[2], bytes[3], 0x0040), 0x5410);
  // Nibbles of rows in turn -> those of the first row of two steps, then of the second.
  Value changed = words.both(words.flip(mask, words.right(mask, 4)), 0x00F000F0);
  mask = words.flip(mask, words.either(changed, words.left(changed, 4)));
  mask = words.permute(mask, mask, 0x3120);
  return placesOfMasks(builder, mask);
}

Value StagedPrunedHalves::tilesAt(State &state, Value buffer) {
  Value start = builder.address(state.share.staging, buffer);
  return builder.address(start,
                         Words(builder).mul(state.rowWarp, state.division.warpTiles * tileBytes()));
}

void StagedPrunedHalves::multiplyPortion(State &state, Value buffer, ValueRange, Values &sums) {
  const Division &division = state.division;
  if (division.usesWarpgroups) {
    startTogether(state, buffer, Value(), 0, sums);
    return waitForProducts(builder, 0, sums);
  }
  Value start = tilesAt(state, buffer);
  Value weightStart = builder.address(start, state.weightPlace);
  Value maskStart = builder.address(start, maskPlace);
  Values places;
  for (int64_t tile = 0; tile < division.warpTiles; ++tile)
    places.push_back(loadPlaces(builder.address(maskStart, tile * tileBytes() + kValueBytes)));
  for (int64_t product = 0; product < kProducts; ++product) {
    SmallVector<Weights> weights;
    for (int64_t tile = 0; tile < division.warpTiles; ++tile)
      weights.push_back(loadStored(builder.address(weightStart, tile * tileBytes()), product));
    // The smaller ones first.
    for (int64_t part = terms - 1; part >= 0; --part)
      for (int64_t first = 0; first < division.warpFragments; first += 2) {
        Values front = loadInputs(state, buffer, 2 * product, part, first);
        Values back = loadInputs(state, buffer, 2 * product + 1, part, first);
        auto add = [&](bool isLow) {
          for (size_t i = 0; i < front.size(); i += 2)
            for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
              int64_t fragment = tile * division.warpFragments + first + int64_t(i) / 2;
              addSparseHalfProducts(
                  builder, inputElement(), isLow ? weights[tile].low : weights[tile].high,
                  places[tile], product, {front[i], front[i + 1], back[i], back[i + 1]},
                  MutableArrayRef<Value>(sums).slice(fragment * kFragmentValues, kFragmentValues));
            }
        };
        if (part == 0 && splitsWeights())
          add(true);
        add(false);
      }
  }
}

/// Weights and places come to registers: those of the part before are still read there, by products
/// that are waited for once these have been started. So registers have both, and what a warpgroup
/// reads of shared memory is little more than tokens.
void StagedPrunedHalves::startTogether(State &state, Value buffer, Value, int64_t part,
                                       Values &sums) {
  Value start = tilesAt(state, buffer);
  Value weightStart = builder.address(start, state.weightPlace);
  Value places = loadPlaces(builder.address(builder.address(start, maskPlace), kValueBytes));
  Values inputs = inputsTogether(state, buffer);
  auto four = [](const Values &words) -> std::array<Value, 4> {
    return {words[0], words[1], words[2], words[3]};
  };
  int64_t count = kProducts / state.division.parts;
  SmallVector<PrunedHalves> products;
  for (int64_t half = part * count; half < (part + 1) * count; ++half) {
    Weights weights = loadStored(weightStart, half);
    for (Value input : inputs) { // of the smaller numbers first
      if (splitsWeights() && input == inputs.back())
        products.push_back({four(weights.low), half, input});
      products.push_back({four(weights.high), half, input});
    }
  }
  startWarpgroupPrunedHalves(builder, inputElement(), products, places, sums);
}

std::unique_ptr<MatmulEmitter> stc::gpu::createStagedPrunedHalves(packed::MatmulTileOp op,
                                                                  const TargetDescription &target) {
  auto type = cast<packed::WeightType>(op.getWeight().getType());
  if (!target.hasSparseMma || !takesPrunedHalves(type) || op.getInputs().size() != 2 ||
      !cast<MemRefType>(op.getInputs()[1].getType()).isDynamicDim(0))
    return nullptr;
  auto emitter = std::make_unique<StagedPrunedHalves>(op, target);
  if (emitter->blockSizes().empty())
    return nullptr;
  return emitter;
}
