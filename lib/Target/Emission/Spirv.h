// What LLVM IR needs on its way to SPIR-V.
#ifndef STC_LIB_TARGET_EMISSION_SPIRV_H
#define STC_LIB_TARGET_EMISSION_SPIRV_H

#include "absl/status/status.h"
#include "llvm/IR/Module.h"
#include "llvm/Target/TargetMachine.h"

namespace stc {

/// Prepares an optimized module for the code generator of SPIR-V: vectors have 2, 3, 4,
/// 8 or 16 elements, as OpenCL has no others, and the module says that it is OpenCL C 2.0's.
/// Errors: an integer whose number of bits SPIR-V does not have.
absl::Status prepareForSpirv(llvm::Module &module, llvm::TargetMachine &machine);

} // namespace stc

#endif // STC_LIB_TARGET_EMISSION_SPIRV_H
