// What all code generators begin with.
#ifndef STC_LIB_TARGET_EMISSION_OPTIMIZE_H
#define STC_LIB_TARGET_EMISSION_OPTIMIZE_H

#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

namespace stc {

/// Makes LLVM's targets known. May be called any number of times.
void initializeTargets();

/// Runs LLVM's O3 pipeline.
void optimize(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace stc

#endif // STC_LIB_TARGET_EMISSION_OPTIMIZE_H
