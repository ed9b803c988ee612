// packed.split_activations: each thread takes four columns.
#include "BlockLowerings.h"
#include "RowBuilder.h"
#include "Words.h"

#include "stc/Packing/Pack.h"
#include "stc/Target/Kernels/NarrowFloats.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

void stc::gpu::emitSplitActivations(packed::SplitActivationsOp op,
                                    const TargetDescription &target) {
  RowBuilder builder(op, target);
  Words words(builder);
  auto outType = cast<MemRefType>(op.getOut().getType());
  int64_t columns = cast<MemRefType>(op.getInput().getType()).getDimSize(1);
  int64_t half = splitHalfColumns(columns);
  bool isF16 = outType.getElementType().isF16(), isSplit = outType.getDimSize(1) > half;
  auto store = [&](Values bits, Value token, Value column) {
    auto ints = VectorType::get(2, builder.getI32Type());
    Value pairs =
        vector::FromElementsOp::create(builder, ints,
                                       ValueRange{words.either(bits[0], words.left(bits[1], 16)),
                                                  words.either(bits[2], words.left(bits[3], 16))});
    Value halves =
        vector::BitCastOp::create(builder, VectorType::get(kFour, outType.getElementType()), pairs);
    vector::StoreOp::create(builder, halves, op.getOut(), ValueRange{token, column},
                            /*nontemporal=*/false, llvm::MaybeAlign(2 * kFour));
  };
  forEachToken(builder, op.getInput(), [&](Value token) {
    builder.forThreads(half / kFour, [&](Value number) {
      Value column = builder.times(number, kFour);
      Values high, low;
      for (Value x :
           builder.loadFour(op.getInput(), token, Value(), column, columns, half == columns)) {
        if (isF16) {
          high.push_back(roundToHalf(builder, x));
          continue;
        }
        auto [first, second] = splitFloat(builder, x);
        high.push_back(first);
        low.push_back(second);
      }
      store(high, token, column);
      if (isSplit)
        store(low, token, builder.plus(column, half));
    });
  });
  builder.barrier();
}
