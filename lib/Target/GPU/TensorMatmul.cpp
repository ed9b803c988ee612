// What the ways of multiplying by tensor cores share.
#include "TensorMatmul.h"

#include "DeviceInstructions.h"
#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kFloatBytes = sizeof(float);
/// Only of so many bytes copies pass by the first cache.
constexpr int64_t kWholeBytes = 16;
constexpr double kFloatOfBits = 12582912.0; // kFloatBits

int64_t stc::gpu::freeSharedBytes(packed::MatmulTileOp op, const TargetDescription &target,
                                  int64_t percent, int64_t gap) {
  int64_t bytes = target.sharedBytes * percent / 100 - kBarrierBytes - gap;
  op->getParentOfType<ModuleOp>().walk([&](memref::AllocaOp buffer) {
    MemRefType type = buffer.getType();
    if (type.hasStaticShape())
      bytes -= llvm::alignTo(
          type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8), 128);
  });
  return bytes;
}

int64_t TensorMatmul::slotsAtOnce() const {
  return std::min<int64_t>(builder.warps(), llvm::bit_floor(uint64_t(slots())));
}

void TensorMatmul::findSectionCopies(SmallVectorImpl<PortionCopy> &copies, const Section &section,
                                     Value thread, int64_t threads,
                                     function_ref<Value(Value)> placeOf) {
  Words words(builder);
  int64_t bytes = section.bytes, perTile = bytes / kWholeBytes, count = section.slots * perTile;
  auto fromOf = [&](Value tile, Value inTile) -> Value {
    Value slot = builder.add(section.firstSlot, builder.toIndex(tile));
    return builder.address(builder.address(tileAddress(tileOf(slot)), section.offset), inTile);
  };
  auto toOf = [&](Value tile, Value inTile) {
    return words.add(words.mul(tile, section.tileBytes), placeOf(inTile));
  };
  // A thread's copies are as far from each other as its first one allows: what differs is known.
  bool isInOne = perTile % threads == 0, isInSome = threads % perTile == 0;
  if ((isInOne || isInSome) && (count % threads == 0 || count < threads)) {
    Value tile = isInOne ? words.number(0) : words.div(thread, perTile);
    Value inTile = words.mul(isInOne ? thread : words.rem(thread, perTile), kWholeBytes), from;
    Value to = toOf(tile, inTile);
    Value exists = count < threads ? words.isBelow(thread, count) : Value();
    for (int64_t first = 0; first < count; first += threads) {
      int64_t skipped = first / perTile, rest = first % perTile * kWholeBytes;
      if (first == 0 || (rest == 0 && !tilesFollow()))
        from = fromOf(words.add(tile, skipped), inTile);
      int64_t more = rest + (tilesFollow() ? skipped * geometry.tileBytes : 0);
      copies.push_back({from, more, to, section.place + skipped * section.tileBytes + rest,
                        kWholeBytes, bytes, exists});
    }
    return;
  }
  for (int64_t first = 0; first < count; first += threads) {
    Value number = words.add(thread, first);
    Value exists = count - first < threads ? words.isBelow(number, count) : Value();
    if (exists)
      number = arith::MinUIOp::create(builder, number, builder.int32(count - 1));
    Value tile = words.div(number, perTile);
    Value inTile = words.mul(words.rem(number, perTile), kWholeBytes);
    copies.push_back(
        {fromOf(tile, inTile), 0, toOf(tile, inTile), section.place, kWholeBytes, bytes, exists});
  }
}

void TensorMatmul::copyPortion(ArrayRef<PortionCopy> copies, Value number, Value end, Value start) {
  startCopies(copies, number, end, start);
  // Also where there is nothing left: waiting counts these.
  NVVM::CpAsyncCommitGroupOp::create(builder);
}

void TensorMatmul::startCopies(ArrayRef<PortionCopy> copies, Value number, Value end, Value start) {
  auto emitAll = [&] {
    for (const PortionCopy &copy : copies) {
      auto emit = [&] {
        // Distances that are known become part of the instruction.
        Value from = builder.address(copy.from, builder.mul(number, copy.step));
        NVVM::CpAsyncOp::create(builder,
                                builder.address(builder.address(start, copy.to), copy.toMore),
                                builder.address(from, copy.fromMore), copy.bytes,
                                copy.bytes == kWholeBytes ? NVVM::LoadCacheModifierKind::CG
                                                          : NVVM::LoadCacheModifierKind::CA,
                                Value());
      };
      if (copy.exists)
        builder.ifThen(copy.exists, emit);
      else
        emit();
    }
  };
  if (!end)
    return emitAll();
  builder.ifThen(arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, number, end), emitAll);
}

std::pair<Value, Value> TensorMatmul::sliceOf(Value slice, int64_t count) {
  Value number = builder.toIndex(slice);
  auto boundary = [&](Value number) -> Value {
    return arith::DivUIOp::create(builder, builder.mul(number, count), builder.index(slices()));
  };
  return {boundary(number), boundary(builder.add(number, 1))};
}

Values TensorMatmul::fragmentRows(unsigned number, const TokenBlock &block, const Share &share,
                                  Value offset) {
  auto matrix = cast<MemRefType>(op.getInputs()[number].getType());
  Values rows;
  for (int64_t first = 0; first < block.count; first += kFragmentTokens) {
    if (block.present || first == 0) {
      Value token = arith::AddIOp::create(builder, share.rowPair, builder.int32(first));
      rows.push_back(builder.address(inputRow(number, block, token), offset));
    } else {
      // A distance that is part of the instruction.
      rows.push_back(builder.address(rows[0], first * BlockBuilder::rowBytes(matrix)));
    }
  }
  return rows;
}

void TensorMatmul::sliceBarrier(const Share &share) {
  if (slices() == 1)
    return builder.barrier();
  if (slotsAtOnce() == 1) {
    NVVM::SyncWarpOp::create(builder, builder.int32(-1));
    return;
  }
  // Barrier 0 is the block's.
  Value number = arith::AddIOp::create(builder, share.slice, builder.int32(1));
  NVVM::BarrierOp::create(builder, TypeRange(), number, builder.int32(sliceThreads()),
                          NVVM::BarrierReductionAttr(), Value());
}

Value TensorMatmul::setPlaces(Share &share) {
  Value thread = builder.thread(), count = builder.int32(builder.getTarget().warpThreads);
  thread = builder.instructions().keepHere(builder, thread);
  share.lane = arith::RemUIOp::create(builder, thread, count);
  share.rowPair = arith::DivUIOp::create(builder, share.lane, builder.int32(kSpanParts));
  share.part = arith::RemUIOp::create(builder, share.lane, builder.int32(kSpanParts));
  return arith::DivUIOp::create(builder, thread, count);
}

void TensorMatmul::addProducts(ValueRange weights, bool isSigned, ValueRange inputs,
                               MutableArrayRef<Value> sums) {
  Type i32 = builder.getI32Type();
  auto result = LLVM::LLVMStructType::getLiteral(builder.getContext(), {i32, i32, i32, i32});
  NVVM::MMATypes weightType = isSigned ? NVVM::MMATypes::s8 : NVVM::MMATypes::u8;
  Value product = NVVM::MmaOp::create(
      builder, result, weights, inputs, ValueRange(sums),
      ArrayRef<int64_t>{kTileRows, kFragmentTokens, kSpanColumns}, std::nullopt,
      NVVM::MMAIntOverflow::wrapped, std::array<NVVM::MMATypes, 2>{weightType, NVVM::MMATypes::s8},
      std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, product, static_cast<int64_t>(i));
}

void TensorMatmul::addSparseProducts(ValueRange weights, Value places, ValueRange inputs,
                                     MutableArrayRef<Value> sums) {
  Type i32 = builder.getI32Type();
  auto result = LLVM::LLVMStructType::getLiteral(builder.getContext(), {i32, i32, i32, i32});
  auto product = NVVM::MmaSpOp::create(
      builder, result, weights, inputs, ValueRange(sums), places, /*sparsitySelector=*/
      builder.int32(0), ArrayRef<int64_t>{kTileRows, kFragmentTokens, 2 * kSpanColumns},
      NVVM::MMAIntOverflow::wrapped,
      std::array<NVVM::MMATypes, 2>{NVVM::MMATypes::s8, NVVM::MMATypes::s8});
  product.setOrderedMetadata(builder.getTarget().ordersSparseMma);
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, product, static_cast<int64_t>(i));
}

Value stc::gpu::placesOfMasks(BlockBuilder &builder, Value masks) {
  Words words(builder);
  // Two bits of each nibble are set. The place of the lower one, in the lower two bits, is 1 where
  // only bit 1 is the first, and 2 where neither of bits 0 and 1 is set; that of the upper one is
  // 3, or 2, or else 1.
  Value clear = words.flip(masks, 0xFFFFFFFF);
  Value below = words.left(masks, 1), above = words.right(masks, 1);
  Value upper = words.flip(words.either(masks, below), 0x22222222);
  Value lower =
      words.choose(words.number(0x44444444), words.either(above, clear), words.both(above, clear));
  return words.choose(words.number(0xAAAAAAAA), upper, lower);
}

/// The sum that was started from kFloatBits, as f32.
static Value floatOf(BlockBuilder &builder, Value sum) {
  Type f32 = builder.getF32Type();
  sum = arith::BitcastOp::create(builder, f32, sum);
  return arith::SubFOp::create(builder, sum, builder.constant(f32, kFloatOfBits));
}

Value TensorMatmul::addScaledSum(Value sum, Value scale, Value result) {
  return builder.multiplyAdd(floatOf(builder, sum), scale, result);
}

Value TensorMatmul::addPlainSum(Value sum, Value scale, Value result) {
  sum = arith::SIToFPOp::create(builder, builder.getF32Type(), sum);
  return builder.multiplyAdd(sum, scale, result);
}

Value TensorMatmul::addShiftedSum(Value sum, Value weightScale, Value minimum, Value inputSum,
                                  Value inputScale, Value result) {
  Value scaled = arith::MulFOp::create(builder, floatOf(builder, sum), weightScale);
  Value correction = arith::SIToFPOp::create(builder, builder.getF32Type(), inputSum);
  scaled = builder.multiplyAdd(minimum, correction, scaled);
  return builder.multiplyAdd(scaled, inputScale, result);
}

void TensorMatmul::emitBlock(const TokenBlock &block) {
  int64_t atOnce = slotsAtOnce(), sumBytes = block.count * kTokenBytes;
  // The sums come where the staging was.
  int64_t bytes = std::max(builder.warps() * sumBytes, slices() * stagingBytes(block));
  Value memory = builder.scratch(bytes);
  auto times = [&](Value number, int64_t factor) -> Value {
    return arith::MulIOp::create(builder, number, builder.int32(factor));
  };
  Share share;
  Value warp = setPlaces(share);
  Value inBatch = arith::RemUIOp::create(builder, warp, builder.int32(atOnce));
  share.slice = arith::DivUIOp::create(builder, warp, builder.int32(atOnce));
  share.number =
      arith::AddIOp::create(builder, times(inBatch, builder.getTarget().warpThreads), share.lane);
  share.staging = builder.address(memory, times(share.slice, stagingBytes(block)));
  for (int64_t first = 0; first < slots(); first += atOnce) {
    share.tile = tileAddress(tileOf(builder.add(builder.toIndex(inBatch), first)));
    Values sums = multiply(share, block);
    if (stagingBytes(block) > 0)
      builder.barrier();
    storeSums(share, builder.address(memory, times(warp, sumBytes)), sums);
    builder.barrier();
    finishSlots(builder.index(first), atOnce, slices(), block, memory);
    builder.barrier();
  }
}

void TensorMatmul::storeSums(const Share &share, Value start, ValueRange sums) {
  Value place = arith::MulIOp::create(builder, share.part, builder.int32(2 * kTokenBytes));
  place = arith::AddIOp::create(
      builder, place,
      arith::MulIOp::create(builder, share.rowPair, builder.int32(2 * kFloatBytes)));
  start = builder.address(start, place);
  auto two = VectorType::get(2, builder.getF32Type());
  for (size_t i = 0; i < sums.size(); i += kFragmentValues)
    for (int64_t token : {0, 1}) {
      Value rows = vector::FromElementsOp::create(builder, two,
                                                  ValueRange{sums[i + token], sums[i + 2 + token]});
      int64_t number = i / kFragmentValues * kFragmentTokens + token;
      builder.storeAligned(rows, builder.address(start, number * kTokenBytes), 2 * kFloatBytes);
    }
}

void TensorMatmul::finishSlots(Value first, int64_t atOnce, int64_t sliceCount,
                               const TokenBlock &block, Value sums) {
  int64_t units = atOnce / parts();
  bool isWithin = slots() % atOnce == 0;
  // A thread has the same row of several units, whose results are known distances apart; not where
  // there is much to do for each.
  bool isMuch = op.getGate() || op.getCos() || sliceCount > 1;
  int64_t together = isMuch ? 1 : units;
  builder.forThreads(units / together * block.count * kTileRows, [&](Value number) {
    Value row = arith::RemUIOp::create(builder, number, builder.index(kTileRows));
    Value rest = arith::DivUIOp::create(builder, number, builder.index(kTileRows));
    Value token = arith::RemUIOp::create(builder, rest, builder.index(block.count));
    Value firstUnit = arith::DivUIOp::create(builder, rest, builder.index(block.count));
    firstUnit = builder.mul(firstUnit, together);
    // Where the thread's sum of a slot is, behind `sums`.
    Value start = builder.mul(builder.mul(firstUnit, parts()), block.count);
    start = builder.mul(builder.add(start, token), kTokenBytes);
    start = builder.address(sums, builder.toI32(builder.add(start, builder.mul(row, kFloatBytes))));
    auto finishUnit = [&](int64_t more) {
      Value inBatch = builder.mul(builder.add(firstUnit, more), parts());
      Value slot = builder.add(first, inBatch);
      auto add = [&] {
        Values results;
        for (int64_t part = 0; part < parts(); ++part) {
          Value sum;
          for (int64_t slice = 0; slice < sliceCount; ++slice) {
            int64_t number = slice * atOnce + more * parts() + part;
            Value own = builder.loadAligned(
                builder.getF32Type(), builder.address(start, number * block.count * kTokenBytes),
                kFloatBytes);
            sum = sum ? arith::AddFOp::create(builder, sum, own).getResult() : own;
          }
          results.push_back(sum);
        }
        finish(Result{slot, row, builder.add(block.first, token), results});
      };
      if (Value exists = existsSlot(slot, isWithin))
        builder.ifThen(exists, add);
      else
        add();
    };
    auto finishUnits = [&] {
      for (int64_t more = 0; more < together; ++more)
        finishUnit(more);
    };
    if (!block.present)
      return finishUnits();
    builder.ifThen(arith::CmpIOp::create(builder, arith::CmpIPredicate::ult, builder.toI32(token),
                                         block.present),
                   finishUnits);
  });
}

/// Where the values of a group begin, as the masks before it say: each thread counts some.
Value TensorMatmul::firstPosition(CodeReader &reader, Value lane, Value group) {
  Value parts = builder.mul(group, layout.group / kSpanColumns * kSpanParts);
  Value sum = builder.loop(builder.toIndex(lane), parts, builder.getTarget().warpThreads,
                           builder.int32(0), [&](Value number, ValueRange values) -> Values {
                             Value count = builder.index(kSpanParts);
                             Value span = arith::DivUIOp::create(builder, number, count);
                             Value part = arith::RemUIOp::create(builder, number, count);
                             Value bytes = reader.bytesOf(span, builder.toI32(part));
                             return {arith::AddIOp::create(builder, values[0], bytes)};
                           })[0];
  return builder.reduceLanes(Reduction::Sum, sum, builder.getTarget().warpThreads - 1);
}
