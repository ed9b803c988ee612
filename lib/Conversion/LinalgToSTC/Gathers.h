// Rows of tables, by numbers or by places.
#ifndef STC_LIB_CONVERSION_LINALGTOSTC_GATHERS_H
#define STC_LIB_CONVERSION_LINALGTOSTC_GATHERS_H

#include "mlir/IR/Value.h"

#include <optional>

namespace stc {

/// Rows of a table, of the tokens' numbers or (where `indices` is null) of the tokens' places.
struct GatherPattern {
  mlir::Value table, indices;
};

/// The gather that a tensor of [tokens, columns] is the result of. Tokens are rows of the table:
/// what a front end does to numbers that are none is looked through.
std::optional<GatherPattern> matchGather(mlir::Value result);

/// The table of which `rows`, as many as there are `tokens`, are the first; null if they are not of
/// a constant or a weight.
mlir::Value matchTableOfPlaces(mlir::Value rows, mlir::Value tokens);

/// The table of places that a slice of it is added to activations for, or null.
mlir::Value matchPlaces(mlir::Operation *slice, mlir::Value tokens);

} // namespace stc

#endif // STC_LIB_CONVERSION_LINALGTOSTC_GATHERS_H
