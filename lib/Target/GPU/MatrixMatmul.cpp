// What multiplying by AMD's matrix instructions has in common, whatever is multiplied.
#include "MatrixMatmul.h"
#include "DeviceInstructions.h"
#include "Words.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

SmallVector<int64_t> MatrixMatmul::blockSizes() const {
  SmallVector<int64_t> sizes;
  for (int64_t tokens : {64, 32, 16})
    if (waves() * tokens * kTokenBytes <= builder.getTarget().sharedBytes / 2)
      sizes.push_back(tokens);
  return sizes;
}

int64_t MatrixMatmul::waveSlots() const {
  return std::min<int64_t>(waves(), llvm::bit_floor(uint64_t(slots())));
}

std::pair<Value, Value> MatrixMatmul::shareOf(const Share &share, int64_t count) {
  Value number = builder.toIndex(share.slice);
  auto boundary = [&](Value number) -> Value {
    return arith::DivUIOp::create(builder, builder.mul(number, count), builder.index(waveSlices()));
  };
  return {boundary(number), boundary(builder.add(number, 1))};
}

void MatrixMatmul::emitBlock(const TokenBlock &block) {
  Words words(builder);
  int64_t atOnce = waveSlots(), sumBytes = block.count * kTokenBytes;
  Value memory = builder.scratch(waves() * sumBytes);
  int64_t lanes = builder.getTarget().waveThreads;
  Share share;
  Value thread = builder.instructions().keepHere(builder, builder.thread());
  // The same in all lanes, which the code generator cannot know.
  Value wave = LLVM::CallIntrinsicOp::create(builder, builder.getI32Type(),
                                             builder.getStringAttr("llvm.amdgcn.readfirstlane.i32"),
                                             ValueRange{words.div(thread, lanes)})
                   .getResult(0);
  share.lane = words.rem(thread, lanes);
  share.rowPair = words.div(words.rem(share.lane, kMatrixTokens), 2);
  share.part = words.div(share.lane, kMatrixTokens);
  share.slice = words.div(wave, atOnce);
  Value inBatch = words.rem(wave, atOnce);
  for (int64_t first = 0; first < slots(); first += atOnce) {
    share.tile = tileAddress(tileOf(builder.add(builder.toIndex(inBatch), first)));
    Values sums = multiply(share, block);
    storeResults(share, builder.address(memory, words.mul(wave, sumBytes)), sums);
    builder.barrier();
    finishSlots(builder.index(first), atOnce, waveSlices(), block, memory);
    builder.barrier();
  }
}

Value MatrixMatmul::ownRow(const Share &share, Value even, Value odd) {
  Words words(builder);
  Value isOdd = arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, words.rem(share.lane, 2),
                                      builder.int32(0));
  return arith::SelectOp::create(builder, isOdd, odd, even);
}

Values MatrixMatmul::ofResultRows(const Share &share,
                                  function_ref<std::pair<Value, Value>(Value rowPair)> load) {
  Words words(builder);
  Value block = words.div(share.lane, kMatrixTokens);
  Values values;
  if (instruction.rowStep == 1) { // neighbours, from an even row on
    Value first = words.mul(block, instruction.blockRows / 2);
    for (int64_t i = 0; i < instruction.values; i += 2) {
      auto [even, odd] = load(words.add(first, i / 2));
      values.push_back(even);
      values.push_back(odd);
    }
    return values;
  }
  assert(instruction.rowStep == 2 && instruction.blockRows == 1 && "one row of every pair");
  Value isSecond =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::ne, block, builder.int32(0));
  for (int64_t i = 0; i < instruction.values; ++i) {
    auto [even, odd] = load(builder.int32(i));
    values.push_back(arith::SelectOp::create(builder, isSecond, odd, even));
  }
  return values;
}

Values MatrixMatmul::tokenRows(unsigned number, const TokenBlock &block, const Share &share) {
  Words words(builder);
  Value token = words.rem(share.lane, kMatrixTokens);
  Values rows;
  for (int64_t first = 0; first < block.count; first += kMatrixTokens)
    rows.push_back(inputRow(number, block, words.add(token, first)));
  return rows;
}

Value MatrixMatmul::operandOf(ValueRange words, Type element) {
  if (words.size() == 1 && element.isInteger(32))
    return words[0];
  auto ints = VectorType::get(static_cast<int64_t>(words.size()), builder.getI32Type());
  Value vector = vector::FromElementsOp::create(builder, ints, words);
  if (element.isInteger(32))
    return vector;
  int64_t count = static_cast<int64_t>(words.size()) * 32 / element.getIntOrFloatBitWidth();
  Type type = count == 1 ? element : VectorType::get(count, element);
  return LLVM::BitcastOp::create(builder, type, vector);
}

Value MatrixMatmul::multiplyAdd(const MatrixInstruction &instruction, Value a, Value b, Value acc,
                                bool areSigned, Value places) {
  auto flag = [&](bool value) -> Value {
    return arith::ConstantOp::create(builder, builder.getBoolAttr(value));
  };
  Value none = builder.int32(0);
  Values operands;
  switch (instruction.form) {
  case MatrixInstruction::Form::Mfma:
    operands = {a, b, acc, none, none, none};
    break;
  case MatrixInstruction::Form::Smfmac:
    operands = {a, b, acc, places, none, none};
    break;
  case MatrixInstruction::Form::WmmaIU:
    operands = {flag(areSigned), a, flag(true), b, acc, flag(false)};
    break;
  case MatrixInstruction::Form::Wmma:
    operands = {a, b, acc};
    break;
  }
  return LLVM::CallIntrinsicOp::create(builder, acc.getType(),
                                       builder.getStringAttr(instruction.intrinsic), operands)
      .getResult(0);
}

void MatrixMatmul::storeResults(const Share &share, Value start, ValueRange sums) {
  Words words(builder);
  Value token = words.rem(share.lane, kMatrixTokens);
  Value row = words.mul(words.div(share.lane, kMatrixTokens), instruction.blockRows);
  Value place = words.add(words.mul(token, kTokenBytes), words.mul(row, sizeof(float)));
  start = builder.address(start, place);
  int64_t values = instruction.values;
  for (size_t fragment = 0; fragment * values < sums.size(); ++fragment) {
    Value ofToken =
        builder.address(start, static_cast<int64_t>(fragment) * kMatrixTokens * kTokenBytes);
    ValueRange own = sums.slice(fragment * values, values);
    if (instruction.rowStep == 1) {
      auto type = VectorType::get(values, builder.getF32Type());
      builder.storeAligned(vector::FromElementsOp::create(builder, type, own), ofToken,
                           unsigned(values * sizeof(float)));
      continue;
    }
    for (auto [i, value] : llvm::enumerate(own)) {
      int64_t offset = static_cast<int64_t>(i) * instruction.rowStep * sizeof(float);
      builder.storeAligned(value, builder.address(ofToken, offset), sizeof(float));
    }
  }
}
