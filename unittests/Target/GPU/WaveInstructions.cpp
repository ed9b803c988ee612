// What AMD's instructions do, as its manuals for instruction sets and its matrix instruction
// calculator describe them: those of a wave, of half a wave that is a warp, and of a thread.
#include "WarpInstructions.h"

#include "stc/Support/Float.h"

#include "llvm/Support/ErrorHandling.h"

#include <cmath>
#include <cstring>

using namespace stc;
using llvm::MutableArrayRef;
using llvm::StringRef;

namespace {

constexpr int kSide = 16; // rows and tokens of all matrix instructions

/// The operands of a call as bytes, each operand from an offset that is a multiple of 8.
const uint8_t *bytesAt(const WarpCall &call, size_t offset) {
  return reinterpret_cast<const uint8_t *>(call.operands.data()) + offset;
}

template <typename T> T valueAt(const WarpCall &call, size_t offset) {
  T value;
  std::memcpy(&value, bytesAt(call, offset), sizeof value);
  return value;
}

/// A and B of one multiplication, and where C stands in the operands.
struct Matrices {
  int64_t a[kSide][64] = {}, b[64][kSide] = {};
  int columns = 0;
};

int64_t byteOf(uint8_t byte, bool isSigned) { return isSigned ? int64_t(int8_t(byte)) : byte; }

/// MFMA: values of C and D are rows 4 (lane / 16) + v; WMMA: 2 v + lane / 16.
int rowOf(int lane, int value, bool isWmma) {
  return isWmma ? 2 * value + lane / kSide : 4 * (lane / kSide) + value;
}

void addIntegers(MutableArrayRef<WarpCall *> calls, const Matrices &matrices, size_t cOffset,
                 bool isWmma) {
  for (size_t lane = 0; lane < calls.size(); ++lane)
    for (int value = 0; value < (isWmma ? 8 : 4); ++value) {
      int row = rowOf(int(lane), value, isWmma), token = int(lane) % kSide;
      uint32_t sum = valueAt<uint32_t>(*calls[lane], cOffset + 4 * size_t(value));
      for (int k = 0; k < matrices.columns; ++k)
        sum += uint32_t(matrices.a[row][k] * matrices.b[k][token]);
      calls[lane]->results[size_t(value)] = sum;
    }
}

/// v_mfma_i32_16x16x16_i8 and v_mfma_i32_16x16x32_i8: `bytes` of A and of B in each lane.
void multiplyBytes(MutableArrayRef<WarpCall *> calls, int bytes) {
  Matrices matrices;
  matrices.columns = 4 * bytes;
  for (size_t lane = 0; lane < calls.size(); ++lane)
    for (int i = 0; i < bytes; ++i) {
      int k = bytes * int(lane / kSide) + i;
      matrices.a[lane % kSide][k] = byteOf(bytesAt(*calls[lane], 0)[i], true);
      matrices.b[k][lane % kSide] = byteOf(bytesAt(*calls[lane], 8)[i], true);
    }
  addIntegers(calls, matrices, 16, /*isWmma=*/false);
}

/// v_smfmac_i32_16x16x64_i8: of A 8 bytes in each lane, of every four columns two, whose places
/// among the four are the two bits each in the lower half of the index.
void multiplyPruned(MutableArrayRef<WarpCall *> calls) {
  Matrices matrices;
  matrices.columns = 64;
  for (size_t lane = 0; lane < calls.size(); ++lane) {
    const WarpCall &call = *calls[lane];
    auto places = valueAt<uint32_t>(call, 40);
    for (int i = 0; i < 8; ++i) {
      int place = places >> (2 * i) & 3;
      matrices.a[lane % kSide][16 * (lane / kSide) + size_t(4 * (i / 2) + place)] +=
          byteOf(bytesAt(call, 0)[i], true);
    }
    for (int i = 0; i < 16; ++i)
      matrices.b[16 * (lane / kSide) + size_t(i)][lane % kSide] = byteOf(bytesAt(call, 8)[i], true);
  }
  addIntegers(calls, matrices, 24, /*isWmma=*/false);
}

/// v_wmma_i32_16x16x16_iu8 of a wave of 32: lanes 16 to 31 repeat what 0 to 15 have of A and B.
void multiplyWmmaBytes(MutableArrayRef<WarpCall *> calls) {
  Matrices matrices;
  matrices.columns = 16;
  for (size_t lane = 0; lane < calls.size(); ++lane) {
    const WarpCall &call = *calls[lane], &repeated = *calls[lane % kSide];
    if (std::memcmp(bytesAt(call, 8), bytesAt(repeated, 8), 16) != 0 ||
        std::memcmp(bytesAt(call, 32), bytesAt(repeated, 32), 16) != 0)
      llvm::report_fatal_error("halves of a wave have different matrices for WMMA");
    for (int k = 0; k < 16; ++k) {
      matrices.a[lane % kSide][k] = byteOf(bytesAt(call, 8)[k], bytesAt(call, 0)[0] & 1);
      matrices.b[k][lane % kSide] = byteOf(bytesAt(call, 32)[k], bytesAt(call, 24)[0] & 1);
    }
  }
  addIntegers(calls, matrices, 48, /*isWmma=*/true);
}

/// v_mfma_f32_16x16x16_bf16 and v_wmma_f32_16x16x16_bf16. Sums are rounded once.
void multiplyHalves(MutableArrayRef<WarpCall *> calls, bool isWmma) {
  float a[kSide][16], b[16][kSide];
  int perLane = isWmma ? 16 : 4;
  size_t bytes = size_t(2 * perLane);
  for (size_t lane = 0; lane < calls.size(); ++lane)
    for (int i = 0; i < perLane; ++i) {
      size_t k = (isWmma ? 0 : 4 * (lane / kSide)) + size_t(i);
      auto half = [&](size_t offset) {
        return bfloat16ToFloat(valueAt<uint16_t>(*calls[lane], offset + 2 * size_t(i)));
      };
      a[lane % kSide][k] = half(0);
      b[k][lane % kSide] = half(bytes);
    }
  for (size_t lane = 0; lane < calls.size(); ++lane)
    for (int value = 0; value < (isWmma ? 8 : 4); ++value) {
      int row = rowOf(int(lane), value, isWmma);
      double sum = valueAt<float>(*calls[lane], 2 * bytes + 4 * size_t(value));
      for (int k = 0; k < 16; ++k)
        sum += double(a[row][k]) * b[k][lane % kSide];
      float rounded = float(sum);
      std::memcpy(&calls[lane]->results[size_t(value)], &rounded, sizeof rounded);
    }
}

/// v_smfmac_f32_16x16x32_bf16: of A four bf16 in each lane, of every four columns two, whose places
/// are the two bits each in the lowest byte of the index; of B eight. Sums are rounded once.
void multiplyPrunedHalves(MutableArrayRef<WarpCall *> calls) {
  constexpr int columns = 32, bOffset = 8, cOffset = 24, placesOffset = 40;
  double a[kSide][columns] = {}, b[columns][kSide];
  for (size_t lane = 0; lane < calls.size(); ++lane) {
    auto half = [&](size_t offset) {
      return double(bfloat16ToFloat(valueAt<uint16_t>(*calls[lane], offset)));
    };
    auto places = valueAt<uint32_t>(*calls[lane], placesOffset);
    for (size_t i = 0; i < 4; ++i)
      a[lane % kSide][8 * (lane / kSide) + 4 * (i / 2) + (places >> (2 * i) & 3)] += half(2 * i);
    for (size_t i = 0; i < 8; ++i)
      b[8 * (lane / kSide) + i][lane % kSide] = half(bOffset + 2 * i);
  }
  for (size_t lane = 0; lane < calls.size(); ++lane)
    for (int value = 0; value < 4; ++value) {
      double sum = valueAt<float>(*calls[lane], cOffset + 4 * size_t(value));
      for (int k = 0; k < columns; ++k)
        sum += a[rowOf(int(lane), value, /*isWmma=*/false)][k] * b[k][lane % kSide];
      float rounded = float(sum);
      std::memcpy(&calls[lane]->results[size_t(value)], &rounded, sizeof rounded);
    }
}

} // namespace

bool stc::meetsWave(StringRef intrinsic) {
  return intrinsic.starts_with("llvm.amdgcn.mfma.") ||
         intrinsic.starts_with("llvm.amdgcn.smfmac.") ||
         intrinsic.starts_with("llvm.amdgcn.wmma.") ||
         intrinsic.starts_with("llvm.amdgcn.readfirstlane");
}

void stc::runWave(StringRef intrinsic, MutableArrayRef<WarpCall *> calls) {
  if (intrinsic == "llvm.amdgcn.mfma.i32.16x16x16i8")
    return multiplyBytes(calls, 4);
  if (intrinsic == "llvm.amdgcn.mfma.i32.16x16x32.i8")
    return multiplyBytes(calls, 8);
  if (intrinsic == "llvm.amdgcn.smfmac.i32.16x16x64.i8")
    return multiplyPruned(calls);
  if (intrinsic == "llvm.amdgcn.smfmac.f32.16x16x32.bf16")
    return multiplyPrunedHalves(calls);
  if (intrinsic == "llvm.amdgcn.wmma.i32.16x16x16.iu8.v8i32.v4i32")
    return multiplyWmmaBytes(calls);
  if (intrinsic == "llvm.amdgcn.mfma.f32.16x16x16bf16.1k")
    return multiplyHalves(calls, /*isWmma=*/false);
  if (intrinsic == "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v16i16")
    return multiplyHalves(calls, /*isWmma=*/true);
  if (intrinsic == "llvm.amdgcn.readfirstlane.i32") {
    for (WarpCall *call : calls) {
      if (uint32_t(call->operands[0]) != uint32_t(calls[0]->operands[0]))
        llvm::report_fatal_error("what is taken for the same differs in the lanes of a wave");
      call->results[0] = uint32_t(call->operands[0]);
    }
    return;
  }
  llvm::report_fatal_error(llvm::Twine("the emulator does not know ") + intrinsic);
}

bool stc::runAmdWarp(StringRef intrinsic, MutableArrayRef<WarpCall *> calls) {
  auto exchange = [&](auto other) {
    for (int lane = 0; lane < kWarpThreads; ++lane)
      calls[lane]->results[0] = uint32_t(calls[other(lane)]->operands[0]);
    return true;
  };
  if (intrinsic == "llvm.amdgcn.wave.barrier")
    return true;
  if (intrinsic == "llvm.amdgcn.ds.swizzle") { // and, or, xor: five bits each
    auto control = uint32_t(calls[0]->operands[1]);
    return exchange([&](int lane) {
      return ((lane & int(control & 31)) | int(control >> 5 & 31)) ^ int(control >> 10 & 31);
    });
  }
  if (intrinsic == "llvm.amdgcn.update.dpp.i32") { // quad_perm, of all rows and banks
    auto control = uint32_t(calls[0]->operands[2]);
    if (control > 255 || uint32_t(calls[0]->operands[3]) != 15 ||
        uint32_t(calls[0]->operands[4]) != 15)
      llvm::report_fatal_error("the emulator does not know this DPP");
    for (int lane = 0; lane < kWarpThreads; ++lane)
      calls[lane]->results[0] =
          uint32_t(calls[(lane & ~3) | int(control >> (2 * (lane & 3)) & 3)]->operands[1]);
    return true;
  }
  return false;
}

bool stc::runAmdThread(StringRef intrinsic, WarpCall &call) {
  auto word = [&](int i) { return uint32_t(call.operands[size_t(i)]); };
  auto dot = [&](uint32_t a, bool aSigned, uint32_t b, bool bSigned, uint32_t sum) {
    for (int i = 0; i < 4; ++i)
      sum +=
          uint32_t(byteOf(uint8_t(a >> (8 * i)), aSigned) * byteOf(uint8_t(b >> (8 * i)), bSigned));
    call.results[0] = sum;
    return true;
  };
  if (intrinsic == "llvm.amdgcn.sdot4")
    return dot(word(0), true, word(1), true, word(2));
  if (intrinsic == "llvm.amdgcn.sudot4")
    return dot(word(1), word(0) & 1, word(3), word(2) & 1, word(4));
  if (intrinsic == "llvm.amdgcn.perm") { // numbers above 7 have other meanings
    uint64_t both = uint64_t(word(0)) << 32 | word(1);
    for (int i = 0; i < 4; ++i) {
      uint32_t number = word(2) >> (8 * i) & 255;
      if (number > 7)
        llvm::report_fatal_error("the emulator does not know this selector of bytes");
      call.results[0] |= uint32_t(both >> (8 * number) & 255) << (8 * i);
    }
    return true;
  }
  if (intrinsic == "llvm.amdgcn.exp2.f32") {
    float x, power;
    std::memcpy(&x, call.operands.data(), sizeof x);
    power = std::exp2(x);
    if (std::fpclassify(power) == FP_SUBNORMAL)
      power = 0;
    std::memcpy(call.results.data(), &power, sizeof power);
    return true;
  }
  return false;
}
