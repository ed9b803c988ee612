// Products of bytes and 16-bit floats by the four warps of a warpgroup together (wgmma).
//
// PTX ISA, "Asynchronous Warpgroup Level Matrix Instructions": activations come from shared memory,
// where a descriptor says how eight tokens by 128 bytes lie, and weights from registers, as mma's
// do, or from shared memory too, where floats of a row tile lie column by column ("MN-major", 32
// bytes of a column together).
#include "WarpgroupProducts.h"

#include "Words.h"

#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/DenseMap.h"

#include <optional>

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

constexpr int64_t kChunkBytes = 16, kSpanBytes = 32, kFragmentRows = 8;
/// Columns of 16 bits in a span.
constexpr int64_t kHalfSpan = 16;
/// Bytes of 16 columns of a row tile of 16-bit floats.
constexpr int64_t kHalfStepBytes = 2 * 16 * kTileRows;

Value stc::gpu::warpgroupPlace(BlockBuilder &builder, Value token, Value chunk) {
  Words words(builder);
  Value flipped = words.flip(chunk, words.rem(token, kFragmentRows));
  return words.add(words.mul(token, kWarpgroupRowBytes), words.mul(flipped, kChunkBytes));
}

/// The descriptor (i64) of a matrix that begins at `start`: its address, from bit 16 on the
/// distance along the rows or columns that lie together and from bit 32 on across them, all in
/// units of 16 bytes, and on top how chunks are exchanged.
static Value describe(BlockBuilder &builder, Value start, uint64_t along, uint64_t across,
                      uint64_t exchanged) {
  uint64_t order = exchanged << 62 | across / kChunkBytes << 32 | along / kChunkBytes << 16;
  Words words(builder);
  Value address = LLVM::PtrToIntOp::create(builder, builder.getI32Type(), start);
  address = words.right(words.both(address, 0x3FFFF), 4);
  Value wide = arith::ExtUIOp::create(builder, builder.getI64Type(), address);
  return arith::OrIOp::create(builder, wide,
                              builder.constant(builder.getI64Type(), static_cast<int64_t>(order)));
}

/// Of tokens, the first of which begins at `start`: from eight of them to the next, and chunks of
/// 128 bytes are exchanged. (The distance along a token is not used: it has one.)
static Value describeInputs(BlockBuilder &builder, Value start) {
  constexpr uint64_t ofEight = kFragmentRows * kWarpgroupRowBytes, in128Bytes = 1;
  return describe(builder, start, kChunkBytes, ofEight, in128Bytes);
}

/// Of weights, of which 16 rows of a column lie together: from such rows to the next, and from
/// eight columns to the next, whose chunks are exchanged as those of 32 bytes.
static Value describeWeights(BlockBuilder &builder, Value start, int64_t tileBytes) {
  constexpr uint64_t in32Bytes = 3;
  return describe(builder, start, uint64_t(tileBytes), kHalfStepBytes / 2, in32Bytes);
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

/// A piece of text that reads operands and changes sums. The compiler must not touch the sums while
/// it runs.
class ProductText {
public:
  ProductText(BlockBuilder &builder, MutableArrayRef<Value> sums) : builder(builder), sums(sums) {
    for (size_t i = 0; i < sums.size(); ++i)
      absl::StrAppend(&constraints, i == 0 ? "" : ",", sums[0].getType().isF32() ? "=f" : "=r");
  }

  /// The number of a new operand.
  int64_t take(Value argument, absl::string_view constraint) {
    arguments.push_back(argument);
    absl::StrAppend(&constraints, constraints.empty() ? "" : ",", constraint);
    return static_cast<int64_t>(sums.size() + arguments.size()) - 1;
  }

  /// Puts the text there.
  void emit(const std::string &text) {
    for (auto [i, sum] : llvm::enumerate(sums))
      take(sum, absl::StrCat(i));
    Type result;
    if (!sums.empty())
      result = LLVM::LLVMStructType::getLiteral(builder.getContext(),
                                                SmallVector<Type>(sums.size(), sums[0].getType()));
    auto code = LLVM::InlineAsmOp::create(
        builder, result ? TypeRange(result) : TypeRange(), arguments, text, constraints,
        /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
        LLVM::AsmDialectAttr(), ArrayAttr());
    for (auto [i, sum] : llvm::enumerate(sums))
      sum = LLVM::ExtractValueOp::create(builder, code.getResult(0), static_cast<int64_t>(i));
  }

private:
  BlockBuilder &builder;
  MutableArrayRef<Value> sums;
  Values arguments;
  std::string constraints;
};

constexpr char kBegin[] = "{\n.reg .pred adds;\n.reg .b64 weights, inputs;\n"
                          "setp.eq.u32 adds, 0, 0;\n"
                          "wgmma.fence.sync.aligned;\n";
constexpr char kCommit[] = "wgmma.commit_group.sync.aligned;\n";

/// "wgmma.wait_group" until at most `pending` groups of products are left.
static std::string waitText(int64_t pending) {
  return absl::StrCat("wgmma.wait_group.sync.aligned ", pending, ";\n");
}

/// Appends the product of weights in four operands from `weights` on and of tokens, `spans` spans
/// behind where operand `input` says. `sumCount`: of a thread. `places`: of a sparse matrix the
/// operand with its places, and the selector of those that have them.
static void appendProduct(std::string &text, const WarpgroupInstruction &instruction,
                          int64_t sumCount, int64_t weights, int64_t input, int64_t spans,
                          std::optional<std::pair<int64_t, int64_t>> places) {
  absl::StrAppend(&text, "add.u64 inputs, $", input, ", ",
                  spans * instruction.spanBytes / kChunkBytes, ";\n", "wgmma.mma_async.",
                  places ? "sp." : "", "sync.aligned.", instruction.name, " ",
                  operands(0, sumCount), ", ", operands(weights, 4), ", inputs");
  if (places)
    absl::StrAppend(&text, ", $", places->first, ", ", places->second);
  absl::StrAppend(&text, ", adds", instruction.scales, ";\n");
}

/// Adds the products of all spans with each of `inputs`, where the first span of tokens begins, to
/// `sums`. `places`: of a sparse matrix those of each span's weights.
static void addSpans(BlockBuilder &builder, const WarpgroupInstruction &instruction,
                     ArrayRef<std::array<Value, 4>> weights, ValueRange places,
                     ArrayRef<Value> inputs, MutableArrayRef<Value> sums) {
  auto sumCount = static_cast<int64_t>(sums.size());
  ProductText product(builder, sums);
  for (const std::array<Value, 4> &span : weights)
    for (Value word : span)
      product.take(word, "r");
  int64_t firstPlace = sumCount + 4 * static_cast<int64_t>(weights.size());
  for (Value word : places)
    product.take(word, "r");
  std::string text = kBegin;
  for (Value input : inputs) {
    int64_t number = product.take(describeInputs(builder, input), "l");
    for (int64_t span = 0; span < static_cast<int64_t>(weights.size()); ++span) {
      std::optional<std::pair<int64_t, int64_t>> ofSpan;
      if (!places.empty()) // of one selector
        ofSpan = {firstPlace + span, 0};
      appendProduct(text, instruction, sumCount, sumCount + 4 * span, number, span, ofSpan);
    }
  }
  product.emit(text + kCommit + waitText(0) + "}");
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

/// The shape and types of products of `columns` columns of floats with `sumCount` sums of a thread.
static std::string halvesName(ElementKind element, size_t sumCount, int64_t columns) {
  const char *types = element == ElementKind::BF16 ? "bf16.bf16" : "f16.f16";
  return absl::StrCat("m64n", 2 * sumCount, "k", columns, ".f32.", types);
}

/// What follows operands of floats whose weights come from registers: neither is negated, and
/// tokens lie column by column.
constexpr char kHalvesScales[] = ", 1, 1, 0";

void stc::gpu::addWarpgroupHalves(BlockBuilder &builder, ElementKind element,
                                  ArrayRef<std::array<Value, 4>> weights, ArrayRef<Value> inputs,
                                  MutableArrayRef<Value> sums) {
  std::string name = halvesName(element, sums.size(), kHalfSpan);
  addSpans(builder, {name.c_str(), kHalvesScales}, weights, /*places=*/{}, inputs, sums);
}

void stc::gpu::startWarpgroupPrunedHalves(BlockBuilder &builder, ElementKind element,
                                          ArrayRef<PrunedHalves> products, Value places,
                                          MutableArrayRef<Value> sums) {
  // PTX ISA, "Sparse matrix storage" of wgmma.mma_async.sp: of 16-bit floats the selector is 0 or
  // 1, for the first or the last two threads of four.
  constexpr int64_t pairBytes = 2 * kSpanBytes;
  std::string name = halvesName(element, sums.size(), 2 * kHalfSpan), text = kBegin;
  ProductText product(builder, sums);
  int64_t placesNumber = product.take(places, "r");
  llvm::SmallDenseMap<Value, int64_t> inputs; // operands that several products have
  for (const PrunedHalves &pruned : products) {
    auto [input, isNew] = inputs.try_emplace(pruned.input, 0);
    if (isNew)
      input->second = product.take(describeInputs(builder, pruned.input), "l");
    int64_t weights = product.take(pruned.weights[0], "r");
    for (Value word : ArrayRef(pruned.weights).drop_front())
      product.take(word, "r");
    appendProduct(text, {name.c_str(), kHalvesScales, pairBytes}, static_cast<int64_t>(sums.size()),
                  weights, input->second, pruned.half, std::pair(placesNumber, pruned.half));
  }
  product.emit(text + kCommit + "}");
}

void stc::gpu::startWarpgroupHalves(BlockBuilder &builder, ElementKind element,
                                    ArrayRef<SharedProduct> products, int64_t first, int64_t steps,
                                    MutableArrayRef<Value> sums) {
  ProductText text(builder, sums);
  std::string name = halvesName(element, sums.size(), kHalfSpan), code = kBegin;
  llvm::SmallDenseMap<Value, int64_t> numbers; // operands that several products have
  auto numberOf = [&](Value start, function_ref<Value()> description) {
    auto [entry, isNew] = numbers.try_emplace(start, 0);
    if (isNew)
      entry->second = text.take(description(), "l");
    return entry->second;
  };
  for (const SharedProduct &product : products) {
    auto [start, tileBytes] = product.weights;
    bool isTransposed = tileBytes > 0; // weights that lie column by column
    int64_t weights = numberOf(start, [&, start = start, tileBytes = tileBytes] {
      return isTransposed ? describeWeights(builder, start, tileBytes)
                          : describeInputs(builder, start);
    });
    int64_t input = numberOf(product.input, [&] { return describeInputs(builder, product.input); });
    int64_t stepBytes = isTransposed ? kHalfStepBytes : kSpanBytes;
    // Neither is negated, and tokens lie column by column.
    const char *scales = isTransposed ? ", 1, 1, 1, 0;\n" : ", 1, 1, 0, 0;\n";
    for (int64_t step = first; step < first + steps; ++step)
      absl::StrAppend(&code, "add.u64 weights, $", weights, ", ", step * stepBytes / kChunkBytes,
                      ";\nadd.u64 inputs, $", input, ", ", step * kSpanBytes / kChunkBytes,
                      ";\nwgmma.mma_async.sync.aligned.", name, " ",
                      operands(0, static_cast<int64_t>(sums.size())), ", weights, inputs, adds",
                      scales);
  }
  text.emit(code + kCommit + "}");
}

void stc::gpu::waitForProducts(BlockBuilder &builder, int64_t pending,
                               MutableArrayRef<Value> sums) {
  ProductText(builder, sums).emit(waitText(pending));
}

void stc::gpu::fenceCopies(BlockBuilder &builder) {
  NVVM::FenceProxyOp::create(
      builder, NVVM::ProxyKind::async_shared,
      NVVM::SharedSpaceAttr::get(builder.getContext(), NVVM::SharedSpace::shared_cta));
}
