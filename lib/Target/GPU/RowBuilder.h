// What the kernels of rows share: arithmetic with constants, columns in fours, quantization.
#ifndef STC_LIB_TARGET_GPU_ROWBUILDER_H
#define STC_LIB_TARGET_GPU_ROWBUILDER_H

#include "BlockBuilder.h"

namespace stc::gpu {

/// Columns that one thread takes at once.
constexpr int64_t kFour = 4;

/// What `RowBuilder::quantize` gives every thread.
struct QuantizedLanes {
  Values codes; // i32 in [-127, 127], one per input
  Value scale;  // f32, the same in all lanes
};

class RowBuilder : public BlockBuilder {
public:
  using BlockBuilder::BlockBuilder;

  /// Unsigned arithmetic on i32 or index; constants take the type of the other operand.
  Value plus(Value a, int64_t b);
  Value times(Value a, int64_t b);
  Value quotient(Value a, int64_t b);
  Value remainder(Value a, int64_t b);
  Value isBelow(Value a, Value b);
  Value isBelow(Value a, int64_t b) { return isBelow(a, constant(a.getType(), b)); }
  Value smaller(Value a, Value b);
  Value smaller(Value a, int64_t b) { return smaller(a, constant(a.getType(), b)); }
  Value choose(Value condition, Value a, Value b);
  Value productOf(Value a, Value b);

  /// if (condition) body(), or body() alone where nothing needs to be asked.
  void guard(bool isNeeded, llvm::function_ref<Value()> condition, llvm::function_ref<void()> body);
  /// for (index i = first; i < count; i += workers) body(i), i the same in all lanes of a warp:
  /// warps take turns, those below `workers`, and number `shift` modulo `workers` begins.
  void forWarps(int64_t count, int64_t workers, llvm::function_ref<void(Value)> body,
                int64_t shift = 0);
  /// Makes what the lanes of a warp wrote to memory visible to each other.
  void syncWarp();

  /// f32 numbers column, ..., column + 3 (a multiple of 4) of a part of a row with `columns`
  /// columns that begins at column `begin`; zeros behind it. `prefix`: the indices before the last
  /// one. `isInside`: it is known that column < columns.
  Values loadFour(Value matrix, ValueRange prefix, Value begin, Value column, int64_t columns,
                  bool isInside);
  /// Stores them, those that exist.
  void storeFour(ValueRange four, Value matrix, ValueRange prefix, Value begin, Value column,
                 int64_t columns, bool isInside);
  /// Whether vectors of four f32 at multiples of four columns of such a part are aligned. Buffers
  /// and weights begin at multiples of 64 bytes.
  static bool isAligned(Value matrix, int64_t columns);

  /// Quantizes together the inputs of all lanes whose numbers differ in the bits of `mask`, as
  /// Packing's quantizeActivations does.
  QuantizedLanes quantize(ValueRange inputs, int64_t mask);
  /// The bits (i32) of the greatest magnitude of f32, which are ordered as magnitudes are.
  Value greatestBits(ValueRange inputs);
  /// Quantizes `inputs` of a group whose greatest magnitude has these bits.
  QuantizedLanes quantizeBelow(Value greatest, ValueRange inputs);
  /// The same for several groups of each lane, whose exchanges are under way together.
  llvm::SmallVector<QuantizedLanes> quantizeGroups(llvm::ArrayRef<Values> groups, int64_t mask);
  /// The lowest bytes of four i32, the first one lowest.
  Value packBytes(ValueRange four);
  /// The sum of i32.
  Value sumOf(ValueRange values);
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_ROWBUILDER_H
