// What all kernels are written with: constants, addresses, vectors of 16 floats, loops.
#ifndef STC_TARGET_KERNELS_KERNELBUILDER_H
#define STC_TARGET_KERNELS_KERNELBUILDER_H

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace stc {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using Values = llvm::SmallVector<Value>;

/// Lanes of every float vector: the rows of a weight tile and the positions of a key tile. Targets
/// with shorter vectors get several instructions for one.
constexpr int64_t kLanes = 16;

/// What kernels of every kind of processor ask of the target.
struct KernelFeatures {
  bool fma;          // multiplication and addition with one rounding is one instruction
  bool convertsHalf; // f16 to f32 is an instruction and not a library call
};

/// A builder at one place of the code of a kernel. Index arithmetic is folded as it is built.
class BaseKernelBuilder : public mlir::ImplicitLocOpBuilder {
public:
  BaseKernelBuilder(mlir::Operation *op, KernelFeatures features)
      : ImplicitLocOpBuilder(op->getLoc(), op), features(features) {}

  mlir::VectorType floats(int64_t lanes = kLanes) {
    return mlir::VectorType::get(lanes, getF32Type());
  }
  mlir::VectorType ints(int64_t lanes = kLanes) {
    return mlir::VectorType::get(lanes, getI32Type());
  }
  mlir::VectorType bytes(int64_t count) { return mlir::VectorType::get(count, getI8Type()); }

  /// Constants. `type` may be a scalar or a vector.
  Value index(int64_t value);
  Value constant(Type type, int64_t value);
  Value constant(Type type, double value);

  /// Index arithmetic.
  Value add(Value a, Value b);
  Value add(Value a, int64_t b) { return add(a, index(b)); }
  Value mul(Value a, int64_t b);
  Value toI64(Value value);

  /// The address `offset` (index, i32 or i64) bytes after `base`, in the address space of `base`.
  Value address(Value base, Value offset);
  Value address(Value base, int64_t offset);
  /// The address of a row of a contiguous matrix of whole bytes, and the bytes of a row. Addresses
  /// that differ by constants share a register, which indices of different rows do not.
  Value rowAddress(Value matrix, Value row);
  static int64_t rowBytes(mlir::MemRefType type);
  /// Where the bytes of a weight begin.
  Value weightAddress(Value weight);
  /// Where the keys and the values of a layer begin; KVCacheLayout says what lies there.
  std::pair<Value, Value> cachePointers(Value cache, Value layer);
  /// The address of memory of the calling thread that lives as long as the function.
  Value stackBuffer(int64_t bytes);
  /// Loads from and stores to an address of any alignment.
  Value load(Type type, Value address);
  void store(Value value, Value address);

  /// Loads from and stores to memrefs; `mask` may be null.
  Value loadVector(mlir::VectorType type, Value memref, ValueRange indices, Value mask = {});
  void storeVector(Value vector, Value memref, ValueRange indices, Value mask = {});
  /// One element of a memref.
  Value loadElement(Value memref, ValueRange indices);

  Value broadcast(Value scalar, int64_t lanes = kLanes);
  /// Numbers 0, 1, ... of the lanes, as i32.
  Value laneNumbers();
  /// A mask of the first `count` lanes.
  Value firstLanes(int64_t count);
  Value firstLanes(Value count);

  /// Lanes of two vectors in turn: a[0], b[0], a[1], b[1] ... and back: x[first], x[first + 2] ...
  Value interleave(Value a, Value b);
  Value everyOther(Value x, int64_t first);

  /// a * b + c with one rounding where the target has such an instruction, else with two.
  Value multiplyAdd(Value a, Value b, Value c);
  /// Nearest integer, ties to even, for |x| < 2^22: exact on every target without a library call.
  Value roundToEven(Value x);
  /// The larger or smaller of two floats; NaN counts as neither.
  Value maximum(Value a, Value b);
  Value minimum(Value a, Value b);
  /// exp(x) for x <= 0 to about 2 ulp; results below 2^-126 become 2^-126. NaN gives any value.
  Value expOfNegative(Value x);
  /// tanh(x) to about 4 ulp.
  Value tanh(Value x);
  /// f32 from bf16 or from a finite f16; f32 itself. Vectors.
  Value toF32(Value x);
  /// The bits (i16) of f32 as f16, clamped to the finite range, to nearest even. Vectors.
  Value toF16Bits(Value x);
  /// The largest lane of a vector of numbers.
  Value largestLane(Value x);

  /// for (i = begin; i < end; i += step) values = body(i, values).
  Values loop(Value begin, Value end, int64_t step, ValueRange initial,
              llvm::function_ref<Values(Value, ValueRange)> body);
  void loop(Value begin, Value end, int64_t step, llvm::function_ref<void(Value)> body);

private:
  KernelFeatures features;
};

} // namespace stc

#endif // STC_TARGET_KERNELS_KERNELBUILDER_H
