// Declares a checkpoint's tensors as stc.weight symbols, checking every name and shape.
#include "WeightTable.h"

#include "stc/Formats/Encoding.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace stc;

/// The groups of heads that CodeGen was trained with on as many chips; heads are a multiple of it.
static constexpr int64_t kQuarters = 4;
static constexpr llvm::StringLiteral kLayer = "{layer}", kExpert = "{expert}";

static std::string replaceOne(llvm::StringRef pattern, llvm::StringRef name, int64_t number) {
  auto [before, after] = pattern.split(name);
  if (before.size() == pattern.size())
    return pattern.str();
  return (before + llvm::Twine(number) + after).str();
}

std::string stc::expandName(llvm::StringRef pattern, int64_t layer, int64_t expert) {
  return replaceOne(replaceOne(pattern, kLayer, layer), kExpert, expert);
}

static absl::string_view view(llvm::StringRef text) { return {text.data(), text.size()}; }

static std::string shapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

llvm::SmallVector<WeightRow> Architecture::weights() const {
  llvm::SmallVector<WeightRow> rows;
  for (llvm::ArrayRef<WeightRow> part : parts)
    llvm::append_range(rows, part);
  return rows;
}

const Architecture *stc::findArchitectureTable(llvm::StringRef name) {
  for (llvm::ArrayRef<Architecture> family :
       {llamaArchitectures(), layerNormArchitectures(), renamedArchitectures(),
        recentArchitectures(), mixtureArchitectures(), gptArchitectures(), alibiArchitectures(),
        bertArchitectures(), t5Architectures(), visionArchitectures(), whisperArchitectures()})
    for (const Architecture &architecture : family)
      if (architecture.name == name)
        return &architecture;
  return nullptr;
}

static int64_t sizeOf(Dim dim, const ModelConfig &config) {
  bool ofHeads = config.block.queryKeyNorm == QueryKeyNorm::PerHead;
  switch (dim) {
  case Dim::None:
    return 0;
  case Dim::Vocabulary:
    return config.vocabSize;
  case Dim::Positions:
    return config.usablePositions();
  case Dim::TokenTypes:
    return config.tokenTypes;
  case Dim::Hidden:
    return config.hiddenSize;
  case Dim::Intermediate:
    return config.intermediateSize;
  case Dim::Queries:
    return config.heads * config.headDim;
  case Dim::KeyValues:
    return config.kvHeads * config.headDim;
  case Dim::Experts:
    return config.experts;
  case Dim::Expert:
    return config.expertSize;
  case Dim::SharedExpert:
    return config.sharedExpertSize;
  case Dim::One:
    return 1;
  case Dim::QueryNorm:
    return ofHeads ? config.headDim : config.heads * config.headDim;
  case Dim::KeyNorm:
    return ofHeads ? config.headDim : config.kvHeads * config.headDim;
  case Dim::Head:
    return config.headDim;
  case Dim::Heads:
    return config.heads;
  case Dim::KeyValueHeads:
    return config.kvHeads;
  case Dim::Buckets:
    return config.relativeBuckets;
  case Dim::FeatureWindow:
    return 3 * config.featureSize;
  case Dim::HiddenWindow:
    return 3 * config.hiddenSize;
  case Dim::EncoderPositions:
    return config.encoderPositions;
  case Dim::Patch:
    return config.image.patchNumbers();
  case Dim::LatentRank:
    return config.latent.rank;
  case Dim::QueryRank:
    return config.latent.queryRank;
  case Dim::LatentKeys:
    return config.heads * (config.headDim - config.rotaryDim);
  case Dim::SharedKey:
    return config.rotaryDim;
  case Dim::HeadValues:
    return config.heads * config.valueDim();
  case Dim::Labels:
    return config.image.classifiers * int64_t(config.image.labels.size());
  }
  llvm_unreachable("all dimensions are listed");
}

/// How the checkpoint's values appear in the graph. Block types, floats of 8 bits and vectors of
/// f16, which are f32 wherever they are stored, are widened by the weight store, so the graph sees
/// f32.
static Type elementType(DType dtype, bool isMatrix, MLIRContext *context) {
  if (dtype == DType::BF16)
    return BFloat16Type::get(context);
  if (dtype == DType::F16 && isMatrix)
    return Float16Type::get(context);
  return Float32Type::get(context);
}

std::pair<llvm::SmallVector<int64_t>, int64_t> stc::rangesOf(Part part, int64_t rows,
                                                             const ModelConfig &config) {
  int64_t queries = config.heads * config.headDim, keys = config.kvHeads * config.headDim;
  // A group is some query heads and the key and value that they share.
  int64_t shared = config.heads / config.kvHeads * config.headDim;
  int64_t group = shared + 2 * config.headDim;
  auto ofGroups = [&](int64_t begin, int64_t size) {
    llvm::SmallVector<int64_t> ranges;
    for (int64_t i = 0; i < config.kvHeads; ++i)
      ranges.append({i * group + begin, i * group + begin + size});
    return std::pair(ranges, config.kvHeads * group);
  };
  auto ofQuarters = [&](int64_t place) {
    llvm::SmallVector<int64_t> ranges;
    int64_t size = queries / kQuarters;
    for (int64_t i = 0; i < kQuarters; ++i)
      ranges.append({(3 * i + place) * size, (3 * i + place + 1) * size});
    return std::pair(ranges, 3 * queries);
  };
  // Each head's part of a key that is its own, and its value.
  auto ofHeads = [&](bool isValue) {
    llvm::SmallVector<int64_t> ranges;
    int64_t key = config.headDim - config.rotaryDim, both = key + config.valueDim();
    for (int64_t begin = 0; begin < config.heads * both; begin += both)
      ranges.append({begin + (isValue ? key : 0), begin + (isValue ? both : key)});
    return std::pair(ranges, config.heads * both);
  };
  int64_t latentRows = config.latent.rank + config.rotaryDim;
  using Ranges = llvm::SmallVector<int64_t>;
  switch (part) {
  case Part::Whole:
    return {{}, rows};
  case Part::Queries:
    return {Ranges{0, queries}, queries + 2 * keys};
  case Part::Keys:
    return {Ranges{queries, queries + keys}, queries + 2 * keys};
  case Part::Values:
    return {Ranges{queries + keys, queries + 2 * keys}, queries + 2 * keys};
  case Part::GroupedQueries:
    return ofGroups(0, shared);
  case Part::GroupedKeys:
    return ofGroups(shared, config.headDim);
  case Part::GroupedValues:
    return ofGroups(shared + config.headDim, config.headDim);
  case Part::QuarteredQueries:
    return ofQuarters(0);
  case Part::QuarteredValues:
    return ofQuarters(1);
  case Part::QuarteredKeys:
    return ofQuarters(2);
  case Part::AfterPadding:
    if (config.positionOffset == 0)
      return {{}, rows};
    return {Ranges{config.positionOffset, config.positionOffset + rows},
            config.positionOffset + rows};
  case Part::LatentVector:
    return {Ranges{0, config.latent.rank}, latentRows};
  case Part::SharedKey:
    return {Ranges{config.latent.rank, latentRows}, latentRows};
  case Part::HeadKeys:
    return ofHeads(/*isValue=*/false);
  case Part::HeadValues:
    return ofHeads(/*isValue=*/true);
  case Part::FirstHalf:
    return {Ranges{0, rows}, 2 * rows};
  case Part::SecondHalf:
    return {Ranges{rows, 2 * rows}, 2 * rows};
  case Part::EvenRows: // of which rowStepOf takes every second one
    return {Ranges{0, 2 * rows}, 2 * rows};
  case Part::OddRows:
    return {Ranges{1, 2 * rows}, 2 * rows};
  }
  llvm_unreachable("all parts are listed");
}

int64_t stc::rowStepOf(Part part) {
  return part == Part::EvenRows || part == Part::OddRows ? 2 : 1;
}

/// `pattern` with each of its parts beginning otherwise.
static std::string withBeginning(llvm::StringRef pattern, llvm::StringRef usual,
                                 llvm::StringRef beginning) {
  llvm::SmallVector<llvm::StringRef> parts;
  pattern.split(parts, '+');
  llvm::SmallVector<std::string> renamed;
  for (llvm::StringRef part : parts)
    renamed.push_back((beginning + part.drop_front(usual.size())).str());
  return llvm::join(renamed, "+");
}

llvm::SmallVector<std::string> WeightTable::sourceNames(const WeightRow &row, int64_t layer,
                                                        int64_t expert) const {
  llvm::SmallVector<llvm::StringRef> patterns;
  llvm::StringRef(isGguf() ? row.gguf : row.huggingFace).split(patterns, '|');
  llvm::SmallVector<std::string> names;
  for (llvm::StringRef pattern : patterns) {
    names.push_back(expandName(pattern, layer, expert));
    if (isGguf() || architecture.beginnings.empty())
      continue;
    llvm::StringRef usual = architecture.beginnings.front();
    if (pattern.starts_with(usual))
      for (llvm::StringRef beginning : architecture.beginnings.drop_front())
        names.push_back(expandName(withBeginning(pattern, usual, beginning), layer, expert));
  }
  return names;
}

std::string WeightTable::sourceName(const WeightRow &row, int64_t layer, int64_t expert) const {
  llvm::SmallVector<std::string> names = sourceNames(row, layer, expert);
  for (const std::string &name : names)
    if (checkpoint.find(name))
      return name;
  return names.front();
}

/// Whether the model has the weight of a row in this layer. Where a tensor's presence decides, the
/// first layer speaks for all.
bool WeightTable::applies(const WeightRow &row, int64_t layer) const {
  const ModelConfig &config = checkpoint.config();
  auto biasApplies = [&](BiasRule rule) {
    switch (rule) {
    case BiasRule::Never:
      return false;
    case BiasRule::Always:
      return true;
    case BiasRule::AttentionFlag:
      return config.attentionBias;
    case BiasRule::AttentionFlagWherePresent:
      return config.attentionBias && checkpoint.find(sourceName(row, 0));
    case BiasRule::FeedForwardFlag:
      return config.mlpBias;
    }
    llvm_unreachable("all bias rules are listed");
  };
  switch (row.group) {
  case Group::Required:
    return true;
  case Group::Head:
    return !config.tiedEmbeddings;
  case Group::QueryKeyValueBias:
    return biasApplies(architecture.queryKeyValueBias);
  case Group::OutputBias:
    return biasApplies(architecture.outputBias);
  case Group::FeedForwardBias:
    return biasApplies(architecture.feedForwardBias);
  case Group::Experts:
    return config.hasExperts(layer);
  case Group::SharedExpert:
    return config.sharedExpertSize > 0 && config.hasExperts(layer);
  case Group::DenseFeedForward:
    return !config.hasExperts(layer);
  case Group::Gate:
    return config.block.gated;
  case Group::FeedForwardNorm:
    return !config.block.sharedNorm;
  case Group::AttentionNorm:
    return config.block.firstNorm || layer > 0;
  case Group::TokenTypes:
    return config.tokenTypes > 0;
  case Group::Classifier:
    return config.image.classifiers > 0;
  case Group::DirectQueries:
    return config.latent.queryRank == 0;
  case Group::LatentQueries:
    return config.latent.queryRank != 0;
  case Group::QueryKeyNorm:
    return config.block.queryKeyNorm != QueryKeyNorm::None;
  }
  llvm_unreachable("all groups are listed");
}

void WeightTable::declareVector(OpBuilder &builder, llvm::StringRef symbol,
                                llvm::ArrayRef<float> numbers) {
  auto type = RankedTensorType::get({int64_t(numbers.size())}, builder.getF32Type());
  auto values = llvm::all_equal(numbers) ? DenseElementsAttr::get(type, numbers.front())
                                         : DenseElementsAttr::get(type, numbers);
  weights[symbol] = WeightOp::create(
      builder, NameLoc::get(builder.getStringAttr(symbol)), builder.getStringAttr(symbol),
      TypeAttr::get(type), StringAttr(), values, SliceAttr(), UnitAttr(), FloatAttr(),
      DenseIntElementsAttr(), DenseIntElementsAttr(), PruneAttr(), QuantAttr());
}

absl::Status WeightTable::declareRow(OpBuilder &builder, const WeightRow &row, int64_t layer,
                                     int64_t expert) {
  if (row.huggingFaceGain == Gain::Ones) {
    declareVector(builder, expandName(row.symbol, layer),
                  std::vector<float>(size_t(sizeOf(row.rows, checkpoint.config())), 1));
    return absl::OkStatus();
  }
  const ModelConfig &config = checkpoint.config();
  std::string name = sourceName(row, layer, expert);
  ErrorSite site{checkpoint.path(), absl::StrCat("tensor ", name), {}};
  Form form = isGguf() ? row.ggufForm : row.huggingFaceForm;
  const TensorView *tensor = checkpoint.find(name);
  // Compressed layers have outputs first in every family.
  form.transposed &= !(tensor && tensor->encoding && tensor->encoding->isLinear);
  llvm::SmallVector<int64_t> own{sizeOf(row.rows, config)};
  if (row.columns != Dim::None)
    own.push_back(sizeOf(row.columns, config));
  auto [ranges, rows] = rangesOf(form.part, own[0], config);
  llvm::SmallVector<int64_t> whole = own;
  whole[0] = rows;
  llvm::SmallVector<int64_t> shape = whole; // as it is stored
  if (form.transposed)
    std::swap(shape.front(), shape.back());

  std::string expected = absl::StrCat("shape ", shapeText(shape));
  if (!tensor)
    return formatError(site, expected, "no such tensor");
  site.file = std::string(tensor->file.empty() ? checkpoint.path() : tensor->file);
  llvm::SmallVector<int64_t> stored(tensor->shape.begin(), tensor->shape.end());
  // GGUF has no matrices of one row.
  if (isGguf() && shape.size() == 2 && shape[0] == 1 && stored.size() == 1)
    stored.insert(stored.begin(), 1);
  if (stored != shape)
    return formatError(site, expected, shapeText(tensor->shape));
  if (!dtypeIsFloat(tensor->dtype))
    return formatError(site, "a floating-point type", dtypeName(tensor->dtype));

  std::string symbol = expandName(row.symbol, layer, expert);
  Type element = elementType(tensor->dtype, own.size() == 2, builder.getContext());
  FloatAttr offset;
  if (!isGguf() && row.huggingFaceGain == Gain::MinusOne) {
    offset = builder.getF64FloatAttr(1);
    element = builder.getF32Type(); // bf16 would round the sum
  }
  SliceAttr slice;
  if (!ranges.empty())
    slice = SliceAttr::get(builder.getContext(), builder.getDenseI64ArrayAttr(whole),
                           builder.getDenseI64ArrayAttr(ranges), DenseI64ArrayAttr(),
                           rowStepOf(form.part));
  auto type = RankedTensorType::get(own, element);
  auto weight = WeightOp::create(
      builder, NameLoc::get(builder.getStringAttr(symbol)), builder.getStringAttr(symbol),
      TypeAttr::get(type), builder.getStringAttr(name), ElementsAttr(), slice,
      form.transposed ? builder.getUnitAttr() : UnitAttr(), offset, /*row_order=*/nullptr,
      /*column_order=*/nullptr, PruneAttr(), QuantAttr());
  weights[symbol] = weight;
  llvm::SmallVector<llvm::StringRef> parts;
  llvm::StringRef(name).split(parts, '+');
  for (llvm::StringRef part : parts)
    used.insert(part.take_until([](char c) { return c == '['; }));
  if (isJoinedRows(name))
    for (int64_t i = 0; i < own[0]; ++i)
      used.insert(nameOfJoinedRow(name, i));
  return absl::OkStatus();
}

/// GPTQ's writers give every layer a bias, of zeros where the model has none.
static absl::StatusOr<bool> isBiasOfZeros(const Checkpoint &checkpoint, const TensorView &tensor) {
  absl::string_view name = tensor.name;
  if (!absl::ConsumeSuffix(&name, ".bias") || !dtypeIsFloat(tensor.dtype))
    return false;
  const TensorView *weight = checkpoint.find(absl::StrCat(name, ".weight"));
  if (!weight || !weight->encoding || !weight->encoding->isLinear)
    return false;
  std::vector<float> values(size_t(tensor.elementCount()));
  STC_RETURN_IF_ERROR(readFloats(tensor, 0, absl::MakeSpan(values)));
  return llvm::all_of(values, [](float value) { return value == 0; });
}

/// Whether a tensor is of the layers that predict further tokens.
static bool isPredicting(llvm::StringRef name, const ModelConfig &config) {
  int64_t layer = 0;
  return (name.consume_front("model.layers.") || name.consume_front("blk.")) &&
         !name.consumeInteger(10, layer) && name.starts_with(".") && layer >= config.layers &&
         layer - config.layers < config.predictingLayers;
}

/// A tensor nobody reads means that the file is not the model its configuration describes.
absl::Status WeightTable::refuseUnknown() {
  const ModelConfig &config = checkpoint.config();
  llvm::StringSet<> known{kRopeFactorsTensor, kLongFactorsTensor, kShortFactorsTensor};
  for (llvm::StringRef pattern : architecture.ignorable)
    for (int64_t layer = 0; layer < std::max(config.layers, config.encoderLayers); ++layer)
      known.insert(expandName(pattern, layer));
  // A tied head may be stored once more; the embedding table is what counts.
  for (const WeightRow &row : rows)
    if (row.group == Group::Head && config.tiedEmbeddings)
      known.insert(sourceName(row, 0));
  for (const TensorView &tensor : checkpoint.tensors()) {
    bool isOther = llvm::any_of(architecture.otherParts, [&](llvm::StringRef beginning) {
      return llvm::StringRef(tensor.name).starts_with(beginning);
    });
    if (isOther)
      ignored.push_back(tensor.name);
    llvm::StringRef stacked = tensor.name; // perhaps one matrix of several
    if (used.contains(stacked.take_until([](char c) { return c == '['; })) ||
        known.contains(tensor.name) || isOther || isPredicting(tensor.name, config))
      continue;
    STC_ASSIGN_OR_RETURN(bool isIgnored, isBiasOfZeros(checkpoint, tensor));
    if (isIgnored)
      continue;
    ErrorSite site{std::string(tensor.file.empty() ? checkpoint.path() : tensor.file),
                   absl::StrCat("tensor ", tensor.name),
                   {}};
    return formatError(site, absl::StrCat("only tensors of ", view(architecture.name)),
                       absl::StrCat("an unknown one of shape ", shapeText(tensor.shape)));
  }
  return absl::OkStatus();
}

/// The rows of a layer, those of experts once for every expert.
absl::Status WeightTable::declareRows(OpBuilder &builder, llvm::ArrayRef<const WeightRow *> rows,
                                      int64_t layer) {
  while (!rows.empty()) {
    bool perExpert = rows.front()->symbol.contains(kExpert);
    llvm::ArrayRef<const WeightRow *> run = rows.take_while(
        [&](const WeightRow *row) { return row->symbol.contains(kExpert) == perExpert; });
    for (int64_t expert = 0; expert < (perExpert ? checkpoint.config().experts : 1); ++expert)
      for (const WeightRow *row : run)
        STC_RETURN_IF_ERROR(declareRow(builder, *row, layer, expert));
    rows = rows.drop_front(run.size());
  }
  return absl::OkStatus();
}

absl::Status WeightTable::declare(OpBuilder &builder) {
  const ModelConfig &config = checkpoint.config();
  // How many weights a row stands for.
  auto layersOf = [&](const WeightRow &row) -> int64_t {
    if (!row.symbol.contains(kLayer))
      return 1;
    return row.symbol.starts_with("encoder.") ? config.encoderLayers : config.layers;
  };
  // Weights appear in the order of their use: model-level rows around the rows of all layers.
  llvm::ArrayRef<WeightRow> left = rows;
  while (!left.empty()) {
    auto kind = [](const WeightRow &row) {
      return std::pair(row.symbol.contains(kLayer), row.symbol.starts_with("encoder."));
    };
    llvm::ArrayRef<WeightRow> run =
        left.take_while([&](const WeightRow &row) { return kind(row) == kind(left.front()); });
    for (int64_t layer = 0; layer < layersOf(left.front()); ++layer) {
      llvm::SmallVector<const WeightRow *> present;
      for (const WeightRow &row : run)
        if (applies(row, layer))
          present.push_back(&row);
      STC_RETURN_IF_ERROR(declareRows(builder, present, layer));
    }
    left = left.drop_front(run.size());
  }
  return refuseUnknown();
}
