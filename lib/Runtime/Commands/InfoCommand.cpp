// info: what this model is made of.
#include "stc/Runtime/Commands.h"
#include "stc/Runtime/CpuFeatures.h"
#include "stc/Runtime/JsonWriter.h"
#include "stc/Runtime/Output.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include <map>

namespace stc {

namespace {

const CommandSpec &spec() {
  static const CommandSpec spec = {
      "info",
      "",
      "Show what the model is: sizes, storage formats, memory, checksums.",
      "Also where it runs, and, where it has code for a GPU and no GPU runs it, why.",
      withModelOptions({{"--json", "", "", "Print one JSON object."}}),
      {"info", "info --json"}};
  return spec;
}

/// All tensors stored in one layout.
struct LayoutSums {
  int64_t tensors = 0;
  uint64_t bytes = 0;
  double weights = 0;
};

std::map<std::string, LayoutSums> sumLayouts(const Bundle &bundle) {
  std::map<std::string, LayoutSums> layouts;
  for (const WeightRecord &record : bundle.records()) {
    LayoutSums &sums = layouts[record.layout];
    ++sums.tensors;
    sums.bytes += record.bytes;
    double weights = 1;
    for (int64_t size : record.shape)
      weights *= double(size);
    sums.weights += weights;
  }
  return layouts;
}

/// The key `device`: where the model runs, and on a GPU what that has.
absl::Status addDevice(JsonWriter &json, Model &model) {
  json.beginObject("device");
  json.string("id", model.device());
  if (GpuModel *gpu = model.gpu()) {
    const GpuProperties &properties = gpu->properties();
    STC_ASSIGN_OR_RETURN(uint64_t free, gpu->device().freeBytes());
    json.string("name", properties.name);
    json.string("architecture", properties.architecture);
    json.string("driver", properties.driver);
    json.integer("multiprocessors", properties.multiprocessors);
    json.integer("blocks", gpu->program().prefill.blocks);
    json.integer("memory_bytes", int64_t(properties.totalBytes));
    json.integer("weight_bytes", int64_t(model.contents().weights().size()));
    json.integer("weights_on_host_bytes", int64_t(gpu->placement().hostBytes));
    json.integer("kv_cache_bytes", int64_t(TextSizes(model.settings()).caches()));
    json.integer("free_bytes", int64_t(free));
  }
  json.string("refused", model.gpuRefusal().message());
  json.endObject();
  return absl::OkStatus();
}

/// The key `gpu_images`: the code there is for GPUs.
void addImages(JsonWriter &json, const Model &model) {
  json.beginArray("gpu_images");
  for (const StcGpuImage &image : model.code().gpuImages) {
    json.beginObject();
    json.string("name", image.target);
    json.string("format", image.format);
    json.integer("bytes", int64_t(image.size));
    json.integer("block_threads", int64_t(image.block_threads));
    json.integer("shared_bytes", int64_t(image.shared_bytes));
    json.endObject();
  }
  json.endArray();
}

/// What the processor must have for the code that it runs.
std::string features(const Model &model) { return model.gpu() ? "" : model.variant().features; }

absl::StatusOr<std::string> printJson(Model &model, bool verified) {
  const ModelSettings &s = model.settings();
  JsonWriter json;
  json.beginObject();
  json.string("name", s.name);
  json.string("architecture", s.architecture);
  json.string("kind", modelKindName(s.kind));
  json.string("recipe", s.recipe);
  json.integer("vocabulary_size", s.vocabSize);
  json.integer("hidden_size", s.hiddenSize);
  json.integer("layers", s.layers);
  json.integer("kv_heads", s.kvHeads);
  json.integer("head_dim", s.headDim);
  json.integer("max_context", s.maxContext);
  if (s.kind == ModelKind::Encoder) {
    json.string("pooling", s.pooling);
    json.boolean("normalize", s.normalize != 0);
  }
  if (const ImageSettings *image = model.image()) {
    json.beginObject("image");
    json.integer("height", image->height);
    json.integer("width", image->width);
    json.integer("patch_height", image->patchHeight);
    json.integer("patch_width", image->patchWidth);
    json.integer("positions", image->positions());
    json.integer("labels", image->classifiers > 0 ? int64_t(image->labels.size()) : 0);
    json.endObject();
  }
  json.boolean("tokenizer", model.tokenizer() != nullptr);
  json.boolean("chat_template", !s.chatTemplate.empty());
  json.integer("weight_bytes", int64_t(model.contents().weights().size()));
  json.integer("weight_bytes_per_token", s.weightBytesPerToken);
  json.string("kv_cache", s.kvCache);
  json.integer("kv_cache_bytes", s.keyCacheBytes + s.valueCacheBytes);
  json.integer("scratch_bytes", s.arenaBytes);
  json.beginArray("layouts");
  for (const auto &layout : sumLayouts(model.contents())) {
    json.beginObject();
    json.string("layout", layout.first);
    json.integer("tensors", layout.second.tensors);
    json.integer("bytes", int64_t(layout.second.bytes));
    json.number("bits_per_weight", 8 * double(layout.second.bytes) / layout.second.weights);
    json.endObject();
  }
  json.endArray();
  json.string("target", model.target());
  json.string("cpu_features", features(model));
  json.beginArray("targets");
  for (const StcVariant &variant : model.code().variants) {
    json.beginObject();
    json.string("name", variant.target);
    json.string("cpu_features", variant.features);
    json.string("missing", absl::StrJoin(missingCpuFeatures(variant.features), ","));
    json.endObject();
  }
  json.endArray();
  addImages(json, model);
  STC_RETURN_IF_ERROR(addDevice(json, model));
  json.integer("threads", model.pool().threads());
  json.string("fingerprint", absl::StrFormat("%016x", s.codeFingerprint));
  json.string("checksums", verified ? "ok" : "not verified");
  json.endObject();
  return json.text();
}

absl::StatusOr<std::string> printText(Model &model, bool verified) {
  const ModelSettings &s = model.settings();
  std::string text;
  auto line = [&](absl::string_view name, const std::string &value) {
    absl::StrAppendFormat(&text, "%-14s %s\n", name, value.empty() ? "-" : value);
  };
  line("name", printable(s.name));
  line("architecture", printable(s.architecture));
  line("kind", std::string(modelKindName(s.kind)));
  line("recipe", printable(s.recipe));
  line("sizes", absl::StrCat(s.layers, " layers, hidden ", s.hiddenSize, ", ", s.kvHeads,
                             " key-value heads of ", s.headDim, ", vocabulary ", s.vocabSize));
  line("context", absl::StrCat(s.maxContext, " tokens"));
  if (s.kind == ModelKind::Encoder)
    line("pooling", s.pooling + (s.normalize ? ", scaled to length 1" : ", not scaled"));
  if (const ImageSettings *image = model.image())
    line("images",
         absl::StrCat(image->width, " x ", image->height, " pixels, patches of ", image->patchWidth,
                      " x ", image->patchHeight, ", ",
                      image->classifiers > 0 ? absl::StrCat(image->labels.size(), " labels")
                                             : "no labels"));
  line("tokenizer", model.tokenizer() ? "yes" : "none: token ids only");
  line("chat", s.chatTemplate.empty() ? "no template" : "yes");
  line("weights", absl::StrCat(model.contents().weights().size(), " bytes, ", s.weightBytesPerToken,
                               " read per token"));
  for (const auto &layout : sumLayouts(model.contents()))
    line("", absl::StrFormat("%s: %d tensors, %d bytes, %.2f bits per weight",
                             printable(layout.first), layout.second.tensors, layout.second.bytes,
                             8 * double(layout.second.bytes) / layout.second.weights));
  line("KV cache",
       absl::StrCat(s.keyCacheBytes + s.valueCacheBytes, " bytes of ", printable(s.kvCache)));
  line("scratch", absl::StrCat(s.arenaBytes, " bytes"));
  auto name = [](std::string *out, const StcVariant &variant) { *out += variant.target; };
  line("targets", absl::StrJoin(model.code().variants, ", ", name));
  for (const StcGpuImage &image : model.code().gpuImages)
    line("GPU code", absl::StrCat(image.target, ": ", image.size, " bytes of ", image.format, ", ",
                                  image.block_threads, " threads and ", image.shared_bytes,
                                  " bytes of shared memory per block"));
  line("running", model.target());
  if (GpuModel *gpu = model.gpu()) {
    const GpuProperties &properties = gpu->properties();
    STC_ASSIGN_OR_RETURN(uint64_t free, gpu->device().freeBytes());
    line("device", absl::StrCat(properties.label, ", ", properties.architecture, ", ",
                                properties.driver, ", ", gpu->program().prefill.blocks,
                                " blocks on ", properties.multiprocessors, " multiprocessors"));
    uint64_t onHost = gpu->placement().hostBytes;
    line("", absl::StrCat("memory ", properties.totalBytes, " bytes: weights ",
                          model.contents().weights().size() - onHost, ", KV cache ",
                          TextSizes(s).caches(), ", free ", free));
    if (onHost > 0)
      line("", absl::StrCat("memory of this machine: weights ", onHost));
  } else {
    line("device", "cpu");
    line("CPU features", features(model));
  }
  if (!model.gpuRefusal().ok())
    line("no GPU", std::string(model.gpuRefusal().message()));
  line("threads", absl::StrCat(model.pool().threads()));
  line("fingerprint", absl::StrFormat("%016x", s.codeFingerprint));
  line("checksums", verified ? "ok" : "not verified");
  text.pop_back();
  return text;
}

absl::Status execute(const CommandContext &context, const Args &args) {
  STC_ASSIGN_OR_RETURN(std::unique_ptr<Model> model, openModel(context, args));
  bool verified = isVerifying(args);
  STC_ASSIGN_OR_RETURN(std::string text, args.has("--json") ? printJson(*model, verified)
                                                            : printText(*model, verified));
  return printLine(text);
}

} // namespace

Command infoCommand() { return {&spec(), execute}; }

} // namespace stc
