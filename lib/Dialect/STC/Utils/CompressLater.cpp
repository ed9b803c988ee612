// Prunes and rounds tensors of the checkpoint some rows at a time.
#include "stc/Dialect/STC/Utils/CompressLater.h"

#include "stc/Compress/PruneRows.h"
#include "stc/Compress/RoundRows.h"

#include <algorithm>

using namespace mlir;

namespace stc {

namespace {

/// Floats that are read at once: they stay in a second cache while they are compressed.
constexpr int64_t kFloatsAtOnce = int64_t(1) << 16;
/// Bytes of the source that may be mapped before they are released.
constexpr size_t kReleasedBytes = size_t(8) << 20;
constexpr int64_t kSampledRows = 64;

absl::Status readRows(const TensorView &tensor, int64_t firstRow, absl::Span<float> values) {
  STC_RETURN_IF_ERROR(readFloats(tensor, firstRow * tensor.shape[1], values));
  return checkFinite(values, tensor.name);
}

/// Gives `use` the number of the first and the values of some rows at a time, until all were given.
absl::Status forRows(const TensorView &tensor,
                     llvm::function_ref<void(int64_t, absl::Span<float>)> use) {
  int64_t rows = tensor.shape[0], columns = tensor.shape[1];
  int64_t most = std::clamp<int64_t>(kFloatsAtOnce / columns, 1, rows);
  std::vector<float> values(size_t(most * columns));
  for (int64_t row = 0; row < rows; row += most) {
    auto some = absl::MakeSpan(values).first(size_t(std::min(most, rows - row) * columns));
    STC_RETURN_IF_ERROR(readRows(tensor, row, some));
    use(row, some);
  }
  return absl::OkStatus();
}

} // namespace

bool canCompressLater(WeightStore &store, WeightOp weight) {
  const TensorView *tensor = store.sourceTensor(weight);
  bool isCompressed = weight.getPruneAttr() && !weight->hasAttr(kCompressedLaterAttr);
  return tensor && weight.isWholeSource() && !isCompressed && !weight.getQuantAttr() &&
         !weight->hasAttr(kCalibratedAttr) && !weight->hasAttr(kRotatedAttr) && !tensor->encoding &&
         tensor->ownScales.empty() && dtypeIsFloat(tensor->dtype) &&
         dtypeBlockElements(tensor->dtype) == 1 && tensor->shape.size() == 2 &&
         llvm::ArrayRef<int64_t>(tensor->shape) == weight.getTensorType().getShape();
}

absl::StatusOr<LateCompression> lateCompression(WeightOp weight) {
  auto view = [](StringRef text) { return absl::string_view(text.data(), text.size()); };
  LateCompression compression;
  if (PruneAttr prune = weight.getPruneAttr()) {
    STC_ASSIGN_OR_RETURN(PruneSpec spec, parsePruneSpec(view(prune.getSpec())));
    compression.prune = spec.pattern;
  }
  if (QuantAttr quant = weight.getQuantAttr()) {
    STC_ASSIGN_OR_RETURN(compression.quantize, parseWeightSpec(view(quant.getSpec())));
  }
  return compression;
}

absl::StatusOr<QuantizedMatrix>
compressTensor(const LateCompression &compression, const TensorView &tensor,
               llvm::function_ref<void(const TensorView &)> release) {
  int64_t rows = tensor.shape[0], columns = tensor.shape[1];
  RowPruner pruner(compression.prune, rows, columns);
  if (pruner.needsSurvey())
    STC_RETURN_IF_ERROR(
        forRows(tensor, [&](int64_t, absl::Span<float> values) { pruner.survey(values); }));
  QuantizedMatrix matrix = emptyMatrix(compression.quantize, rows, columns);
  size_t rowBytes = size_t(columns * dtypeBlockBytes(tensor.dtype)), released = 0;
  STC_RETURN_IF_ERROR(forRows(tensor, [&](int64_t row, absl::Span<float> values) {
    pruner.prune(row, values);
    roundRows(compression.quantize, row, values, matrix);
    size_t end = (size_t(row) + values.size() / size_t(columns)) * rowBytes;
    if (end - released < kReleasedBytes && end != size_t(rows) * rowBytes)
      return;
    TensorView part = tensor;
    part.bytes = tensor.bytes.subspan(released, end - released);
    release(part);
    released = end;
  }));
  return matrix;
}

static int64_t sampledRows(const TensorView &tensor) {
  return std::min(tensor.shape[0], kSampledRows);
}

/// Passes rows spread over a tensor to `consume`, with their numbers among those.
static absl::Status sampleRows(const TensorView &tensor,
                               llvm::function_ref<void(int64_t, absl::Span<const float>)> consume) {
  int64_t count = sampledRows(tensor);
  std::vector<float> values(static_cast<size_t>(tensor.shape[1]));
  for (int64_t i = 0; i < count; ++i) {
    STC_RETURN_IF_ERROR(readRows(tensor, i * tensor.shape[0] / count, absl::MakeSpan(values)));
    consume(i, values);
  }
  return absl::OkStatus();
}

absl::StatusOr<double> sampleDensity(const QuantizeSpec &spec, const TensorView &tensor) {
  QuantizedMatrix matrix = emptyMatrix(spec, sampledRows(tensor), tensor.shape[1]);
  STC_RETURN_IF_ERROR(sampleRows(tensor, [&](int64_t i, absl::Span<const float> values) {
    roundRows(spec, i, values, matrix);
  }));
  return double(countNonZero(matrix)) / double(matrix.codes.size());
}

absl::StatusOr<double> sampleDensity(const TensorView &tensor) {
  int64_t zeros = 0;
  STC_RETURN_IF_ERROR(sampleRows(tensor, [&](int64_t, absl::Span<const float> values) {
    zeros += std::count(values.begin(), values.end(), 0.0f);
  }));
  return 1 - double(zeros) / double(sampledRows(tensor) * tensor.shape[1]);
}

} // namespace stc
