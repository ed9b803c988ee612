// A checkpoint of any supported container: finds its files and reads its configuration.
#include "stc/Formats/Checkpoint.h"

#include "ConfigReader.h"
#include "JoinEncoded.h"
#include "SentenceModules.h"
#include "stc/Formats/Encoding.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include <algorithm>
#include <sys/stat.h>

namespace stc {

namespace {

constexpr uint64_t maxConfigBytes = 16 << 20;
constexpr int64_t maxMatrices = 1 << 16; // of one tensor

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

} // namespace

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
  return checkpoint;
}

const std::vector<TensorView> &Checkpoint::tensors() const {
  return gguf ? gguf->tensors() : joined.empty() ? safetensors->tensors() : joined;
}

const TensorView *Checkpoint::find(absl::string_view name) const {
  if (auto found = index.find(std::string(name)); found != index.end())
    return &tensors()[found->second];
  auto found = matrices.find(std::string(name));
  return found == matrices.end() ? nullptr : &found->second;
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
