// The members of config.json that say how compressed-tensors is to read the weights.
#include "CompressedTensorsConfig.h"

#include "stc/Import/TensorNames.h"

#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace stc {

namespace {

using Kind = JsonValue::Kind;

JsonValue text(absl::string_view value) {
  JsonValue json;
  json.kind = Kind::String;
  json.string = std::string(value);
  return json;
}
JsonValue flag(bool value) {
  JsonValue json;
  json.kind = Kind::Bool;
  json.boolean = value;
  return json;
}
JsonValue integer(int64_t value) {
  JsonValue json;
  json.kind = Kind::Integer;
  json.integer = value;
  return json;
}
JsonValue real(double value) {
  JsonValue json;
  json.kind = Kind::Double;
  json.number = value;
  return json;
}
JsonValue object(std::vector<JsonValue::Member> members) {
  JsonValue json;
  json.kind = Kind::Object;
  json.object = std::move(members);
  return json;
}
JsonValue texts(const std::vector<std::string> &values) {
  JsonValue json;
  json.kind = Kind::Array;
  for (const std::string &value : values)
    json.array.push_back(text(value));
  return json;
}

void set(JsonValue &config, const std::string &key, JsonValue value) {
  for (JsonValue::Member &member : config.object)
    if (member.first == key) {
      member.second = std::move(value);
      return;
    }
  config.object.emplace_back(key, std::move(value));
}

/// Whether the tensor belongs to a module of the class Linear: all matrices but tables and those of
/// stacks.
bool isLinear(const ExportedTensor &tensor) {
  return tensor.isMatrix() && !tensor.isTable && !absl::StrContains(tensor.name, "[");
}

bool hasMask(const ExportedTensor &tensor) {
  return llvm::any_of(tensor.parts, [](const ExportedTensor::Part &part) {
    return bool(WeightOp(part.op).getPruneAttr());
  });
}

JsonValue arguments(const ExportedTensor &tensor) {
  bool perRow = isPerRow(tensor);
  std::vector<JsonValue::Member> members = {
      {"num_bits", integer(tensor.quantize.layout().codeBits())},
      {"type", text("int")},
      {"symmetric", flag(!tensor.quantize.asymmetric)},
      {"strategy", text(perRow ? "channel" : "group")},
      {"group_size", perRow ? JsonValue() : integer(tensor.quantize.group)},
      {"dynamic", flag(false)}};
  if (!tensor.groupOf.empty())
    members.push_back({"actorder", text("group")});
  return object(std::move(members));
}

/// A scheme for each way of quantizing, with the modules it is of. `ignored` gets those of none.
JsonValue configGroups(const std::vector<ExportedTensor> &tensors,
                       std::vector<std::string> &ignored) {
  std::vector<std::pair<JsonValue, std::vector<std::string>>> groups;
  for (const ExportedTensor &tensor : tensors) {
    if (!tensor.isQuantized()) {
      if (isLinear(tensor))
        ignored.push_back(moduleOf(tensor));
      continue;
    }
    JsonValue wanted = arguments(tensor);
    auto found = llvm::find_if(
        groups, [&](auto &group) { return jsonText(group.first) == jsonText(wanted); });
    if (found == groups.end())
      found = groups.insert(groups.end(), {std::move(wanted), {}});
    found->second.push_back(moduleOf(tensor));
  }
  JsonValue json = object({});
  for (auto &[wanted, modules] : groups) {
    // One group is all that is not ignored; several are told apart by name.
    std::vector<std::string> targets =
        groups.size() == 1 ? std::vector<std::string>{"Linear"} : std::move(modules);
    json.object.emplace_back("group_" + std::to_string(json.object.size()),
                             object({{"targets", texts(targets)},
                                     {"weights", std::move(wanted)},
                                     {"input_activations", JsonValue()},
                                     {"output_activations", JsonValue()}}));
  }
  return json;
}

/// Masked matrices: the structure if all share one of N of M, and how much of the model is zero.
JsonValue sparsityConfig(const std::vector<ExportedTensor> &tensors) {
  std::vector<std::string> ignored;
  std::string structure;
  double zeros = 0, total = 0;
  for (const ExportedTensor &tensor : tensors) {
    total += double(tensor.elementCount());
    if (isLinear(tensor) && !hasMask(tensor))
      ignored.push_back(moduleOf(tensor));
    for (const ExportedTensor::Part &part : tensor.parts) {
      PruneAttr prune = WeightOp(part.op).getPruneAttr();
      if (!prune)
        continue;
      zeros += double(WeightOp(part.op).getTensorType().getNumElements()) *
               (1 - prune.getDensity().getValueAsDouble());
      absl::StatusOr<PruneSpec> spec = parsePruneSpec(prune.getSpec().str());
      bool groups = spec.ok() && spec->pattern.kind == PrunePattern::Kind::NM;
      std::string pattern = groups ? spec->pattern.str() : "unstructured";
      structure = structure.empty() || structure == pattern ? pattern : "unstructured";
    }
  }
  return object({{"format", text("dense")},
                 {"sparsity_structure", text(structure)},
                 {"global_sparsity", real(total > 0 ? zeros / total : 0)},
                 {"targets", texts({"Linear"})},
                 {"ignore", texts(ignored)}});
}

} // namespace

std::string moduleOf(const ExportedTensor &tensor) {
  return std::string(absl::StripSuffix(tensor.name, ".weight"));
}

bool isPerRow(const ExportedTensor &tensor) {
  int64_t columns = tensor.shape.back();
  return tensor.quantize.groupOf(columns) >= columns;
}

void describeCompression(const std::vector<ExportedTensor> &tensors, const ModelConfig &model,
                         JsonValue &config) {
  auto place =
      tensorPlaceOf(model, kHeadSymbol, model.vocabSize, Checkpoint::Container::HuggingFace);
  std::string headName(absl::StripSuffix(place ? place->name : kHeadSymbol.str(), ".weight"));
  bool hasHead = llvm::any_of(
      tensors, [&](const ExportedTensor &tensor) { return moduleOf(tensor) == headName; });
  if (hasHead && model.tiedEmbeddings)
    set(config, "tie_word_embeddings", flag(false));
  bool quantized =
      llvm::any_of(tensors, [](const ExportedTensor &tensor) { return tensor.isQuantized(); });
  bool pruned = llvm::any_of(tensors, hasMask);
  // That of a compressed checkpoint tells of tensors which are not written.
  llvm::erase_if(config.object, [](const JsonValue::Member &member) {
    return member.first == "quantization_config" || member.first == "compression_config";
  });
  if (!quantized && !pruned)
    return;
  std::vector<std::string> ignored;
  std::vector<JsonValue::Member> members = {
      {"quant_method", text("compressed-tensors")},
      {"format", text(quantized ? "pack-quantized" : "dense")},
      {"quantization_status", text("compressed")}};
  members.emplace_back("config_groups", configGroups(tensors, ignored));
  // A tied head is a module all the same.
  if (!hasHead)
    ignored.push_back(headName);
  members.emplace_back("ignore", texts(ignored));
  // In quantized weights a pruned weight is a code like any other.
  if (!quantized)
    members.emplace_back("sparsity_config", sparsityConfig(tensors));
  set(config, "quantization_config", object(std::move(members)));
}

} // namespace stc
