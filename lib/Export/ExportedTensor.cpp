// The tensors of a checkpoint that a compressed module is written as.
#include "ExportedTensor.h"

#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"

#include <cstring>

using namespace mlir;

namespace stc {

using Change = WeightStore::Change;

static ErrorSite siteOf(WeightOp op) { return {"", "@" + op.getSymName().str(), std::nullopt}; }

int64_t ExportedTensor::elementCount() const {
  int64_t count = 1;
  for (int64_t size : shape)
    count *= size;
  return count;
}

std::vector<int64_t> ExportedTensor::storedShape() const {
  if (isFlat)
    return {shape.back()};
  std::vector<int64_t> stored = shape;
  if (!wholeShape.empty())
    return wholeShape;
  if (transposed)
    std::swap(stored.front(), stored.back());
  return stored;
}

/// What the graph has the values of a weight in.
static DType floatTypeOf(WeightOp weight) {
  Type element = weight.getTensorType().getElementType();
  return element.isBF16() ? DType::BF16 : element.isF16() ? DType::F16 : DType::F32;
}

DType ExportedTensor::floatType() const {
  bool plain =
      source->dtype == DType::F32 || source->dtype == DType::F16 || source->dtype == DType::BF16;
  switch (change) {
  case Change::None:
    return plain || isCopy ? source->dtype : DType::F32;
  case Change::Masked:
    return plain ? source->dtype : DType::F32;
  case Change::NewValues:
    // They were rounded to the type that the graph has them in.
    return floatTypeOf(parts[0].op);
  case Change::Quantized: {
    // Codes times scales may lie just outside f16.
    DType type = floatTypeOf(parts[0].op);
    return type == DType::F16 ? DType::F32 : type;
  }
  }
  llvm_unreachable("all changes are listed");
}

//===----------------------------------------------------------------------===//
// Which tensors there are
//===----------------------------------------------------------------------===//

namespace {

class Collector {
public:
  Collector(const Checkpoint &checkpoint, WeightStore &store, Checkpoint::Container container)
      : checkpoint(checkpoint), store(store), container(container) {}

  absl::Status add(WeightOp op);
  /// Says what became of the parts of all tensors, and checks that they are whole.
  absl::StatusOr<std::vector<ExportedTensor>> finish();

private:
  absl::Status finish(ExportedTensor &tensor);
  /// Whether the checkpoint's bytes are those of the tensor, as long as nothing changed.
  bool isSame(const ExportedTensor &tensor) const;
  /// The same of a tensor whose codes are the checkpoint's.
  bool hasSameCodes(const ExportedTensor &tensor) const;

  const Checkpoint &checkpoint;
  WeightStore &store;
  Checkpoint::Container container;
  std::vector<ExportedTensor> tensors;
  llvm::StringMap<size_t> numbers; // of tensors, by name
  llvm::StringSet<> sources;
};

} // namespace

absl::Status Collector::add(WeightOp op) {
  std::optional<StringRef> name = op.getSource();
  // Ones that the graph needs and checkpoints do not hold (OLMo's norms).
  if (checkpoint.config().block.weightlessNorm && op.getValue()) {
    STC_ASSIGN_OR_RETURN(Change change, store.changeOf(op));
    if (change == Change::None)
      return absl::OkStatus();
    return formatError(siteOf(op),
                       absl::StrCat("gains of 1, since ", checkpoint.config().architecture,
                                    " keeps none (quantize without awq and smoothing)"),
                       "others");
  }
  const TensorView *source = name ? checkpoint.find({name->data(), name->size()}) : nullptr;
  if (!source)
    return formatError(siteOf(op), "a weight that is a tensor of the checkpoint", "another");
  const ModelConfig &config = checkpoint.config();
  llvm::ArrayRef<int64_t> shape = op.getTensorType().getShape();
  auto place = tensorPlaceOf(config, op.getSymName(), shape[0], container, *name);
  bool isNamed = place.has_value();
  if (!place && !sources.insert(*name).second) {
    STC_ASSIGN_OR_RETURN(Change change, store.changeOf(op));
    // The head's copy of a tied embedding. As long as they are equal one tensor is both.
    if (change == Change::None)
      return absl::OkStatus();
    place = tensorPlaceOf(config, kHeadSymbol, shape[0], container);
    if (config.logitScale != 1 && config.block.relativeBias)
      return formatError(siteOf(op),
                         "a head tied to the embedding, as T5 has scaled logits only then (--head "
                         "none leaves it so)",
                         "one of its own");
  }
  sources.insert(*name);
  if (!place || place->name.empty())
    return formatError(siteOf(op), "a weight of " + config.architecture, "another");
  // Names may have another beginning, or be those of older checkpoints.
  if (isNamed && container == checkpoint.container())
    place->name = name->str();
  auto [entry, isNew] = numbers.try_emplace(place->name, tensors.size());
  if (isNew) {
    ExportedTensor tensor;
    tensor.name = place->name;
    tensor.source = source;
    tensor.shape.assign(shape.begin(), shape.end());
    tensor.shape[0] = place->wholeRows;
    tensor.transposed = place->transposed;
    // A convolution's, as a matrix.
    if (StringRef whole = StringRef(*name); whole.consume_back("[:]") && isNamed)
      if (const TensorView *view = checkpoint.find({whole.data(), whole.size()})) {
        tensor.name = whole.str();
        tensor.wholeShape = view->shape;
      }
    tensor.offset = place->offset;
    llvm::StringRef symbol = op.getSymName(); // "position_embed", "encoder.relative_bias"
    tensor.isTable = isNamed && (symbol.ends_with("embed") || symbol.ends_with("relative_bias"));
    // GGUF has no matrices of one row.
    tensor.isFlat = container == Checkpoint::Container::Gguf && shape.size() == 2 &&
                    shape[0] == 1 && !tensor.isTable;
    tensors.push_back(std::move(tensor));
  }
  ExportedTensor &tensor = tensors[entry->second];
  if (tensor.shape[0] != place->wholeRows ||
      tensor.shape.back() != (shape.size() == 2 ? shape[1] : place->wholeRows))
    return formatError(siteOf(op), absl::StrCat("a part of ", absl::StrJoin(tensor.shape, "x")),
                       absl::StrJoin(shape, "x"));
  tensor.parts.push_back({op, *std::move(place)});
  return absl::OkStatus();
}

bool Collector::isSame(const ExportedTensor &tensor) const {
  if (tensor.source->encoding || !tensor.source->ownScales.empty())
    return false;
  return container == checkpoint.container() ||
         (tensor.parts.size() == 1 && WeightOp(tensor.parts[0].op).isWholeSource() &&
          !tensor.transposed && tensor.offset == 0);
}

bool Collector::hasSameCodes(const ExportedTensor &tensor) const {
  return isSame(tensor) && container == checkpoint.container() &&
         tensor.source->shape == tensor.shape && llvm::all_of(tensor.parts, [](const auto &part) {
           WeightOp op = part.op;
           return StringRef(op.getQuantAttr().getSpec()).starts_with("stored:") &&
                  !op.getPruneAttr();
         });
}

/// Whether codes of both are of one kind, whatever chose them.
static bool sameCodes(const QuantizeSpec &left, const QuantizeSpec &right) {
  auto codes = [](const QuantizeSpec &spec) {
    return StringRef(spec.str()).split(':').second.str();
  };
  return codes(left) == codes(right);
}

/// The group of each column of a weight whose columns were sorted, as the checkpoint has them.
static std::vector<int32_t> groupsOf(WeightOp op, const QuantizeSpec &quantize) {
  std::optional<DenseIntElementsAttr> order = op.getColumnOrder();
  if (!order || !quantize.enabled)
    return {};
  std::vector<int32_t> groups(size_t(order->getNumElements()));
  int64_t size = quantize.groupOf(order->getNumElements());
  for (auto [i, column] : llvm::enumerate(order->getValues<int32_t>()))
    groups[size_t(column)] = int32_t(int64_t(i) / size);
  return groups;
}

absl::Status Collector::finish(ExportedTensor &tensor) {
  int64_t rows = 0;
  std::vector<std::string> names;
  for (auto [i, part] : llvm::enumerate(tensor.parts)) {
    names.push_back("@" + WeightOp(part.op).getSymName().str());
    for (auto [begin, end] : part.place.rows)
      rows += (end - begin + part.place.rowStep - 1) / part.place.rowStep;
    STC_ASSIGN_OR_RETURN(Change change, store.changeOf(part.op));
    QuantizeSpec quantize;
    if (change == Change::Quantized) {
      QuantAttr quant = WeightOp(part.op).getQuantAttr();
      if (!quant)
        return formatError(siteOf(part.op), "an attribute that says how it was quantized", "none");
      STC_ASSIGN_OR_RETURN(quantize, parseWeightSpec(quant.getSpec().str()));
    }
    std::vector<int32_t> groupOf = groupsOf(part.op, quantize);
    if (i == 0) {
      tensor.change = change;
      tensor.quantize = quantize;
      tensor.groupOf = std::move(groupOf);
      continue;
    }
    if (groupOf != tensor.groupOf)
      return formatError({"", tensor.name, {}},
                         absl::StrCat("weights whose columns have the same groups, since ",
                                      checkpoint.config().architecture,
                                      " keeps them in one tensor"),
                         absl::StrCat(names[0], " and ", names.back(), " that have not"));
    bool isQuantized = change == Change::Quantized;
    if (isQuantized != tensor.isQuantized() ||
        (isQuantized && !sameCodes(quantize, tensor.quantize)))
      return formatError({"", tensor.name, {}},
                         absl::StrCat("weights that are quantized alike, since ",
                                      checkpoint.config().architecture,
                                      " keeps them in one tensor"),
                         absl::StrCat(names[0], " and ", names.back(), " that are not"));
    if (change != tensor.change)
      tensor.change = Change::NewValues;
  }
  tensor.isCopy = tensor.change == Change::None && isSame(tensor);
  // Rows that no weight has (of positions that no text has) are there in a copy.
  if (rows != tensor.shape[0] && !tensor.isCopy)
    return formatError({"", tensor.name, {}},
                       absl::StrCat("weights for all ", tensor.shape[0], " rows"),
                       absl::StrCat(rows, ", of ", absl::StrJoin(names, ", ")));
  tensor.keepsCodes = tensor.isQuantized() && hasSameCodes(tensor);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ExportedTensor>> Collector::finish() {
  for (ExportedTensor &tensor : tensors)
    STC_RETURN_IF_ERROR(finish(tensor));
  return std::move(tensors);
}

absl::StatusOr<std::vector<ExportedTensor>> collectTensors(ModuleOp module,
                                                           const Checkpoint &checkpoint,
                                                           WeightStore &store,
                                                           Checkpoint::Container container) {
  // Orders of columns are the compiler's own: tensors are written in the checkpoint's.
  llvm::DenseSet<StringAttr> orders;
  module.walk([&](PermuteFeaturesOp permute) {
    if (auto read = permute.getOrder().getDefiningOp<GetWeightOp>())
      orders.insert(read.getWeightAttr().getAttr());
  });
  Collector collector(checkpoint, store, container);
  for (auto op : module.getOps<WeightOp>())
    if (!orders.contains(op.getSymNameAttr()))
      STC_RETURN_IF_ERROR(collector.add(op));
  return collector.finish();
}

std::vector<int64_t> TensorStack::storedShape() const {
  std::vector<int64_t> shape = first().storedShape();
  if (!isSingle())
    shape.insert(shape.begin(), int64_t(tensors.size()));
  return shape;
}

std::vector<TensorStack> stacksOf(const std::vector<ExportedTensor> &tensors) {
  std::vector<TensorStack> stacks;
  llvm::StringMap<size_t> numbers;
  for (const ExportedTensor &tensor : tensors) {
    StringRef name = tensor.name;
    if (!isJoinedRows(tensor.name))
      name = name.split('[').first;
    auto [entry, isNew] = numbers.try_emplace(name, stacks.size());
    if (isNew)
      stacks.push_back({name.str(), {}});
    stacks[entry->second].tensors.push_back(&tensor);
  }
  return stacks;
}

absl::Status checkStack(const TensorStack &stack,
                        llvm::function_ref<absl::StatusOr<DType>(const ExportedTensor &)> typeOf) {
  STC_ASSIGN_OR_RETURN(DType type, typeOf(stack.first()));
  for (const ExportedTensor *tensor : stack.tensors) {
    STC_ASSIGN_OR_RETURN(DType own, typeOf(*tensor));
    if (own != type || tensor->shape != stack.first().shape)
      return formatError({"", tensor->name, {}},
                         absl::StrCat("the type of the layer's other experts, ", dtypeName(type),
                                      ", with which they are one tensor"),
                         dtypeName(own));
  }
  return absl::OkStatus();
}

//===----------------------------------------------------------------------===//
// What they hold
//===----------------------------------------------------------------------===//

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

/// Puts the rows of a part, of `width` each, where the tensor has them.
template <typename T>
static void placeRows(const TensorPlace &place, absl::Span<const int64_t> order, size_t width,
                      const std::vector<T> &from, std::vector<T> &to) {
  size_t next = 0;
  for (auto [begin, end] : place.rows)
    for (int64_t row = begin; row < end; row += place.rowStep, ++next) {
      size_t source = order.empty() ? next : size_t(order[next]);
      std::copy_n(from.begin() + ptrdiff_t(source * width), width,
                  to.begin() + ptrdiff_t(size_t(row) * width));
    }
}

/// Where the rows of a weight stand that `order` asks for, by their place in the checkpoint.
static std::vector<int64_t> rowsOf(WeightOp op, RowOrder order) {
  std::vector<int64_t> rows = order(op);
  std::optional<DenseIntElementsAttr> own = op.getRowOrder();
  if (!own)
    return rows;
  std::vector<int64_t> places(size_t(own->getNumElements()));
  for (auto [i, row] : llvm::enumerate(own->getValues<int32_t>()))
    places[size_t(row)] = int64_t(i);
  if (rows.empty())
    return places;
  for (int64_t &row : rows)
    row = places[size_t(row)];
  return rows;
}

/// Puts the columns of a matrix back where the checkpoint has them.
template <typename T> static void restoreColumns(WeightOp op, std::vector<T> &values) {
  std::optional<DenseIntElementsAttr> order = op.getColumnOrder();
  if (!order)
    return;
  std::vector<T> sorted = values;
  size_t columns = size_t(order->getNumElements());
  for (auto [i, column] : llvm::enumerate(order->getValues<int32_t>()))
    for (size_t first = 0; first < values.size(); first += columns)
      values[first + size_t(column)] = sorted[first + i];
}

absl::StatusOr<std::vector<uint8_t>> floatBytes(const ExportedTensor &tensor, DType type,
                                                const Checkpoint &checkpoint, WeightStore &store,
                                                RowOrder order) {
  std::vector<std::vector<int64_t>> orders;
  for (const ExportedTensor::Part &part : tensor.parts)
    orders.push_back(order(part.op));
  bool isOrdered = llvm::all_of(orders, [](const auto &order) { return order.empty(); });
  if (tensor.isCopy && isOrdered && tensor.source->dtype == type) {
    std::vector<uint8_t> bytes(tensor.source->bytes.begin(), tensor.source->bytes.end());
    checkpoint.release(*tensor.source);
    return bytes;
  }
  size_t columns = tensor.shape.size() == 2 ? size_t(tensor.shape[1]) : 1,
         rows = size_t(tensor.shape[0]);
  std::vector<float> values(rows * columns);
  for (const ExportedTensor::Part &part : tensor.parts) {
    STC_ASSIGN_OR_RETURN(std::vector<float> own, store.load(part.op));
    restoreColumns(part.op, own);
    placeRows(part.place, rowsOf(part.op, order), columns, own, values);
  }
  for (float &value : values)
    value -= float(tensor.offset);
  if (tensor.transposed) {
    std::vector<float> turned(values.size());
    for (size_t row = 0; row < rows; ++row)
      for (size_t column = 0; column < columns; ++column)
        turned[column * rows + row] = values[row * columns + column];
    values = std::move(turned);
  }
  return convert(values, type);
}

absl::StatusOr<QuantizedMatrix> quantizedRows(const ExportedTensor &tensor, WeightStore &store,
                                              RowOrder order) {
  QuantizedMatrix whole;
  for (const ExportedTensor::Part &part : tensor.parts) {
    STC_ASSIGN_OR_RETURN(QuantizedMatrix own, store.quantized(part.op));
    if (whole.codes.empty()) {
      whole.rows = tensor.shape[0];
      whole.columns = own.columns;
      whole.group = own.group;
      whole.codes.resize(size_t(whole.rows * whole.columns));
      whole.scales.resize(size_t(whole.rows * whole.groups()));
      if (!own.zeros.empty())
        whole.zeros.resize(whole.scales.size());
      if (!own.minimums.empty())
        whole.minimums.resize(whole.scales.size());
      whole.commonZero = own.commonZero;
    }
    std::vector<int64_t> rows = rowsOf(part.op, order);
    restoreColumns(part.op, own.codes);
    placeRows(part.place, rows, size_t(whole.columns), own.codes, whole.codes);
    placeRows(part.place, rows, size_t(whole.groups()), own.scales, whole.scales);
    if (!whole.zeros.empty())
      placeRows(part.place, rows, size_t(whole.groups()), own.zeros, whole.zeros);
    if (!whole.minimums.empty())
      placeRows(part.place, rows, size_t(whole.groups()), own.minimums, whole.minimums);
  }
  return whole;
}

Progress exportProgress(const std::vector<TensorView> &tensors, bool quiet) {
  uint64_t total = 0;
  for (const TensorView &view : tensors)
    total += uint64_t(view.elementCount());
  return Progress("export", total, quiet ? Progress::Mode::Quiet : Progress::Mode::Auto);
}

} // namespace stc
