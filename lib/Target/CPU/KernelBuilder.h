// What the kernels of CPUs are written with.
#ifndef STC_LIB_TARGET_CPU_KERNELBUILDER_H
#define STC_LIB_TARGET_CPU_KERNELBUILDER_H

#include "stc/Target/CPU/TargetDescription.h"
#include "stc/Target/Kernels/KernelBuilder.h"

namespace stc::cpu {

using mlir::Type;
using mlir::Value;
using mlir::ValueRange;
using stc::Values;

/// A builder for one target.
class KernelBuilder : public BaseKernelBuilder {
public:
  KernelBuilder(mlir::Operation *op, const TargetDescription &target)
      : BaseKernelBuilder(op, {target.hasFma(), target.convertsHalf()}), target(target) {}

  const TargetDescription &getTarget() const { return target; }

private:
  const TargetDescription &target;
};

} // namespace stc::cpu

#endif // STC_LIB_TARGET_CPU_KERNELBUILDER_H
