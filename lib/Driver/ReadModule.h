// Reads untrusted textual MLIR without letting it crash the compiler, and what it says of a model.
#ifndef STC_LIB_DRIVER_READMODULE_H
#define STC_LIB_DRIVER_READMODULE_H

#include "stc/Packing/Bundle.h"

#include "absl/status/statusor.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>

namespace stc {

/// Parses and verifies `path`. The upstream parser can be crashed by hostile input, so a child
/// process with memory, time and stack limits parses first; its death becomes an error.
absl::StatusOr<mlir::OwningOpRef<mlir::ModuleOp>> readModule(mlir::MLIRContext &context,
                                                             const std::string &path);

/// Makes a relative `stc.checkpoint` refer to the folder of the module's file `path` where it is
/// found there: a module and its weights can move together. Otherwise it stays relative to the
/// working directory.
void findCheckpoint(mlir::ModuleOp module, const std::string &path);

/// Module attributes of the tokens that begin and end a text: an i64 and an array<i64: ...>.
inline constexpr char kBosTokenAttr[] = "stc.bos_token", kEosTokensAttr[] = "stc.eos_tokens";

/// Takes them into `settings`, whose vocabulary they must be in. `path` names the file in errors.
absl::Status readTextTokens(mlir::ModuleOp module, const std::string &path,
                            ModelSettings &settings);

} // namespace stc

#endif // STC_LIB_DRIVER_READMODULE_H
