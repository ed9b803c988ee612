// A weight matrix times one token: row tiles streamed through the warps of a block.
#include "BlockLowerings.h"
#include "WeightReader.h"

#include "stc/Dialect/STC/Utils/ActivationMath.h"

#include <optional>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

namespace {

/// Shared memory for the sums of warps.
constexpr int64_t kPartialBytes = 32 << 10;
/// Tiles whose counts are kept, a power of two: one that is multiplied, the next one, which begins
/// to be loaded, and the one after it, which is counted.
constexpr int64_t kCountedTiles = 4, kCountedAhead = 2;
/// How far ahead tiles are brought into the second cache: before they are counted.
constexpr int64_t kPrefetchedAhead = 3;
/// Units of a warp whose masks wait in registers to be counted.
constexpr int64_t kWaitingUnits = 2;
/// What is known of a tile: where the table says that it begins and ends, and its stored steps.
enum Fact : int64_t { kStart, kEnd, kStored, kFacts };
constexpr int64_t kFactBytes = kFacts * sizeof(uint32_t);

/// The row tiles of one matrix in order: one per iteration, or with rotary embeddings the first or
/// the second of a pair.
struct Stream {
  packed::MatmulTileOp op;
  std::unique_ptr<WeightReader> reader;
  int64_t apart = 0; // row tiles from the first to the second of a pair; 0 where there are none
  bool isSecond = false;
  Values inputs; // addresses of the token's row of each input

  int64_t firstSlot = 0;
  /// Units that each warp takes of a tile (fewer in some warps if they do not go up in its units),
  /// and how often it takes up to `atOnce` of them. A lane has as many under way, and the same
  /// again of what comes next.
  int64_t perWarp = 0, chunks = 0, atOnce = 0;
  int64_t unitsOf(int64_t chunk) const {
    return chunk + 1 < chunks ? atOnce : perWarp - chunk * atOnce;
  }
};

/// All warps of a block share each row tile: warp w takes every warps-th unit of its columns, so
/// that together they read on and on, and no warp waits for another between tiles. (Where units are
/// ordered, their sizes are counted two tiles ahead, and warps wait for each other's counts.)
/// Each leaves its sums of a tile's rows in shared memory; when all tiles are through, the sums of
/// all warps are added and finished, one thread per row.
class MatvecEmitter {
public:
  MatvecEmitter(BlockBuilder &builder, ArrayRef<packed::MatmulTileOp> tiles, Value first,
                int64_t count, Value step);
  void emit();
  int64_t emitPrefetch(ValueRange weights, int64_t most);

private:
  void emitStage(Value first);
  /// Multiplies one tile; `current` are the loaded values of its first chunk, and those of the next
  /// tile's first chunk are returned. The units of `counted`, the tile after that, are counted.
  Values emitTile(const Stream &stream, Value iteration, const Stream &next, Value nextIteration,
                  const Stream &counted, Value countedIteration, Value slot, Values current);
  /// Loads, or multiplies, the `units` units of chunk `chunk`; `isLast`: some may not exist.
  /// `slot`: of the tile.
  Values loadChunk(const Stream &stream, Value tile, Value slot, Value chunk, int64_t units,
                   bool isLast);
  Values multiplyChunk(const Stream &stream, Value chunk, int64_t units, bool isLast, Values loaded,
                       Values sums);
  Values loadFirst(const Stream &stream, Value tile, Value slot);
  /// The row tile of a matrix in an iteration, and where it begins; `slot`: of the tile.
  Value tileOf(const Stream &stream, Value iteration);
  Value tileAddress(const Stream &stream, Value iteration, Value slot);
  /// Where a fact of a tile is kept, u32 each: of all tiles of a stage, because what is loaded of
  /// them would have to wait for it.
  Value factAddress(Value slot, Fact fact);
  Value factOf(Value slot, Fact fact) {
    return builder.loadAligned(builder.getI32Type(), factAddress(slot, fact), 4);
  }
  void storeFacts(llvm::function_ref<Value(Value)> iterationOf);
  int64_t factBytes() const {
    return kFactBytes * (atOnce + kPrefetchedAhead) * static_cast<int64_t>(streams.size());
  }
  /// Asks for a tile whose bytes a table says.
  void prefetchTile(const Stream &stream, Value iteration, Value slot);
  Value unitOf(const Stream &stream, Value chunk, int64_t i);
  void storeSums(const Stream &stream, Value slot, Values sums);
  void finish(Value first, Value iterations);
  void finishRow(Value iteration, Value slot, Value row);
  Value sumOf(Value slot, int64_t stream, Value row);
  Value activate(packed::MatmulTileOp op, Value gate, Value sum);
  void storeRow(packed::MatmulTileOp op, Value row, Value sum);
  Value chunksOf(const Stream &stream, Value slot);
  Value slotOf(Value number, int64_t stream);
  Value countAddress(Value slot, Value unit);
  UnitPlace placeOf(const Stream &stream, Value slot, Value unit);
  Values loadCounted(const Stream &stream, Value tile);
  void storeCounts(const Stream &stream, Value slot, Values counted);
  /// Bytes of the counts of one tile's units.
  int64_t countBytes() const;
  /// Bytes of the sums of one tile.
  int64_t slotBytes() const { return builder.warps() * kTileRows * sizeof(float); }
  int64_t slots() const { return atOnce * static_cast<int64_t>(streams.size()); }
  bool hasTables() const {
    return llvm::any_of(streams, [](const Stream &stream) { return stream.reader->hasTable(); });
  }
  bool isOrdered() const {
    return llvm::any_of(streams, [](const Stream &stream) { return stream.reader->isOrdered(); });
  }

  BlockBuilder &builder;
  std::vector<Stream> streams;
  Value first, step;
  int64_t count, atOnce; // iterations, and how many fit into shared memory
  Value lane, warp, partials, counts, facts;
};

} // namespace

MatvecEmitter::MatvecEmitter(BlockBuilder &builder, ArrayRef<packed::MatmulTileOp> tiles,
                             Value first, int64_t count, Value step)
    : builder(builder), first(first), step(step), count(count) {
  for (packed::MatmulTileOp op : tiles) {
    auto type = cast<packed::WeightType>(op.getWeight().getType());
    for (bool isSecond : {false, true}) {
      if (isSecond && !op.getCos())
        continue;
      Stream stream{op, WeightReader::create(type), 0, isSecond, {}};
      if (op.getCos())
        stream.apart = cast<MemRefType>(op.getCos().getType()).getDimSize(1) / kTileRows;
      stream.perWarp = llvm::divideCeil(stream.reader->units(), builder.warps());
      stream.atOnce = stream.reader->unitsAtOnce();
      stream.chunks = llvm::divideCeil(stream.perWarp, stream.atOnce);
      // As many chunks as a tile needs are known too late for the last one to be shorter.
      if (stream.reader->variesUnits()) {
        stream.atOnce = llvm::divideCeil(stream.perWarp, stream.chunks);
        stream.perWarp = stream.chunks * stream.atOnce;
      }
      streams.push_back(std::move(stream));
    }
  }
  atOnce = std::max<int64_t>(1, kPartialBytes / (slotBytes() * streams.size()));
}

Value MatvecEmitter::tileOf(const Stream &stream, Value iteration) {
  Value tile = iteration;
  if (stream.apart) {
    Value apart = builder.index(stream.apart);
    tile = arith::DivUIOp::create(builder, iteration, apart);
    tile = builder.add(builder.mul(tile, 2 * stream.apart),
                       arith::RemUIOp::create(builder, iteration, apart));
    if (stream.isSecond)
      tile = builder.add(tile, stream.apart);
  }
  return tile;
}

Value MatvecEmitter::tileAddress(const Stream &stream, Value iteration, Value slot) {
  packed::MatmulTileOp op = stream.op;
  Value start = stream.reader->hasTable() ? factOf(slot, kStart) : Value();
  return stream.reader->tileAddress(builder, op.getWeight(), tileOf(stream, iteration), start);
}

Value MatvecEmitter::factAddress(Value slot, Fact fact) {
  Value offset = arith::MulIOp::create(builder, slot, builder.int32(kFactBytes));
  return builder.address(builder.address(facts, offset),
                         static_cast<int64_t>(fact * sizeof(uint32_t)));
}

void MatvecEmitter::storeFacts(function_ref<Value(Value)> iterationOf) {
  for (auto [s, stream] : llvm::enumerate(streams)) {
    if (!stream.reader->hasTable())
      continue;
    builder.forThreads(atOnce + kPrefetchedAhead, [&, s = s, &stream = stream](Value number) {
      packed::MatmulTileOp op = stream.op;
      Value tile = tileOf(stream, iterationOf(number)), slot = slotOf(number, s);
      Value start = stream.reader->tileStart(builder, op.getWeight(), tile);
      Value end = stream.reader->tileStart(builder, op.getWeight(), builder.add(tile, 1));
      builder.storeAligned(start, factAddress(slot, kStart), 4);
      builder.storeAligned(end, factAddress(slot, kEnd), 4);
      if (!stream.reader->variesUnits())
        return;
      tile = stream.reader->tileAddress(builder, op.getWeight(), tile, start);
      builder.storeAligned(stream.reader->storedSteps(builder, tile), factAddress(slot, kStored),
                           4);
    });
  }
  builder.barrier();
}

void MatvecEmitter::prefetchTile(const Stream &stream, Value iteration, Value slot) {
  Value isFirst =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, builder.thread(), builder.int32(0));
  builder.ifThen(isFirst, [&] {
    Value size = arith::SubIOp::create(builder, factOf(slot, kEnd), factOf(slot, kStart));
    size = arith::MulIOp::create(builder, size, builder.int32(kSectionAlignment));
    builder.prefetchBulk(tileAddress(stream, iteration, slot), size);
  });
}

/// Unit i of a chunk. Neighbouring warps take neighbouring units.
Value MatvecEmitter::unitOf(const Stream &stream, Value chunk, int64_t i) {
  Value number = arith::MulIOp::create(builder, chunk, builder.int32(stream.atOnce));
  number = arith::AddIOp::create(builder, number, builder.int32(i));
  number = arith::MulIOp::create(builder, number, builder.int32(builder.warps()));
  return arith::AddIOp::create(builder, number, warp);
}

/// Whether unit i of a chunk may lie behind the tile's last one: the last one of a warp may.
static bool mayBeMissing(const Stream &stream, const BlockBuilder &builder, int64_t units,
                         bool isLast, int64_t i) {
  return isLast && i + 1 == units && stream.reader->units() % builder.warps() != 0 &&
         !stream.reader->boundsUnits();
}

Values MatvecEmitter::loadChunk(const Stream &stream, Value tile, Value slot, Value chunk,
                                int64_t units, bool isLast) {
  Values loaded;
  for (int64_t i = 0; i < units; ++i) {
    Value unit = unitOf(stream, chunk, i);
    if (mayBeMissing(stream, builder, units, isLast, i))
      unit = arith::MinUIOp::create(builder, unit, builder.int32(stream.reader->units() - 1));
    UnitPlace at;
    if (stream.reader->isOrdered())
      at = placeOf(stream, slot, unit);
    if (stream.reader->variesUnits())
      at.stored = factOf(slot, kStored);
    llvm::append_range(loaded, stream.reader->load(builder, tile, unit, lane, at));
  }
  return loaded;
}

/// The first chunk of a tile.
Values MatvecEmitter::loadFirst(const Stream &stream, Value tile, Value slot) {
  return loadChunk(stream, tile, slot, builder.int32(0), stream.unitsOf(0), stream.chunks == 1);
}

Values MatvecEmitter::multiplyChunk(const Stream &stream, Value chunk, int64_t units, bool isLast,
                                    Values loaded, Values sums) {
  size_t each = loaded.size() / units;
  for (int64_t i = 0; i < units; ++i) {
    Value unit = unitOf(stream, chunk, i);
    ValueRange own = ValueRange(loaded).slice(i * each, each);
    if (!mayBeMissing(stream, builder, units, isLast, i)) {
      sums = stream.reader->multiply(builder, own, unit, lane, stream.inputs, sums);
      continue;
    }
    // All lanes of a warp have the same unit.
    Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, unit,
                                         builder.int32(stream.reader->units()));
    SmallVector<Type> types(sums.size(), builder.getF32Type());
    auto branch = scf::IfOp::create(builder, types, exists, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(branch.elseBlock());
    scf::YieldOp::create(builder, sums);
    builder.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(builder,
                         stream.reader->multiply(builder, own, unit, lane, stream.inputs, sums));
    sums.assign(branch.result_begin(), branch.result_end());
  }
  return sums;
}

/// The slot of a stream's tile in iteration `number` (index) of a stage.
Value MatvecEmitter::slotOf(Value number, int64_t stream) {
  Value slot = arith::MulIOp::create(builder, builder.toI32(number),
                                     builder.int32(static_cast<int64_t>(streams.size())));
  return arith::AddIOp::create(builder, slot, builder.int32(stream));
}

/// How many chunks the warp has of a tile, one at least, where tiles differ.
Value MatvecEmitter::chunksOf(const Stream &stream, Value slot) {
  Value units = stream.reader->unitsOf(builder, factOf(slot, kStored));
  int64_t each = stream.atOnce * builder.warps();
  Value rounding = arith::SubIOp::create(builder, builder.int32(each - 1), warp);
  units = arith::AddIOp::create(builder, units, rounding);
  Value chunks = arith::DivUIOp::create(builder, units, builder.int32(each));
  return arith::MaxUIOp::create(builder, chunks, builder.int32(1));
}

Values MatvecEmitter::emitTile(const Stream &stream, Value iteration, const Stream &next,
                               Value nextIteration, const Stream &counted, Value countedIteration,
                               Value slot, Values current) {
  Values sums(stream.reader->rowsPerLane(), builder.constant(builder.getF32Type(), 0.0));
  Value nextSlot = arith::AddIOp::create(builder, slot, builder.int32(1));
  Value countedSlot = arith::AddIOp::create(builder, slot, builder.int32(kCountedAhead));
  // What is counted of a tile becomes known to other warps with the next tile's barrier.
  Values masks;
  if (isOrdered())
    builder.barrier();
  if (counted.reader->isOrdered())
    masks = loadCounted(counted, tileAddress(counted, countedIteration, countedSlot));
  // They wait in registers until the products are there, unless those would not be enough.
  if (!masks.empty() && counted.chunks * counted.atOnce > kWaitingUnits) {
    storeCounts(counted, countedSlot, masks);
    masks.clear();
  }
  int64_t last = stream.chunks - 1;
  Value lastChunk = builder.int32(last);
  if (last > 0) {
    Value tile = tileAddress(stream, iteration, slot);
    bool varies = stream.reader->variesUnits();
    if (varies)
      lastChunk = arith::SubIOp::create(builder, chunksOf(stream, slot), builder.int32(1));
    // Where the last chunk is as long as others, it needs no code of its own.
    bool isUniform =
        stream.reader->boundsUnits() && stream.perWarp == stream.chunks * stream.atOnce;
    // Each chunk while the next one of the same tile is under way. All but the last are full.
    if (last > 1 || isUniform) {
      Values carried = current;
      llvm::append_range(carried, sums);
      Value limit = builder.toIndex(isUniform ? lastChunk : builder.int32(last - 1));
      carried =
          builder.loop(builder.index(0), limit, 1, carried, [&](Value index, ValueRange values) {
            Value chunk = builder.toI32(index);
            Value following = arith::AddIOp::create(builder, chunk, builder.int32(1));
            Values loaded(values.take_front(current.size()));
            Values results = loadChunk(stream, tile, slot, following, stream.atOnce, false);
            llvm::append_range(results, multiplyChunk(stream, chunk, stream.atOnce, false, loaded,
                                                      Values(values.drop_front(current.size()))));
            return results;
          });
      sums.assign(carried.begin() + current.size(), carried.end());
      carried.truncate(current.size());
      current = carried;
    }
    if (!isUniform) {
      Values tail = loadChunk(stream, tile, slot, lastChunk, stream.unitsOf(last), true);
      sums = multiplyChunk(stream, builder.int32(last - 1), stream.atOnce, false, current, sums);
      current = tail;
    }
  }
  Values ahead = loadFirst(next, tileAddress(next, nextIteration, nextSlot), nextSlot);
  sums = multiplyChunk(stream, lastChunk, stream.unitsOf(last), true, current, sums);
  if (!masks.empty())
    storeCounts(counted, countedSlot, masks);
  storeSums(stream, slot, sums);
  return ahead;
}

int64_t MatvecEmitter::countBytes() const {
  int64_t units = 0;
  for (const Stream &stream : streams)
    if (stream.reader->isOrdered())
      units = std::max(units, stream.chunks * stream.atOnce * builder.warps());
  return units * static_cast<int64_t>(sizeof(uint32_t));
}

/// Where the bytes of a unit are counted: behind the sums, for the last few tiles.
Value MatvecEmitter::countAddress(Value slot, Value unit) {
  Value place = arith::AndIOp::create(builder, slot, builder.int32(kCountedTiles - 1));
  place = arith::MulIOp::create(builder, place, builder.int32(countBytes()));
  Value offset = arith::MulIOp::create(builder, unit, builder.int32(sizeof(uint32_t)));
  return builder.address(counts, arith::AddIOp::create(builder, place, offset).getResult());
}

/// Adds up what lies before a unit, the lanes of a warp together.
UnitPlace MatvecEmitter::placeOf(const Stream &stream, Value slot, Value unit) {
  Value zero = builder.int32(0), before = zero;
  for (int64_t first = 0; first < stream.reader->units(); first += kWarpLanes) {
    Value other = arith::AddIOp::create(builder, lane, builder.int32(first));
    Value isBefore = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, other, unit);
    other = arith::SelectOp::create(builder, isBefore, other, zero);
    Value size = builder.loadAligned(builder.getI32Type(), countAddress(slot, other), 4);
    size = arith::SelectOp::create(builder, isBefore, size, zero);
    before = arith::AddIOp::create(builder, before, size);
  }
  return {builder.reduceLanes(Reduction::Sum, before, builder.getTarget().warpThreads - 1),
          builder.loadAligned(builder.getI32Type(), countAddress(slot, unit), 4), Value()};
}

/// What a warp counts of a tile.
Values MatvecEmitter::loadCounted(const Stream &stream, Value tile) {
  Values counted;
  for (int64_t i = 0; i < stream.chunks * stream.atOnce; ++i)
    llvm::append_range(counted, stream.reader->loadCounted(
                                    builder, tile, unitOf(stream, builder.int32(0), i), lane));
  return counted;
}

void MatvecEmitter::storeCounts(const Stream &stream, Value slot, Values counted) {
  int64_t units = stream.chunks * stream.atOnce;
  size_t each = counted.size() / units;
  Value isWriter = arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, lane, builder.int32(0));
  for (int64_t i = 0; i < units; ++i) {
    Value unit = unitOf(stream, builder.int32(0), i);
    Value bytes =
        stream.reader->countBytes(builder, ValueRange(counted).slice(i * each, each), unit, lane);
    bytes = builder.reduceLanes(Reduction::Sum, bytes, builder.getTarget().warpThreads - 1);
    builder.ifThen(
        isWriter, [&] { builder.storeAligned(bytes, countAddress(slot, unit), sizeof(uint32_t)); });
  }
}

/// Leaves a warp's sums of a tile's rows where those of all warps are: [slot][warp][16 rows] f32.
void MatvecEmitter::storeSums(const Stream &stream, Value slot, Values sums) {
  int64_t rowLanes = stream.reader->rowLanes();
  auto hasBit = [&](int64_t bit) -> Value {
    Value masked = arith::AndIOp::create(builder, lane, builder.int32(bit));
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, masked, builder.int32(0));
  };
  // Lanes that have the same rows give each other halves of those, until each has one row left.
  int64_t bit = builder.getTarget().warpThreads / 2;
  for (; sums.size() > 1; bit /= 2) {
    size_t half = sums.size() / 2;
    Value isUpper = hasBit(bit);
    for (size_t i = 0; i < half; ++i) {
      Value lower = sums[i], upper = sums[i + half];
      Value kept = arith::SelectOp::create(builder, isUpper, upper, lower);
      Value given = arith::SelectOp::create(builder, isUpper, lower, upper);
      sums[i] = arith::AddFOp::create(builder, kept, builder.shuffleXor(given, bit));
    }
    sums.resize(half);
  }
  Value sum = builder.reduceLanes(Reduction::Sum, sums[0], bit * 2 - rowLanes);
  Value isWriter = arith::CmpIOp::create(
      builder, arith::CmpIPredicate::ult,
      arith::RemUIOp::create(builder, lane, builder.int32(2 * bit)), builder.int32(rowLanes));
  builder.ifThen(isWriter, [&] {
    Value row = arith::RemUIOp::create(builder, lane, builder.int32(rowLanes));
    row = stream.reader->rowOf(builder, row,
                               arith::DivUIOp::create(builder, lane, builder.int32(2 * bit)));
    Value place = arith::MulIOp::create(builder, warp, builder.int32(kTileRows));
    Value offset = arith::MulIOp::create(builder, arith::AddIOp::create(builder, place, row),
                                         builder.int32(sizeof(float)));
    offset = arith::AddIOp::create(
        builder, offset, arith::MulIOp::create(builder, slot, builder.int32(slotBytes())));
    builder.storeAligned(sum, builder.address(partials, offset), sizeof(float));
  });
}

void MatvecEmitter::emit() {
  lane = builder.lane();
  warp = builder.warp();
  // The sums, what is known of tiles, the counts, and what readers need: all of a kind the same,
  // and one at a time.
  int64_t sumsEnd = slots() * slotBytes();
  int64_t factsEnd = sumsEnd + (hasTables() ? factBytes() : 0);
  int64_t countsEnd = llvm::alignTo(factsEnd + kCountedTiles * countBytes(), 128);
  const WeightReader *filling = nullptr; // what a block needs is written once
  int64_t warpBytes = 0, blockBytes = 0;
  for (const Stream &stream : streams) {
    warpBytes = std::max(warpBytes, stream.reader->warpBytes());
    blockBytes = std::max(blockBytes, stream.reader->blockBytes());
    if (!filling && stream.reader->blockBytes() > 0)
      filling = stream.reader.get();
  }
  partials = builder.scratch(countsEnd + blockBytes + builder.warps() * warpBytes);
  facts = builder.address(partials, sumsEnd);
  counts = builder.address(partials, factsEnd);
  Value ofBlock = builder.address(partials, countsEnd);
  Value ofWarp =
      builder.address(builder.address(partials, countsEnd + blockBytes),
                      arith::MulIOp::create(builder, warp, builder.int32(warpBytes)).getResult());
  for (Stream &stream : streams)
    stream.reader->useShared(ofWarp, ofBlock);
  if (filling)
    filling->fillShared(builder);
  for (Stream &stream : streams)
    for (Value input : stream.op.getInputs())
      stream.inputs.push_back(builder.rowAddress(input, builder.index(0)));
  Value limit = builder.index(count);
  Value stageStep = builder.createOrFold<arith::MulIOp>(step, builder.index(atOnce));
  auto stages = scf::ForOp::create(builder, first, limit, stageStep);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(stages.getBody());
  emitStage(stages.getInductionVar());
}

/// Each thread asks for one tile of each stream.
int64_t MatvecEmitter::emitPrefetch(ValueRange weights, int64_t most) {
  int64_t bytes = 0;
  for (const Stream &stream : streams) {
    if (stream.reader->tileBytes() == 0)
      return 0;
    bytes += stream.reader->tileBytes();
  }
  int64_t iterations = std::min(most / bytes, builder.threads());
  if (iterations == 0)
    return 0;
  builder.forThreads(iterations, [&](Value number) {
    Value iteration = builder.add(first, arith::MulIOp::create(builder, number, step).getResult());
    Value exists =
        arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, iteration, builder.index(count));
    builder.ifThen(exists, [&] {
      for (const Stream &stream : streams) {
        size_t op = stream.op == streams.front().op ? 0 : 1;
        Value start = stream.reader->tileAddress(builder, weights[op], tileOf(stream, iteration),
                                                 /*start=*/Value());
        builder.prefetchBulk(start, stream.reader->tileBytes());
      }
    });
  });
  return iterations * bytes;
}

/// Iterations begin, begin + step, ... as many as there is room for.
void MatvecEmitter::emitStage(Value begin) {
  Value limit = builder.index(count), one = builder.index(1);
  Value left = arith::SubIOp::create(builder, limit, begin);
  left = arith::AddIOp::create(builder, left, arith::SubIOp::create(builder, step, one));
  left = arith::DivUIOp::create(builder, left, step);
  Value iterations = arith::MinUIOp::create(builder, left, builder.index(atOnce));

  // What follows the last tile is loaded for nothing: it is the last tile again, and in a cache.
  auto iterationOf = [&](Value number) -> Value {
    Value existing =
        arith::MinUIOp::create(builder, number, arith::SubIOp::create(builder, iterations, one));
    return builder.add(begin, arith::MulIOp::create(builder, existing, step).getResult());
  };
  auto followingStream = [&](size_t place) -> Stream & { return streams[place % streams.size()]; };
  auto followingIteration = [&](Value number, size_t place) {
    return iterationOf(builder.add(number, static_cast<int64_t>(place / streams.size())));
  };
  if (hasTables())
    storeFacts(iterationOf);
  if (isOrdered()) {
    for (size_t place = 0; place < kCountedAhead; ++place) {
      Stream &stream = followingStream(place);
      if (stream.reader->isOrdered())
        storeCounts(
            stream, builder.int32(place),
            loadCounted(stream, tileAddress(stream, followingIteration(builder.index(0), place),
                                            builder.int32(place))));
    }
    builder.barrier();
  }
  Values loaded =
      loadFirst(streams[0], tileAddress(streams[0], begin, builder.int32(0)), builder.int32(0));
  builder.loop(builder.index(0), iterations, 1, loaded, [&](Value number, ValueRange carried) {
    Values current(carried);
    for (size_t s = 0; s < streams.size(); ++s) {
      if (followingStream(s + kPrefetchedAhead).reader->hasTable() &&
          builder.getTarget().hasBulkPrefetch)
        prefetchTile(
            followingStream(s + kPrefetchedAhead), followingIteration(number, s + kPrefetchedAhead),
            arith::AddIOp::create(builder, slotOf(number, s), builder.int32(kPrefetchedAhead)));
      current = emitTile(streams[s], iterationOf(number), followingStream(s + 1),
                         followingIteration(number, s + 1), followingStream(s + kCountedAhead),
                         followingIteration(number, s + kCountedAhead), slotOf(number, s), current);
    }
    return current;
  });
  builder.barrier();
  finish(begin, iterations);
  builder.barrier();
}

//===----------------------------------------------------------------------===//
// What follows the products
//===----------------------------------------------------------------------===//

void MatvecEmitter::finish(Value begin, Value iterations) {
  builder.forThreads(builder.mul(iterations, kTileRows), [&](Value number) {
    Value slot = arith::DivUIOp::create(builder, number, builder.index(kTileRows));
    Value row = arith::RemUIOp::create(builder, number, builder.index(kTileRows));
    Value iteration = builder.add(begin, arith::MulIOp::create(builder, slot, step).getResult());
    finishRow(iteration, slot, row);
  });
}

/// The sum of all warps for a row of a stream's tile.
Value MatvecEmitter::sumOf(Value slot, int64_t stream, Value row) {
  Value place = builder.add(builder.mul(slot, streams.size()), stream);
  Value offset = builder.add(builder.mul(place, slotBytes()), builder.mul(row, sizeof(float)));
  Value start = builder.address(partials, builder.toI32(offset)), sum;
  for (int64_t w = 0; w < builder.warps(); ++w) {
    Value part = builder.loadAligned(builder.getF32Type(),
                                     builder.address(start, w * kTileRows * sizeof(float)), 4);
    sum = sum ? arith::AddFOp::create(builder, sum, part).getResult() : part;
  }
  return sum;
}

Value MatvecEmitter::activate(packed::MatmulTileOp op, Value gate, Value sum) {
  gate = createActivation(builder, builder.getLoc(), *op.getActivation(), gate);
  return arith::MulFOp::create(builder, gate, sum);
}

void MatvecEmitter::storeRow(packed::MatmulTileOp op, Value row, Value sum) {
  Values indices{builder.index(0), row};
  if (op.getResidual())
    sum = arith::AddFOp::create(builder, sum,
                                memref::LoadOp::create(builder, op.getResidual(), indices));
  memref::StoreOp::create(builder, sum, op.getOut(), indices);
}

void MatvecEmitter::finishRow(Value iteration, Value slot, Value row) {
  Value gate; // of the row, computed by the multiplication before
  Value gateOut;
  for (size_t s = 0; s < streams.size();) {
    packed::MatmulTileOp op = streams[s].op;
    int64_t apart = streams[s].apart, parts = apart ? 2 : 1;
    Value tile = iteration;
    if (apart) {
      Value head = arith::DivUIOp::create(builder, iteration, builder.index(apart));
      tile = builder.add(builder.mul(head, 2 * apart),
                         arith::RemUIOp::create(builder, iteration, builder.index(apart)));
    }
    Values rows, sums;
    for (int64_t part = 0; part < parts; ++part) {
      rows.push_back(builder.add(builder.mul(builder.add(tile, part * apart), kTileRows), row));
      sums.push_back(sumOf(slot, s + part, row));
    }
    int64_t known = cast<packed::WeightType>(op.getWeight().getType()).getRows();
    auto finishSums = [&] {
      for (int64_t part = 0; part < parts; ++part) {
        if (op.getBias())
          sums[part] = arith::AddFOp::create(
              builder, sums[part], memref::LoadOp::create(builder, op.getBias(), rows[part]));
        if (!op.getGate())
          continue;
        Value factor = gateOut == op.getGate() && gate
                           ? gate
                           : memref::LoadOp::create(builder, op.getGate(),
                                                    ValueRange{builder.index(0), rows[part]})
                                 .getResult();
        sums[part] = activate(op, factor, sums[part]);
      }
      if (apart) {
        Value pair = builder.add(
            builder.mul(arith::RemUIOp::create(builder, iteration, builder.index(apart)),
                        kTileRows),
            row);
        Values angle{builder.index(0), pair};
        Value cos = memref::LoadOp::create(builder, op.getCos(), angle);
        Value sin = memref::LoadOp::create(builder, op.getSin(), angle);
        auto times = [&](Value a, Value b) -> Value {
          return arith::MulFOp::create(builder, a, b);
        };
        Value a = sums[0], b = sums[1];
        sums[0] = arith::SubFOp::create(builder, times(a, cos), times(b, sin));
        sums[1] = arith::AddFOp::create(builder, times(a, sin), times(b, cos));
      }
      for (int64_t part = 0; part < parts; ++part)
        storeRow(op, rows[part], sums[part]);
    };
    if (known % kTileRows == 0) {
      finishSums();
      gate = sums[0];
      gateOut = apart ? Value() : op.getOut();
    } else {
      // A gate is then read back, as its value ends with the branch.
      Value exists = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, rows.back(),
                                           builder.index(known));
      builder.ifThen(exists, finishSums);
      gateOut = Value();
    }
    s += parts;
  }
}

void stc::gpu::emitMatvec(BlockBuilder &builder, ArrayRef<packed::MatmulTileOp> tiles, Value first,
                          int64_t count, Value step) {
  MatvecEmitter(builder, tiles, first, count, step).emit();
}

int64_t stc::gpu::emitPrefetch(BlockBuilder &builder, ArrayRef<packed::MatmulTileOp> tiles,
                               ValueRange weights, Value first, int64_t count, Value step,
                               int64_t most) {
  return MatvecEmitter(builder, tiles, first, count, step).emitPrefetch(weights, most);
}
