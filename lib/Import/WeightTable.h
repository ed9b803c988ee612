// Declares a checkpoint's tensors as stc.weight symbols, checking every name and shape.
#ifndef STC_LIB_IMPORT_WEIGHTTABLE_H
#define STC_LIB_IMPORT_WEIGHTTABLE_H

#include "Architecture.h"

#include "stc/Dialect/STC/IR/STC.h"
#include "stc/Formats/Checkpoint.h"
#include "stc/Import/TensorNames.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <string>
#include <vector>

namespace stc {

/// The ranges of rows that `part` takes, and the rows of the whole tensor. No ranges: all of them.
std::pair<llvm::SmallVector<int64_t>, int64_t> rangesOf(Part part, int64_t rows,
                                                        const ModelConfig &config);
/// The distance between the rows that `part` takes of these ranges: 1, or 2 of two that alternate.
int64_t rowStepOf(Part part);

/// The weights a module declares. Bytes are never read: only names, types and shapes.
class WeightTable {
public:
  WeightTable(const Checkpoint &checkpoint, const Architecture &architecture)
      : checkpoint(checkpoint), architecture(architecture), rows(architecture.weights()) {}

  /// Creates a `stc.weight` at `builder` for every row of the architecture's table that applies,
  /// and refuses tensors no row names.
  absl::Status declare(mlir::OpBuilder &builder);

  /// Creates a `stc.weight` that no container has.
  void declareVector(mlir::OpBuilder &builder, llvm::StringRef symbol,
                     llvm::ArrayRef<float> numbers);

  /// The declared weight `symbol`, or null for one this model lacks (a bias, a tied head).
  WeightOp find(llvm::StringRef symbol) const { return weights.lookup(symbol); }
  /// Tensors of other parts of the checkpoint (Architecture::otherParts), which are not read.
  const std::vector<std::string> &ignoredTensors() const { return ignored; }

private:
  bool applies(const WeightRow &row, int64_t layer) const;
  bool isGguf() const { return checkpoint.container() == Checkpoint::Container::Gguf; }
  /// The names that the container may have for a row's tensor, the usual one first.
  llvm::SmallVector<std::string> sourceNames(const WeightRow &row, int64_t layer,
                                             int64_t expert = 0) const;
  /// The one that exists, or the usual one.
  std::string sourceName(const WeightRow &row, int64_t layer, int64_t expert = 0) const;
  absl::Status declareRow(mlir::OpBuilder &builder, const WeightRow &row, int64_t layer,
                          int64_t expert);
  absl::Status declareRows(mlir::OpBuilder &builder, llvm::ArrayRef<const WeightRow *> rows,
                           int64_t layer);
  absl::Status refuseUnknown();

  const Checkpoint &checkpoint;
  const Architecture &architecture;
  llvm::SmallVector<WeightRow> rows;
  llvm::StringMap<WeightOp> weights;
  llvm::StringSet<> used; // tensor names that became weights
  std::vector<std::string> ignored;
};

} // namespace stc

#endif // STC_LIB_IMPORT_WEIGHTTABLE_H
