// Where the bytes of weights come from and where compression puts what it changed.
#include "stc/Dialect/STC/Utils/WeightStore.h"

#include "SourceValues.h"
#include "SpillFile.h"

#include "stc/Compress/PruneRows.h"
#include "stc/Compress/Quantize.h"
#include "stc/Dialect/STC/Utils/CompressLater.h"
#include "stc/Support/Float.h"

#include "absl/strings/str_cat.h"
#include "llvm/ADT/DenseMap.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <optional>

using namespace mlir;

namespace stc {

namespace {

constexpr float kLargestHalf = 65504;

/// Bytes of the spill file.
struct Extent {
  uint64_t offset = 0, bytes = 0;
};

struct StoredCodes {
  Extent codes, scales, zeros, minimums; // empty where a matrix has none
  int8_t commonZero = 0;
  int64_t rows = 0, columns = 0, group = 0;
  bool nibbles = false; // two codes per byte: all codes fit four bits
};

struct Entry {
  std::optional<Extent> source; // f32, in place of the checkpoint's
  std::optional<Extent> values; // f32, in place of the source's
  std::optional<Extent> mask;
  std::optional<StoredCodes> codes;
};

/// A weight is its name, where its values come from and what it has of them, so that clones of a
/// module share what compression stored, and different modules of one context do not.
using Key = std::tuple<Attribute, Attribute, Attribute>;

Key keyOf(WeightOp weight) {
  Attribute origin = weight.getSourceAttr();
  return {weight.getSymNameAttr(), origin ? origin : Attribute(weight.getValueAttr()),
          weight.getSliceAttr()};
}

struct MatrixShape {
  int64_t rows, columns;
  int64_t count() const { return rows * columns; }
};

/// A vector counts as one row.
MatrixShape shapeOf(WeightOp weight) {
  llvm::ArrayRef<int64_t> shape = weight.getTensorType().getShape();
  return {shape.size() == 2 ? shape[0] : 1, shape.back()};
}

absl::StatusOr<QuantizeSpec> specOf(QuantAttr quant) {
  return parseWeightSpec({quant.getSpec().data(), quant.getSpec().size()});
}

ErrorSite siteOf(WeightOp weight) { return {"", "@" + weight.getSymName().str(), std::nullopt}; }

//===----------------------------------------------------------------------===//
// Dense forms of masks and codes in the spill file
//===----------------------------------------------------------------------===//

/// Eight bytes of 0 or 1 become the bits of one byte, the first the lowest.
std::vector<uint8_t> packMask(absl::Span<const uint8_t> keep) {
  std::vector<uint8_t> bits((keep.size() + 7) / 8);
  size_t whole = keep.size() / 8;
  for (size_t i = 0; i < whole; ++i) {
    uint64_t bytes;
    std::memcpy(&bytes, keep.data() + 8 * i, sizeof(bytes));
    // Multiplying moves bit 8 i to bit 56 + i; no other products meet there.
    bits[i] = uint8_t(((bytes & 0x0101010101010101) * 0x0102040810204080) >> 56);
  }
  for (size_t i = 8 * whole; i < keep.size(); ++i)
    bits[i / 8] |= uint8_t((keep[i] & 1) << (i % 8));
  return bits;
}

/// Zeroes the values whose bit is not set.
template <typename T> void applyMask(absl::Span<const uint8_t> bits, absl::Span<T> values) {
  for (size_t i = 0; i < values.size(); ++i)
    values[i] = (bits[i / 8] >> (i % 8) & 1) ? values[i] : T(0);
}

bool fitNibbles(absl::Span<const int8_t> codes) {
  uint8_t outside = 0;
  for (int8_t code : codes)
    outside |= uint8_t(code + 8) & 0xF0;
  return outside == 0;
}

std::vector<uint8_t> packNibbles(absl::Span<const int8_t> codes) {
  std::vector<uint8_t> bytes((codes.size() + 1) / 2);
  for (size_t i = 0; i < codes.size() / 2; ++i)
    bytes[i] = uint8_t((codes[2 * i] & 15) | (codes[2 * i + 1] & 15) << 4);
  if (codes.size() % 2)
    bytes.back() = uint8_t(codes.back() & 15);
  return bytes;
}

void unpackNibbles(absl::Span<const uint8_t> bytes, absl::Span<int8_t> codes) {
  auto widen = [](int nibble) { return int8_t((nibble ^ 8) - 8); };
  for (size_t i = 0; i < codes.size() / 2; ++i) {
    codes[2 * i] = widen(bytes[i] & 15);
    codes[2 * i + 1] = widen(bytes[i] >> 4);
  }
  if (codes.size() % 2)
    codes.back() = widen(bytes.back() & 15);
}

template <typename T> absl::Span<const uint8_t> bytesOf(const std::vector<T> &values) {
  return {reinterpret_cast<const uint8_t *>(values.data()), values.size() * sizeof(T)};
}
template <typename T> absl::Span<uint8_t> mutableBytesOf(std::vector<T> &values) {
  return {reinterpret_cast<uint8_t *>(values.data()), values.size() * sizeof(T)};
}

/// The code of zero wherever the mask bit is not set.
void applyMask(absl::Span<const uint8_t> bits, QuantizedMatrix &matrix) {
  if (matrix.zeros.empty())
    return applyMask<int8_t>(bits, absl::MakeSpan(matrix.codes));
  for (int64_t row = 0; row < matrix.rows; ++row)
    for (int64_t column = 0; column < matrix.columns; ++column) {
      size_t i = size_t(row * matrix.columns + column);
      if (!(bits[i / 8] >> (i % 8) & 1))
        matrix.codes[i] = int8_t(matrix.zeroOf(row, column / matrix.group));
    }
}

} // namespace

//===----------------------------------------------------------------------===//
// State
//===----------------------------------------------------------------------===//

struct WeightStore::State {
  std::shared_ptr<Checkpoint> checkpoint;
  SpillFile spill;
  std::mutex mutex; // guards `entries`; the spill file is read and written outside
  llvm::DenseMap<Key, Entry> entries;

  Entry find(WeightOp weight) {
    std::lock_guard<std::mutex> lock(mutex);
    return entries.lookup(keyOf(weight));
  }
  absl::StatusOr<Extent> save(absl::Span<const uint8_t> bytes) {
    Extent extent{spill.reserve(bytes.size()), bytes.size()};
    STC_RETURN_IF_ERROR(spill.write(extent.offset, bytes));
    return extent;
  }
  /// The mask bits, or nothing for a weight without a mask.
  absl::StatusOr<std::vector<uint8_t>> maskBits(const Entry &entry) {
    std::vector<uint8_t> bits(entry.mask ? entry.mask->bytes : 0);
    if (entry.mask)
      STC_RETURN_IF_ERROR(spill.read(entry.mask->offset, absl::MakeSpan(bits)));
    return bits;
  }
  absl::StatusOr<std::vector<float>> readValues(const Extent &extent) {
    std::vector<float> values(extent.bytes / sizeof(float));
    STC_RETURN_IF_ERROR(spill.read(extent.offset, mutableBytesOf(values)));
    return values;
  }
  absl::StatusOr<std::vector<float>> source(WeightOp weight, const Entry &entry) {
    return entry.source ? readValues(*entry.source) : readSource(weight, checkpoint.get());
  }
  /// Values rounded to the weight's type.
  absl::StatusOr<Extent> saveRounded(WeightOp weight, absl::Span<const float> values);
  /// The original or the new values, zeroed where the mask says so.
  absl::StatusOr<std::vector<float>> maskedSource(WeightOp weight, const Entry &entry) {
    STC_ASSIGN_OR_RETURN(std::vector<float> values,
                         entry.values ? readValues(*entry.values) : source(weight, entry));
    STC_ASSIGN_OR_RETURN(std::vector<uint8_t> bits, maskBits(entry));
    if (!bits.empty())
      applyMask<float>(bits, absl::MakeSpan(values));
    return values;
  }
  absl::StatusOr<QuantizedMatrix> readCodes(const Entry &entry);
};

absl::StatusOr<Extent> WeightStore::State::saveRounded(WeightOp weight,
                                                       absl::Span<const float> values) {
  int64_t count = shapeOf(weight).count();
  if (int64_t(values.size()) != count)
    return formatError(siteOf(weight), absl::StrCat(count, " values"), absl::StrCat(values.size()));
  std::vector<float> rounded(values.begin(), values.end());
  Type element = weight.getTensorType().getElementType();
  for (float &value : rounded) {
    if (element.isBF16())
      value = bfloat16ToFloat(floatToBfloat16(value));
    else if (element.isF16())
      value = halfToFloat(floatToHalf(std::clamp(value, -kLargestHalf, kLargestHalf)));
  }
  return save(bytesOf(rounded));
}

absl::StatusOr<QuantizedMatrix> WeightStore::State::readCodes(const Entry &entry) {
  const StoredCodes &stored = *entry.codes;
  QuantizedMatrix matrix;
  matrix.rows = stored.rows;
  matrix.columns = stored.columns;
  matrix.group = stored.group;
  matrix.codes.resize(size_t(stored.rows * stored.columns));
  matrix.scales.resize(stored.scales.bytes / sizeof(uint16_t));
  matrix.zeros.resize(stored.zeros.bytes);
  STC_RETURN_IF_ERROR(spill.read(stored.scales.offset, mutableBytesOf(matrix.scales)));
  if (!matrix.zeros.empty())
    STC_RETURN_IF_ERROR(spill.read(stored.zeros.offset, mutableBytesOf(matrix.zeros)));
  matrix.commonZero = stored.commonZero;
  matrix.minimums.resize(stored.minimums.bytes / sizeof(uint16_t));
  if (!matrix.minimums.empty())
    STC_RETURN_IF_ERROR(spill.read(stored.minimums.offset, mutableBytesOf(matrix.minimums)));
  if (stored.nibbles) {
    std::vector<uint8_t> packed(stored.codes.bytes);
    STC_RETURN_IF_ERROR(spill.read(stored.codes.offset, absl::MakeSpan(packed)));
    unpackNibbles(packed, absl::MakeSpan(matrix.codes));
  } else {
    STC_RETURN_IF_ERROR(spill.read(stored.codes.offset, mutableBytesOf(matrix.codes)));
  }
  // A mask may have been set after the codes were.
  STC_ASSIGN_OR_RETURN(std::vector<uint8_t> bits, maskBits(entry));
  if (!bits.empty() && !matrix.minimums.empty())
    return formatError({"", "mask", {}}, "codes without minimums, in which zero has a code",
                       "codes with minimums");
  if (!bits.empty())
    applyMask(bits, matrix);
  return matrix;
}

WeightStore::WeightStore(std::shared_ptr<Checkpoint> checkpoint)
    : state(std::make_unique<State>()) {
  state->checkpoint = std::move(checkpoint);
}
WeightStore::~WeightStore() = default;

//===----------------------------------------------------------------------===//
// Reading and writing
//===----------------------------------------------------------------------===//

absl::Status WeightStore::restore(WeightOp weight) {
  Entry entry = state->find(weight);
  MatrixShape shape = shapeOf(weight);
  auto text = [](llvm::StringRef spec) { return absl::string_view(spec.data(), spec.size()); };
  auto lost = [&](llvm::StringRef spec) {
    return formatError(siteOf(weight), "a weight compressed in this process",
                       absl::StrCat("one marked ", text(spec), ", which takes calibration data"));
  };
  if (weight->hasAttr(kCalibratedAttr) && !entry.codes && !entry.values && !entry.source)
    return lost("calibrated");
  if (weight->hasAttr(kRotatedAttr) && !entry.source)
    return formatError(siteOf(weight), "a weight rotated in this process",
                       "one marked rotated, whose values were not kept");
  if (PruneAttr prune = weight.getPruneAttr(); prune && !entry.mask) {
    STC_ASSIGN_OR_RETURN(PruneSpec spec, parsePruneSpec(text(prune.getSpec())));
    if (spec.method != "magnitude")
      return lost(prune.getSpec());
    STC_ASSIGN_OR_RETURN(std::vector<float> values, state->maskedSource(weight, entry));
    STC_RETURN_IF_ERROR(
        setMask(weight, magnitudeMask(spec.pattern, shape.rows, shape.columns, values)));
    entry = state->find(weight);
  }
  if (QuantAttr quant = weight.getQuantAttr(); quant && !entry.codes) {
    STC_ASSIGN_OR_RETURN(QuantizeSpec spec, specOf(quant));
    if (spec.method == "stored") {
      STC_ASSIGN_OR_RETURN(AdoptedCodes adopted, storedCodes(weight));
      if (!adopted.matrix || adopted.spec.str() != spec.str())
        return formatError(siteOf(weight), absl::StrCat("codes stored as ", spec.str()),
                           adopted.matrix ? adopted.spec.str() : adopted.why);
      return setQuantized(weight, *adopted.matrix);
    }
    if (spec.method != "rtn")
      return lost(quant.getSpec());
    STC_ASSIGN_OR_RETURN(std::vector<float> values, state->maskedSource(weight, entry));
    return setQuantized(weight, quantizeRoundToNearest(spec, shape.rows, shape.columns, values));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> WeightStore::load(WeightOp weight) {
  if (weight->hasAttr(kCompressedLaterAttr) && !weight.getQuantAttr()) {
    STC_ASSIGN_OR_RETURN(LateCompression compression, lateCompression(weight));
    STC_ASSIGN_OR_RETURN(std::vector<float> values, loadSource(weight));
    MatrixShape shape = shapeOf(weight);
    RowPruner pruner(compression.prune, shape.rows, shape.columns);
    if (pruner.needsSurvey())
      pruner.survey(values);
    pruner.prune(0, absl::MakeSpan(values));
    return values;
  }
  STC_RETURN_IF_ERROR(restore(weight));
  Entry entry = state->find(weight);
  if (!entry.codes)
    return state->maskedSource(weight, entry);
  STC_ASSIGN_OR_RETURN(QuantizedMatrix matrix, state->readCodes(entry));
  return dequantize(matrix);
}

absl::StatusOr<std::vector<float>> WeightStore::loadSource(WeightOp weight) {
  return state->source(weight, state->find(weight));
}

absl::StatusOr<std::vector<float>> WeightStore::loadOriginal(WeightOp weight) {
  return readSource(weight, state->checkpoint.get());
}

absl::Status WeightStore::setValues(WeightOp weight, absl::Span<const float> values) {
  STC_ASSIGN_OR_RETURN(Extent extent, state->saveRounded(weight, values));
  std::lock_guard<std::mutex> lock(state->mutex);
  state->entries[keyOf(weight)].values = extent;
  return absl::OkStatus();
}

absl::Status WeightStore::setSource(WeightOp weight, absl::Span<const float> values) {
  STC_ASSIGN_OR_RETURN(Extent extent, state->saveRounded(weight, values));
  std::lock_guard<std::mutex> lock(state->mutex);
  state->entries[keyOf(weight)].source = extent;
  return absl::OkStatus();
}

absl::Status WeightStore::setMask(WeightOp weight, absl::Span<const uint8_t> keep) {
  int64_t count = shapeOf(weight).count();
  if (int64_t(keep.size()) != count)
    return formatError(siteOf(weight), absl::StrCat("a mask of ", count, " bytes"),
                       absl::StrCat(keep.size()));
  STC_ASSIGN_OR_RETURN(Extent extent, state->save(packMask(keep)));
  std::lock_guard<std::mutex> lock(state->mutex);
  state->entries[keyOf(weight)].mask = extent;
  return absl::OkStatus();
}

absl::Status WeightStore::setQuantized(WeightOp weight, const QuantizedMatrix &matrix) {
  MatrixShape shape = shapeOf(weight);
  int64_t groups = matrix.group > 0 ? (shape.columns + matrix.group - 1) / matrix.group : 0;
  if (matrix.rows != shape.rows || matrix.columns != shape.columns || groups == 0 ||
      int64_t(matrix.codes.size()) != shape.count() ||
      int64_t(matrix.scales.size()) != shape.rows * groups ||
      (!matrix.zeros.empty() && matrix.zeros.size() != matrix.scales.size()) ||
      (!matrix.minimums.empty() && matrix.minimums.size() != matrix.scales.size()))
    return formatError(
        siteOf(weight), absl::StrCat("codes and scales of ", shape.rows, "x", shape.columns),
        absl::StrCat(matrix.codes.size(), " codes and ", matrix.scales.size(), " scales, ",
                     matrix.zeros.size(), " zeros and ", matrix.minimums.size(), " minimums of ",
                     matrix.rows, "x", matrix.columns, " in groups of ", matrix.group));
  StoredCodes stored;
  stored.rows = matrix.rows;
  stored.columns = matrix.columns;
  stored.group = matrix.group;
  stored.nibbles = fitNibbles(matrix.codes);
  if (stored.nibbles) {
    STC_ASSIGN_OR_RETURN(stored.codes, state->save(packNibbles(matrix.codes)));
  } else {
    STC_ASSIGN_OR_RETURN(stored.codes, state->save(bytesOf(matrix.codes)));
  }
  STC_ASSIGN_OR_RETURN(stored.scales, state->save(bytesOf(matrix.scales)));
  if (!matrix.zeros.empty()) {
    STC_ASSIGN_OR_RETURN(stored.zeros, state->save(bytesOf(matrix.zeros)));
  }
  stored.commonZero = matrix.commonZero;
  if (!matrix.minimums.empty()) {
    STC_ASSIGN_OR_RETURN(stored.minimums, state->save(bytesOf(matrix.minimums)));
  }
  std::lock_guard<std::mutex> lock(state->mutex);
  state->entries[keyOf(weight)].codes = stored;
  return absl::OkStatus();
}

void WeightStore::reset(WeightOp weight) {
  std::lock_guard<std::mutex> lock(state->mutex);
  state->entries.erase(keyOf(weight));
}

void WeightStore::resetToSource(WeightOp weight) {
  std::lock_guard<std::mutex> lock(state->mutex);
  auto found = state->entries.find(keyOf(weight));
  if (found == state->entries.end())
    return;
  Entry left;
  left.source = found->second.source;
  found->second = left;
}

absl::StatusOr<QuantizedMatrix> WeightStore::quantized(WeightOp weight) {
  if (weight->hasAttr(kCompressedLaterAttr) && !state->find(weight).codes) {
    STC_ASSIGN_OR_RETURN(LateCompression compression, lateCompression(weight));
    auto codes = compressTensor(compression, *sourceTensor(weight),
                                [&](const TensorView &part) { state->checkpoint->release(part); });
    // Reading the whole names the file and the element.
    if (!codes.ok())
      STC_RETURN_IF_ERROR(loadOriginal(weight).status());
    return codes;
  }
  STC_RETURN_IF_ERROR(restore(weight));
  Entry entry = state->find(weight);
  if (!entry.codes)
    return formatError(siteOf(weight), "a quantized weight", "one that was not quantized");
  return state->readCodes(entry);
}

const TensorView *WeightStore::sourceTensor(WeightOp weight) const {
  std::optional<StringRef> source = weight.getSource();
  return source && state->checkpoint ? state->checkpoint->find({source->data(), source->size()})
                                     : nullptr;
}

bool WeightStore::hasStoredCodes(WeightOp weight) const {
  return codedSource(weight, state->checkpoint.get()) != nullptr;
}

std::optional<CodedMatrix> WeightStore::storedGroups(WeightOp weight) const {
  const TensorView *tensor = codedSource(weight, state->checkpoint.get());
  if (!tensor)
    return std::nullopt;
  return readSourceGroups(weight, *tensor);
}

absl::StatusOr<AdoptedCodes> WeightStore::storedCodes(WeightOp weight) const {
  STC_ASSIGN_OR_RETURN(std::optional<CodedMatrix> stored,
                       readSourceCodes(weight, state->checkpoint.get()));
  if (!stored)
    return formatError(siteOf(weight), "a weight that its checkpoint stores as codes", "another");
  return adoptCodes(*stored);
}

absl::StatusOr<WeightStore::Change> WeightStore::changeOf(WeightOp weight) {
  if (weight->hasAttr(kCompressedLaterAttr))
    return weight.getQuantAttr() ? Change::Quantized : Change::Masked;
  STC_RETURN_IF_ERROR(restore(weight));
  Entry entry = state->find(weight);
  return entry.codes                    ? Change::Quantized
         : entry.values || entry.source ? Change::NewValues
         : entry.mask                   ? Change::Masked
                                        : Change::None;
}

bool isRotated(ModuleOp module) {
  return llvm::any_of(module.getOps<WeightOp>(),
                      [](WeightOp weight) { return weight->hasAttr(kRotatedAttr); });
}

//===----------------------------------------------------------------------===//
// Attachment to a context
//===----------------------------------------------------------------------===//

namespace {

/// Ties a store's life to the context.
class WeightStoreInterface : public DialectInterface::Base<WeightStoreInterface> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(WeightStoreInterface)
  explicit WeightStoreInterface(Dialect *dialect) : Base(dialect) {}
  std::unique_ptr<WeightStore> store;
};

WeightStoreInterface &interfaceOf(MLIRContext *context) {
  auto *dialect = context->getOrLoadDialect<STCDialect>();
  auto *interface = dialect->getRegisteredInterface<WeightStoreInterface>();
  return interface ? *interface : dialect->addInterface<WeightStoreInterface>();
}

} // namespace

absl::StatusOr<WeightStore *> WeightStore::get(ModuleOp module) {
  WeightStoreInterface &interface = interfaceOf(module.getContext());
  if (interface.store)
    return interface.store.get();
  STC_ASSIGN_OR_RETURN(std::shared_ptr<Checkpoint> checkpoint, openCheckpoint(module));
  interface.store = std::make_unique<WeightStore>(std::move(checkpoint));
  return interface.store.get();
}

absl::StatusOr<std::shared_ptr<Checkpoint>> openCheckpoint(ModuleOp module) {
  std::shared_ptr<Checkpoint> checkpoint;
  if (auto path = module->getAttrOfType<StringAttr>("stc.checkpoint")) {
    STC_ASSIGN_OR_RETURN(checkpoint, Checkpoint::openTensors(path.str()));
  }
  return checkpoint;
}

void WeightStore::attach(MLIRContext *context, std::unique_ptr<WeightStore> store) {
  interfaceOf(context).store = std::move(store);
}

} // namespace stc
