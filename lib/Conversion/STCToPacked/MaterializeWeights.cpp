// Packs the bytes of all weights and replaces stc.weight by packed.weight.
#include "MaterializeWeights.h"

#include "LayoutAttributes.h"

#include "stc/Dialect/STC/Utils/Diagnostics.h"
#include "stc/Dialect/STC/Utils/OrderedPipeline.h"
#include "stc/Dialect/STC/Utils/PackedWeights.h"
#include "stc/Dialect/STC/Utils/WeightStore.h"
#include "stc/Support/Progress.h"

#include "absl/strings/str_cat.h"
#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <map>

using namespace mlir;

namespace stc {

namespace {

/// A packed weight on its way from a worker to the weights section.
struct PackedBytes {
  std::vector<uint8_t> bytes;
  double density = 1;
  std::string pattern; // of zeros that were there before, found in floats
};

double densityOf(const std::vector<float> &values) {
  size_t zeros = 0;
  for (float value : values)
    zeros += value == 0;
  return values.empty() ? 0 : 1 - double(zeros) / double(values.size());
}

absl::Status pack(WeightStore &store, WeightOp weight, packed::WeightType type,
                  PackedBytes &result) {
  Layout layout = type.getLayout().getLayout();
  if (!layout.isQuantized()) {
    STC_ASSIGN_OR_RETURN(std::vector<float> values, store.load(weight));
    result.density = densityOf(values);
    if (layout.kind != LayoutKind::Rows && !weight.getPruneAttr())
      result.pattern = detectPattern(type.getRows(), type.getColumns(), values).str();
    STC_ASSIGN_OR_RETURN(result.bytes,
                         packFloats(layout, type.getRows(), type.getColumns(), values));
    return absl::OkStatus();
  }
  STC_ASSIGN_OR_RETURN(QuantizedMatrix matrix, store.quantized(weight));
  if (int64_t group = layout.scaleColumns(matrix.columns); matrix.group != group)
    return formatError({"", "@" + weight.getSymName().str(), std::nullopt},
                       absl::StrCat("codes in groups of ", group, " as the layout says"),
                       absl::StrCat("groups of ", matrix.group));
  result.density = double(countNonZero(matrix)) / double(matrix.codes.size());
  STC_ASSIGN_OR_RETURN(result.bytes, packQuantized(layout, matrix));
  return absl::OkStatus();
}

StringAttr stringAttribute(WeightOp weight, StringRef name) {
  return weight->getAttrOfType<StringAttr>(name);
}

WeightRecord describe(WeightOp weight, packed::WeightType type, const PackedBytes &packed) {
  Layout layout = type.getLayout().getLayout();
  WeightRecord record;
  record.name = weight.getSymName().str();
  record.layout = layout.str();
  StringAttr pattern = stringAttribute(weight, kPatternAttribute);
  record.pattern = pattern                   ? pattern.str()
                   : !packed.pattern.empty() ? packed.pattern
                                             : PrunePattern().str();
  if (StringAttr reason = stringAttribute(weight, kReasonAttribute))
    record.reason = reason.str();
  record.shape = weight.getTensorType().getShape().vec();
  record.group = layout.scaleColumns(type.getColumns());
  record.density = packed.density;
  record.bits = 8 * double(packed.bytes.size()) / double(type.getRows() * type.getColumns());
  return record;
}

/// Memory one weight takes on its way: its source values, its codes, its packed bytes.
uint64_t costOf(WeightOp weight, packed::WeightType type) {
  uint64_t perWeight = type.getLayout().getLayout().isQuantized() ? 4 : 8;
  return perWeight * uint64_t(weight.getTensorType().getNumElements());
}

/// Counts the matrices that had zeros before this compiler pruned anything, by their pattern.
class ZerosFound {
public:
  void add(WeightOp weight, const Layout &layout, const std::string &pattern) {
    if (layout.kind == LayoutKind::Rows)
      return;
    ++matrices;
    absl::StatusOr<PruneSpec> spec = parsePruneSpec(pattern);
    if (!spec.ok() || spec->pattern.kind == PrunePattern::Kind::None || weight.getPruneAttr())
      return;
    bool isGrouped = spec->pattern.kind == PrunePattern::Kind::NM;
    bool isBlocks = spec->pattern.kind == PrunePattern::Kind::Block;
    ++found[isGrouped ? pattern : isBlocks ? "sparse in blocks" : "sparse without a pattern"];
  }
  void report(ModuleOp module) {
    for (const auto &[pattern, count] : found)
      module.getContext()->getDiagEngine().emit(module.getLoc(), DiagnosticSeverity::Note)
          << "this model is " << pattern << " in " << count << " of " << matrices << " matrices";
  }

private:
  std::map<std::string, int64_t> found;
  int64_t matrices = 0;
};

} // namespace

packed::WeightType packedType(WeightOp weight) {
  auto layout = weight->getAttrOfType<packed::LayoutAttr>(kLayoutAttribute);
  if (!layout)
    return {};
  RankedTensorType type = weight.getTensorType();
  int64_t rows = type.getRank() == 2 ? type.getDimSize(0) : 1;
  return packed::WeightType::getChecked([&] { return emitError(weight.getLoc()); },
                                        weight.getContext(), rows, type.getShape().back(), layout);
}

FailureOr<uint64_t> materializeWeights(ModuleOp module, const MaterializeOptions &options) {
  SmallVector<WeightOp> weights;
  SmallVector<packed::WeightType> types;
  uint64_t total = 0, written = 0;
  for (auto weight : llvm::make_early_inc_range(module.getOps<WeightOp>())) {
    packed::WeightType type = packedType(weight);
    if (!type) {
      weight.erase();
      continue;
    }
    weights.push_back(weight);
    types.push_back(type);
    total += uint64_t(type.getRows() * type.getColumns());
  }
  absl::StatusOr<WeightStore *> store = WeightStore::get(module);
  if (!store.ok())
    return emitStatus(module, store.status());
  PackedWeights &section = PackedWeights::get(module.getContext());
  if (absl::Status begun = section.begin(options.bundle); !begun.ok())
    return emitStatus(module, begun);

  Progress progress("pack", total, options.quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
  std::vector<PackedBytes> slots(weights.size());
  ZerosFound zeros;
  size_t finished = 0;
  absl::Status status = streamInOrder(
      module.getContext(), weights.size(), [&](size_t i) { return costOf(weights[i], types[i]); },
      [&](size_t i) { return pack(**store, weights[i], types[i], slots[i]); },
      [&](size_t i) -> absl::Status {
        WeightOp weight = weights[i];
        WeightRecord record = describe(weight, types[i], slots[i]);
        STC_ASSIGN_OR_RETURN(uint64_t offset, section.add(record, slots[i].bytes));
        zeros.add(weight, types[i].getLayout().getLayout(), record.pattern);
        OpBuilder builder(weight);
        packed::WeightOp::create(
            builder, weight.getLoc(), weight.getSymNameAttr(), TypeAttr::get(types[i]),
            builder.getI64IntegerAttr(int64_t(offset)),
            builder.getI64IntegerAttr(int64_t(slots[i].bytes.size())),
            builder.getF64FloatAttr(record.density), stringAttribute(weight, kPatternAttribute),
            stringAttribute(weight, kReasonAttribute));
        if (options.verbose)
          emitRemark(weight.getLoc()) << record.name << ": " << record.layout << ", "
                                      << llvm::formatv("{0:F2}", record.bits).str()
                                      << " bits per weight: " << record.reason;
        written += slots[i].bytes.size();
        slots[i] = {};
        progress.advance(uint64_t(types[i].getRows() * types[i].getColumns()), record.name);
        ++finished;
        return absl::OkStatus();
      });
  if (!status.ok())
    return emitStatus(weights[finished], status);
  progress.finish();
  zeros.report(module);
  for (WeightOp weight : weights)
    weight.erase();
  return written;
}

} // namespace stc
