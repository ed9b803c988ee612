// The table of AMD's instructions that multiply matrices.
#include "MatrixInstructions.h"

using namespace stc::gpu;
using Form = MatrixInstruction::Form;

namespace {

constexpr MatrixInstruction kMfma16{"llvm.amdgcn.mfma.i32.16x16x16i8", Form::Mfma, 16, 4, 4, 1, 4};
constexpr MatrixInstruction kMfma32{"llvm.amdgcn.mfma.i32.16x16x32.i8", Form::Mfma, 32, 8, 4, 1, 4};
constexpr MatrixInstruction kSmfmac64{
    "llvm.amdgcn.smfmac.i32.16x16x64.i8", Form::Smfmac, 64, 16, 4, 1, 4};
constexpr MatrixInstruction kWmma16{
    "llvm.amdgcn.wmma.i32.16x16x16.iu8.v8i32.v4i32", Form::WmmaIU, 16, 16, 8, 2, 1};
constexpr MatrixInstruction kMfmaHalves{
    "llvm.amdgcn.mfma.f32.16x16x16bf16.1k", Form::Mfma, 16, 4, 4, 1, 4};
constexpr MatrixInstruction kSmfmacHalves{
    "llvm.amdgcn.smfmac.f32.16x16x32.bf16", Form::Smfmac, 32, 8, 4, 1, 4};
constexpr MatrixInstruction kWmmaHalves{
    "llvm.amdgcn.wmma.f32.16x16x16.bf16.v8f32.v16i16", Form::Wmma, 16, 16, 8, 2, 1};

constexpr struct {
  const char *chip;
  MatrixInstructions instructions;
} kTable[] = {
    {"gfx90a", {&kMfma16, nullptr, &kMfmaHalves, nullptr}},
    {"gfx942", {&kMfma32, &kSmfmac64, &kMfmaHalves, &kSmfmacHalves}},
    {"gfx1100", {&kWmma16, nullptr, &kWmmaHalves, nullptr}},
};

} // namespace

const MatrixInstructions *stc::gpu::matrixInstructions(const TargetDescription &target) {
  for (const auto &row : kTable)
    if (target.isAmd() && target.chip == row.chip)
      return &row.instructions;
  return nullptr;
}
