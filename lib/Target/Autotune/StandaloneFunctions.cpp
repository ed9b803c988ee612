// Functions of kernels that run without a model.
#include "stc/Target/Autotune/StandaloneFunctions.h"

#include "stc/Dialect/Packed/IR/Packed.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace stc;

/// The caches of a test are the last two arguments of its function.
static void replaceCachePointers(func::FuncOp function) {
  SmallVector<packed::CachePointersOp> operations;
  function.walk([&](packed::CachePointersOp op) { operations.push_back(op); });
  for (auto op : operations) {
    KVCacheLayout layout = cast<KVCacheType>(op.getCache().getType()).getLayout();
    OpBuilder builder(op);
    Location loc = op.getLoc();
    for (unsigned i : {0, 1}) {
      Value bytes =
          arith::ConstantIndexOp::create(builder, loc, i ? layout.valueBytes() : layout.keyBytes());
      Value offset = arith::MulIOp::create(builder, loc, op.getLayer(), bytes);
      offset = arith::IndexCastOp::create(builder, loc, builder.getI64Type(), offset);
      Value base = function.getArgument(function.getNumArguments() - 2 + i);
      op->getResult(i).replaceAllUsesWith(
          LLVM::GEPOp::create(builder, loc, base.getType(), builder.getI8Type(), base, offset));
    }
    op.erase();
  }
}

/// So are the number of the thread and how many there are, where loops were distributed.
static void replaceThreads(func::FuncOp function) {
  SmallVector<packed::ThreadOp> operations;
  function.walk([&](packed::ThreadOp op) { operations.push_back(op); });
  for (auto op : operations) {
    for (unsigned i : {0, 1})
      op->getResult(i).replaceAllUsesWith(function.getArgument(function.getNumArguments() - 2 + i));
    op.erase();
  }
}

void stc::makeStandalone(ModuleOp module) {
  module.walk([](func::FuncOp function) {
    replaceCachePointers(function);
    replaceThreads(function);
  });
  module.walk([](memref::AllocOp op) {
    OpBuilder builder(op);
    op.replaceAllUsesWith(memref::AllocaOp::create(builder, op.getLoc(), op.getType()).getResult());
    op.erase();
  });
}
