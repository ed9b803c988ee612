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

/// The upper word of a matrix's descriptor: in units of 16 bytes the distance from eight tokens to
/// the next, and on top that the chunks of 128 bytes are exchanged.
constexpr uint32_t kOrder =
    uint32_t(1) << 30 | uint32_t(kFragmentRows * kWarpgroupRowBytes / kChunkBytes);

/// The lower word (i32) of the descriptor of a matrix whose first token is `offset` (i32, null: 0)
/// bytes behind `start`: in units of 16 bytes, its address. (The distance above that is of other
/// orders.)
static Value describe(BlockBuilder &builder, Value start, Value offset) {
  Words words(builder);
  Value address = LLVM::PtrToIntOp::create(builder, builder.getI32Type(), start);
  address = words.add(words.right(words.both(address, 0x3FFFF), 4), uint32_t(1) << 16);
  return offset ? words.add(address, words.right(offset, 4)) : address;
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
  std::string name;
  const char *scales = "";
  int64_t spanBytes = kSpanBytes;
};

/// Inline assembly that gives `count` values of `type`.
static Values runText(BlockBuilder &builder, Type type, int64_t count, ValueRange arguments,
                      const std::string &text, const std::string &constraints) {
  auto result = LLVM::LLVMStructType::getLiteral(builder.getContext(),
                                                 SmallVector<Type>(size_t(count), type));
  Value results = LLVM::InlineAsmOp::create(builder, result, arguments, text, constraints,
                                            /*has_side_effects=*/true, /*is_align_stack=*/false,
                                            LLVM::tailcallkind::TailCallKind::None,
                                            LLVM::AsmDialectAttr(), ArrayAttr())
                      .getResult(0);
  Values values;
  for (int64_t i = 0; i < count; ++i)
    values.push_back(LLVM::ExtractValueOp::create(builder, results, i));
  return values;
}

/// Starts the products of all spans with each of `inputs`, where the first span of tokens begins,
/// which are added to `sums`, or where there are none begin at zero: `count` values of `type`.
/// `places`: of a sparse matrix those of each span's weights; `offset` (i32, may be null): bytes
/// from `inputs` on.
static Values start(BlockBuilder &builder, const WarpgroupInstruction &instruction,
                    ArrayRef<std::array<Value, 4>> weights, ValueRange places,
                    ArrayRef<Value> inputs, Value offset, ValueRange sums, Type type,
                    int64_t count) {
  auto spans = static_cast<int64_t>(weights.size());
  bool isSparse = !places.empty(), isAdded = !sums.empty();
  int64_t firstPlace = count + 4 * spans;
  int64_t firstInput = firstPlace + static_cast<int64_t>(places.size());
  // One piece of text: the compiler must not touch the sums in between.
  std::string text =
      "{\n.reg .pred adds;\n.reg .pred begins;\n.reg .b32 place;\n.reg .b64 inputs;\n"
      "setp.eq.u32 adds, 0, 0;\nsetp.eq.u32 begins, 0, 1;\n"
      "wgmma.fence.sync.aligned;\n";
  for (size_t input = 0; input < inputs.size(); ++input)
    for (int64_t span = 0; span < spans; ++span) {
      bool begins = !isAdded && input == 0 && span == 0;
      absl::StrAppend(&text, "add.u32 place, $", firstInput + input, ", ",
                      span * instruction.spanBytes / kChunkBytes, ";\nmov.b64 inputs, {place, ",
                      kOrder, "};\nwgmma.mma_async.", isSparse ? "sp." : "", "sync.aligned.",
                      instruction.name, " ", operands(0, count), ", ",
                      operands(count + 4 * span, 4), ", inputs");
      if (isSparse) // of one selector
        absl::StrAppend(&text, ", $", firstPlace + span, ", 0");
      absl::StrAppend(&text, begins ? ", begins" : ", adds", instruction.scales, ";\n");
    }
  absl::StrAppend(&text, "wgmma.commit_group.sync.aligned;\n}");

  Values arguments;
  std::string constraints;
  // Results that are no arguments have registers of their own.
  for (int64_t i = 0; i < count; ++i)
    absl::StrAppend(&constraints, i == 0 ? "=" : ",=", isAdded ? "" : "&",
                    type.isF32() ? "f" : "r");
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
    take(describe(builder, input, offset), "r");
  for (auto [i, sum] : llvm::enumerate(sums))
    take(sum, absl::StrCat(i));
  return runText(builder, type, count, arguments, text, constraints);
}

Values stc::gpu::awaitWarpgroup(BlockBuilder &builder, ValueRange sums) {
  Type type = sums[0].getType();
  std::string constraints;
  for (size_t i = 0; i < sums.size(); ++i)
    absl::StrAppend(&constraints, i == 0 ? "=" : ",=", type.isF32() ? "f" : "r");
  for (size_t i = 0; i < sums.size(); ++i)
    absl::StrAppend(&constraints, ",", i);
  return runText(builder, type, static_cast<int64_t>(sums.size()), sums,
                 "wgmma.wait_group.sync.aligned 0;", constraints);
}

Values stc::gpu::startWarpgroupProducts(BlockBuilder &builder,
                                        ArrayRef<std::array<Value, 4>> weights, bool areSigned,
                                        Value inputs, Value offset, int64_t firstSpan,
                                        ValueRange sums) {
  return start(builder, {absl::StrCat("m64n64k32.s32.", areSigned ? "s8" : "u8", ".s8")}, weights,
               /*places=*/{}, builder.address(inputs, firstSpan * kSpanBytes), offset, sums,
               builder.getI32Type(), kWarpgroupSums);
}

Values stc::gpu::startWarpgroupPruned(BlockBuilder &builder, ArrayRef<std::array<Value, 4>> weights,
                                      ValueRange places, Value inputs, Value offset,
                                      int64_t firstPair) {
  constexpr int64_t pairBytes = 2 * kSpanBytes;
  return start(builder, {"m64n64k64.s32.s8.s8", "", pairBytes}, weights, places,
               builder.address(inputs, firstPair * pairBytes), offset, /*sums=*/{},
               builder.getI32Type(), kWarpgroupSums);
}

void stc::gpu::addWarpgroupHalves(BlockBuilder &builder, ElementKind element,
                                  ArrayRef<std::array<Value, 4>> weights, ArrayRef<Value> inputs,
                                  MutableArrayRef<Value> sums) {
  bool isBF16 = element == ElementKind::BF16;
  // Neither is negated, and tokens lie column by column.
  Values results =
      start(builder, {isBF16 ? "m64n128k16.f32.bf16.bf16" : "m64n128k16.f32.f16.f16", ", 1, 1, 0"},
            weights,
            /*places=*/{}, inputs, /*offset=*/Value(), ValueRange(sums), builder.getF32Type(),
            static_cast<int64_t>(sums.size()));
  llvm::copy(awaitWarpgroup(builder, results), sums.begin());
}

void stc::gpu::fenceCopies(BlockBuilder &builder) {
  NVVM::FenceProxyOp::create(
      builder, NVVM::ProxyKind::async_shared,
      NVVM::SharedSpaceAttr::get(builder.getContext(), NVVM::SharedSpace::shared_cta));
}
