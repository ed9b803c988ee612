// A weight matrix times one token: units of weights by way of shared memory.
#include "MatvecEmitter.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

/// The memory in which a warp has units under way, in bytes, and how many units at most.
constexpr int64_t kUnderWay = 7 << 10, kMostDepth = 8;

/// Whether units of all streams look the same and are multiplied by the same activations.
static bool areAlike(ArrayRef<Part> loops) {
  auto typeOf = [](const Stream &stream) {
    packed::MatmulTileOp op = stream.op;
    return cast<packed::WeightType>(op.getWeight().getType());
  };
  const Stream &front = loops.front().streams.front();
  packed::MatmulTileOp first = front.op;
  auto isAlike = [&](const Stream &stream) {
    packed::MatmulTileOp op = stream.op;
    return typeOf(stream).getLayout() == typeOf(front).getLayout() &&
           typeOf(stream).getColumns() == typeOf(front).getColumns() &&
           llvm::equal(op.getInputs(), first.getInputs());
  };
  return llvm::all_of(loops, [&](const Part &part) { return llvm::all_of(part.streams, isAlike); });
}

bool MatvecEmitter::planRing() {
  WeightReader &reader = *streams.front().reader;
  const TargetDescription &target = builder.getTarget();
  if (!target.hasMma || !areAlike(loops) || reader.laneBytes() == 0 || reader.hasTable() ||
      reader.isOrdered() || reader.variesUnits() || reader.warpBytes() > 0 ||
      reader.blockBytes(target) > 0)
    return false;
  int64_t room = target.sharedBytes - mostPrivateBytes(target) - kOtherBytes - kRingOffset;
  auto wide =
      WeightReader::create(cast<packed::WeightType>(streams.front().op.getWeight().getType()));
  wide->takeMore();
  ringBytes = kWarpLanes * wide->laneBytes();
  ringOfWarp = std::min(room / builder.warps() & -128, kUnderWay);
  int64_t depth = std::min(ringOfWarp / ringBytes, kMostDepth);
  if (depth < 2)
    return false;
  ringDepth = depth;
  for (Part &part : loops)
    for (Stream &stream : part.streams)
      stream.reader->takeMore();
  return true;
}

/// Starts to copy unit `number` (i32) of all that the block has, if there is such a one.
void MatvecEmitter::copyUnit(Value number, Value limit) {
  Words words(builder);
  const Stream &front = streams.front();
  uint32_t units = front.reader->units(), count = streams.size();
  builder.ifThen(words.isBelow(number, limit), [&] {
    Value tile = words.div(number, units), unit = words.rem(number, units);
    Value iteration = builder.toIndex(words.div(tile, count));
    iteration = builder.add(first, arith::MulIOp::create(builder, iteration, step).getResult());
    Value start;
    for (const Part &part : loops) {
      Value inPart, startInPart;
      inPart =
          part.begin == 0
              ? iteration
              : arith::SubIOp::create(builder, iteration, builder.index(part.begin)).getResult();
      for (auto [s, stream] : llvm::enumerate(part.streams)) {
        Value own = tileAddress(stream, inPart, Value());
        Value isOwn = s == 0 ? Value()
                             : arith::CmpIOp::create(builder, arith::CmpIPredicate::eq,
                                                     words.rem(tile, count), words.number(s));
        startInPart =
            s == 0 ? own : arith::SelectOp::create(builder, isOwn, own, startInPart).getResult();
      }
      Value isLater = part.begin == 0 ? Value()
                                      : arith::CmpIOp::create(builder, arith::CmpIPredicate::uge,
                                                              iteration, builder.index(part.begin));
      start = isLater ? arith::SelectOp::create(builder, isLater, startInPart, start).getResult()
                      : startInPart;
    }
    front.reader->copyUnit(builder, start, unit, lane, slotOfUnit(number));
  });
  NVVM::CpAsyncCommitGroupOp::create(builder);
}

/// Where the ring has unit `number` of the block, of those that this warp takes.
Value MatvecEmitter::slotOfUnit(Value number) {
  Words words(builder);
  Value place = words.mul(words.rem(words.div(number, builder.warps()), ringDepth), ringBytes);
  place = words.add(place, words.mul(warp, ringOfWarp));
  Value ring = builder.scratch(kRingOffset + builder.warps() * ringOfWarp);
  return builder.address(builder.address(ring, kRingOffset), place);
}

Value MatvecEmitter::ownIterations() {
  // A block's first iteration is below the step.
  Value rest = builder.add(builder.index(count - 1), step);
  Value iterations = arith::SubIOp::create(builder, rest, first);
  return arith::DivUIOp::create(builder, iterations, step);
}

Value MatvecEmitter::unitsOfIterations(Value iterations) {
  return Words(builder).mul(builder.toI32(iterations),
                            streams.front().reader->units() * streams.size());
}

void MatvecEmitter::startRing() {
  Words words(builder);
  Value limit = unitsOfIterations(ownIterations());
  for (int64_t i = 0; i < ringDepth; ++i)
    copyUnit(words.add(warp, i * builder.warps()), limit);
}

void MatvecEmitter::emitRing(bool isStarted) {
  partials = builder.scratch(kRingOffset);
  for (Stream &stream : streams)
    for (Value input : stream.op.getInputs())
      stream.inputs.push_back(builder.rowAddress(input, builder.index(0)));
  Value iterations = ownIterations();
  Value limit = unitsOfIterations(iterations);
  if (!isStarted)
    startRing();

  auto stages = scf::ForOp::create(builder, builder.index(0), iterations, builder.index(atOnce));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(stages.getBody());
  Value begun = stages.getInductionVar();
  Value left = arith::SubIOp::create(builder, iterations, begun);
  left = arith::MinUIOp::create(builder, left, builder.index(atOnce));
  Value begin = builder.add(first, arith::MulIOp::create(builder, begun, step).getResult());
  loadOperands(begin, left);
  emitRingStage(unitsOfIterations(begun), unitsOfIterations(left), limit);
  builder.barrier();
  finish(begin, left);
  builder.barrier();
}

/// Multiplies `count` units from number `begin` on (both i32), of `limit` that the block has.
void MatvecEmitter::emitRingStage(Value begin, Value count, Value limit) {
  Words words(builder);
  const Stream &front = streams.front();
  uint32_t units = front.reader->units(), warps = builder.warps();
  // The first unit of this warp.
  Value ahead = arith::SubIOp::create(builder, warp, begin);
  Value number = words.add(begin, words.rem(ahead, warps));
  Values none(front.reader->rowsPerLane(), builder.constant(builder.getF32Type(), 0.0));
  builder.loop(builder.toIndex(number), builder.toIndex(words.add(begin, count)), warps, none,
               [&](Value index, ValueRange carried) -> Values {
                 Value number = builder.toI32(index);
                 NVVM::CpAsyncWaitGroupOp::create(builder, ringDepth - 1);
                 Value unit = words.rem(number, units);
                 Values loaded = front.reader->loadCopied(builder, unit, lane, slotOfUnit(number));
                 // What was there is in registers.
                 copyUnit(words.add(number, ringDepth * warps), limit);
                 Values sums = front.reader->multiply(builder, loaded, unit, lane, front.inputs,
                                                      Values(carried));
                 // All lanes of a warp have the same unit.
                 Value isLast = arith::CmpIOp::create(builder, arith::CmpIPredicate::uge,
                                                      words.add(unit, warps), words.number(units));
                 auto branch = scf::IfOp::create(builder, ValueRange(none).getTypes(), isLast,
                                                 /*withElseRegion=*/true);
                 OpBuilder::InsertionGuard guard(builder);
                 builder.setInsertionPointToStart(branch.elseBlock());
                 scf::YieldOp::create(builder, sums);
                 builder.setInsertionPointToStart(branch.thenBlock());
                 Value tile = arith::SubIOp::create(builder, number, begin);
                 storeSums(front, words.div(tile, units), sums, units < warps ? unit : warp);
                 scf::YieldOp::create(builder, none);
                 return branch.getResults();
               });
}
