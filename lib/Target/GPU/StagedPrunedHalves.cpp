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
  bool mayTakeTogether() const override { return false; }
  void findTileCopies(State &state, Value firstSlot) override {
    copySection(state, firstSlot, geometry.valuesOffset, kValueBytes, 0);
    copySection(state, firstSlot, geometry.masksOffset, kMasksBytes, kValueBytes);
  }
  void findPlaces(State &state, Value firstSlot) override;
  void multiplyPortion(State &state, Value buffer, ValueRange ahead, Values &sums) override;
  void storeRows(State &state, Value memory, ValueRange sums) override {
    storeNeighbours(state, memory, sums);
  }

  bool splitsWeights() const { return layout.element == ElementKind::F16 && terms == 2; }
  Values loadWeights(Value tile, int64_t product);
  Value loadPlaces(Value tile);

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

/// A thread's weights for an instruction: both rows of a step, and of the step four behind it.
Values StagedPrunedHalves::loadWeights(Value tile, int64_t product) {
  Words words(builder);
  Values weights;
  for (int64_t step : {0, 4}) {
    int64_t offset = (product * kProductSteps + step) * kStepBytes16;
    Value both = words.load(builder.address(tile, offset), 2, false);
    weights.push_back(words.part(both, 0));
    weights.push_back(words.part(both, 1));
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

void StagedPrunedHalves::multiplyPortion(State &state, Value buffer, ValueRange, Values &sums) {
  Words words(builder);
  const Division &division = state.division;
  Value start = builder.address(state.share.staging, buffer);
  start = builder.address(start, words.mul(state.rowWarp, division.warpTiles * tileBytes()));
  Value weightStart = builder.address(start, state.weightPlace);
  Value maskStart = builder.address(start, maskPlace);
  Values places;
  for (int64_t tile = 0; tile < division.warpTiles; ++tile)
    places.push_back(loadPlaces(builder.address(maskStart, tile * tileBytes() + kValueBytes)));
  ElementKind inputs16 = terms == 2 ? ElementKind::BF16 : layout.element;
  for (int64_t product = 0; product < kProducts; ++product) {
    SmallVector<Values> high, low;
    for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
      high.push_back(loadWeights(builder.address(weightStart, tile * tileBytes()), product));
      if (splitsWeights()) {
        low.emplace_back();
        for (Value &word : high.back()) {
          SplitPair halves = splitHalves(builder, word);
          word = halves.high;
          low.back().push_back(halves.low);
        }
      }
    }
    // The smaller ones first.
    for (int64_t part = terms - 1; part >= 0; --part)
      for (int64_t first = 0; first < division.warpFragments; first += 2) {
        Values front = loadInputs(state, buffer, 2 * product, part, first);
        Values back = loadInputs(state, buffer, 2 * product + 1, part, first);
        auto add = [&](ArrayRef<Values> weights) {
          for (size_t i = 0; i < front.size(); i += 2)
            for (int64_t tile = 0; tile < division.warpTiles; ++tile) {
              int64_t fragment = tile * division.warpFragments + first + int64_t(i) / 2;
              addSparseHalfProducts(
                  builder, inputs16, weights[tile], places[tile], product,
                  {front[i], front[i + 1], back[i], back[i + 1]},
                  MutableArrayRef<Value>(sums).slice(fragment * kFragmentValues, kFragmentValues));
            }
        };
        if (part == 0 && splitsWeights())
          add(low);
        add(high);
      }
  }
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
