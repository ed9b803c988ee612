// What kernels of GPUs are written with, made of operations that every target has.
#include "DeviceInstructions.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace stc;
using namespace stc::gpu;

const DeviceInstructions &DeviceInstructions::of(const TargetDescription &target) {
  static const DeviceInstructions plain;
  switch (target.vendor) {
  case Vendor::Nvidia:
    return nvidiaInstructions();
  case Vendor::Amd:
    return amdInstructions(target);
  case Vendor::OpenCL:
  case Vendor::Host:
    return plain;
  }
  llvm_unreachable("every vendor is listed");
}

Value DeviceInstructions::shuffleXor(BlockBuilder &builder, Value value, int64_t mask) const {
  return mlir::gpu::ShuffleOp::create(builder, value, builder.int32(mask),
                                      builder.int32(builder.getTarget().warpThreads),
                                      mlir::gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

void DeviceInstructions::syncWarp(BlockBuilder &builder) const {
  NVVM::SyncWarpOp::create(builder, builder.int32(-1));
}

void DeviceInstructions::prefetchBulk(BlockBuilder &builder, Value address, Value bytes) const {
  llvm_unreachable("the target has no bulk prefetches");
}

Value DeviceInstructions::dot4(BlockBuilder &builder, Value a, Bytes aKind, Value b, Bytes bKind,
                               Value acc) const {
  auto byteOf = [&](Value word, int64_t i, Bytes kind) -> Value {
    Value up = arith::ShLIOp::create(builder, word, builder.int32(24 - 8 * i));
    return kind == Bytes::Signed
               ? arith::ShRSIOp::create(builder, up, builder.int32(24)).getResult()
               : arith::ShRUIOp::create(builder, up, builder.int32(24)).getResult();
  };
  for (int64_t i = 0; i < 4; ++i) {
    Value product = arith::MulIOp::create(builder, byteOf(a, i, aKind), byteOf(b, i, bKind));
    acc = arith::AddIOp::create(builder, acc, product);
  }
  return acc;
}

Value DeviceInstructions::permuteBytes(BlockBuilder &builder, Value a, Value b,
                                       Value selector) const {
  Type i64 = builder.getI64Type();
  Value both = arith::ShLIOp::create(builder, arith::ExtUIOp::create(builder, i64, b),
                                     builder.constant(i64, int64_t(32)));
  both = arith::OrIOp::create(builder, both, arith::ExtUIOp::create(builder, i64, a));
  Value result = builder.int32(0);
  for (int64_t i = 0; i < 4; ++i) {
    Value number = arith::ShRUIOp::create(builder, selector, builder.int32(4 * i));
    number = arith::AndIOp::create(builder, number, builder.int32(7));
    Value shift = arith::ShLIOp::create(builder, number, builder.int32(3));
    Value byte = arith::ShRUIOp::create(builder, both, arith::ExtUIOp::create(builder, i64, shift));
    byte = arith::TruncIOp::create(builder, builder.getI32Type(), byte);
    byte = arith::AndIOp::create(builder, byte, builder.int32(255));
    byte = arith::ShLIOp::create(builder, byte, builder.int32(8 * i));
    result = arith::OrIOp::create(builder, result, byte);
  }
  return result;
}

Value DeviceInstructions::exp2(BlockBuilder &builder, Value x) const {
  return math::Exp2Op::create(builder, x);
}
