// A checkpoint of any supported container: finds its files and reads its configuration.
#include "stc/Formats/Checkpoint.h"

#include "ConfigReader.h"
#include "JoinEncoded.h"
#include "SentenceModules.h"
#include "stc/Formats/Encoding.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include <algorithm>
#include <sys/stat.h>

namespace stc {

namespace {

constexpr uint64_t maxConfigBytes = 16 << 20;
constexpr int64_t maxMatrices = 1 << 16; // of one tensor
// Newer GGUF files hold the two halves of it apart, one of them transposed.
constexpr absl::string_view kLatentMatrix = ".attn_kv_b.weight";

bool exists(const std::string &path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

bool isDirectory(const std::string &path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

std::string join(const std::string &folder, absl::string_view name) {
  return absl::StrCat(folder, absl::EndsWith(folder, "/") ? "" : "/", name);
}

/// The folder of a checkpoint given as a directory or as a file in one.
std::string folderOf(const std::string &path) {
  if (isDirectory(path))
    return path;
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash + 1);
}

/// The file or index that holds a directory's tensors.
absl::StatusOr<std::string> findTensors(const std::string &folder) {
  for (absl::string_view name : {"model.safetensors", "model.safetensors.index.json"})
    if (exists(join(folder, name)))
      return join(folder, name);
  bool pickled = exists(join(folder, "pytorch_model.bin")) ||
                 exists(join(folder, "pytorch_model.bin.index.json"));
  return formatError({folder, "", {}}, "model.safetensors or model.safetensors.index.json",
                     pickled ? "pytorch_model.bin only (convert it to safetensors)" : "neither");
}

/// A file of no known name is GGUF if its first bytes say so; otherwise say what could be given.
absl::Status checkKind(const std::string &path) {
  if (absl::EndsWith(path, ".gguf"))
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(std::shared_ptr<MappedFile> file, MappedFile::open(path));
  absl::Span<const uint8_t> bytes = file->bytes();
  if (bytes.size() >= 4 && std::equal(bytes.begin(), bytes.begin() + 4, "GGUF"))
    return absl::OkStatus();
  return formatError({path, "", {}},
                     "a Hugging Face directory, a .safetensors file or a .gguf file",
                     "another kind of file");
}

absl::StatusOr<JsonValue> readJsonFile(const std::string &path) {
  STC_ASSIGN_OR_RETURN(std::string text, readFile(path, maxConfigBytes));
  return parseJson(text, path);
}

absl::StatusOr<ModelConfig> readConfig(const std::string &folder,
                                       QuantizationConfig &quantization) {
  std::string path = join(folder, "config.json");
  STC_ASSIGN_OR_RETURN(JsonValue json, readJsonFile(path));
  STC_ASSIGN_OR_RETURN(ModelConfig config, parseHuggingFaceConfig(json, path));
  STC_ASSIGN_OR_RETURN(quantization, parseQuantizationConfig(json, path));
  std::string modelOpt = join(folder, "hf_quant_config.json");
  if (quantization.method == QuantizationConfig::Method::None && exists(modelOpt)) {
    STC_ASSIGN_OR_RETURN(JsonValue settings, readJsonFile(modelOpt));
    STC_ASSIGN_OR_RETURN(quantization, parseModelOptConfig(settings, modelOpt));
  }
  std::string generation = join(folder, "generation_config.json");
  if (exists(generation)) {
    STC_ASSIGN_OR_RETURN(JsonValue settings, readJsonFile(generation));
    STC_RETURN_IF_ERROR(addGenerationConfig(settings, generation, config));
  }
  std::string extractor = join(folder, "preprocessor_config.json");
  if (config.featureSize > 0 && exists(extractor)) {
    STC_ASSIGN_OR_RETURN(JsonValue settings, readJsonFile(extractor));
    STC_RETURN_IF_ERROR(checkFeatureExtractor(settings, extractor, config));
  }
  if (config.readsImages() && exists(extractor)) {
    STC_ASSIGN_OR_RETURN(JsonValue settings, readJsonFile(extractor));
    STC_RETURN_IF_ERROR(readImageProcessor(settings, extractor, config));
  }
  if (config.kind == ModelKind::Encoder)
    STC_RETURN_IF_ERROR(readSentenceModules(folder, config));
  return config;
}

/// The matrices of a tensor of three dimensions, one per index of the first, and the vectors of a
/// bias of two. Rows are whole blocks of every type, so each takes an equal share of the bytes.
void addMatrices(const TensorView &tensor, std::map<std::string, TensorView, std::less<>> &found) {
  bool isBiases = tensor.shape.size() == 2 &&
                  (absl::EndsWith(tensor.name, ".bias") || absl::EndsWith(tensor.name, "_bias"));
  if (tensor.encoding || !(tensor.shape.size() == 3 || isBiases) || tensor.shape[0] < 1 ||
      tensor.shape[0] > maxMatrices)
    return;
  uint64_t bytes = tensor.bytes.size() / uint64_t(tensor.shape[0]);
  for (int64_t i = 0; i < tensor.shape[0]; ++i) {
    TensorView matrix = tensor;
    matrix.name = absl::StrCat(tensor.name, "[", i, "]");
    matrix.shape.erase(matrix.shape.begin());
    matrix.bytes = tensor.bytes.subspan(uint64_t(i) * bytes, bytes);
    matrix.offset += uint64_t(i) * bytes;
    if (tensor.ownScales.size() > sizeof(float))
      matrix.ownScales = tensor.ownScales.subspan(uint64_t(i) * sizeof(float), sizeof(float));
    found.emplace(matrix.name, std::move(matrix));
  }
}

/// A tensor of three dimensions or more as one matrix with a row for every index of the first: how
/// convolutions are multiplied with.
void addFlat(const TensorView &tensor, std::map<std::string, TensorView, std::less<>> &found) {
  if (tensor.encoding || tensor.shape.size() < 3 || tensor.shape[0] < 1)
    return;
  TensorView matrix = tensor;
  matrix.name = absl::StrCat(tensor.name, "[:]");
  matrix.shape = {tensor.shape[0], tensor.elementCount() / tensor.shape[0]};
  found.emplace(matrix.name, std::move(matrix));
}

constexpr absl::string_view kFirstRow = ".norms.0.weight", kJoinedRows = ".norms.[:].weight";

/// The matrix of the vectors "PREFIX.norms.0.weight", "PREFIX.norms.1.weight" ..., of which `first`
/// is the first, as far as they are alike; its bytes are added to `storage`.
void joinRows(const Checkpoint &checkpoint, const TensorView &first,
              std::map<std::string, TensorView, std::less<>> &found,
              std::vector<std::vector<uint8_t>> &storage) {
  absl::string_view prefix = first.name;
  if (!absl::ConsumeSuffix(&prefix, kFirstRow) || first.encoding || first.shape.size() != 1)
    return;
  TensorView matrix = first;
  matrix.name = absl::StrCat(prefix, kJoinedRows);
  std::vector<uint8_t> bytes;
  int64_t count = 0;
  for (; count < maxMatrices; ++count) {
    const TensorView *row = checkpoint.find(nameOfJoinedRow(matrix.name, count));
    if (!row || row->encoding || row->dtype != first.dtype || row->shape != first.shape)
      break;
    bytes.insert(bytes.end(), row->bytes.begin(), row->bytes.end());
  }
  matrix.shape.insert(matrix.shape.begin(), count);
  storage.push_back(std::move(bytes));
  matrix.bytes = storage.back();
  found.emplace(matrix.name, std::move(matrix));
}

/// The rows of "A" above those of "B", of the tensor that is called "A+B".
bool stackParts(const Checkpoint &checkpoint, TensorView &view, std::vector<float> &values) {
  int64_t columns = 0;
  bool isVector = true;
  for (absl::string_view part : absl::StrSplit(view.name, '+')) {
    const TensorView *tensor = checkpoint.find(part);
    if (!tensor || tensor->encoding || tensor->shape.empty() || tensor->elementCount() < 1)
      return false;
    if (columns == 0)
      columns = tensor->shape.back();
    size_t begin = values.size(), count = size_t(tensor->elementCount());
    isVector &= tensor->shape.size() == 1;
    if (tensor->shape.back() != columns || !dtypeIsFloat(tensor->dtype))
      return false;
    values.resize(begin + count);
    if (!readFloats(*tensor, 0, absl::MakeSpan(values).subspan(begin)).ok())
      return false;
    view.file = tensor->file;
  }
  view.shape = {int64_t(values.size()) / columns, columns};
  if (isVector)
    view.shape = {int64_t(values.size())};
  return true;
}

/// Each head's rows for keys above those for values, of tensors [heads, rank, key size] and
/// [heads, value size, rank].
bool joinLatent(const Checkpoint &checkpoint, TensorView &view, std::vector<float> &values) {
  absl::string_view layer = view.name;
  absl::ConsumeSuffix(&layer, kLatentMatrix);
  const TensorView *keys = checkpoint.find(absl::StrCat(layer, ".attn_k_b.weight"));
  const TensorView *own = checkpoint.find(absl::StrCat(layer, ".attn_v_b.weight"));
  if (!keys || !own || keys->shape.size() != 3 || own->shape.size() != 3 ||
      keys->shape[0] != own->shape[0] || keys->shape[1] != own->shape[2] ||
      keys->elementCount() < 1 || own->elementCount() < 1 || !dtypeIsFloat(keys->dtype) ||
      !dtypeIsFloat(own->dtype))
    return false;
  std::vector<float> keyRows(size_t(keys->elementCount())), rows(size_t(own->elementCount()));
  if (!readFloats(*keys, 0, absl::MakeSpan(keyRows)).ok() ||
      !readFloats(*own, 0, absl::MakeSpan(rows)).ok())
    return false;
  int64_t heads = keys->shape[0], rank = keys->shape[1], size = keys->shape[2];
  values.reserve(keyRows.size() + rows.size());
  for (int64_t head = 0; head < heads; ++head) {
    for (int64_t row = 0; row < size; ++row)
      for (int64_t column = 0; column < rank; ++column)
        values.push_back(keyRows[size_t((head * rank + column) * size + row)]);
    auto begin = rows.begin() + head * own->shape[1] * rank;
    values.insert(values.end(), begin, begin + own->shape[1] * rank);
  }
  view.file = keys->file;
  view.shape = {heads * (size + own->shape[1]), rank};
  return true;
}

} // namespace

bool isJoinedRows(absl::string_view name) { return absl::EndsWith(name, kJoinedRows); }

std::string nameOfJoinedRow(absl::string_view name, int64_t i) {
  absl::ConsumeSuffix(&name, "[:].weight");
  return absl::StrCat(name, i, ".weight");
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::string &path) {
  return open(path, /*needsConfig=*/true);
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::openTensors(const std::string &path) {
  return open(path, /*needsConfig=*/!absl::EndsWith(path, ".safetensors") ||
                        exists(join(folderOf(path), "config.json")));
}

absl::StatusOr<std::unique_ptr<Checkpoint>> Checkpoint::open(const std::string &path,
                                                             bool needsConfig) {
  std::unique_ptr<Checkpoint> checkpoint(new Checkpoint);
  checkpoint->sourcePath = path;
  bool named = absl::EndsWith(path, ".safetensors") || absl::EndsWith(path, ".json");
  if (isDirectory(path) || named) {
    checkpoint->kind = Container::HuggingFace;
    QuantizationConfig quantization;
    if (needsConfig) {
      STC_ASSIGN_OR_RETURN(checkpoint->modelConfig, readConfig(folderOf(path), quantization));
    }
    std::string tensors = path;
    if (!named) {
      STC_ASSIGN_OR_RETURN(tensors, findTensors(path));
    }
    STC_ASSIGN_OR_RETURN(checkpoint->safetensors, SafetensorsFile::open(tensors));
    if (quantization.method != QuantizationConfig::Method::None) {
      STC_ASSIGN_OR_RETURN(checkpoint->joined,
                           joinEncoded(checkpoint->safetensors->tensors(), quantization));
    }
  } else {
    checkpoint->kind = Container::Gguf;
    STC_RETURN_IF_ERROR(checkKind(path));
    STC_ASSIGN_OR_RETURN(checkpoint->gguf, GgufFile::open(path));
    STC_ASSIGN_OR_RETURN(checkpoint->modelConfig, parseGgufConfig(*checkpoint->gguf));
  }
  const std::vector<TensorView> &views = checkpoint->tensors();
  for (size_t i = 0; i < views.size(); ++i) {
    checkpoint->index.emplace(views[i].name, i);
    addMatrices(views[i], checkpoint->matrices);
    addFlat(views[i], checkpoint->matrices);
  }
  for (const TensorView &view : views)
    joinRows(*checkpoint, view, checkpoint->matrices, checkpoint->rows);
  // Which heads there are, the tensors say. DeiT's may have one for each of its class tokens.
  ImageSettings &image = checkpoint->modelConfig.image;
  if (checkpoint->modelConfig.readsImages() && !image.labels.empty())
    image.classifiers = checkpoint->find("cls_classifier.weight") ? 2
                        : checkpoint->find("classifier.weight")   ? 1
                                                                  : 0;
  return checkpoint;
}

const std::vector<TensorView> &Checkpoint::tensors() const {
  return gguf ? gguf->tensors() : joined.empty() ? safetensors->tensors() : joined;
}

const TensorView *Checkpoint::find(absl::string_view name) const {
  if ((absl::StrContains(name, '+') || absl::EndsWith(name, kLatentMatrix)) &&
      index.find(name) == index.end())
    return findStacked(name);
  if (auto found = index.find(std::string(name)); found != index.end())
    return &tensors()[found->second];
  auto found = matrices.find(std::string(name));
  return found == matrices.end() ? nullptr : &found->second;
}

const TensorView *Checkpoint::findStacked(absl::string_view name) const {
  std::lock_guard<std::mutex> lock(stackedMutex);
  if (auto found = stacked.find(name); found != stacked.end())
    return &found->second->view;
  auto made = std::make_unique<Stacked>();
  made->view.name = std::string(name);
  bool isWhole = absl::EndsWith(name, kLatentMatrix) ? joinLatent(*this, made->view, made->values)
                                                     : stackParts(*this, made->view, made->values);
  if (!isWhole)
    return nullptr;
  made->view.bytes = {reinterpret_cast<const uint8_t *>(made->values.data()),
                      made->values.size() * sizeof(float)};
  return &stacked.emplace(std::string(name), std::move(made)).first->second->view;
}

void Checkpoint::release(const TensorView &tensor) const {
  if (tensor.encoding)
    for (const TensorView *part : tensor.encoding->parts())
      release(*part);
  auto releaseFrom = [&](const MappedFile &file) {
    const uint8_t *begin = file.bytes().data(), *data = tensor.bytes.data();
    if (std::less<const uint8_t *>()(data, begin) ||
        !std::less<const uint8_t *>()(data, begin + file.bytes().size()))
      return false;
    file.release(uint64_t(data - begin), tensor.bytes.size());
    return true;
  };
  if (gguf) {
    releaseFrom(*gguf->mapping());
    return;
  }
  for (const std::shared_ptr<MappedFile> &file : safetensors->mappings())
    if (releaseFrom(*file))
      return;
}

absl::StatusOr<std::unique_ptr<Tokenizer>> Checkpoint::loadTokenizer() const {
  bool present = gguf ? gguf->find("tokenizer.ggml.model") != nullptr
                      : exists(join(folderOf(sourcePath), "tokenizer.json"));
  if (!present)
    return std::unique_ptr<Tokenizer>();
  return stc::loadTokenizer(gguf ? sourcePath : folderOf(sourcePath));
}

} // namespace stc
