// What the instructions of one kind of target do that kernels of GPUs are written with: one class
// for each kind.
#ifndef STC_LIB_TARGET_GPU_DEVICEINSTRUCTIONS_H
#define STC_LIB_TARGET_GPU_DEVICEINSTRUCTIONS_H

#include "BlockBuilder.h"

namespace stc::gpu {

/// The functions have the meaning of those of BlockBuilder with the same names. What the base class
/// builds is made of operations that every target has.
class DeviceInstructions {
public:
  virtual ~DeviceInstructions() = default;
  /// Those of a target.
  static const DeviceInstructions &of(const TargetDescription &target);

  virtual Value shuffleXor(BlockBuilder &builder, Value value, int64_t mask) const;
  /// The values (i32) of all lanes of a warp together, by one instruction; null where there is
  /// none.
  virtual Value reduceWarp(BlockBuilder &builder, Reduction kind, Value value) const {
    return Value();
  }
  virtual void syncWarp(BlockBuilder &builder) const;
  virtual void prefetchBulk(BlockBuilder &builder, Value address, Value bytes) const;
  virtual Value dot4(BlockBuilder &builder, Value a, Bytes aKind, Value b, Bytes bKind,
                     Value acc) const;
  virtual Value permuteBytes(BlockBuilder &builder, Value a, Value b, Value selector) const;
  /// 2 to the power of x (f32).
  virtual Value exp2(BlockBuilder &builder, Value x) const;
  /// `value` (i32), of which the optimizer does not know that it is: what is computed from it is
  /// not moved out of the code of a block of tokens.
  virtual Value keepHere(BlockBuilder &builder, Value value) const { return value; }
  /// What comes before the block's barrier in front of the grid's, and after that behind it: makes
  /// what this thread wrote visible to all blocks, and what they wrote to it. Nothing where the
  /// barriers of blocks and one thread's accesses do so.
  virtual void publish(BlockBuilder &builder) const {}
  virtual void observe(BlockBuilder &builder) const {}
};

/// One for each kind.
const DeviceInstructions &nvidiaInstructions();
const DeviceInstructions &amdInstructions(const TargetDescription &target);

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_DEVICEINSTRUCTIONS_H
