// What the kernels of GPUs are written with: code that all threads of a block run together.
#ifndef STC_LIB_TARGET_GPU_BLOCKBUILDER_H
#define STC_LIB_TARGET_GPU_BLOCKBUILDER_H

#include "stc/Target/GPU/TargetDescription.h"
#include "stc/Target/Kernels/KernelBuilder.h"

namespace stc::gpu {

/// Lanes of a warp, on all GPUs (OpenCL's blocks are one).
constexpr int64_t kWarpLanes = 32;

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;

/// Address spaces of pointers, as all GPU targets of LLVM number them.
enum AddressSpace : unsigned { kGlobal = 1, kShared = 3, kConstant = 4 };

/// The name of the shared memory of a block, and of the module's attribute that says how many bytes
/// of it kernels use between their barriers; what lives longer lies behind those.
constexpr llvm::StringLiteral kSharedMemory = "stc_shared";
constexpr llvm::StringLiteral kScratchBytesAttr = "stc.block_scratch_bytes";
/// The shared memory by which threads exchange values where registers cannot be read by others.
constexpr llvm::StringLiteral kExchangeMemory = "stc_exchange";
/// The module's attribute that says how many bytes of shared memory a block needs in all.
constexpr llvm::StringLiteral kSharedBytesAttr = "stc.block_shared_bytes";

/// Bytes at the start of shared memory that belong to the grid's barrier.
constexpr int64_t kBarrierBytes = 128;

/// On the functions that are launched.
constexpr llvm::StringLiteral kKernelAttr = "stc.kernel";

enum class Reduction { Sum, Maximum, UnsignedMaximum };

/// What the bytes of a word are. Small: unsigned and below 128, so that they may be taken as
/// signed.
enum class Bytes { Signed, Unsigned, Small };

/// What the codes of a quantized layout are.
inline Bytes codeBytes(const Layout &layout) {
  return layout.codeBits() < 8 ? Bytes::Small : Bytes::Unsigned;
}

class DeviceInstructions;

/// A builder of code that the `blockThreads` threads of a block run together. Whatever is built
/// must be reached by all of them, or by none, where it contains a barrier or a shuffle.
///
/// The convention of all lowerings: when an operation begins, everything its block wrote before is
/// visible to all threads; when it ends, it has called `barrier` after its last access to memory
/// that others of the block read or write (so scratch memory may be used from the beginning).
class BlockBuilder : public BaseKernelBuilder {
public:
  BlockBuilder(mlir::Operation *op, const TargetDescription &target)
      : BaseKernelBuilder(op, {/*fma=*/true, /*convertsHalf=*/true}), target(target) {}

  const TargetDescription &getTarget() const { return target; }
  int64_t threads() const { return target.blockThreads; }
  int64_t warps() const { return target.warps(); }

  /// Numbers, i32: of the thread in its block, of the warp in the block and of the thread in it.
  Value thread();
  Value warp();
  Value lane();

  Value int32(int64_t value) { return constant(getI32Type(), value); }
  /// i32 or index -> the other.
  Value toI32(Value value);
  Value toIndex(Value value);

  /// Waits for all threads of the block; what they wrote before is visible after.
  void barrier();

  /// if (condition) body().
  void ifThen(Value condition, llvm::function_ref<void()> body);
  /// What `body` gives where the condition holds, else `others`.
  Values ifElse(Value condition, ValueRange others, llvm::function_ref<Values()> body);
  /// for (index i = thread; i < count; i += threads) body(i): each thread its share.
  void forThreads(Value count, llvm::function_ref<void(Value)> body);
  void forThreads(int64_t count, llvm::function_ref<void(Value)> body);

  /// `bytes` of shared memory that the operation in work may use, aligned to 128; always the same
  /// memory: one call per operation.
  Value scratch(int64_t bytes);
  /// Eight bytes of shared memory in which a block's first thread keeps what it knows of the grid's
  /// barrier. Nothing else lies there.
  Value barrierGoal();
  /// The address space 1 pointer of a pointer that is known to point to global memory.
  Value global(Value pointer);
  /// Loads from and stores to aligned addresses. `invariant`: nothing writes there while the kernel
  /// runs (weights).
  Value loadAligned(Type type, Value address, unsigned alignment, bool invariant = false);
  void storeAligned(Value value, Value address, unsigned alignment);

  /// Asks for `bytes` bytes (a multiple of 16) of global memory to be brought into the second
  /// cache. The target must have bulk prefetches.
  void prefetchBulk(Value address, Value bytes);
  void prefetchBulk(Value address, int64_t bytes) { prefetchBulk(address, int32(bytes)); }

  /// The value (32 bits) of the lane whose number differs by `mask`.
  Value shuffleXor(Value value, int64_t mask);
  Value combine(Reduction kind, Value a, Value b);
  /// The values of lanes whose numbers differ in the bits of `mask` (a set of powers of two)
  /// together; every lane gets the result. The target must have warps.
  Value reduceLanes(Reduction kind, Value value, int64_t mask);
  /// The same for several values, whose exchanges are under way together.
  void reduceLanes(Reduction kind, llvm::MutableArrayRef<Value> values, int64_t mask);
  /// The values (32 bits) of all threads of the block together; every thread gets the result. Uses
  /// the first bytes of `scratch` (4 x warps(), aligned to 16) and contains one barrier: another
  /// must come before these bytes are used again.
  Value reduceBlock(Reduction kind, Value value, Value scratch);

  /// acc + the four products of bytes of a and b (i32 each). One of them has signed bytes.
  Value dot4(Value a, Bytes aKind, Value b, Bytes bKind, Value acc);
  /// Byte i of the result is byte (nibble i of `selector`, lower 3 bits) of the eight bytes b:a,
  /// those of `a` first. Nibbles must be below 8.
  Value permuteBytes(Value a, Value b, Value selector);

  /// exp(x) by the target's instruction, about 2 ulp; x of any sign.
  Value fastExp(Value x);

  /// What the target has for all these.
  const DeviceInstructions &instructions();

private:
  /// reduceLanes where threads exchange values through shared memory alone.
  void exchangeLanes(Reduction kind, llvm::MutableArrayRef<Value> values, int64_t mask);

  const TargetDescription &target;
};

} // namespace stc::gpu

#endif // STC_LIB_TARGET_GPU_BLOCKBUILDER_H
