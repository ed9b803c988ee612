// What the ways of multiplying by tensor cores share.
#include "TensorMatmul.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kFloatBytes = sizeof(float);
constexpr double kFloatOfBits = 12582912.0; // kFloatBits

int64_t TensorMatmul::slotsAtOnce() const {
  return std::min<int64_t>(builder.warps(), llvm::bit_floor(uint64_t(slots())));
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
  if (builder.getTarget().isNvidia())
    thread =
        LLVM::InlineAsmOp::create(builder, builder.getI32Type(), thread, "mov.b32 $0, $1;", "=r,r",
                                  /*has_side_effects=*/true,
                                  /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
                                  LLVM::AsmDialectAttr(), ArrayAttr())
            .getResult(0);
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

Value TensorMatmul::addScaledSum(Value sum, Value scale, Value result) {
  Type f32 = builder.getF32Type();
  sum = arith::BitcastOp::create(builder, f32, sum);
  sum = arith::SubFOp::create(builder, sum, builder.constant(f32, kFloatOfBits));
  return builder.multiplyAdd(sum, scale, result);
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
  builder.forThreads(units * block.count * kTileRows, [&](Value number) {
    Value row = arith::RemUIOp::create(builder, number, builder.index(kTileRows));
    Value rest = arith::DivUIOp::create(builder, number, builder.index(kTileRows));
    Value token = arith::RemUIOp::create(builder, rest, builder.index(block.count));
    Value unit = arith::DivUIOp::create(builder, rest, builder.index(block.count));
    Value inBatch = builder.mul(unit, parts()), slot = builder.add(first, inBatch);
    Value exists = existsSlot(slot, isWithin);
    if (block.present) {
      Value isPresent = arith::CmpIOp::create(builder, arith::CmpIPredicate::ult,
                                              builder.toI32(token), block.present);
      exists = exists ? arith::AndIOp::create(builder, exists, isPresent).getResult() : isPresent;
    }
    auto add = [&] {
      Values results;
      for (int64_t part = 0; part < parts(); ++part) {
        Value place = builder.mul(builder.add(inBatch, part), block.count);
        place = builder.mul(builder.add(place, token), kTokenBytes);
        place = builder.add(place, builder.mul(row, kFloatBytes));
        Value start = builder.address(sums, builder.toI32(place)), sum;
        for (int64_t slice = 0; slice < sliceCount; ++slice) {
          Value own = builder.loadAligned(
              builder.getF32Type(),
              builder.address(start, slice * atOnce * block.count * kTokenBytes), kFloatBytes);
          sum = sum ? arith::AddFOp::create(builder, sum, own).getResult() : own;
        }
        results.push_back(sum);
      }
      finish(slot, row, builder.add(block.first, token), results);
    };
    if (exists)
      builder.ifThen(exists, add);
    else
      add();
  });
}
