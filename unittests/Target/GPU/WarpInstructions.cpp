// What the instructions that the threads of a warp run together do, as PTX's manual describes them.
#include "WarpInstructions.h"

#include "stc/Support/Float.h"

#include "llvm/Support/ErrorHandling.h"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace stc;
using llvm::MutableArrayRef;
using llvm::StringRef;

namespace {

template <typename To, typename From> To bitsAs(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To result;
  std::memcpy(&result, &value, sizeof result);
  return result;
}

/// A matrix of integers or floats that a warp's registers hold.
template <typename T, int rows, int columns> struct Matrix {
  T at[rows][columns] = {};
};

int byteOf(uint32_t word, int i, bool isSigned) {
  uint8_t byte = word >> (8 * i);
  return isSigned ? int(int8_t(byte)) : int(byte);
}

/// mma.m16n8k32 of bytes: operands are four words of A, two of B, four of C.
void multiplyBytes(MutableArrayRef<WarpCall *> calls, bool aSigned, bool bSigned) {
  Matrix<int, 16, 32> a;
  Matrix<int, 32, 8> b;
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    int group = lane / 4, inGroup = lane % 4;
    for (int i = 0; i < 16; ++i) {
      int row = i % 8 < 4 ? group : group + 8;
      int column = inGroup * 4 + i % 4 + (i < 8 ? 0 : 16);
      a.at[row][column] = byteOf(uint32_t(calls[lane]->operands[i / 4]), i % 4, aSigned);
    }
    for (int i = 0; i < 8; ++i)
      b.at[inGroup * 4 + i % 4 + (i < 4 ? 0 : 16)][group] =
          byteOf(uint32_t(calls[lane]->operands[4 + i / 4]), i % 4, bSigned);
  }
  for (int lane = 0; lane < kWarpThreads; ++lane)
    for (int i = 0; i < 4; ++i) {
      int row = lane / 4 + (i < 2 ? 0 : 8), column = lane % 4 * 2 + i % 2;
      uint32_t sum = uint32_t(calls[lane]->operands[6 + i]);
      for (int k = 0; k < 32; ++k)
        sum += uint32_t(a.at[row][k] * b.at[k][column]);
      calls[lane]->results[i] = sum;
    }
}

/// mma.sp.m16n8k64 of bytes: operands are four words of A, four of B, four of C, and the places of
/// A's values, four bits for every four columns. Of four threads, two have the places of the first
/// 32 columns: one for the first row, one for the second; two those of the others. `isOrdered`: the
/// places of two neighbours ascend.
void multiplyPruned(MutableArrayRef<WarpCall *> calls, bool isOrdered) {
  Matrix<int, 16, 64> a;
  Matrix<int, 64, 8> b;
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    int group = lane / 4, inGroup = lane % 4;
    for (int i = 0; i < 16; ++i) {
      int isSecondRow = i % 8 >= 4, isSecondHalf = i >= 8, chunk = inGroup * 2 + i % 4 / 2;
      uint64_t places = calls[group * 4 + isSecondHalf * 2 + isSecondRow]->operands[12];
      int place = places >> (4 * chunk + 2 * (i % 2)) & 3;
      if (isOrdered && i % 2 == 1 && place <= int(places >> (4 * chunk) & 3))
        llvm::report_fatal_error("places of a sparse matrix do not ascend");
      a.at[group + 8 * isSecondRow][32 * isSecondHalf + 4 * chunk + place] =
          byteOf(uint32_t(calls[lane]->operands[i / 4]), i % 4, true);
      b.at[inGroup * 4 + i % 4 + i / 4 * 16][group] =
          byteOf(uint32_t(calls[lane]->operands[4 + i / 4]), i % 4, true);
    }
  }
  for (int lane = 0; lane < kWarpThreads; ++lane)
    for (int i = 0; i < 4; ++i) {
      int row = lane / 4 + (i < 2 ? 0 : 8), column = lane % 4 * 2 + i % 2;
      uint32_t sum = uint32_t(calls[lane]->operands[8 + i]);
      for (int k = 0; k < 64; ++k)
        sum += uint32_t(a.at[row][k] * b.at[k][column]);
      calls[lane]->results[i] = sum;
    }
}

float halfOf(uint64_t word, int i, bool isBF16) {
  auto bits = uint16_t(word >> (16 * i));
  return isBF16 ? bfloat16ToFloat(bits) : halfToFloat(bits);
}

/// mma.sp.m16n8k32 of bf16 or f16: operands are four words of A, four of B, four floats of C, the
/// places of A's values and which two threads of four those come from: the first of them has in its
/// lower half those of the first 16 columns of one row, in its upper half of the row eight below;
/// the second has those of the last 16 columns.
void multiplyPrunedHalves(MutableArrayRef<WarpCall *> calls, bool isBF16, bool isOrdered) {
  Matrix<float, 16, 32> a;
  Matrix<float, 32, 8> b;
  int pair = int(calls[0]->operands[13]);
  if (pair != 0 && pair != 1)
    llvm::report_fatal_error("a sparse matrix has places in the first or last two threads of four");
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    int group = lane / 4, inGroup = lane % 4;
    for (int i = 0; i < 8; ++i) {
      int isSecondRow = i % 4 >= 2, isSecondHalf = i >= 4;
      uint64_t places = calls[group * 4 + 2 * pair + isSecondHalf]->operands[12];
      int first = 16 * isSecondRow + 4 * inGroup, place = int(places >> (first + 2 * (i % 2)) & 3);
      if (isOrdered && i % 2 == 1 && place <= int(places >> first & 3))
        llvm::report_fatal_error("places of a sparse matrix do not ascend");
      a.at[group + 8 * isSecondRow][16 * isSecondHalf + 4 * inGroup + place] =
          halfOf(calls[lane]->operands[i / 2], i % 2, isBF16);
      b.at[inGroup * 2 + i % 2 + i / 2 * 8][group] =
          halfOf(calls[lane]->operands[4 + i / 2], i % 2, isBF16);
    }
  }
  for (int lane = 0; lane < kWarpThreads; ++lane)
    for (int i = 0; i < 4; ++i) {
      int row = lane / 4 + (i < 2 ? 0 : 8), column = lane % 4 * 2 + i % 2;
      double sum = 0;
      for (int k = 0; k < 32; ++k)
        sum += double(a.at[row][k]) * b.at[k][column];
      sum += bitsAs<float>(uint32_t(calls[lane]->operands[8 + i]));
      calls[lane]->results[i] = bitsAs<uint32_t>(float(sum));
    }
}

/// ldmatrix of 16-bit numbers: operands are places of rows of 16 bytes, of eight lanes those of a
/// matrix.
void loadMatrices(MutableArrayRef<WarpCall *> calls, int count, bool isTransposed) {
  std::vector<std::array<uint16_t, 8>> rows(8 * count);
  for (int lane = 0; lane < 8 * count; ++lane) {
    if (calls[lane]->operands[0] % 16 != 0)
      llvm::report_fatal_error("a matrix's row is not at a multiple of 16 bytes");
    std::memcpy(rows[lane].data(), reinterpret_cast<const void *>(calls[lane]->operands[0]), 16);
  }
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    uint32_t words[4] = {};
    for (int i = 0; i < count; ++i) {
      int first = lane / 4, second = lane % 4 * 2;
      uint32_t low = isTransposed ? rows[8 * i + second][first] : rows[8 * i + first][second];
      uint32_t high =
          isTransposed ? rows[8 * i + second + 1][first] : rows[8 * i + first][second + 1];
      words[i] = high << 16 | low;
    }
    std::memcpy(calls[lane]->results.data(), words, sizeof words);
  }
}

/// mma.m16n8k16 of bf16 or f16: operands are four words of A, two of B, four floats of C.
void multiplyHalves(MutableArrayRef<WarpCall *> calls, bool isBF16) {
  Matrix<float, 16, 16> a;
  Matrix<float, 16, 8> b;
  auto half = [&](uint64_t word, int i) { return halfOf(word, i, isBF16); };
  for (int lane = 0; lane < kWarpThreads; ++lane) {
    int group = lane / 4, inGroup = lane % 4;
    for (int i = 0; i < 8; ++i) {
      int row = i % 4 < 2 ? group : group + 8;
      int column = inGroup * 2 + i % 2 + (i < 4 ? 0 : 8);
      a.at[row][column] = half(calls[lane]->operands[i / 2], i % 2);
    }
    for (int i = 0; i < 4; ++i)
      b.at[inGroup * 2 + i % 2 + (i < 2 ? 0 : 8)][group] =
          half(calls[lane]->operands[4 + i / 2], i % 2);
  }
  for (int lane = 0; lane < kWarpThreads; ++lane)
    for (int i = 0; i < 4; ++i) {
      int row = lane / 4 + (i < 2 ? 0 : 8), column = lane % 4 * 2 + i % 2;
      double sum = 0;
      for (int k = 0; k < 16; ++k)
        sum += double(a.at[row][k]) * b.at[k][column];
      sum += bitsAs<float>(uint32_t(calls[lane]->operands[6 + i]));
      calls[lane]->results[i] = bitsAs<uint32_t>(float(sum));
    }
}

} // namespace

bool stc::meetsWarp(StringRef intrinsic) {
  return intrinsic.starts_with(kWarpgroupProducts) || intrinsic.starts_with("llvm.nvvm.mma.") ||
         intrinsic.starts_with("llvm.nvvm.ldmatrix.") ||
         intrinsic.starts_with("llvm.nvvm.shfl.sync") ||
         intrinsic.starts_with("llvm.nvvm.redux.sync.") || intrinsic == "llvm.nvvm.bar.warp.sync" ||
         intrinsic == "llvm.amdgcn.wave.barrier" || intrinsic == "llvm.amdgcn.ds.swizzle" ||
         intrinsic == "llvm.amdgcn.update.dpp.i32";
}

void stc::runWarp(StringRef intrinsic, size_t warp, MutableArrayRef<WarpCall *> calls,
                  const uint8_t *sharedMemory, SharedReads &reads) {
  if (intrinsic.starts_with(kWarpgroupProducts))
    return runWarpgroupText(intrinsic, warp, calls, sharedMemory, reads);
  if (intrinsic == "llvm.nvvm.bar.warp.sync" || runAmdWarp(intrinsic, calls))
    return;
  if (intrinsic == "llvm.nvvm.mma.m16n8k32.row.col.u8.s8")
    return multiplyBytes(calls, false, true);
  if (intrinsic == "llvm.nvvm.mma.m16n8k32.row.col.s8")
    return multiplyBytes(calls, true, true);
  if (intrinsic == "llvm.nvvm.mma.sp.m16n8k64.row.col.s8")
    return multiplyPruned(calls, false);
  if (intrinsic == "llvm.nvvm.mma.sp.ordered.metadata.m16n8k64.row.col.s8")
    return multiplyPruned(calls, true);
  if (StringRef name = intrinsic; name.consume_front("llvm.nvvm.mma.sp.")) {
    bool isOrdered = name.consume_front("ordered.metadata.");
    if (name == "m16n8k32.row.col.bf16" || name == "m16n8k32.row.col.f32.f32")
      return multiplyPrunedHalves(calls, name.ends_with(".bf16"), isOrdered);
  }
  if (intrinsic == "llvm.nvvm.mma.m16n8k16.row.col.bf16")
    return multiplyHalves(calls, /*isBF16=*/true);
  if (intrinsic == "llvm.nvvm.mma.m16n8k16.row.col.f32.f32")
    return multiplyHalves(calls, /*isBF16=*/false);
  if (StringRef name = intrinsic; name.consume_front("llvm.nvvm.ldmatrix.sync.aligned.m8n8.x"))
    return loadMatrices(calls, name[0] - '0', name.contains(".trans."));
  if (intrinsic.starts_with("llvm.nvvm.shfl.sync.bfly")) {
    for (int lane = 0; lane < kWarpThreads; ++lane) {
      int other = lane ^ int(calls[lane]->operands[2]);
      calls[lane]->results[0] = uint32_t(calls[other]->operands[1]);
      calls[lane]->results[1] = 1;
    }
    return;
  }
  if (StringRef kind = intrinsic; kind.consume_front("llvm.nvvm.redux.sync.")) {
    uint32_t result = uint32_t(calls[0]->operands[0]);
    for (int lane = 1; lane < kWarpThreads; ++lane) {
      uint32_t value = uint32_t(calls[lane]->operands[0]);
      if (kind == "add")
        result += value;
      else if (kind == "umax")
        result = std::max(result, value);
      else if (kind == "max")
        result = uint32_t(std::max(int32_t(result), int32_t(value)));
      else
        llvm::report_fatal_error(llvm::Twine("the emulator does not know ") + intrinsic);
    }
    for (int lane = 0; lane < kWarpThreads; ++lane)
      calls[lane]->results[0] = result;
    return;
  }
  llvm::report_fatal_error(llvm::Twine("the emulator does not know ") + intrinsic);
}

void stc::runThread(StringRef intrinsic, WarpCall &call) {
  if (runAmdThread(intrinsic, call))
    return;
  auto word = [&](int i) { return uint32_t(call.operands[i]); };
  if (intrinsic.starts_with("llvm.nvvm.idp4a.")) {
    bool aSigned = intrinsic[16] == 's', bSigned = intrinsic[18] == 's';
    uint32_t sum = word(2);
    for (int i = 0; i < 4; ++i)
      sum += uint32_t(byteOf(word(0), i, aSigned) * byteOf(word(1), i, bSigned));
    call.results[0] = sum;
  } else if (intrinsic == "llvm.nvvm.prmt") {
    uint64_t both = uint64_t(word(1)) << 32 | word(0);
    for (int i = 0; i < 4; ++i) {
      int place = word(2) >> (4 * i) & 15;
      uint32_t byte = both >> (8 * (place & 7)) & 255;
      if (place & 8)
        byte = byte & 128 ? 255 : 0;
      call.results[0] |= byte << (8 * i);
    }
  } else if (intrinsic == "llvm.nvvm.ex2.approx.ftz.f32") {
    float power = std::exp2(bitsAs<float>(word(0)));
    call.results[0] = bitsAs<uint32_t>(std::fpclassify(power) == FP_SUBNORMAL ? 0.0f : power);
  } else if (intrinsic == "llvm.nvvm.ff2bf16x2.rn") {
    uint32_t high = floatToBfloat16(bitsAs<float>(word(0)));
    call.results[0] = high << 16 | floatToBfloat16(bitsAs<float>(word(1)));
  } else if (intrinsic != "llvm.nvvm.cp.async.bulk.prefetch.L2") { // which is a hint
    llvm::report_fatal_error(llvm::Twine("the emulator does not know ") + intrinsic);
  }
}
