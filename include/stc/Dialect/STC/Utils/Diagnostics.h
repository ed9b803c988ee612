// The one bridge between absl::Status below and MLIR diagnostics above.
#ifndef STC_DIALECT_STC_UTILS_DIAGNOSTICS_H
#define STC_DIALECT_STC_UTILS_DIAGNOSTICS_H

#include "absl/status/status.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Operation.h"

namespace stc {

/// Emits the status' message as an error at `op` unless it is OK.
inline mlir::LogicalResult emitStatus(mlir::Operation *op, const absl::Status &status) {
  if (status.ok())
    return mlir::success();
  return mlir::emitError(op->getLoc(), std::string(status.message()));
}

} // namespace stc

#endif // STC_DIALECT_STC_UTILS_DIAGNOSTICS_H
