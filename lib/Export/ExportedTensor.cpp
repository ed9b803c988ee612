// The weights of a compressed module as tensors of a checkpoint.
#include "ExportedWeight.h"

#include "stc/Import/TensorNames.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace stc {

using Change = WeightStore::Change;

static ErrorSite siteOf(WeightOp op) { return {"", "@" + op.getSymName().str(), std::nullopt}; }

DType ExportedWeight::floatType() const {
  bool plain =
      source->dtype == DType::F32 || source->dtype == DType::F16 || source->dtype == DType::BF16;
  switch (change) {
  case Change::None:
    return source->dtype;
  case Change::Masked:
    return plain ? source->dtype : DType::F32;
  case Change::NewValues:
  case Change::Quantized:
    // New values were rounded to the type that the graph has them in.
    return WeightOp(op).getTensorType().getElementType().isBF16() ? DType::BF16 : DType::F32;
  }
  llvm_unreachable("all changes are listed");
}

static absl::StatusOr<ExportedWeight> describe(WeightOp op, const Checkpoint &checkpoint,
                                               WeightStore &store) {
  ExportedWeight weight;
  weight.op = op;
  std::optional<StringRef> source = op.getSource();
  weight.source = source ? checkpoint.find({source->data(), source->size()}) : nullptr;
  if (!weight.source)
    return formatError(siteOf(op), "a weight that is a tensor of the checkpoint", "another");
  if (op.getTransposed() || op.getOffset())
    return formatError(siteOf(op), "a weight that the checkpoint stores as the model uses it",
                       absl::StrCat("one that ", checkpoint.config().architecture,
                                    " checkpoints store otherwise, which cannot be written yet"));
  if (op.getTensorType().getShape() != ArrayRef<int64_t>(weight.source->shape))
    return formatError(siteOf(op),
                       absl::StrCat("the shape that the checkpoint's configuration gives it, ",
                                    absl::StrJoin(weight.source->shape, "x")),
                       absl::StrJoin(op.getTensorType().getShape(), "x"));
  STC_ASSIGN_OR_RETURN(weight.change, store.changeOf(op));
  if (weight.isQuantized()) {
    QuantAttr quant = op.getQuantAttr();
    if (!quant)
      return formatError(siteOf(op), "an attribute that says how it was quantized", "none");
    STC_ASSIGN_OR_RETURN(weight.quantize, parseWeightSpec(quant.getSpec().str()));
  }
  return weight;
}

/// Families whose tensors hold several weights are read, and not written yet.
static absl::Status refuseFused(ModuleOp module, const std::string &architecture) {
  llvm::StringSet<> sources;
  for (auto op : module.getOps<WeightOp>())
    if (op.getSource() && op.getSlice() && !sources.insert(*op.getSource()).second)
      return formatError(siteOf(op), "a weight with a tensor of its own",
                         absl::StrCat("one that ", architecture,
                                      " checkpoints store together with others, which cannot be "
                                      "written yet"));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ExportedWeight>> collectWeights(ModuleOp module,
                                                           const Checkpoint &checkpoint,
                                                           WeightStore &store,
                                                           Checkpoint::Container container) {
  const std::string &architecture = checkpoint.config().architecture;
  STC_RETURN_IF_ERROR(refuseFused(module, architecture));
  std::vector<ExportedWeight> weights;
  llvm::StringSet<> sources;
  for (auto op : module.getOps<WeightOp>()) {
    STC_ASSIGN_OR_RETURN(ExportedWeight weight, describe(op, checkpoint, store));
    weight.name = tensorNameOf(architecture, op.getSymName(), container);
    bool copy = !sources.insert(*op.getSource()).second;
    if (copy && weight.name.empty()) {
      // The head's copy of a tied embedding. As long as they are equal one tensor is both.
      if (weight.change == Change::None)
        continue;
      weight.name = tensorNameOf(architecture, kHeadSymbol, container);
    }
    if (weight.name.empty())
      return formatError(siteOf(op), "a weight of " + architecture, "another");
    weights.push_back(std::move(weight));
  }
  return weights;
}

/// Values as F32, F16 or BF16.
static std::vector<uint8_t> convert(absl::Span<const float> values, DType type) {
  std::vector<uint8_t> bytes(values.size() * size_t(dtypeBlockBytes(type)));
  for (size_t i = 0; i < values.size(); ++i) {
    if (type == DType::F32) {
      std::memcpy(&bytes[4 * i], &values[i], 4);
      continue;
    }
    uint16_t half = type == DType::F16 ? floatToHalf(values[i]) : floatToBfloat16(values[i]);
    std::memcpy(&bytes[2 * i], &half, 2);
  }
  return bytes;
}

absl::StatusOr<std::vector<uint8_t>> floatBytes(const ExportedWeight &weight, DType type,
                                                const Checkpoint &checkpoint, WeightStore &store) {
  const TensorView &source = *weight.source;
  if (weight.change == Change::None && source.dtype == type && !source.encoding) {
    std::vector<uint8_t> bytes(source.bytes.begin(), source.bytes.end());
    checkpoint.release(source);
    return bytes;
  }
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight.op));
  return convert(values, type);
}

Progress exportProgress(const std::vector<TensorView> &tensors, bool quiet) {
  uint64_t total = 0;
  for (const TensorView &view : tensors)
    total += uint64_t(view.elementCount());
  return Progress("export", total, quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
}

} // namespace stc
