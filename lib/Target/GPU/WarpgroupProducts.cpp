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

/// How a matrix lies in shared memory. `lower` (i32): the lower word of its descriptor, with its
/// address and from bit 16 on the distance along the rows or columns that lie together; `upper`:
/// the other word, with the distance across them and on top how chunks are exchanged. All are in
/// units of 16 bytes.
struct Description {
  Value lower;
  uint32_t upper;
};

/// Of a matrix that begins `offset` (i32, null: 0) bytes behind `start`: what depends on that alone
/// is computed once for all of them.
static Description describe(BlockBuilder &builder, Value start, Value offset, uint32_t along,
                            uint32_t across, uint32_t exchanged) {
  Words words(builder);
  Value address = LLVM::PtrToIntOp::create(builder, builder.getI32Type(), start);
  address = words.right(words.both(address, 0x3FFFF), 4);
  address = words.add(address, along / kChunkBytes << 16);
  if (offset)
    address = words.add(address, words.right(offset, 4));
  return {address, exchanged << 30 | across / uint32_t(kChunkBytes)};
}

/// Of tokens, the first of which begins there: from eight of them to the next, and chunks of 128
/// bytes are exchanged. (The distance along a token is not used: it has one.)
static Description describeInputs(BlockBuilder &builder, Value start, Value offset = Value()) {
  constexpr uint32_t ofEight = kFragmentRows * kWarpgroupRowBytes, in128Bytes = 1;
  return describe(builder, start, offset, kChunkBytes, ofEight, in128Bytes);
}

/// Of weights, of which 16 rows of a column lie together: from such rows to the next, and from
/// eight columns to the next, whose chunks are exchanged as those of 32 bytes.
static Description describeWeights(BlockBuilder &builder, Value start, int64_t tileBytes) {
  constexpr uint32_t in32Bytes = 3;
  return describe(builder, start, Value(), uint32_t(tileBytes), kHalfStepBytes / 2, in32Bytes);
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

/// A piece of text that reads operands and changes sums, or makes them where they are null. The
/// compiler must not touch the sums while it runs.
class ProductText {
public:
  ProductText(BlockBuilder &builder, Type type, MutableArrayRef<Value> sums)
      : builder(builder), type(type), sums(sums) {
    // Results that are no arguments have registers of their own.
    for (size_t i = 0; i < sums.size(); ++i)
      absl::StrAppend(&constraints, i == 0 ? "=" : ",=", makesSums() ? "&" : "",
                      type.isF32() ? "f" : "r");
  }

  bool makesSums() const { return !sums.empty() && !sums[0]; }

  /// The number of a new operand.
  int64_t take(Value argument, absl::string_view constraint) {
    arguments.push_back(argument);
    absl::StrAppend(&constraints, constraints.empty() ? "" : ",", constraint);
    return static_cast<int64_t>(sums.size() + arguments.size()) - 1;
  }

  /// Puts the text there.
  void emit(const std::string &text) {
    if (!makesSums())
      for (auto [i, sum] : llvm::enumerate(sums))
        take(sum, absl::StrCat(i));
    Type result;
    if (!sums.empty())
      result = LLVM::LLVMStructType::getLiteral(builder.getContext(),
                                                SmallVector<Type>(sums.size(), type));
    auto code = LLVM::InlineAsmOp::create(
        builder, result ? TypeRange(result) : TypeRange(), arguments, text, constraints,
        /*has_side_effects=*/true, /*is_align_stack=*/false, LLVM::tailcallkind::TailCallKind::None,
        LLVM::AsmDialectAttr(), ArrayAttr());
    for (auto [i, sum] : llvm::enumerate(sums))
      sum = LLVM::ExtractValueOp::create(builder, code.getResult(0), static_cast<int64_t>(i));
  }

private:
  BlockBuilder &builder;
  Type type;
  MutableArrayRef<Value> sums;
  Values arguments;
  std::string constraints;
};

constexpr char kBegin[] = "{\n.reg .pred adds, begins;\n.reg .b32 place;\n"
                          ".reg .b64 weights, inputs;\n"
                          "setp.eq.u32 adds, 0, 0;\nsetp.eq.u32 begins, 0, 1;\n"
                          "wgmma.fence.sync.aligned;\n";
constexpr char kEnd[] = "wgmma.commit_group.sync.aligned;\n}";

/// Sets register `name` to the descriptor of what lies `bytes` behind a matrix, the lower word of
/// whose descriptor is operand `number`.
static std::string setDescriptor(absl::string_view name, int64_t number, int64_t bytes,
                                 uint32_t upper) {
  return absl::StrCat("add.u32 place, $", number, ", ", bytes / kChunkBytes, ";\nmov.b64 ", name,
                      ", {place, ", upper, "};\n");
}

/// Where an instruction finds a matrix: the operand with the lower word of its descriptor, and the
/// upper word.
struct MatrixOperand {
  int64_t number;
  uint32_t upper;
};

/// Those of matrices that several products have, by where they begin.
using MatrixOperands = llvm::SmallDenseMap<Value, MatrixOperand>;

/// The operand of the matrix at `start`, which `describe` describes the first time; `taken` has
/// those that `text` has.
static MatrixOperand takeMatrix(ProductText &text, MatrixOperands &taken, Value start,
                                function_ref<Description()> describe) {
  auto found = taken.find(start);
  if (found == taken.end()) {
    Description description = describe();
    MatrixOperand operand{text.take(description.lower, "r"), description.upper};
    found = taken.try_emplace(start, operand).first;
  }
  return found->second;
}

/// Appends the product of weights in four operands from `weights` on and of tokens, `spans` spans
/// behind `input`. `sumCount`: of a thread; `begins`: whether they begin with it. `places`: of a
/// sparse matrix the operand with its places, and the selector of those that have them.
static void appendProduct(std::string &text, const WarpgroupInstruction &instruction,
                          int64_t sumCount, int64_t weights, MatrixOperand input, int64_t spans,
                          std::optional<std::pair<int64_t, int64_t>> places, bool begins) {
  absl::StrAppend(&text,
                  setDescriptor("inputs", input.number, spans * instruction.spanBytes, input.upper),
                  "wgmma.mma_async.", places ? "sp." : "", "sync.aligned.", instruction.name, " ",
                  operands(0, sumCount), ", ", operands(weights, 4), ", inputs");
  if (places)
    absl::StrAppend(&text, ", $", places->first, ", ", places->second);
  absl::StrAppend(&text, begins ? ", begins" : ", adds", instruction.scales, ";\n");
}

/// Starts the products of all spans with each of `inputs`, where the first span of tokens begins,
/// `offset` (i32, may be null) bytes further. `places`: of a sparse matrix those of each span's
/// weights; `type`: of the sums.
static void startSpans(BlockBuilder &builder, const WarpgroupInstruction &instruction,
                       ArrayRef<std::array<Value, 4>> weights, ValueRange places,
                       ArrayRef<Value> inputs, Value offset, Type type,
                       MutableArrayRef<Value> sums) {
  auto sumCount = static_cast<int64_t>(sums.size());
  ProductText product(builder, type, sums);
  for (const std::array<Value, 4> &span : weights)
    for (Value word : span)
      product.take(word, "r");
  int64_t firstPlace = sumCount + 4 * static_cast<int64_t>(weights.size());
  for (Value word : places)
    product.take(word, "r");
  std::string text = kBegin;
  for (auto [number, input] : llvm::enumerate(inputs)) {
    auto [lower, upper] = describeInputs(builder, input, offset);
    MatrixOperand operand{product.take(lower, "r"), upper};
    for (int64_t span = 0; span < static_cast<int64_t>(weights.size()); ++span) {
      std::optional<std::pair<int64_t, int64_t>> ofSpan;
      if (!places.empty()) // of one selector
        ofSpan = {firstPlace + span, 0};
      appendProduct(text, instruction, sumCount, sumCount + 4 * span, operand, span, ofSpan,
                    product.makesSums() && number == 0 && span == 0);
    }
  }
  product.emit(text + kEnd);
}

void stc::gpu::startWarpgroupProducts(BlockBuilder &builder, ArrayRef<std::array<Value, 4>> weights,
                                      bool areSigned, Value inputs, Value offset, int64_t firstSpan,
                                      MutableArrayRef<Value> sums) {
  startSpans(builder,
             {absl::StrCat("m64n", 2 * sums.size(), "k32.s32.", areSigned ? "s8" : "u8", ".s8")},
             weights, /*places=*/{}, builder.address(inputs, firstSpan * kSpanBytes), offset,
             builder.getI32Type(), sums);
}

void stc::gpu::startWarpgroupPruned(BlockBuilder &builder, ArrayRef<std::array<Value, 4>> weights,
                                    ValueRange places, Value inputs, Value offset,
                                    int64_t firstPair, MutableArrayRef<Value> sums) {
  constexpr int64_t pairBytes = 2 * kSpanBytes;
  startSpans(builder, {absl::StrCat("m64n", 2 * sums.size(), "k64.s32.s8.s8"), "", pairBytes},
             weights, places, builder.address(inputs, firstPair * pairBytes), offset,
             builder.getI32Type(), sums);
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
  startSpans(builder, {halvesName(element, sums.size(), kHalfSpan), kHalvesScales}, weights,
             /*places=*/{}, inputs, /*offset=*/Value(), builder.getF32Type(), sums);
  waitForProducts(builder, 0, sums);
}

void stc::gpu::startWarpgroupPrunedHalves(BlockBuilder &builder, ElementKind element,
                                          ArrayRef<PrunedHalves> products, Value places,
                                          MutableArrayRef<Value> sums) {
  // PTX ISA, "Sparse matrix storage" of wgmma.mma_async.sp: of 16-bit floats the selector is 0 or
  // 1, for the first or the last two threads of four.
  constexpr int64_t pairBytes = 2 * kSpanBytes;
  WarpgroupInstruction instruction{halvesName(element, sums.size(), 2 * kHalfSpan), kHalvesScales,
                                   pairBytes};
  std::string text = kBegin;
  ProductText product(builder, builder.getF32Type(), sums);
  int64_t placesNumber = product.take(places, "r");
  MatrixOperands inputs;
  for (const PrunedHalves &pruned : products) {
    MatrixOperand input = takeMatrix(product, inputs, pruned.input,
                                     [&] { return describeInputs(builder, pruned.input); });
    int64_t weights = product.take(pruned.weights[0], "r");
    for (Value word : ArrayRef(pruned.weights).drop_front())
      product.take(word, "r");
    appendProduct(text, instruction, static_cast<int64_t>(sums.size()), weights, input, pruned.half,
                  std::pair(placesNumber, pruned.half), /*begins=*/false);
  }
  product.emit(text + kEnd);
}

void stc::gpu::startWarpgroupHalves(BlockBuilder &builder, ElementKind element,
                                    ArrayRef<SharedProduct> products, int64_t first, int64_t steps,
                                    MutableArrayRef<Value> sums) {
  ProductText text(builder, builder.getF32Type(), sums);
  std::string name = halvesName(element, sums.size(), kHalfSpan), code = kBegin;
  MatrixOperands matrices;
  for (const SharedProduct &product : products) {
    auto [start, tileBytes] = product.weights;
    bool isTransposed = tileBytes > 0; // weights that lie column by column
    MatrixOperand weights =
        takeMatrix(text, matrices, start, [&, start = start, tileBytes = tileBytes] {
          return isTransposed ? describeWeights(builder, start, tileBytes)
                              : describeInputs(builder, start);
        });
    MatrixOperand input = takeMatrix(text, matrices, product.input,
                                     [&] { return describeInputs(builder, product.input); });
    int64_t stepBytes = isTransposed ? kHalfStepBytes : kSpanBytes;
    // Neither is negated, and tokens lie column by column.
    const char *scales = isTransposed ? ", 1, 1, 1, 0;\n" : ", 1, 1, 0, 0;\n";
    for (int64_t step = first; step < first + steps; ++step)
      absl::StrAppend(
          &code, setDescriptor("weights", weights.number, step * stepBytes, weights.upper),
          setDescriptor("inputs", input.number, step * kSpanBytes, input.upper),
          "wgmma.mma_async.sync.aligned.", name, " ",
          operands(0, static_cast<int64_t>(sums.size())), ", weights, inputs, adds", scales);
  }
  text.emit(code + kEnd);
}

void stc::gpu::waitForProducts(BlockBuilder &builder, int64_t pending,
                               MutableArrayRef<Value> sums) {
  Type type = sums.empty() ? Type() : sums[0].getType();
  ProductText(builder, type, sums)
      .emit(absl::StrCat("wgmma.wait_group.sync.aligned ", pending, ";\n"));
}

void stc::gpu::fenceCopies(BlockBuilder &builder) {
  NVVM::FenceProxyOp::create(
      builder, NVVM::ProxyKind::async_shared,
      NVVM::SharedSpaceAttr::get(builder.getContext(), NVVM::SharedSpace::shared_cta));
}
