// What a compilation writes, and what it is called.
#ifndef STC_LIB_DRIVER_OUTPUTS_H
#define STC_LIB_DRIVER_OUTPUTS_H

#include "stc/Driver/Compile.h"

namespace stc {

/// The model's own name: the checkpoint's folder or file without directories and suffix.
std::string modelName(const std::string &model);

/// Whether one file of code is written: MLIR, LLVM IR, assembly, PTX or SPIR-V.
bool isText(EmitKind kind);
/// Whether a checkpoint is written for other programs.
bool isExport(EmitKind kind);

/// An error where the output is a file that the compilation reads, or standard output for what is no
/// text.
absl::Status checkOutput(const CompileOptions &options);

/// Where the recipe of a search goes.
std::string recipePath(const CompileOptions &options);

/// One line that says how the model was compressed. The same for the recipe that a search wrote as
/// for its reading, and so the same binary.
std::string recipeText(const CompileOptions &options);

} // namespace stc

#endif // STC_LIB_DRIVER_OUTPUTS_H
