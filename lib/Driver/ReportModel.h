// What a report measures on the IR: the loss of each part, and dense recipes of the same bytes.
#ifndef STC_LIB_DRIVER_REPORTMODEL_H
#define STC_LIB_DRIVER_REPORTMODEL_H

#include "ReportText.h"

#include "stc/Pipelines/Pipelines.h"

#include "mlir/IR/BuiltinOps.h"

namespace stc {

/// A compressed model whose values are in the weight store of its context. The binary must be
/// packed already: measuring overwrites what the store has.
struct ReportModel {
  mlir::ModuleOp graph;      // before compression, and still so
  mlir::ModuleOp compressed; // by `recipe`, after structure was removed if `structure`
  const Recipe &recipe;
  bool structure = false;
  const Sequences &windows;
  bool quiet = false;
};

/// The part losses of `data`, on a few of the windows; `progress` gets what was done.
absl::Status measureParts(ReportModel model, ReportData &data,
                          absl::FunctionRef<void(const std::string &)> progress);

/// The equal-bytes table of `data`, whose records must be there. Dense uniform recipes are
/// compressed like this one: the values of `compressed` are gone afterwards.
absl::Status compareWithDense(ReportModel model, ReportData &data,
                              absl::FunctionRef<void(const std::string &)> progress);

/// How many windows of `length` tokens can be run in bounded time: at least `least`, at most
/// `most`; `passes` is how often the whole model runs over each.
int64_t affordableWindows(mlir::ModuleOp module, int64_t length, double passes, int64_t least,
                          int64_t most);

} // namespace stc

#endif // STC_LIB_DRIVER_REPORTMODEL_H
