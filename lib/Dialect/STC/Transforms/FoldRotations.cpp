// stc-fold-rotations: rotates the hidden state and values by Hadamard matrices inside the weights.
#include "CompressibleWeights.h"
#include "LayerStructure.h"
#include "RotationRoles.h"

#include "stc/Compress/Hadamard.h"
#include "stc/Dialect/STC/Transforms/Passes.h"
#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Support/Progress.h"

#include "mlir/IR/Builders.h"

using namespace mlir;

namespace stc {

#define GEN_PASS_DEF_FOLDROTATIONSPASS
#include "stc/Dialect/STC/Transforms/Passes.h.inc"

namespace {

/// A weight, and what becomes of it.
struct Task {
  WeightOp weight;
  RotationRole role;
};

class FoldRotations final : public impl::FoldRotationsPassBase<FoldRotations> {
public:
  using FoldRotationsPassBase::FoldRotationsPassBase;

  void runOnOperation() override {
    SmallVector<Task> tasks;
    if (failed(check()) || failed(plan(tasks)))
      return signalPassFailure();
    if (absl::Status status = apply(tasks); !status.ok()) {
      (void)emitStatus(getOperation(), status);
      return signalPassFailure();
    }
  }

private:
  LogicalResult check();
  LogicalResult plan(SmallVector<Task> &tasks);
  WeightOp untie(WeightOp table, ArrayRef<OpOperand *> heads);
  absl::Status apply(ArrayRef<Task> tasks);
  absl::Status rotate(const Task &task, WeightStore &store);
  void widen(WeightOp weight);
  void report(const RotationRoles &roles);

  /// By the norms' weights, which are ones when they are needed.
  llvm::DenseMap<WeightOp, std::vector<float>> gains;
  std::optional<HadamardRotation> hidden;
};

/// True of the weight operand of a linear operation outside layers: an output head.
bool isHead(OpOperand *reader) {
  auto linear = dyn_cast<LinearOp>(reader->getOwner());
  return linear && !linear->getParentOfType<LayerOp>() && reader == &linear.getWeightMutable();
}

LogicalResult readElsewhere(Operation *reader, WeightOp weight) {
  return reader->emitError("stc-fold-rotations: expects a weight to be read only where it is "
                           "rotated alike, got @")
         << weight.getSymName() << " here too";
}

} // namespace

LogicalResult FoldRotations::check() {
  ModuleOp module = getOperation();
  for (const char *name : {"forward", "head"}) {
    auto function = module.lookupSymbol<func::FuncOp>(name);
    if (!function || !function.getBody().hasOneBlock())
      return module.emitError(
          "stc-fold-rotations: expects functions @forward and @head of one block");
  }
  for (auto weight : module.getOps<WeightOp>()) {
    if (weight.getPruneAttr() || weight.getQuantAttr())
      return weight.emitError("stc-fold-rotations: expects weights that are neither pruned nor "
                              "quantized, got @")
             << weight.getSymName();
    if (weight->hasAttr(kRotatedAttr))
      return weight.emitError("stc-fold-rotations: expects weights that are not rotated yet, got @")
             << weight.getSymName();
  }
  return success();
}

/// One task per weight. A table that is tied to the head is given apart from it: the head takes
/// over the gains of a norm, the table does not.
LogicalResult FoldRotations::plan(SmallVector<Task> &tasks) {
  ModuleOp module = getOperation();
  auto roles = findRotationRoles(module);
  if (failed(roles))
    return failure();
  if (roles->hidden == 0)
    return module.emitError("stc-fold-rotations: expects a stc.embedding in @forward, got none");
  hidden.emplace(roles->hidden, uint64_t(seed));

  llvm::MapVector<WeightOp, SmallVector<OpOperand *>> readers;
  for (auto &[reader, role] : roles->readers)
    readers[weightOf(reader->get())].push_back(reader);
  WalkResult walked = module.walk([&](GetWeightOp read) {
    for (OpOperand &use : read->getUses())
      if (readers.contains(weightOf(read)) && !roles->readers.contains(&use)) {
        (void)readElsewhere(use.getOwner(), weightOf(read));
        return WalkResult::interrupt();
      }
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return failure();

  for (auto &[weight, uses] : readers) {
    SmallVector<OpOperand *> heads, others;
    for (OpOperand *use : uses)
      (isHead(use) ? heads : others).push_back(use);
    for (bool ofHead : {false, true}) {
      ArrayRef<OpOperand *> alike = ofHead ? heads : others;
      if (alike.empty())
        continue;
      RotationRole role = roles->readers[alike.front()];
      for (OpOperand *use : alike)
        if (!(roles->readers[use] == role))
          return readElsewhere(use->getOwner(), weight);
      tasks.push_back({ofHead && !others.empty() ? untie(weight, heads) : weight, role});
    }
  }
  report(*roles);
  return success();
}

WeightOp FoldRotations::untie(WeightOp table, ArrayRef<OpOperand *> heads) {
  SmallVector<LinearOp> readers;
  for (OpOperand *head : heads)
    readers.push_back(cast<LinearOp>(head->getOwner()));
  WeightOp copy = copyForHead(table, readers);
  ++untied;
  if (verbose) {
    RankedTensorType type = copy.getTensorType();
    emitRemark(copy.getLoc()) << copy.getSymName() << ": no longer tied to " << table.getSymName()
                              << ", " << type.getNumElements() * type.getElementTypeBitWidth() / 8
                              << " bytes more unless it is compressed";
  }
  return copy;
}

void FoldRotations::report(const RotationRoles &roles) {
  for (LayerOp layer : roles.valuesUnmoved) {
    ++valuesLeft;
    if (verbose)
      emitRemark(layer.getLoc()) << "layer " << layer.getIndex()
                                 << ": values are not rotated, as no projections of its own lead "
                                    "straight to the cache and back";
  }
  if (verbose)
    emitRemark(getOperation().getLoc())
        << "hidden state of " << hidden->size() << " channels rotated in blocks of "
        << hidden->block() << ", values of " << roles.valuesMoved << " of "
        << roles.valuesMoved + int64_t(roles.valuesUnmoved.size()) << " layers";
}

absl::Status FoldRotations::apply(ArrayRef<Task> tasks) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(getOperation()));
  uint64_t total = 0;
  for (const Task &task : tasks) {
    total += uint64_t(WeightOp(task.weight).getTensorType().getNumElements());
    if (WeightOp norm = task.role.gains; norm && !gains.contains(norm)) {
      STC_ASSIGN_OR_RETURN(gains[norm], store->load(norm));
    }
  }
  Progress progress("rotate", total, quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  for (const Task &task : tasks) {
    WeightOp weight = task.weight;
    STC_RETURN_IF_ERROR(rotate(task, *store));
    StringRef name = weight.getSymName();
    progress.advance(uint64_t(weight.getTensorType().getNumElements()), {name.data(), name.size()});
    ++tensors;
  }
  progress.finish();
  gains.clear();
  return absl::OkStatus();
}

absl::Status FoldRotations::rotate(const Task &task, WeightStore &store) {
  WeightOp weight = task.weight;
  const RotationRole &role = task.role;
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
  ArrayRef<int64_t> shape = weight.getTensorType().getShape();
  int64_t rows = shape[0], columns = shape.size() == 2 ? shape[1] : 1; // a bias is a column
  if (role.isGain)
    std::fill(values.begin(), values.end(), 1.0f);
  if (role.gains) {
    const std::vector<float> &factors = gains[role.gains];
    for (size_t i = 0; i < values.size(); ++i)
      values[i] *= factors[i % factors.size()];
  }
  if (role.columns)
    hidden->rotateColumns(rows, values.data());
  if (role.rows)
    hidden->rotateRows(columns, values.data());
  // All heads of a layer turn alike, so that it does not matter which query heads share a value.
  if (int64_t headDim = std::max(role.valueRows, role.valueColumns)) {
    HadamardRotation head(headDim, uint64_t(seed) + 1 + uint64_t(role.layer));
    if (role.valueColumns)
      head.rotateColumns(rows * columns / headDim, values.data());
    else
      for (int64_t row = 0; row < rows; row += headDim)
        head.rotateRows(columns, values.data() + row * columns);
  }
  weight->setAttr(kRotatedAttr, UnitAttr::get(&getContext()));
  if (wide && !role.isGain)
    widen(weight);
  return store.setSource(weight, values);
}

/// Makes room for what bf16 and f16 round. An inline value has the weight's type.
void FoldRotations::widen(WeightOp weight) {
  if (!weight.getSource() || weight.getTensorType().getElementTypeBitWidth() >= 32)
    return;
  RankedTensorType type = weight.getTensorType().clone(Float32Type::get(&getContext()));
  weight.setTypeAttr(TypeAttr::get(type));
  getOperation().walk([&](GetWeightOp read) {
    if (read.getWeight() == weight.getSymName())
      read.getResult().setType(type);
  });
}

} // namespace stc
