// packed-place-shared-memory: places private buffers in shared memory.
#include "SharedMemory.h"
#include "WarpgroupProducts.h"

#include "stc/Target/GPU/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

void stc::gpu::declareSharedMemory(ModuleOp module, const TargetDescription &target) {
  if (module.lookupSymbol(kSharedMemory))
    return;
  OpBuilder builder(module.getBody(), module.getBody()->begin());
  // NVIDIA's driver gives an array without a size what the launch asks for.
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), 0);
  LLVM::GlobalOp::create(builder, module.getLoc(), type, /*isConstant=*/false,
                         LLVM::Linkage::External, kSharedMemory, Attribute(),
                         target.hasWarpgroupMma ? kWarpgroupAlignment : kBarrierBytes, kShared);
}

int64_t stc::gpu::mostPrivateBytes(const TargetDescription &target) {
  return std::min<int64_t>(96 << 10, target.sharedBytes * 2 / 5);
}

namespace stc {

#define GEN_PASS_DEF_PLACESHAREDMEMORYPASS
#include "stc/Target/GPU/Passes.h.inc"

namespace {

class PlaceSharedMemory final : public impl::PlaceSharedMemoryPassBase<PlaceSharedMemory> {
public:
  using PlaceSharedMemoryPassBase::PlaceSharedMemoryPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto description = gpu::TargetDescription::parse(target);
    if (!description.ok()) {
      module.emitError() << std::string(description.status().message());
      return signalPassFailure();
    }
    gpu::declareSharedMemory(module, *description);
    auto scratch = module->getAttrOfType<IntegerAttr>(gpu::kScratchBytesAttr);
    int64_t offset = gpu::kBarrierBytes + (scratch ? scratch.getInt() : 0);
    auto shared = LLVM::LLVMPointerType::get(&getContext(), gpu::kShared);
    auto generic = LLVM::LLVMPointerType::get(&getContext());
    auto result = module.walk([&](memref::AllocaOp op) {
      MemRefType type = op.getType();
      if (!type.hasStaticShape() || !type.getLayout().isIdentity() ||
          !type.getElementType().isIntOrFloat()) {
        op.emitOpError("expects a static shape to be placed in shared memory");
        return WalkResult::interrupt();
      }
      ImplicitLocOpBuilder builder(op.getLoc(), op);
      Value base = LLVM::AddressOfOp::create(builder, shared, gpu::kSharedMemory);
      Value place = LLVM::GEPOp::create(builder, shared, builder.getI8Type(), base,
                                        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(offset)});
      place = LLVM::AddrSpaceCastOp::create(builder, generic, place);
      op.replaceAllUsesWith(
          packed::BufferOp::create(builder, type, place, ValueRange()).getResult());
      op.erase();
      int64_t bytes = type.getNumElements() * llvm::divideCeil(type.getElementTypeBitWidth(), 8);
      offset += llvm::alignTo(bytes, 128);
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      return signalPassFailure();
    if (offset > description->sharedBytes) {
      module.emitError("expects private buffers of at most ")
          << description->sharedBytes << " bytes for " << description->name << ", but got "
          << offset;
      return signalPassFailure();
    }
    if (description->isOpenCL()) {
      // There the module says how large it is, and not the launch.
      auto memory = module.lookupSymbol<LLVM::GlobalOp>(gpu::kSharedMemory);
      auto bytes = IntegerType::get(&getContext(), 8);
      memory.setGlobalType(LLVM::LLVMArrayType::get(bytes, static_cast<uint64_t>(offset)));
      memory.setLinkage(LLVM::Linkage::Internal);
    }
    module->setAttr(gpu::kSharedBytesAttr, Builder(&getContext()).getI64IntegerAttr(offset));
  }
};

} // namespace
} // namespace stc
