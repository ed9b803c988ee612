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

/// Whether the tensor belongs to a module of the class Linear: all matrices but the embedding's.
bool isLinear(const ExportedWeight &weight) {
  return weight.isMatrix() && !absl::EndsWith(weight.name, "embed_tokens.weight");
}

JsonValue arguments(const ExportedWeight &weight) {
  bool perRow = isPerRow(weight);
  std::vector<JsonValue::Member> members = {
      {"num_bits", integer(weight.quantize.layout().codeBits())},
      {"type", text("int")},
      {"symmetric", flag(!weight.quantize.asymmetric)},
      {"strategy", text(perRow ? "channel" : "group")},
      {"group_size", perRow ? JsonValue() : integer(weight.quantize.group)},
      {"dynamic", flag(false)}};
  return object(std::move(members));
}

/// A scheme for each way of quantizing, with the modules it is of. `ignored` gets those of none.
JsonValue configGroups(const std::vector<ExportedWeight> &weights,
                       std::vector<std::string> &ignored) {
  std::vector<std::pair<JsonValue, std::vector<std::string>>> groups;
  for (const ExportedWeight &weight : weights) {
    if (!weight.isQuantized()) {
      if (isLinear(weight))
        ignored.push_back(moduleOf(weight));
      continue;
    }
    JsonValue wanted = arguments(weight);
    auto found = llvm::find_if(
        groups, [&](auto &group) { return jsonText(group.first) == jsonText(wanted); });
    if (found == groups.end())
      found = groups.insert(groups.end(), {std::move(wanted), {}});
    found->second.push_back(moduleOf(weight));
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
JsonValue sparsityConfig(const std::vector<ExportedWeight> &weights) {
  std::vector<std::string> ignored;
  std::string structure;
  double zeros = 0, total = 0;
  for (const ExportedWeight &weight : weights) {
    double count = double(weight.source->elementCount());
    total += count;
    PruneAttr prune = WeightOp(weight.op).getPruneAttr();
    if (!prune) {
      if (isLinear(weight))
        ignored.push_back(moduleOf(weight));
      continue;
    }
    zeros += count * (1 - prune.getDensity().getValueAsDouble());
    absl::StatusOr<PruneSpec> spec = parsePruneSpec(prune.getSpec().str());
    bool groups = spec.ok() && spec->pattern.kind == PrunePattern::Kind::NM;
    std::string pattern = groups ? spec->pattern.str() : "unstructured";
    structure = structure.empty() || structure == pattern ? pattern : "unstructured";
  }
  return object({{"format", text("dense")},
                 {"sparsity_structure", text(structure)},
                 {"global_sparsity", real(total > 0 ? zeros / total : 0)},
                 {"targets", texts({"Linear"})},
                 {"ignore", texts(ignored)}});
}

} // namespace

std::string moduleOf(const ExportedWeight &weight) {
  return std::string(absl::StripSuffix(weight.name, ".weight"));
}

bool isPerRow(const ExportedWeight &weight) {
  int64_t columns = weight.shape.back();
  return weight.quantize.groupOf(columns) >= columns;
}

void describeCompression(const std::vector<ExportedWeight> &weights, JsonValue &config) {
  StringRef headName = "lm_head";
  bool hasHead = llvm::any_of(
      weights, [&](const ExportedWeight &weight) { return moduleOf(weight) == headName; });
  if (hasHead)
    set(config, "tie_word_embeddings", flag(false));
  bool quantized =
      llvm::any_of(weights, [](const ExportedWeight &weight) { return weight.isQuantized(); });
  bool pruned = llvm::any_of(weights, [](const ExportedWeight &weight) {
    return bool(WeightOp(weight.op).getPruneAttr());
  });
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
  members.emplace_back("config_groups", configGroups(weights, ignored));
  // A tied head is a module all the same.
  if (!hasHead)
    ignored.push_back(headName.str());
  members.emplace_back("ignore", texts(ignored));
  // In quantized weights a pruned weight is a code like any other.
  if (!quantized)
    members.emplace_back("sparsity_config", sparsityConfig(weights));
  set(config, "quantization_config", object(std::move(members)));
}

} // namespace stc
