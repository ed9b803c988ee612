// Products of bytes and 16-bit floats by the four warps of a warpgroup together (wgmma).
//
// PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions": weights come from registers, as
// mma's do, and activations from shared memory, where a descriptor says how eight tokens by 128
// bytes lie.
#include "WarpgroupProducts.h"

#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include "absl/strings/str_cat.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kChunkBytes = 16, kSpanBytes = 32, kFragmentRows = 8;

Value stc::gpu::warpgroupPlace(BlockBuilder &builder, Value token, Value chunk) {
  Words words(builder);
  Value flipped = words.flip(chunk, words.rem(token, kFragmentRows));
  return words.add(words.mul(token, kWarpgroupRowBytes), words.mul(flipped, kChunkBytes));
}

/// The descriptor (i64) of a matrix whose first token begins at `start`: in units of 16 bytes, its
/// address, from bit 32 on the distance from eight tokens to the next, and on top that the chunks
/// of 128 bytes are exchanged. (The distance from bit 16 on is of other orders.)
static Value describe(BlockBuilder &builder, Value start) {
  constexpr uint64_t order = uint64_t(1) << 62 |
                             uint64_t(kFragmentRows * kWarpgroupRowBytes / kChunkBytes) << 32 |
                             uint64_t(1) << 16;
  Words words(builder);
  Value address = LLVM::PtrToIntOp::create(builder, builder.getI32Type(), start);
  address = words.right(words.both(address, 0x3FFFF), 4);
  Value wide = arith::ExtUIOp::create(builder, builder.getI64Type(), address);
  return arith::OrIOp::create(builder, wide,
                              builder.constant(builder.getI64Type(), static_cast<int64_t>(order)));
}

/// "{$first, ..., $last}" of `count` operands.
static std::string operands(int64_t first, int64_t count) {
  std::string text = "{";
  for (int64_t i = 0; i < count; ++i)
    absl::StrAppend(&text, i == 0 ? "$" : ", $", first + i);
  return text + "}";
}

/// What wgmma multiplies: its shape and types, what follows its operands, and the bytes that a span
/// of columns takes of a token.
struct WarpgroupInstruction {
  const char *name, *scales = "";
  int64_t spanBytes = kSpanBytes;
};

/// Adds the products of all spans with each of `inputs`, where the first span of tokens begins, to
/// `sums`. `places`: of a sparse matrix those of each span's weights.
static void addSpans(BlockBuilder &builder, const WarpgroupInstruction &instruction,
                     ArrayRef<std::array<Value, 4>> weights, ValueRange places,
                     ArrayRef<Value> inputs, MutableArrayRef<Value> sums) {
  auto sumCount = static_cast<int64_t>(sums.size());
  auto spans = static_cast<int64_t>(weights.size());
  bool isSparse = !places.empty();
  int64_t firstPlace = sumCount + 4 * spans;
  int64_t firstInput = firstPlace + static_cast<int64_t>(places.size());
  // One piece of text: the compiler must not touch the sums in between.
  std::string text = "{\n.reg .pred adds;\n.reg .b64 inputs;\n"
                     "setp.eq.u32 adds, 0, 0;\n"
                     "wgmma.fence.sync.aligned;\n";
  for (size_t input = 0; input < inputs.size(); ++input)
    for (int64_t span = 0; span < spans; ++span) {
      absl::StrAppend(&text, "add.u64 inputs, $", firstInput + input, ", ",
                      span * instruction.spanBytes / kChunkBytes, ";\n", "wgmma.mma_async.",
                      isSparse ? "sp." : "", "sync.aligned.", instruction.name, " ",
                      operands(0, sumCount), ", ", operands(sumCount + 4 * span, 4), ", inputs");
      if (isSparse) // of one selector
        absl::StrAppend(&text, ", $", firstPlace + span, ", 0");
      absl::StrAppend(&text, ", adds", instruction.scales, ";\n");
    }
  absl::StrAppend(&text, "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n}");

  Type type = sums[0].getType();
  Values arguments;
  std::string constraints;
  for (int64_t i = 0; i < sumCount; ++i)
    absl::StrAppend(&constraints, i == 0 ? "" : ",", type.isF32() ? "=f" : "=r");
  auto take = [&](Value argument, absl::string_view constraint) {
    arguments.push_back(argument);
    absl::StrAppend(&constraints, ",", constraint);
  };
  for (const std::array<Value, 4> &span : weights)
    for (Value word : span)
      take(word, "r");
  for (Value word : places)
    take(word, "r");
  for (Value input : inputs)
    take(describe(builder, input), "l");
  for (auto [i, sum] : llvm::enumerate(sums))
    take(sum, absl::StrCat(i));
  SmallVector<Type> types(sums.size(), type);
  auto result = LLVM::LLVMStructType::getLiteral(builder.getContext(), types);
  Value products = LLVM::InlineAsmOp::create(builder, result, arguments, text, constraints,
                                             /*has_side_effects=*/true, /*is_align_stack=*/false,
                                             LLVM::tailcallkind::TailCallKind::None,
                                             LLVM::AsmDialectAttr(), ArrayAttr())
                       .getResult(0);
  for (auto [i, sum] : llvm::enumerate(sums))
    sum = LLVM::ExtractValueOp::create(builder, products, static_cast<int64_t>(i));
}

void stc::gpu::addWarpgroupProducts(BlockBuilder &builder, ArrayRef<std::array<Value, 4>> weights,
                                    Value inputs, int64_t firstSpan, MutableArrayRef<Value> sums) {
  addSpans(builder, {"m64n64k32.s32.u8.s8"}, weights, /*places=*/{},
           builder.address(inputs, firstSpan * kSpanBytes), sums);
}

void stc::gpu::addWarpgroupPruned(BlockBuilder &builder, ArrayRef<std::array<Value, 4>> weights,
                                  ValueRange places, Value inputs, int64_t firstPair,
                                  MutableArrayRef<Value> sums) {
  constexpr int64_t pairBytes = 2 * kSpanBytes;
  addSpans(builder, {"m64n64k64.s32.s8.s8", "", pairBytes}, weights, places,
           builder.address(inputs, firstPair * pairBytes), sums);
}

void stc::gpu::addWarpgroupHalves(BlockBuilder &builder, ElementKind element,
                                  ArrayRef<std::array<Value, 4>> weights, ArrayRef<Value> inputs,
                                  MutableArrayRef<Value> sums) {
  bool isBF16 = element == ElementKind::BF16;
  // Neither is negated, and tokens lie column by column.
  addSpans(builder, {isBF16 ? "m64n128k16.f32.bf16.bf16" : "m64n128k16.f32.f16.f16", ", 1, 1, 0"},
           weights,
           /*places=*/{}, inputs, sums);
}

void stc::gpu::fenceCopies(BlockBuilder &builder) {
  NVVM::FenceProxyOp::create(
      builder, NVVM::ProxyKind::async_shared,
      NVVM::SharedSpaceAttr::get(builder.getContext(), NVVM::SharedSpace::shared_cta));
}
