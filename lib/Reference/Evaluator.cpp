// Runs blocks and calls, and loads weights.
#include "Evaluator.h"

#include "stc/Dialect/STC/Utils/PackedWeights.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

using namespace mlir;
using namespace stc;

/// Calls may nest this deep: graphs need two levels, and a function that calls itself must end.
static constexpr int kDepthLimit = 64;
/// Elements of decoded weights that are kept for the next use (1 GiB of float64).
static constexpr int64_t kKeptElements = int64_t(1) << 27;

absl::Status stc::opError(Operation *op, absl::string_view expected, absl::string_view got) {
  return formatError({"", op->getName().getStringRef().str(), {}}, expected, got);
}

std::string stc::shapeText(llvm::ArrayRef<int64_t> shape) { return absl::StrJoin(shape, "x"); }

absl::Status stc::checkRows(Operation *op, std::initializer_list<const ReferenceTensor *> tensors) {
  int64_t rows = rowsOf(**tensors.begin());
  for (const ReferenceTensor *tensor : tensors)
    if (rowsOf(*tensor) != rows)
      return opError(op, absl::StrCat("operands of ", rows, " rows"),
                     absl::StrCat(rowsOf(*tensor), " rows"));
  return absl::OkStatus();
}

absl::Status stc::checkColumns(Operation *op, const ReferenceTensor &tensor, int64_t columns) {
  if (columnsOf(tensor) == columns)
    return absl::OkStatus();
  return opError(op, absl::StrCat("an operand of ", columns, " columns"),
                 absl::StrCat(columnsOf(tensor), " columns"));
}

absl::StatusOr<ReferenceTensor> stc::permuteColumns(Operation *op, const ReferenceTensor &input,
                                                    const ReferenceTensor &order) {
  int64_t rows = rowsOf(input), columns = columnsOf(input), count = columnsOf(order);
  ReferenceTensor result = makeTensor({rows, count});
  for (int64_t c = 0; c < count; ++c) {
    double column = order.values[c];
    if (column == -1 && count != columns)
      continue; // a zero
    if (!(column >= 0 && column < double(columns)) || column != std::floor(column))
      return opError(op, absl::StrCat("an order of whole numbers from 0 to ", columns - 1),
                     absl::StrCat(column));
    for (int64_t t = 0; t < rows; ++t)
      result.values[t * count + c] = input.values[t * columns + int64_t(column)];
  }
  return result;
}

absl::Status stc::checkRotary(Operation *op, const ReferenceTensor &input,
                              const ReferenceTensor &cosines, const ReferenceTensor &sines,
                              int64_t headDim) {
  STC_RETURN_IF_ERROR(checkRows(op, {&input, &cosines, &sines}));
  int64_t pairs = columnsOf(cosines);
  if (pairs == 0 || headDim < 2 * pairs || columnsOf(input) % headDim != 0)
    return opError(op, absl::StrCat("columns that are a multiple of ", headDim),
                   absl::StrCat(columnsOf(input)));
  return checkColumns(op, sines, pairs);
}

Evaluator::Evaluator(ModuleOp module, absl::Span<const uint8_t> section)
    : module(module), symbols(module), section(section) {}

absl::StatusOr<std::vector<Slot>> Evaluator::call(llvm::StringRef name,
                                                  std::vector<Slot> arguments) {
  auto function = findFunction(name);
  if (!function || function.isExternal())
    return formatError({"", absl::StrCat("function @", name.str()), {}}, "a function with a body",
                       function ? "a declaration" : "none");
  if (depth == kDepthLimit)
    return formatError({"", absl::StrCat("function @", name.str()), {}},
                       absl::StrCat("at most ", kDepthLimit, " nested calls"), "more");
  if (!function.getBody().hasOneBlock())
    return formatError({"", absl::StrCat("function @", name.str()), {}}, "one block", "several");
  Frame frame;
  for (auto [parameter, argument] : llvm::zip_equal(function.getArguments(), arguments))
    frame.set(parameter, std::move(argument));
  ++depth;
  auto results = runBlock(function.getBody().front(), frame);
  --depth;
  return results;
}

absl::StatusOr<std::vector<Slot>> Evaluator::runBlock(Block &block, Frame &frame) {
  for (Operation &op : block.without_terminator()) {
    bool done = false;
    for (auto evaluate :
         {evaluateSTC, evaluatePacked, evaluateRouting, evaluateUpstream, evaluateLinalg}) {
      STC_ASSIGN_OR_RETURN(done, evaluate(*this, frame, &op));
      if (done)
        break;
    }
    if (!done)
      return opError(&op, "an operation the interpreter knows", "an unsupported operation");
  }
  std::vector<Slot> results;
  for (Value operand : block.getTerminator()->getOperands())
    results.push_back(frame[operand]);
  return results;
}

absl::StatusOr<Slot> Evaluator::weight(llvm::StringRef symbol) {
  auto known = weights.find(symbol);
  if (known != weights.end())
    return known->second;
  Operation *op = symbols.lookup(symbol);
  Slot slot;
  if (auto weight = dyn_cast_or_null<WeightOp>(op)) {
    STC_ASSIGN_OR_RETURN(slot, loadWeight(weight));
    loadedElements += weight.getTensorType().getNumElements();
  } else if (auto weight = dyn_cast_or_null<packed::WeightOp>(op)) {
    STC_ASSIGN_OR_RETURN(slot, loadWeight(weight));
    loadedElements += weight.getWeightType().getRows() * weight.getWeightType().getColumns();
  } else {
    return formatError({"", absl::StrCat("@", symbol.str()), {}}, "a weight", "none of that name");
  }
  if (loadedElements > kKeptElements) {
    weights.clear();
    loadedElements = 0;
  }
  weights[symbol] = slot;
  return slot;
}

absl::StatusOr<Slot> Evaluator::loadWeight(WeightOp weight) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(module));
  STC_ASSIGN_OR_RETURN(std::vector<float> values, store->load(weight));
  auto tensor = std::make_shared<ReferenceTensor>();
  tensor->shape = weight.getTensorType().getShape().vec();
  tensor->values.assign(values.begin(), values.end());
  return Slot(TensorPtr(std::move(tensor)));
}

absl::StatusOr<Slot> Evaluator::loadWeight(packed::WeightOp weight) {
  absl::Span<const uint8_t> bytes = section;
  if (bytes.empty())
    bytes = PackedWeights::get(module.getContext()).section();
  uint64_t offset = weight.getOffset(), size = weight.getBytes();
  if (offset > bytes.size() || size > bytes.size() - offset)
    return formatError({"", absl::StrCat("@", weight.getSymName().str()), {}},
                       absl::StrCat(size, " bytes at ", offset, " of the weights section"),
                       absl::StrCat("a section of ", bytes.size(), " bytes"));
  bytes = bytes.subspan(offset, size);
  packed::WeightType type = weight.getWeightType();
  Layout layout = type.getLayout().getLayout();
  auto result = std::make_shared<PackedWeight>();
  if (layout.isQuantized()) {
    STC_ASSIGN_OR_RETURN(result->quantized,
                         unpackQuantized(layout, type.getRows(), type.getColumns(), bytes));
  } else {
    STC_ASSIGN_OR_RETURN(std::vector<float> values,
                         unpack(layout, type.getRows(), type.getColumns(), bytes));
    result->values.shape = {type.getRows(), type.getColumns()};
    result->values.values.assign(values.begin(), values.end());
  }
  return Slot(PackedWeightPtr(std::move(result)));
}
