// Declares a checkpoint's tensors as stc.weight symbols, checking every name and shape.
#include "WeightTable.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

using namespace mlir;
using namespace stc;

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

static int64_t sizeOf(Dim dim, const ModelConfig &config) {
  switch (dim) {
  case Dim::None:
    return 0;
  case Dim::Vocabulary:
    return config.vocabSize;
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
  }
  llvm_unreachable("all dimensions are listed");
}

/// How the checkpoint's values appear in the graph. Half floats and block types are widened by the
/// weight store, so the graph sees f32.
static Type elementType(DType dtype, MLIRContext *context) {
  if (dtype == DType::BF16)
    return BFloat16Type::get(context);
  return Float32Type::get(context);
}

std::string WeightTable::sourceName(const WeightRow &row, int64_t layer, int64_t expert) const {
  bool gguf = checkpoint.container() == Checkpoint::Container::Gguf;
  return expandName(gguf ? row.gguf : row.huggingFace, layer, expert);
}

/// Whether the model has the weight of a row at all. Where a tensor's presence decides, the first
/// layer speaks for all.
bool WeightTable::applies(const WeightRow &row) const {
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
  case Group::FeedForward:
    return config.experts == 0;
  case Group::FeedForwardBias:
    return config.experts == 0 && biasApplies(architecture.feedForwardBias);
  case Group::Experts:
  case Group::MixtralExperts:
    return config.experts > 0 && architecture.experts == row.group;
  case Group::SharedExpert:
    return config.experts > 0 && config.sharedExpertSize > 0;
  }
  llvm_unreachable("all groups are listed");
}

absl::Status WeightTable::declareRow(OpBuilder &builder, const WeightRow &row, int64_t layer,
                                     int64_t expert) {
  const ModelConfig &config = checkpoint.config();
  std::string name = sourceName(row, layer, expert);
  ErrorSite site{checkpoint.path(), absl::StrCat("tensor ", name), {}};
  llvm::SmallVector<int64_t> shape{sizeOf(row.rows, config)};
  if (row.columns != Dim::None)
    shape.push_back(sizeOf(row.columns, config));

  const TensorView *tensor = checkpoint.find(name);
  std::string expected = absl::StrCat("shape ", shapeText(shape));
  if (!tensor)
    return formatError(site, expected, "no such tensor");
  site.file = std::string(tensor->file.empty() ? checkpoint.path() : tensor->file);
  llvm::SmallVector<int64_t> own(tensor->shape.begin(), tensor->shape.end());
  // GGUF has no matrices of one row.
  if (row.rows == Dim::One && own.size() == 1)
    own.insert(own.begin(), 1);
  if (own != shape)
    return formatError(site, expected, shapeText(tensor->shape));
  if (!dtypeIsFloat(tensor->dtype))
    return formatError(site, "a floating-point type", dtypeName(tensor->dtype));

  std::string symbol = expandName(row.symbol, layer, expert);
  auto type = RankedTensorType::get(shape, elementType(tensor->dtype, builder.getContext()));
  auto weight = WeightOp::create(
      builder, NameLoc::get(builder.getStringAttr(symbol)), builder.getStringAttr(symbol),
      TypeAttr::get(type), builder.getStringAttr(name), ElementsAttr(), SliceAttr(),
      PruneAttr(), QuantAttr());
  weights[symbol] = weight;
  used.insert(llvm::StringRef(name).take_until([](char c) { return c == '['; }));
  return absl::OkStatus();
}

/// A tensor nobody reads means that the file is not the model its configuration describes.
absl::Status WeightTable::refuseUnknown() const {
  const ModelConfig &config = checkpoint.config();
  llvm::StringSet<> known{kRopeFactorsTensor};
  for (llvm::StringRef pattern : architecture.ignorable)
    for (int64_t layer = 0; layer < config.layers; ++layer)
      known.insert(expandName(pattern, layer));
  // A tied head may be stored once more; the embedding table is what counts.
  for (const WeightRow &row : architecture.weights)
    if (row.group == Group::Head && config.tiedEmbeddings)
      known.insert(sourceName(row, 0));
  for (const TensorView &tensor : checkpoint.tensors()) {
    if (used.contains(tensor.name) || known.contains(tensor.name))
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
  int64_t layers = checkpoint.config().layers;
  // Weights appear in the order of their use: model-level rows around the rows of all layers.
  llvm::ArrayRef<WeightRow> rows = architecture.weights;
  while (!rows.empty()) {
    bool perLayer = rows.front().symbol.contains(kLayer);
    llvm::ArrayRef<WeightRow> run = rows.take_while(
        [&](const WeightRow &row) { return row.symbol.contains(kLayer) == perLayer; });
    llvm::SmallVector<const WeightRow *> present;
    for (const WeightRow &row : run)
      if (applies(row))
        present.push_back(&row);
    for (int64_t layer = 0; layer < (perLayer ? layers : 1); ++layer)
      STC_RETURN_IF_ERROR(declareRows(builder, present, layer));
    rows = rows.drop_front(run.size());
  }
  return refuseUnknown();
}
