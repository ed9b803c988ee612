// Layouts of masks and stored codes whose places follow from counting: N:M but for 2:4 with codes
// of 4 bits, and bitmaps with codes of 8.
#include "WeightReader.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Rows of a lane, and the mask bits of those in a step.
constexpr int64_t kRows = 4, kRowBits = kDotColumns;
/// Steps of a piece at most: more would not fit into registers.
constexpr int64_t kMaxSteps = 4;
/// Registers for what is under way, and the same again for what comes next.
constexpr int64_t kLoadedWords = 40;

/// A byte for each mask of a row's four bits, as words that byte lookups choose among: those of
/// masks whose highest bit is clear, and of those where it is set, by the lower three bits.
struct MaskTable {
  uint32_t low[2] = {0, 0}, high[2] = {0, 0};
};

MaskTable makeTable(function_ref<uint32_t(unsigned)> entry) {
  MaskTable table;
  for (unsigned mask = 0; mask < 16; ++mask) {
    uint32_t *words = mask % 8 < 4 ? table.low : table.high;
    words[mask / 8] |= entry(mask) << (mask % 4 * 8);
  }
  return table;
}

/// The places of the activations that a row's codes belong to, in order, as nibbles, 4 where there
/// is none: numbers `first` and first + 1 of those.
uint32_t placesOf(unsigned mask, int64_t first) {
  uint32_t places = 0x4444;
  int64_t count = 0;
  for (int64_t bit = 0; bit < kDotColumns; ++bit)
    if (mask >> bit & 1) {
      places = (places & ~(15u << (4 * count))) | uint32_t(bit) << (4 * count);
      ++count;
    }
  return places >> (4 * first) & 0xFF;
}

/// How many bits of a mask are set, twice.
uint32_t countsOf(unsigned mask) { return llvm::popcount(mask) * 0x11; }

/// Looks up a byte for each of four rows, whose masks are the nibbles of the lower half of `masks`.
class RowTables {
public:
  RowTables(Words &words, Value masks)
      : words(words), lower(words.both(masks, 0x7777)),
        // Byte i: all bits of it, where the highest bit of row i's mask is set.
        highest(words.permute(words.number(0xFF00), words.number(0),
                              words.both(words.right(masks, 3), 0x1111))) {}

  Value lookUp(const MaskTable &table) {
    Value found[2];
    for (int i : {0, 1})
      found[i] = words.permute(words.number(table.low[i]), words.number(table.high[i]), lower);
    return words.choose(highest, found[1], found[0]);
  }

private:
  Words &words;
  Value lower, highest;
};

/// A lane has four rows of a piece of up to four steps, whose chunks with codes of 4 bits lie in
/// the halves of the same bytes. In each step the codes of its rows follow each other, after those
/// of the rows before, which its neighbours have. Rows' codes are moved to the lower end of a word
/// each, and the activations they belong to beside them; others are multiplied by zero.
class MaskReader final : public ScaledReader {
public:
  explicit MaskReader(packed::WeightType type)
      : ScaledReader(type, kRows), isBitmap(layout.kind == LayoutKind::Bitmap),
        isFour(layout.codeBits() == 4) {
    // Chunks of bytes follow each other without gaps, as if they were one.
    chunkSteps = isFour ? layout.chunkSteps() : kMaxSteps;
    chunks = 1;
    if (isFour && 2 * chunkSteps <= kMaxSteps)
      chunks = 2;
    pieces = geometry.steps / steps();
    window = !isBitmap && layout.n < kDotColumns ? layout.n : kDotColumns;
    unitCount = unitsFor(pieces);
    atOnce = std::clamp<int64_t>(kLoadedWords / (steps() * stepValues() + 3), 1, 4);
  }

  bool boundsUnits() const override { return true; }
  bool isOrdered() const override { return isBitmap; }

  Values loadCounted(BlockBuilder &builder, Value tile, Value unit, Value lane) const override {
    return loadOwnMasks(builder, tile, placeOf(builder, unit, lane));
  }

  Value countBytes(BlockBuilder &builder, ValueRange masks, Value unit, Value lane) const override {
    Words words(builder);
    Value bytes = words.number(0);
    for (Value mask : masks)
      bytes = words.add(bytes, words.countOnes(mask));
    return words.select(placeOf(builder, unit, lane).isPresent, bytes, words.number(0));
  }

  Values load(BlockBuilder &builder, Value tile, Value unit, Value lane,
              const UnitPlace &at) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Values masks = loadOwnMasks(builder, tile, place);
    Counts counts = countCodes(builder, masks, lane);
    Value start;
    if (isBitmap) {
      // What lies before a piece: that of the unit, and of the pieces of lanes before.
      Value own = words.number(0);
      for (Value count : counts.all)
        own = words.add(own, count);
      own = words.select(place.isPresent, own, words.number(0));
      Value before = words.addLanes(own, lane, rowLanes(), kWarpLanes).first;
      start = words.select(place.isPresent, words.add(at.begin, before), words.number(0));
    } else {
      // One chunk of a pair has the same bytes as the other one.
      int64_t stride = geometry.chunkPairBytes;
      if (!isFour)
        stride *= chunkSteps / layout.chunkSteps();
      start = words.mul(words.div(place.piece, lanesPerBytes()), stride);
    }
    Values loaded = loadCodes(builder, tile, masks, counts, start);
    llvm::append_range(loaded, loadScales(builder, tile, place.column, place.firstRow));
    return loaded;
  }

  Values multiply(BlockBuilder &builder, ValueRange loaded, Value unit, Value lane,
                  const TokenInputs &token, ValueRange sums) const override {
    Words words(builder);
    Place place = placeOf(builder, unit, lane);
    Value inputs = words.load(builder.address(token[0], place.column), steps(), false);
    // Brings the codes of a chunk to the upper halves of bytes.
    Value shifts[2] = {words.number(4), words.number(0)};
    if (lanesPerBytes() == 2)
      shifts[0] = words.mul(words.flip(words.rem(place.piece, 2), 1), 4);
    Values products(kRows, emptySum(builder));
    for (int64_t step = 0; step < steps(); ++step) {
      Value x = steps() == 1 ? inputs : words.part(inputs, step);
      addStep(builder, loaded.slice(step * stepValues(), stepValues()), x,
              shifts[step / chunkSteps % 2], products);
    }
    return addScaled(builder, loaded.drop_front(steps() * stepValues()), products, place.column,
                     token, sums, place.isPresent, isFour ? 1.0 / 16 : 1);
  }

private:
  int64_t steps() const { return chunks * chunkSteps; }
  /// Pieces that lie in the same bytes.
  int64_t lanesPerBytes() const { return isFour && chunks == 1 ? 2 : 1; }
  /// What is loaded of a step: masks, the place in the first word, words.
  int64_t stepValues() const { return window + 3; }

  Place placeOf(BlockBuilder &builder, Value unit, Value lane) const {
    return ScaledReader::placeOf(builder, unit, lane, pieces, steps() * kDotColumns,
                                 /*anyUnit=*/true);
  }

  /// How many codes there are in each step of a piece: in rows before the lane's, and in all.
  struct Counts {
    Values before, all;
  };

  /// The mask bits of the lane's rows in each step.
  Values loadOwnMasks(BlockBuilder &builder, Value tile, const Place &place) const {
    Words words(builder);
    constexpr int64_t maskBytes = sizeof(uint64_t);
    Value offset = words.add(words.mul(place.piece, steps() * maskBytes),
                             words.div(place.firstRow, 8 / kRowBits));
    Value start = builder.address(builder.address(tile, geometry.masksOffset), offset);
    Values masks;
    for (int64_t step = 0; step < steps(); ++step) {
      Value mask = builder.loadAligned(builder.getIntegerType(kRows * kRowBits),
                                       builder.address(start, step * maskBytes), 2, true);
      masks.push_back(arith::ExtUIOp::create(builder, builder.getI32Type(), mask));
    }
    return masks;
  }

  Counts countCodes(BlockBuilder &builder, ValueRange masks, Value lane) const {
    Words words(builder);
    // 64 at most: a byte of each step.
    Value own = words.number(0);
    for (int64_t step = 0; step < steps(); ++step)
      own = words.either(own, words.left(words.countOnes(masks[step]), 8 * step));
    auto [before, all] = words.addLanes(own, lane, 1, rowLanes());
    auto split = [&](Value bytes) {
      Values results;
      for (int64_t step = 0; step < steps(); ++step)
        results.push_back(words.both(words.right(bytes, 8 * step), 255));
      return results;
    };
    return {split(before), split(all)};
  }

  /// For each step the masks of the lane's rows, and the words that their codes begin in. `start`
  /// is where the piece's values begin in the tile's.
  Values loadCodes(BlockBuilder &builder, Value tile, ValueRange masks, const Counts &counts,
                   Value start) const {
    Words words(builder);
    Values loaded;
    Value position = start;
    for (int64_t step = 0; step < steps(); ++step) {
      if (step % chunkSteps == 0)
        position = start;
      else
        position = words.add(position, counts.all[step - 1]);
      Value first = words.add(position, counts.before[step]);
      loaded.push_back(masks[step]);
      loaded.push_back(words.both(first, 3));
      Value aligned =
          builder.address(builder.address(tile, geometry.valuesOffset), words.both(first, ~3u));
      for (int64_t word = 0; word <= window; ++word)
        loaded.push_back(words.load(builder.address(aligned, 4 * word), 1, true));
    }
    return loaded;
  }

  /// Adds the products of a step whose activations are `x`; `loaded` is what loadCodes gave.
  void addStep(BlockBuilder &builder, ValueRange loaded, Value x, Value shift,
               Values &products) const {
    static const MaskTable first = makeTable([](unsigned mask) { return placesOf(mask, 0); });
    static const MaskTable second = makeTable([](unsigned mask) { return placesOf(mask, 2); });
    static const MaskTable counts = makeTable(countsOf);
    Words words(builder);
    Value begin = words.add(words.mul(loaded[1], 0x1111), 0x3210);
    Values codes;
    for (int64_t i = 0; i < window; ++i) {
      Value word = words.permute(loaded[2 + i], loaded[3 + i], begin);
      // Less the zero point, which flips the highest bit of a code; 16 times as large if of 4 bits.
      if (isFour)
        word = words.both(arith::ShLIOp::create(builder, word, shift), 0xF0F0F0F0);
      codes.push_back(words.flip(word, 0x80808080));
    }
    RowTables tables(words, loaded[0]);
    Value firstPlaces = tables.lookUp(first), secondPlaces = tables.lookUp(second);
    // How far the codes of the next row are, as the lower and the upper half of what moves them.
    Value counted = tables.lookUp(counts);
    Value moveLow = words.add(counted, 0x10101010), moveHigh = words.add(counted, 0x32323232);
    for (int64_t row = 0; row < kRows; ++row) {
      // Only the lower half of a selector counts.
      uint32_t ofRow = (4 + row) << 4 | row;
      Value places = words.permute(firstPlaces, secondPlaces, ofRow);
      Value own = words.permute(x, builder.int32(0), places);
      products[row] = builder.dot4(codes[0], Bytes::Signed, own, Bytes::Signed, products[row]);
      if (row + 1 == kRows)
        break;
      Value move = words.permute(moveLow, moveHigh, ofRow);
      // What lies behind the last word is not of the lane's rows.
      for (size_t i = 0; i < codes.size(); ++i)
        codes[i] = words.permute(codes[i], codes[std::min(i + 1, codes.size() - 1)], move);
      codes.resize(std::min<size_t>(codes.size(), llvm::divideCeil((kRows - 1 - row) * window, 4)));
    }
  }

  bool isBitmap, isFour;
  int64_t chunkSteps; // steps whose codes follow each other
  int64_t chunks;     // of a piece
  int64_t pieces;     // of a tile
  int64_t window;     // words that hold the codes of four rows in a step; codes of a row at most
};

} // namespace

std::unique_ptr<WeightReader> stc::gpu::createMaskReader(packed::WeightType type) {
  Layout layout = type.getLayout().getLayout();
  if (layout.kind == LayoutKind::NM && layout.codeBits() == 4 && layout.n == 2 && layout.m == 4)
    return createTwoOfFourReader(type);
  return std::make_unique<MaskReader>(type);
}
