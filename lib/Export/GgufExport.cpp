// Compressed weights -> a GGUF file with llama.cpp's names, metadata and row order.
#include "stc/Export/Export.h"

#include "ExportedTensor.h"

#include "stc/Export/StoredCodes.h"
#include "stc/Formats/TokenizerGguf.h"
#include "stc/Import/TensorNames.h"

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace stc {

namespace {

using Change = WeightStore::Change;

/// The type whose blocks are exactly such codes and scales. Of eight bits with minimums, those that
/// GGUF files store have five.
absl::StatusOr<DType> blockType(const QuantizeSpec &spec) {
  if (!spec.asymmetric && spec.group == 32 && spec.element == ElementKind::I4)
    return spec.minimums ? DType::Q4_1 : DType::Q4_0;
  if (!spec.asymmetric && spec.group == 32 && spec.element == ElementKind::I8)
    return spec.minimums ? DType::Q5_1 : DType::Q8_0;
  return formatError({"", "--emit=gguf", {}},
                     "weights quantized as int4-g32 or int8-g32, for which GGUF has types (Q4_0 "
                     "and Q8_0), or none",
                     spec.str());
}

/// The type of a tensor that was not quantized.
DType plainType(const ExportedTensor &tensor) {
  // Programs that read GGUF expect vectors in F32, and know no matrices in F64.
  DType type = tensor.floatType();
  bool isMatrix = tensor.isMatrix() && !llvm::StringRef(tensor.name).ends_with("_norm.weight");
  return isMatrix && type != DType::F64 ? type : DType::F32;
}

/// Which row of a Hugging Face tensor is row i of a GGUF's: within each head the rows i and
/// i + headDim / 2, which rotation takes together, become neighbours (as `permute` of llama.cpp's
/// conversion/llama.py has them).
std::vector<int64_t> interleavedOrder(int64_t rows, int64_t headDim) {
  std::vector<int64_t> order;
  order.reserve(size_t(rows));
  for (int64_t head = 0; head < rows; head += headDim)
    for (int64_t pair = 0; pair < headDim / 2; ++pair)
      for (int64_t half : {0, 1})
        order.push_back(head + half * headDim / 2 + pair);
  return order;
}

/// The tensors of the file, and their bytes one after another. Those called NAME[0], NAME[1] ...
/// are one tensor NAME with one more dimension: GGUF stacks the experts of a layer.
class TensorTable {
public:
  TensorTable(const Checkpoint &checkpoint, WeightStore &store,
              const std::vector<ExportedTensor> &tensors)
      : checkpoint(checkpoint), store(store), stacks(stacksOf(tensors)) {
    for (const TensorStack &stack : stacks)
      byName[stack.name] = &stack;
    interleaves = checkpoint.container() == Checkpoint::Container::HuggingFace &&
                  ggufFamilyOf(checkpoint.config()).interleavedRope &&
                  !checkpoint.config().ropeInterleaved;
  }

  absl::Status announceAll() {
    STC_ASSIGN_OR_RETURN(rotary, rotaryTensors(checkpoint));
    for (const TensorStack &stack : stacks) {
      STC_RETURN_IF_ERROR(checkStack(stack, typeOf));
      STC_ASSIGN_OR_RETURN(DType type, typeOf(stack.first()));
      announce(stack.name, type, stack.storedShape());
    }
    for (const auto &[name, values] : rotary)
      announce(name, DType::F32, {int64_t(values.size())});
    return absl::OkStatus();
  }
  const std::vector<TensorView> &announced() const { return views; }

  absl::StatusOr<absl::Span<const uint8_t>> produce(const TensorView &view) {
    auto found = byName.find(view.name);
    if (found == byName.end()) {
      const std::vector<float> &values = llvm::find_if(rotary, [&](const RotaryTensor &tensor) {
                                           return tensor.first == view.name;
                                         })->second;
      const auto *data = reinterpret_cast<const uint8_t *>(values.data());
      return absl::Span<const uint8_t>(data, values.size() * sizeof(float));
    }
    bytes.clear();
    for (const ExportedTensor *tensor : found->second->tensors) {
      STC_ASSIGN_OR_RETURN(std::vector<uint8_t> own, bytesOf(*tensor, view.dtype));
      bytes.insert(bytes.end(), own.begin(), own.end());
    }
    return absl::Span<const uint8_t>(bytes);
  }

private:
  static absl::StatusOr<DType> typeOf(const ExportedTensor &tensor) {
    DType type = plainType(tensor);
    if (tensor.keepsCodes) {
      type = tensor.source->dtype;
    } else if (tensor.isQuantized()) {
      STC_ASSIGN_OR_RETURN(type, blockType(tensor.quantize));
    }
    if (int64_t columns = tensor.shape.back(); columns % dtypeBlockElements(type) != 0)
      return formatError({"", tensor.name, {}},
                         absl::StrCat("rows of whole blocks of ", dtypeBlockElements(type),
                                      ", as GGUF's ", dtypeName(type), " demands"),
                         absl::StrCat("rows of ", columns));
    return type;
  }

  absl::StatusOr<std::vector<uint8_t>> bytesOf(const ExportedTensor &tensor, DType type) {
    auto order = [&](WeightOp op) {
      return interleaves && hasRotatedRows(op.getSymName())
                 ? interleavedOrder(op.getTensorType().getDimSize(0), checkpoint.config().headDim)
                 : std::vector<int64_t>();
    };
    if (!tensor.isQuantized())
      return floatBytes(tensor, type, checkpoint, store, order);
    if (tensor.keepsCodes) {
      std::vector<uint8_t> bytes(tensor.source->bytes.begin(), tensor.source->bytes.end());
      checkpoint.release(*tensor.source);
      return bytes;
    }
    STC_ASSIGN_OR_RETURN(QuantizedMatrix matrix, quantizedRows(tensor, store, order));
    switch (type) {
    case DType::Q4_0:
      return encodeQ4_0(matrix);
    case DType::Q4_1:
      return encodeQ4_1(matrix);
    case DType::Q5_1:
      if (llvm::any_of(matrix.codes, [](int8_t code) { return code + 128 > 31; }))
        return formatError({"", tensor.name, {}}, "codes of five bits, as GGUF's Q5_1 has them",
                           "larger ones");
      return encodeQ5_1(matrix);
    default:
      return encodeQ8_0(matrix);
    }
  }

  void announce(const std::string &name, DType dtype, const std::vector<int64_t> &shape) {
    TensorView view;
    view.name = name;
    view.dtype = dtype;
    view.shape = shape;
    views.push_back(std::move(view));
  }

  const Checkpoint &checkpoint;
  WeightStore &store;
  std::vector<TensorStack> stacks;
  absl::flat_hash_map<std::string, const TensorStack *> byName;
  bool interleaves = false;
  std::vector<RotaryTensor> rotary;
  std::vector<TensorView> views;
  std::vector<uint8_t> bytes;
};

/// llama.cpp's number for the type that most weights have.
uint32_t fileType(const std::vector<TensorView> &tensors) {
  std::map<DType, int64_t> counts;
  for (const TensorView &view : tensors)
    counts[view.dtype] += view.elementCount();
  auto most =
      llvm::max_element(counts, [](const auto &a, const auto &b) { return a.second < b.second; });
  switch (most->first) {
  case DType::F16:
    return 1;
  case DType::Q4_0:
    return 2;
  case DType::Q4_1:
    return 3;
  case DType::Q5_1:
    return 9;
  case DType::Q8_0:
    return 7;
  case DType::BF16:
    return 32;
  case DType::F32:
    return 0;
  default:
    return 1024; // LLAMA_FTYPE_GUESSED: readers look for themselves
  }
}

/// llama.cpp's number for a way of pooling (enum llama_pooling_type), which has none for the
/// largest.
int64_t ggufPooling(Pooling pooling) {
  switch (pooling) {
  case Pooling::First:
    return 2;
  case Pooling::Last:
    return 3;
  case Pooling::Mean:
  case Pooling::Max:
    break;
  }
  return 1;
}

/// The sizes and switches of the model, under the names of its family.
void addConfig(const ModelConfig &config, const GgufFamily &family, GgufMetadata &metadata) {
  auto key = [&](absl::string_view name) { return absl::StrCat(family.name, ".", name); };
  auto number = [&](absl::string_view name, int64_t value) {
    metadata.addNumber(key(name), uint32_t(value));
  };
  auto real = [&](absl::string_view name, double value) {
    metadata.addReal(key(name), float(value));
  };
  bool isEncoder = config.kind == ModelKind::Encoder;
  if (config.kind == ModelKind::EncoderDecoder) {
    number("block_count", config.encoderLayers);
    number("decoder_block_count", config.layers);
    number("decoder_start_token_id", config.decoderStart.value_or(0));
    number("attention.relative_buckets_count", config.relativeBuckets);
  } else {
    number("block_count", config.layers);
  }
  number("context_length", config.usablePositions());
  number("embedding_length", config.hiddenSize);
  number("feed_forward_length", config.intermediateSize);
  number("attention.head_count", config.heads);
  number("attention.head_count_kv", config.kvHeads);
  number("attention.key_length", config.headDim);
  number("attention.value_length", config.valueDim());
  if (config.isLatent())
    number("attention.kv_lora_rank", config.latent.rank);
  if (config.latent.queryRank != 0)
    number("attention.q_lora_rank", config.latent.queryRank);
  real(family.normEpsilonKey, config.normEpsilon);
  for (const auto &[name, value] : family.numbers)
    real(name, value);
  if (isEncoder) {
    metadata.addFlag(key("attention.causal"), false);
    number("pooling_type", ggufPooling(config.pooling));
    if (config.tokenTypes > 0)
      metadata.addNumber("tokenizer.ggml.token_type_count", uint32_t(config.tokenTypes));
  }
  // That of an encoder is to both sides, and as wide as both together.
  if (config.slidingWindow != 0)
    number("attention.sliding_window",
           isEncoder ? 2 * (config.slidingWindow - 1) : config.slidingWindow);
  if (config.slidingWindow != 0 && isEncoder)
    number("attention.sliding_window_pattern", family.windowPattern);
  if (config.usesRotation()) {
    number("rope.dimension_count", config.rotaryDim);
    real("rope.freq_base", config.ropeTheta);
  }
  if (config.localRopeTheta != 0)
    real("rope.freq_base_swa", config.localRopeTheta);
  if (config.ropeScaling.kind == RopeScaling::Kind::Linear) {
    metadata.addText(key("rope.scaling.type"), "linear");
    real("rope.scaling.factor", config.ropeScaling.factor);
  }
  if (config.ropeScaling.kind == RopeScaling::Kind::LongRope) {
    number("rope.scaling.original_context_length",
           int64_t(config.ropeScaling.originalMaxPositions));
    real("rope.scaling.attn_factor", config.ropeScaling.attentionFactor);
  }
  if (family.name == "gptneox" || family.name == "stablelm")
    metadata.addFlag(key("use_parallel_residual"), config.block.parallel);
  if (config.ropeScaling.kind == RopeScaling::Kind::Yarn) {
    const RopeScaling &scaling = config.ropeScaling;
    metadata.addText(key("rope.scaling.type"), "yarn");
    real("rope.scaling.factor", scaling.factor);
    number("rope.scaling.original_context_length", int64_t(scaling.originalMaxPositions));
    real("rope.scaling.yarn_beta_fast", scaling.betaFast);
    real("rope.scaling.yarn_beta_slow", scaling.betaSlow);
  }
  number("vocab_size", config.vocabSize);
  if (config.experts == 0)
    return;
  number("expert_count", config.experts);
  number("expert_used_count", config.expertsPerToken);
  number("expert_feed_forward_length", config.expertSize);
  const ExpertRouting &routing = config.routing;
  if (routing.sharedGate && config.sharedExpertSize != 0)
    number("expert_shared_feed_forward_length", config.sharedExpertSize);
  if (routing.sharedGate)
    return;
  number("expert_shared_count", config.sharedExpertSize / config.expertSize);
  // Families that write such files have dense layers in front alone.
  number("leading_dense_block_count",
         llvm::find(config.sparseLayers, true) - config.sparseLayers.begin());
  number("expert_gating_func", routing.sigmoid ? 2 : 1);
  number("expert_group_count", routing.groups);
  number("expert_group_used_count", routing.keptGroups);
  metadata.addFlag(key("expert_weights_norm"), config.normalizedGates);
}

/// The tokenizer, the tokens that the configuration says end a text, and the chat template.
absl::Status addText(const Checkpoint &checkpoint, const Tokenizer *tokenizer,
                     GgufMetadata &metadata) {
  const ModelConfig &config = checkpoint.config();
  if (!tokenizer)
    return absl::OkStatus();
  TokenizerSpec spec = tokenizer->spec();
  if (spec.bos < 0)
    spec.bos = config.bosToken.value_or(-1);
  if (spec.eos < 0)
    spec.eos = config.eosToken.value_or(-1);
  STC_RETURN_IF_ERROR(addTokenizer(spec, config.vocabSize, checkpoint.path(), metadata));
  std::vector<int64_t> ends = config.extraEosTokens;
  if (config.eosToken)
    ends.insert(ends.begin(), *config.eosToken);
  llvm::erase(ends, spec.eos);
  const char *keys[] = {"tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id"};
  for (size_t i = 0; i < std::min(ends.size(), std::size(keys)); ++i)
    metadata.addNumber(keys[i], uint32_t(ends[i]));
  STC_ASSIGN_OR_RETURN(std::string chat, checkpoint.loadChatTemplate());
  if (!chat.empty())
    metadata.addText("tokenizer.chat_template", chat);
  return absl::OkStatus();
}

/// A GGUF's own metadata but for what this file decides anew.
void copyMetadata(const GgufFile &source, GgufMetadata &metadata) {
  for (const auto &[key, value] : source.metadata())
    if (key != "general.alignment" && key != "general.file_type" &&
        key != "general.quantization_version")
      metadata.add(key, value);
}

std::string modelName(const Checkpoint &checkpoint) {
  return llvm::sys::path::stem(llvm::StringRef(checkpoint.path()).rtrim('/')).str();
}

} // namespace

absl::Status checkGgufExport(const Checkpoint &checkpoint, const Tokenizer *tokenizer,
                             const std::vector<QuantizeSpec> &specs, const std::string &output) {
  for (const QuantizeSpec &spec : specs)
    if (spec.enabled)
      STC_RETURN_IF_ERROR(blockType(spec).status());
  if (llvm::sys::fs::equivalent(checkpoint.path(), output))
    return formatError({output, "", {}}, "another file than the checkpoint", "the same");
  GgufMetadata unused;
  if (checkpoint.container() == Checkpoint::Container::Gguf)
    return absl::OkStatus();
  const ModelConfig &config = checkpoint.config();
  GgufFamily family = ggufFamilyOf(config);
  if (!family.writable)
    return formatError(
        {checkpoint.path(), "--emit=gguf", {}},
        absl::StrCat("layers, attention and gates as GGUF takes them to be, and one of ",
                     absl::StrJoin(writableGgufFamilies(), ", ")),
        "one of " + config.architecture);
  // The metadata has no key for it.
  if (config.activation != family.activation)
    return formatError({checkpoint.path(), "--emit=gguf", {}},
                       absl::StrCat("the activation that GGUF files of ", family.name,
                                    " are read with, ", family.activation),
                       config.activation);
  return addText(checkpoint, tokenizer, unused);
}

absl::Status exportGguf(ModuleOp module, const Checkpoint &checkpoint, const Tokenizer *tokenizer,
                        const ExportOptions &options) {
  STC_ASSIGN_OR_RETURN(WeightStore * store, WeightStore::get(module));
  STC_ASSIGN_OR_RETURN(std::vector<ExportedTensor> tensors,
                       collectTensors(module, checkpoint, *store, Checkpoint::Container::Gguf));
  TensorTable table(checkpoint, *store, tensors);
  STC_RETURN_IF_ERROR(table.announceAll());

  GgufMetadata metadata;
  if (const GgufFile *source = checkpoint.ggufFile()) {
    copyMetadata(*source, metadata);
  } else {
    GgufFamily family = ggufFamilyOf(checkpoint.config());
    metadata.addText("general.architecture", family.name);
    metadata.addText("general.name", modelName(checkpoint));
    addConfig(checkpoint.config(), family, metadata);
    STC_RETURN_IF_ERROR(addText(checkpoint, tokenizer, metadata));
  }
  metadata.addNumber("general.file_type", fileType(table.announced()));
  metadata.addNumber("general.quantization_version", 2);

  Progress progress = exportProgress(table.announced(), options.quiet);
  auto produce = [&](const TensorView &view) {
    progress.advance(uint64_t(view.elementCount()), view.name);
    return table.produce(view);
  };
  STC_ASSIGN_OR_RETURN(auto file, streamGguf(options.output, metadata, table.announced(), produce));
  progress.finish();
  return file->commit();
}

} // namespace stc
