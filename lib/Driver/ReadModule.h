// Reads untrusted textual MLIR without letting it crash the compiler.
#ifndef STC_LIB_DRIVER_READMODULE_H
#define STC_LIB_DRIVER_READMODULE_H

#include "absl/status/statusor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace stc {

/// Parses and verifies `path`. The upstream parser can be crashed by hostile input, so a child
/// process with memory, time and stack limits parses first; its death becomes an error.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> readModule(mlir::MLIRContext &context,
                                                             const std::string &path);

} // namespace stc

#endif // STC_LIB_DRIVER_READMODULE_H
