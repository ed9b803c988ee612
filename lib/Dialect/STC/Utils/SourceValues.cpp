// The original values of a weight: from the checkpoint or from its inline value.
#include "SourceValues.h"

#include "stc/Dialect/STC/Utils/AdoptedCodes.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <cmath>

using namespace mlir;

namespace stc {

namespace {

std::string shapeString(llvm::ArrayRef<int64_t> shape) { return absl::StrJoin(shape, "x"); }

absl::string_view view(llvm::StringRef text) { return {text.data(), text.size()}; }

/// Checks that every value is finite; a compiled model must not hide a broken checkpoint.
absl::Status checkFinite(const ErrorSite &site, absl::Span<const float> values) {
  constexpr uint32_t exponent = 0x7F800000;
  uint32_t bad = 0; // without branches, so that the loop vectorizes
  for (float value : values)
    bad |= uint32_t((floatBits(value) & exponent) == exponent);
  if (!bad)
    return absl::OkStatus();
  for (size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]))
      return formatError(site, "finite values", absl::StrCat(values[i], " at element ", i));
  return absl::OkStatus();
}

/// [columns][rows] from [rows][columns].
std::vector<float> transpose(const std::vector<float> &values, int64_t rows, int64_t columns) {
  std::vector<float> result(values.size());
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t column = 0; column < columns; ++column)
      result[size_t(column * rows + row)] = values[size_t(row * columns + column)];
  return result;
}

absl::StatusOr<std::vector<float>> readTensor(const Checkpoint &checkpoint, llvm::StringRef source,
                                              llvm::ArrayRef<int64_t> shape) {
  ErrorSite site{checkpoint.path(), source.str(), std::nullopt};
  const TensorView *tensor = checkpoint.find(view(source));
  if (!tensor)
    return formatError(site, "a tensor of this name", "none");
  // GGUF stores a matrix of one row as a vector.
  bool isRow = tensor->shape.size() == 1 && shape.size() == 2 && shape[0] == 1;
  if (llvm::ArrayRef<int64_t>(tensor->shape) != (isRow ? shape.drop_front() : shape))
    return formatError(site, absl::StrCat("shape ", shapeString(shape)),
                       shapeString(tensor->shape));
  std::vector<float> values(size_t(tensor->elementCount()));
  STC_RETURN_IF_ERROR(readFloats(*tensor, 0, absl::MakeSpan(values)));
  checkpoint.release(*tensor);
  STC_RETURN_IF_ERROR(checkFinite(site, values));
  return values;
}

/// `count` stored floats of the given type; false if the type or the length does not fit.
bool readRaw(llvm::ArrayRef<char> data, Type element, absl::Span<float> out) {
  auto convert = [&](auto stored, auto toFloat) {
    if (data.size() != out.size() * sizeof(stored))
      return false;
    for (size_t i = 0; i < out.size(); ++i) {
      std::memcpy(&stored, data.data() + i * sizeof(stored), sizeof(stored));
      out[i] = toFloat(stored);
    }
    return true;
  };
  if (element.isF32())
    return convert(float(), [](float value) { return value; });
  if (element.isF64())
    return convert(double(), [](double value) { return float(value); });
  if (element.isF16())
    return convert(uint16_t(), halfToFloat);
  if (element.isBF16())
    return convert(uint16_t(), bfloat16ToFloat);
  return false;
}

/// A splat claims any number of elements with a few bytes of text; this many are believed.
constexpr int64_t kMostInlineElements = int64_t(1) << 28;

bool isTooLarge(llvm::ArrayRef<int64_t> shape) {
  int64_t room = kMostInlineElements;
  for (int64_t size : shape)
    room /= size;
  return room == 0;
}

absl::StatusOr<std::vector<float>> readInline(WeightOp weight) {
  ErrorSite site{"", "@" + weight.getSymName().str(), std::nullopt};
  RankedTensorType type = weight.getOriginType();
  if (isTooLarge(type.getShape()))
    return formatError(site, absl::StrCat("at most ", kMostInlineElements, " inline elements"),
                       shapeString(type.getShape()));
  std::vector<float> values(size_t(type.getNumElements()));
  ElementsAttr value = *weight.getValue();
  bool read = false;
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    read = blob && readRaw(blob->getData(), type.getElementType(), absl::MakeSpan(values));
  } else if (auto elements = value.tryGetValues<APFloat>()) {
    size_t next = 0;
    for (APFloat element : *elements) {
      bool inexact;
      element.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &inexact);
      values[next++] = element.convertToFloat();
    }
    read = true;
  }
  if (!read)
    return formatError(site,
                       "an inline value of f64, f32, f16 or bf16 elements that fills its type",
                       "one that cannot be read");
  STC_RETURN_IF_ERROR(checkFinite(site, values));
  return values;
}

/// The indices of a dimension in their order.
SmallVector<int64_t> indicesOf(std::optional<DenseIntElementsAttr> order, int64_t size) {
  if (order)
    return SmallVector<int64_t>(order->getValues<int32_t>());
  return llvm::to_vector(llvm::seq<int64_t>(0, size));
}

/// Rows and columns of [rows][width] values.
std::vector<float> takeElements(const std::vector<float> &values, int64_t width,
                                ArrayRef<int64_t> rows, ArrayRef<int64_t> columns) {
  std::vector<float> taken;
  taken.reserve(rows.size() * columns.size());
  for (int64_t row : rows)
    for (int64_t column : columns)
      taken.push_back(values[size_t(row * width + column)]);
  return taken;
}

/// What a slice keeps of [rows][columns] values; a vector is one column.
std::vector<float> takeSlice(SliceAttr slice, const std::vector<float> &values) {
  bool isVector = slice.getOf().size() == 1;
  return takeElements(values, isVector ? 1 : slice.getOf()[1], slice.getKept(0),
                      isVector ? SmallVector<int64_t>{0} : slice.getKept(1));
}

/// The values of a weight in the order of its rows and columns.
std::vector<float> putInOrder(WeightOp weight, const std::vector<float> &values) {
  ArrayRef<int64_t> shape = weight.getTensorType().getShape();
  int64_t width = shape.size() == 2 ? shape[1] : 1;
  return takeElements(values, width, indicesOf(weight.getRowOrder(), shape[0]),
                      indicesOf(weight.getColumnOrder(), width));
}

absl::StatusOr<std::vector<float>> readOrigin(WeightOp weight, const Checkpoint *checkpoint) {
  if (weight.getValue())
    return readInline(weight);
  if (!checkpoint)
    return formatError({"", "@" + weight.getSymName().str(), std::nullopt},
                       "the module attribute stc.checkpoint to name the file that holds " +
                           printable(view(*weight.getSource())),
                       "no such attribute");
  SmallVector<int64_t> shape = weight.getSourceShape();
  STC_ASSIGN_OR_RETURN(std::vector<float> values,
                       readTensor(*checkpoint, *weight.getSource(), shape));
  if (weight.getTransposed())
    values = transpose(values, shape[0], shape[1]);
  if (weight.getOffset()) {
    double offset = weight.getOffset()->convertToDouble();
    for (float &value : values)
      value = float(value + offset);
  }
  return values;
}

} // namespace

absl::StatusOr<std::vector<float>> readSource(WeightOp weight, const Checkpoint *checkpoint) {
  STC_ASSIGN_OR_RETURN(std::vector<float> values, readOrigin(weight, checkpoint));
  if (weight.getSlice())
    values = takeSlice(*weight.getSlice(), values);
  if (weight.isOrdered())
    values = putInOrder(weight, values);
  return values;
}

const TensorView *codedSource(WeightOp weight, const Checkpoint *checkpoint) {
  if (!checkpoint || !weight.getSource() || weight.getTransposed() || weight.getOffset() ||
      weight.getTensorType().getRank() != 2)
    return nullptr;
  const TensorView *tensor = checkpoint->find(view(*weight.getSource()));
  return tensor && isCoded(*tensor) ? tensor : nullptr;
}

CodedMatrix readSourceGroups(WeightOp weight, const TensorView &tensor) {
  CodedMatrix groups;
  std::vector<int32_t> stored = readGroupOf(tensor);
  if (tensor.encoding)
    groups.group = tensor.encoding->tileColumns;
  groups.columns = weight.getTensorType().getDimSize(1);
  SmallVector<int64_t> kept = indicesOf(std::nullopt, weight.getOriginType().getDimSize(1));
  if (weight.getSlice())
    kept = weight.getSlice()->getKept(1);
  if (!stored.empty())
    for (int64_t place : indicesOf(weight.getColumnOrder(), groups.columns))
      groups.groupOf.push_back(stored[size_t(kept[size_t(place)])]);
  return groups;
}

absl::StatusOr<std::optional<CodedMatrix>> readSourceCodes(WeightOp weight,
                                                           const Checkpoint *checkpoint) {
  const TensorView *tensor = codedSource(weight, checkpoint);
  if (!tensor)
    return std::optional<CodedMatrix>();
  SmallVector<int64_t> shape = weight.getSourceShape();
  if (llvm::ArrayRef<int64_t>(tensor->shape) != llvm::ArrayRef<int64_t>(shape))
    return formatError({checkpoint->path(), weight.getSource()->str(), std::nullopt},
                       absl::StrCat("shape ", shapeString(shape)), shapeString(tensor->shape));
  STC_ASSIGN_OR_RETURN(CodedMatrix matrix, readCodes(*tensor));
  checkpoint->release(*tensor);
  if (weight.getSlice())
    matrix = takeCodes(matrix, weight.getSlice()->getKept(0), weight.getSlice()->getKept(1));
  if (weight.isOrdered())
    matrix = takeCodes(matrix, indicesOf(weight.getRowOrder(), matrix.rows),
                       indicesOf(weight.getColumnOrder(), matrix.columns));
  return std::make_optional(std::move(matrix));
}

} // namespace stc
