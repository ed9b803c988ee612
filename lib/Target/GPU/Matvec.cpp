// A weight matrix times one token: row tiles streamed through the warps of a block.
#include "MatvecEmitter.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// How many tiles an iteration of a loop takes.
static size_t tilesPerIteration(const MatvecLoop &loop) {
  size_t tiles = 0;
  for (packed::MatmulTileOp op : loop.tiles)
    tiles += op.getCos() ? 2 : 1;
  return tiles;
}

/// How many tiles an iteration of the sequence takes.
static size_t tilesPerIteration(ArrayRef<MatvecLoop> loops) {
  size_t most = 0;
  for (const MatvecLoop &loop : loops)
    most = std::max(most, tilesPerIteration(loop));
  return most;
}

/// The streams of a loop, `count` of them.
static std::vector<Stream> streamsOf(const MatvecLoop &loop, size_t count, int64_t warps) {
  std::vector<Stream> streams;
  bool areNeighbours = tilesPerIteration(loop) != count;
  for (packed::MatmulTileOp op : loop.tiles) {
    auto type = cast<packed::WeightType>(op.getWeight().getType());
    for (bool isSecond : {false, true}) {
      if (isSecond && !op.getCos() && !areNeighbours)
        continue;
      Stream stream{op, WeightReader::create(type), 0, isSecond, areNeighbours, {}};
      if (op.getCos())
        stream.apart = cast<MemRefType>(op.getCos().getType()).getDimSize(1) / kTileRows;
      stream.perWarp = llvm::divideCeil(stream.reader->units(), warps);
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
  return streams;
}

bool MatvecEmitter::canJoin(ArrayRef<MatvecLoop> loops) {
  size_t tiles = tilesPerIteration(loops);
  return loops.size() <= kMostLoops && llvm::all_of(loops, [&](const MatvecLoop &loop) {
           size_t own = tilesPerIteration(loop);
           return own == tiles || (own == 1 && tiles == 2 && loop.count % 2 == 0);
         });
}

/// How many iterations of `tiles` tiles each a loop has.
static int64_t iterationsOfLoop(const MatvecLoop &loop, size_t tiles) {
  return loop.count * static_cast<int64_t>(tilesPerIteration(loop)) / static_cast<int64_t>(tiles);
}

static std::vector<Part> partsOf(ArrayRef<MatvecLoop> loops, int64_t warps) {
  size_t tiles = tilesPerIteration(loops);
  std::vector<Part> parts;
  int64_t begin = 0;
  for (const MatvecLoop &loop : loops) {
    int64_t count = iterationsOfLoop(loop, tiles);
    parts.push_back({streamsOf(loop, tiles, warps), begin, count});
    begin += count;
  }
  return parts;
}

MatvecEmitter::MatvecEmitter(BlockBuilder &builder, ArrayRef<MatvecLoop> matrices, Value first,
                             Value step)
    : builder(builder), loops(partsOf(matrices, builder.warps())), streams(loops.front().streams),
      first(first), step(step), count(loops.back().begin + loops.back().count),
      lane(builder.lane()), warp(builder.warp()) {
  if (planRing()) {
    atOnce =
        std::max<int64_t>(1, kRingOffset / (slotBytes() * static_cast<int64_t>(streams.size())));
    return;
  }
  for (const Stream &stream : streams) {
    warpBytes = std::max(warpBytes, stream.reader->warpBytes());
    blockBytes = std::max(blockBytes, stream.reader->blockBytes(builder.getTarget()));
  }
  int64_t room = builder.getTarget().sharedBytes - kOtherBytes - kCountedTiles * countBytes() -
                 blockBytes - builder.warps() * warpBytes;
  int64_t each = slotBytes() * static_cast<int64_t>(streams.size());
  atOnce = std::max<int64_t>(1, std::min(kPartialBytes, room) / each);
}

Value MatvecEmitter::tileOf(const Stream &stream, Value iteration) {
  Value tile = iteration;
  if (stream.areNeighbours)
    return builder.add(builder.mul(iteration, 2), stream.isSecond ? 1 : 0);
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
    // Where the last chunk is as long as others, it needs no code of its own, which took a quarter
    // of the time on an H100 (int8, 14336 columns).
    bool isUniform = stream.perWarp == stream.chunks * stream.atOnce;
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
            Values results = loadChunk(stream, tile, slot, following, stream.atOnce, isUniform);
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
  storeSums(stream, slot, sums, warp);
  return ahead;
}

void MatvecEmitter::storeSums(const Stream &stream, Value slot, Values sums, Value part) {
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
    Value place = arith::MulIOp::create(builder, part, builder.int32(kTileRows));
    Value offset = arith::MulIOp::create(builder, arith::AddIOp::create(builder, place, row),
                                         builder.int32(sizeof(float)));
    offset = arith::AddIOp::create(
        builder, offset, arith::MulIOp::create(builder, slot, builder.int32(slotBytes())));
    builder.storeAligned(sum, builder.address(partials, offset), sizeof(float));
  });
}

void MatvecEmitter::emit(bool isStarted) {
  if (ringDepth)
    return emitRing(isStarted);
  // The sums, what is known of tiles, the counts, and what readers need: all of a kind the same,
  // and one at a time.
  int64_t sumsEnd = slots() * slotBytes();
  int64_t factsEnd = sumsEnd + (hasTables() ? factBytes() : 0);
  int64_t countsEnd = llvm::alignTo(factsEnd + kCountedTiles * countBytes(), 128);
  const WeightReader *filling = nullptr; // what a block needs is written once
  for (const Stream &stream : streams)
    if (!filling && stream.reader->blockBytes(builder.getTarget()) > 0)
      filling = stream.reader.get();
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
  loadOperands(begin, iterations);
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

int64_t stc::gpu::iterationsOf(ArrayRef<MatvecLoop> loops) {
  int64_t count = 0;
  for (const MatvecLoop &loop : loops)
    count += iterationsOfLoop(loop, tilesPerIteration(loops));
  return count;
}

bool stc::gpu::canJoinMatvecs(BlockBuilder &builder, ArrayRef<MatvecLoop> loops) {
  if (!MatvecEmitter::canJoin(loops))
    return false;
  Value none;
  return MatvecEmitter(builder, loops, none, none).hasRing();
}

bool stc::gpu::startMatvec(BlockBuilder &builder, ArrayRef<MatvecLoop> loops, Value first,
                           Value step) {
  MatvecEmitter emitter(builder, loops, first, step);
  if (emitter.hasRing())
    emitter.startRing();
  return emitter.hasRing();
}

void stc::gpu::emitMatvec(BlockBuilder &builder, ArrayRef<MatvecLoop> loops, Value first,
                          Value step, bool isStarted) {
  MatvecEmitter(builder, loops, first, step).emit(isStarted);
}
