// Products of 16-bit floats by the tensor cores of a warp, and how registers get them.
#include "HalfProducts.h"

#include "TensorMatmul.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

Values stc::gpu::loadMatrices(BlockBuilder &builder, Value row, int64_t count, bool isTransposed) {
  MLIRContext *context = builder.getContext();
  SmallVector<Type> words(count, builder.getI32Type());
  Value loaded = NVVM::LdMatrixOp::create(
      builder, LLVM::LLVMStructType::getLiteral(context, words), row, static_cast<uint32_t>(count),
      isTransposed ? NVVM::MMALayout::col : NVVM::MMALayout::row,
      NVVM::LdStMatrixShapeAttr::get(context, kMatrixRows, kMatrixRows),
      NVVM::LdStMatrixEltType::B16);
  Values results;
  for (int64_t i = 0; i < count; ++i)
    results.push_back(LLVM::ExtractValueOp::create(builder, loaded, i));
  return results;
}

/// What instructions take of words of two numbers, and what they give.
static Values operandsOf(BlockBuilder &builder, ElementKind element, ValueRange words) {
  Values typed(words);
  auto pair = VectorType::get(2, builder.getF16Type());
  for (Value &word : typed)
    if (element == ElementKind::F16)
      word = LLVM::BitcastOp::create(builder, pair, word);
  return typed;
}

static Type resultType(BlockBuilder &builder) {
  SmallVector<Type> sums(kFragmentValues, builder.getF32Type());
  return LLVM::LLVMStructType::getLiteral(builder.getContext(), sums);
}

static std::array<NVVM::MMATypes, 2> typesOf(ElementKind element) {
  NVVM::MMATypes type = element == ElementKind::BF16 ? NVVM::MMATypes::bf16 : NVVM::MMATypes::f16;
  return {type, type};
}

static void extractSums(BlockBuilder &builder, Value product, MutableArrayRef<Value> sums) {
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, product, static_cast<int64_t>(i));
}

void stc::gpu::addHalfProducts(BlockBuilder &builder, ElementKind element, ValueRange weights,
                               ValueRange inputs, MutableArrayRef<Value> sums) {
  Value product = NVVM::MmaOp::create(
      builder, resultType(builder), operandsOf(builder, element, weights),
      operandsOf(builder, element, inputs), ValueRange(sums),
      ArrayRef<int64_t>{kTileRows, kFragmentTokens, kStepColumns}, std::nullopt, std::nullopt,
      typesOf(element), std::array<NVVM::MMALayout, 2>{NVVM::MMALayout::row, NVVM::MMALayout::col});
  extractSums(builder, product, sums);
}

void stc::gpu::addSparseHalfProducts(BlockBuilder &builder, ElementKind element, ValueRange weights,
                                     Value places, int64_t threadPair, ValueRange inputs,
                                     MutableArrayRef<Value> sums) {
  auto product =
      NVVM::MmaSpOp::create(builder, resultType(builder), operandsOf(builder, element, weights),
                            operandsOf(builder, element, inputs), ValueRange(sums), places,
                            /*sparsitySelector=*/builder.int32(threadPair),
                            ArrayRef<int64_t>{kTileRows, kFragmentTokens, kSparseStepColumns},
                            std::nullopt, typesOf(element));
  product.setOrderedMetadata(builder.getTarget().ordersSparseMma);
  extractSums(builder, product, sums);
}

/// Two f32 as bf16, the first one in the lower half.
static Value roundPair(BlockBuilder &builder, Value first, Value second) {
  auto type = VectorType::get(2, builder.getBF16Type());
  Value pair =
      LLVM::CallIntrinsicOp::create(builder, type, builder.getStringAttr("llvm.nvvm.ff2bf16x2.rn"),
                                    ValueRange{second, first})
          .getResult(0);
  return LLVM::BitcastOp::create(builder, builder.getI32Type(), pair);
}

SplitPair stc::gpu::splitPair(BlockBuilder &builder, Value first, Value second) {
  Type f32 = builder.getF32Type();
  SplitPair halves;
  halves.high = roundPair(builder, first, second);
  Value bits = arith::ShLIOp::create(builder, halves.high, builder.int32(16));
  first = arith::SubFOp::create(builder, first, arith::BitcastOp::create(builder, f32, bits));
  bits = arith::AndIOp::create(builder, halves.high, builder.int32(int32_t(0xFFFF0000)));
  second = arith::SubFOp::create(builder, second, arith::BitcastOp::create(builder, f32, bits));
  halves.low = roundPair(builder, first, second);
  return halves;
}

SplitPair stc::gpu::splitHalves(BlockBuilder &builder, Value pair) {
  auto halfType = VectorType::get(2, builder.getF16Type());
  Value halves = LLVM::BitcastOp::create(builder, halfType, pair);
  auto wide = [&](int64_t i) -> Value {
    Value half = vector::ExtractOp::create(builder, halves, i);
    return arith::ExtFOp::create(builder, builder.getF32Type(), half);
  };
  return splitPair(builder, wide(0), wide(1));
}
