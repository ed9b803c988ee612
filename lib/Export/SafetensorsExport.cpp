// Compressed weights -> a Hugging Face directory in compressed-tensors' conventions.
#include "stc/Export/Export.h"

#include "CompressedTensorsConfig.h"

#include "stc/Export/StoredCodes.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace stc {

namespace {

/// What describes the model or its text and does not change with the weights.
constexpr absl::string_view kCopiedFiles[] = {"generation_config.json",
                                              "preprocessor_config.json",
                                              "modules.json",
                                              "sentence_bert_config.json",
                                              "config_sentence_transformers.json",
                                              "tokenizer.json",
                                              "tokenizer_config.json",
                                              "tokenizer.model",
                                              "added_tokens.json",
                                              "vocab.json",
                                              "merges.txt",
                                              "chat_template.jinja",
                                              "chat_template.json",
                                              "special_tokens_map.json"};

/// The directory that a checkpoint's config.json lies in.
std::string folderOf(const Checkpoint &checkpoint) {
  llvm::StringRef path = checkpoint.path();
  if (llvm::sys::fs::is_directory(path))
    return path.str();
  llvm::StringRef parent = llvm::sys::path::parent_path(path);
  return parent.empty() ? "." : parent.str();
}

enum class Part { Floats, Row, Packed, Scales, ZeroPoints, Groups, Shape };

template <typename T> std::vector<uint8_t> bytesOf(const std::vector<T> &values) {
  const auto *begin = reinterpret_cast<const uint8_t *>(values.data());
  return {begin, begin + values.size() * sizeof(T)};
}

/// The tensors of model.safetensors, and their bytes one after another.
class TensorTable {
public:
  TensorTable(const Checkpoint &checkpoint, WeightStore &store,
              const std::vector<ExportedTensor> &tensors)
      : checkpoint(checkpoint), store(store), stacks(stacksOf(tensors)) {}

  absl::Status announceAll() {
    for (const TensorStack &stack : stacks) {
      STC_RETURN_IF_ERROR(checkCodes(stack));
      if (stack.first().isQuantized()) {
        announceCodes(stack);
        continue;
      }
      if (isJoinedRows(stack.name)) {
        announceRows(stack);
        continue;
      }
      auto typeOf = [](const ExportedTensor &tensor) { return tensor.floatType(); };
      STC_RETURN_IF_ERROR(checkStack(stack, typeOf));
      announce(stack, stack.name, stack.first().floatType(), stack.storedShape(), Part::Floats);
    }
    return absl::OkStatus();
  }
  const std::vector<TensorView> &announced() const { return views; }

  absl::StatusOr<absl::Span<const uint8_t>> produce(const TensorView &view) {
    auto [stack, part, row] = parts.at(view.name);
    bytes.clear();
    for (const ExportedTensor *tensor : stack->tensors) {
      STC_ASSIGN_OR_RETURN(std::vector<uint8_t> own, bytesOfPart(*tensor, part, view));
      bytes.insert(bytes.end(), own.begin(), own.end());
    }
    if (part != Part::Row)
      return absl::Span<const uint8_t>(bytes);
    size_t size = bytes.size() / size_t(stack->first().shape[0]);
    return absl::Span<const uint8_t>(bytes).subspan(size_t(row) * size, size);
  }

private:
  void announce(const TensorStack &stack, const std::string &name, DType dtype,
                std::vector<int64_t> shape, Part part, int64_t row = 0) {
    TensorView view;
    view.name = name;
    view.dtype = dtype;
    view.shape = std::move(shape);
    parts[view.name] = {&stack, part, row};
    views.push_back(std::move(view));
  }

  /// The vectors that a matrix was put together of.
  void announceRows(const TensorStack &stack) {
    const ExportedTensor &tensor = stack.first();
    for (int64_t row = 0; row < tensor.shape[0]; ++row)
      announce(stack, nameOfJoinedRow(stack.name, row), tensor.floatType(), {tensor.shape[1]},
               Part::Row, row);
  }

  /// Whether the tensors may be quantized as they are, if they are.
  static absl::Status checkCodes(const TensorStack &stack) {
    for (const ExportedTensor *tensor : stack.tensors) {
      if (!tensor->isQuantized())
        continue;
      if (!stack.isSingle() || tensor->transposed)
        return formatError({"", tensor->name, {}},
                           "no codes, since compressed-tensors has them for modules of the class "
                           "Linear alone, which stores outputs first (or --emit=gguf)",
                           tensor->quantize.str());
      int64_t columns = tensor->shape[1], group = tensor->quantize.group;
      if (!isPerRow(*tensor) && columns % group != 0)
        return formatError(
            {"", tensor->name, {}},
            absl::StrCat("rows of whole groups of ", group, ", as compressed-tensors demands"),
            absl::StrCat("rows of ", columns));
    }
    return absl::OkStatus();
  }

  void announceCodes(const TensorStack &stack) {
    const ExportedTensor &tensor = stack.first();
    int64_t rows = tensor.shape[0], columns = tensor.shape[1];
    int64_t group = tensor.quantize.group, bits = tensor.quantize.layout().codeBits();
    int64_t groups = isPerRow(tensor) ? 1 : columns / group;
    auto named = [&](const char *suffix) { return absl::StrCat(stack.name, suffix); };
    announce(stack, named("_shape"), DType::I64, {2}, Part::Shape);
    announce(stack, named("_packed"), DType::I32, {rows, (columns * bits + 31) / 32}, Part::Packed);
    if (tensor.quantize.asymmetric)
      announce(stack, named("_zero_point"), DType::I32, {(rows * bits + 31) / 32, groups},
               Part::ZeroPoints);
    if (!tensor.groupOf.empty())
      announce(stack, named("_g_idx"), DType::I32, {columns}, Part::Groups);
    announce(stack, named("_scale"), DType::F16, {rows, groups}, Part::Scales);
  }

  absl::StatusOr<std::vector<uint8_t>> bytesOfPart(const ExportedTensor &tensor, Part part,
                                                   const TensorView &view) {
    if (part == Part::Floats || part == Part::Row)
      return floatBytes(tensor, view.dtype, checkpoint, store);
    if (part == Part::Shape)
      return bytesOf(tensor.shape);
    if (part == Part::Groups)
      return bytesOf(tensor.groupOf);
    if (loaded != &tensor) {
      STC_ASSIGN_OR_RETURN(matrix, quantizedRows(tensor, store));
      loaded = &tensor;
    }
    int bits = tensor.quantize.layout().codeBits();
    if (part == Part::Scales)
      return bytesOf(matrix.scales);
    if (part == Part::ZeroPoints)
      return bytesOf(packWordsByColumn(matrix.zeros, matrix.rows, matrix.groups(), bits));
    return bytesOf(packWords(matrix.codes, matrix.rows, matrix.columns, bits));
  }

  const Checkpoint &checkpoint;
  WeightStore &store;
  std::vector<TensorStack> stacks;
  std::vector<TensorView> views;
  /// Of a matrix that is written as vectors, which one it is.
  struct Place {
    const TensorStack *stack;
    Part part;
    int64_t row;
  };
  absl::flat_hash_map<std::string, Place> parts;
  const ExportedTensor *loaded = nullptr; // whose codes `matrix` holds
  QuantizedMatrix matrix;
  std::vector<uint8_t> bytes;
};

absl::Status addText(AtomicFolder &folder, absl::string_view name, absl::string_view text) {
  STC_ASSIGN_OR_RETURN(auto file, AtomicFile::create(folder.pathOf(name)));
  STC_RETURN_IF_ERROR(file->write(text));
  folder.add(std::move(file));
  return absl::OkStatus();
}

/// Copies a file, if there is one.
absl::Status addCopy(AtomicFolder &folder, const std::string &source, absl::string_view name) {
  std::string path = absl::StrCat(source, "/", name);
  if (!llvm::sys::fs::exists(path))
    return absl::OkStatus();
  STC_ASSIGN_OR_RETURN(std::string text, readFile(path));
  return addText(folder, name, text);
}

/// The folders of sentence-transformers' modules, each with its configuration: "1_Pooling".
absl::Status addModules(AtomicFolder &folder, const std::string &source) {
  std::vector<std::string> names;
  std::error_code error;
  for (llvm::sys::fs::directory_iterator it(source, error), end; it != end && !error;
       it.increment(error)) {
    llvm::StringRef name = llvm::sys::path::filename(it->path());
    if (name.contains('_') && llvm::isDigit(name.front()) &&
        llvm::sys::fs::exists(it->path() + "/config.json"))
      names.push_back(name.str());
  }
  llvm::sort(names);
  for (const std::string &name : names) {
    STC_RETURN_IF_ERROR(folder.addFolder(name));
    STC_RETURN_IF_ERROR(addCopy(folder, source, absl::StrCat(name, "/config.json")));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> configText(const std::string &folder, const ModelConfig &model,
                                       const std::vector<ExportedTensor> &tensors) {
  std::string path = absl::StrCat(folder, "/config.json");
  STC_ASSIGN_OR_RETURN(std::string text, readFile(path));
  STC_ASSIGN_OR_RETURN(JsonValue config, parseJson(text, path));
  describeCompression(tensors, model, config);
  return jsonText(config) + "\n";
}

} // namespace

absl::Status checkSafetensorsExport(const Checkpoint &checkpoint, const std::string &output) {
  if (checkpoint.container() != Checkpoint::Container::HuggingFace)
    return formatError({"", "--emit=safetensors", {}},
                       "a Hugging Face checkpoint (of a GGUF: --emit=gguf)", checkpoint.path());
  return AtomicFolder::create(output).status();
}

absl::Status exportSafetensors(ModuleOp module, const Checkpoint &checkpoint,
                               const ExportOptions &options) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(module));
  STC_ASSIGN_OR_RETURN(
      std::vector<ExportedTensor> tensors,
      collectTensors(module, checkpoint, *store, Checkpoint::Container::HuggingFace));
  TensorTable table(checkpoint, *store, tensors);
  STC_RETURN_IF_ERROR(table.announceAll());
  std::string source = folderOf(checkpoint);
  STC_ASSIGN_OR_RETURN(std::string config, configText(source, checkpoint.config(), tensors));

  STC_ASSIGN_OR_RETURN(auto folder, AtomicFolder::create(options.output));
  for (absl::string_view name : kCopiedFiles)
    STC_RETURN_IF_ERROR(addCopy(*folder, source, name));
  if (checkpoint.config().kind == ModelKind::Encoder)
    STC_RETURN_IF_ERROR(addModules(*folder, source));
  Progress progress = exportProgress(table.announced(), options.quiet);
  auto produce = [&](const TensorView &view) {
    progress.advance(uint64_t(view.elementCount()), view.name);
    return table.produce(view);
  };
  STC_ASSIGN_OR_RETURN(auto file,
                       streamSafetensors(folder->pathOf("model.safetensors"), table.announced(),
                                         {{"format", "pt"}}, produce));
  progress.finish();
  folder->add(std::move(file));
  // The configuration makes the directory a checkpoint: it comes last.
  STC_RETURN_IF_ERROR(addText(*folder, "config.json", config));
  return folder->commit();
}

} // namespace stc
