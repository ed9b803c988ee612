// What a config.json says about how its weights are stored, after the configuration classes of
// transformers (utils/quantization_config.py) and of compressed-tensors
// (quantization/quant_args.py), and Model Optimizer's "Unified HuggingFace Checkpoint" guide.
#include "QuantizationConfig.h"

#include "ConfigReader.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_join.h"

#include <algorithm>

namespace stc {

namespace {

using Method = QuantizationConfig::Method;

/// The named text in lower case, or `missing`.
absl::StatusOr<std::string> word(const ConfigReader &reader, absl::string_view key,
                                 const std::string &missing) {
  std::string text = missing;
  STC_RETURN_IF_ERROR(reader.text(key, text));
  return absl::AsciiStrToLower(text);
}

absl::Status refuseMember(const ConfigReader &reader, absl::string_view key,
                          absl::string_view expected) {
  const JsonValue *value = reader.find(key);
  bool isEmpty = !value || (value->isObject() && value->object.empty()) ||
                 (value->isArray() && value->array.empty());
  return isEmpty ? absl::OkStatus() : reader.error(key, expected, ConfigReader::describe(*value));
}

/// -1 is a group of all columns.
absl::Status readGroup(const ConfigReader &reader, absl::string_view key, int64_t &group) {
  STC_RETURN_IF_ERROR(reader.integer(key, group));
  if (group == -1)
    group = 0;
  else if (group < 1)
    return reader.error(key, "a size of 1 or more, or -1", absl::StrCat(group));
  return absl::OkStatus();
}

absl::Status checkBits(const ConfigReader &reader, absl::string_view key, int64_t bits,
                       std::initializer_list<int64_t> known) {
  if (std::count(known.begin(), known.end(), bits))
    return absl::OkStatus();
  std::string list;
  for (int64_t one : known)
    absl::StrAppend(&list, list.empty() ? "" : one == *(known.end() - 1) ? " or " : ", ", one);
  return reader.error(key, list, absl::StrCat(bits));
}

/// GPTQModel's rules: patterns of module names (Python's regular expressions, behind "+:" or
/// nothing) with what differs in such modules. "-:" stands before modules that are not quantized,
/// which their tensors tell as well.
absl::Status readDynamic(const ConfigReader &reader, QuantizationConfig &config) {
  const JsonValue *rules = reader.find("dynamic");
  if (!rules)
    return absl::OkStatus();
  if (!rules->isObject())
    return reader.error("dynamic", "an object", ConfigReader::describe(*rules));
  for (const auto &[pattern, overrides] : rules->object) {
    if (absl::StartsWith(pattern, "-:"))
      continue;
    std::string key = absl::StrCat("dynamic.", printable(pattern));
    if (!overrides.isObject())
      return reader.error(key, "an object", ConfigReader::describe(overrides));
    ConfigReader rule = reader.inner(overrides, key + ".");
    QuantizationScheme scheme = config.schemes.front();
    STC_RETURN_IF_ERROR(rule.integer("bits", scheme.bits));
    STC_RETURN_IF_ERROR(checkBits(rule, "bits", scheme.bits, {2, 3, 4, 8}));
    STC_RETURN_IF_ERROR(readGroup(rule, "group_size", scheme.group));
    config.schemes.push_back(scheme);
  }
  return absl::OkStatus();
}

absl::Status readGptq(const ConfigReader &reader, QuantizationConfig &config) {
  QuantizationScheme scheme;
  STC_RETURN_IF_ERROR(reader.integer("bits", scheme.bits, /*required=*/true));
  STC_RETURN_IF_ERROR(checkBits(reader, "bits", scheme.bits, {2, 3, 4, 8}));
  scheme.group = 128;
  STC_RETURN_IF_ERROR(readGroup(reader, "group_size", scheme.group));
  scheme.symmetric = false; // zeros are always stored
  STC_ASSIGN_OR_RETURN(std::string format, word(reader, "checkpoint_format", "gptq"));
  if (format != "gptq" && format != "gptq_v2")
    return reader.error("checkpoint_format", "gptq or gptq_v2",
                        absl::StrCat("'", printable(format), "'"));
  config.zerosMinusOne = format == "gptq";
  config.schemes = {scheme};
  return readDynamic(reader, config);
}

absl::Status readAwq(const ConfigReader &reader, QuantizationConfig &config) {
  QuantizationScheme scheme;
  scheme.bits = 4;
  STC_RETURN_IF_ERROR(reader.integer(reader.find("w_bit") ? "w_bit" : "bits", scheme.bits));
  STC_RETURN_IF_ERROR(checkBits(reader, "bits", scheme.bits, {4}));
  scheme.group = 128;
  STC_RETURN_IF_ERROR(
      readGroup(reader, reader.find("q_group_size") ? "q_group_size" : "group_size", scheme.group));
  bool hasZeros = true;
  STC_RETURN_IF_ERROR(reader.boolean("zero_point", hasZeros));
  scheme.symmetric = !hasZeros;
  STC_ASSIGN_OR_RETURN(std::string version, word(reader, "version", "gemm"));
  if (version != "gemm" && version != "gemv")
    return reader.error("version", "gemm or gemv", absl::StrCat("'", printable(version), "'"));
  config.isGemv = version == "gemv";
  config.schemes = {scheme};
  return absl::OkStatus();
}

absl::Status readBlock(const ConfigReader &reader, absl::string_view key,
                       QuantizationScheme &scheme) {
  std::vector<int64_t> block;
  STC_RETURN_IF_ERROR(reader.integers(key, block));
  if (block.size() != 2 || block[0] < 1 || block[1] < 1)
    return reader.error(key, "two sizes of 1 or more", absl::StrCat(block.size(), " numbers"));
  scheme.blockRows = block[0];
  scheme.blockColumns = block[1];
  return absl::OkStatus();
}

absl::Status readFp8(const ConfigReader &reader, QuantizationConfig &config) {
  QuantizationScheme scheme;
  scheme.isFloat = true;
  STC_ASSIGN_OR_RETURN(std::string format, word(reader, "fmt", "e4m3"));
  if (format != "e4m3" && format != "e5m2")
    return reader.error("fmt", "e4m3 or e5m2", absl::StrCat("'", printable(format), "'"));
  if (reader.find("weight_block_size"))
    STC_RETURN_IF_ERROR(readBlock(reader, "weight_block_size", scheme));
  config.schemes = {scheme};
  return absl::OkStatus();
}

absl::Status readBitsAndBytes(const ConfigReader &reader, QuantizationConfig &config) {
  // What four bits mean, tensors say.
  bool eight = false, four = false;
  STC_RETURN_IF_ERROR(reader.boolean("load_in_8bit", eight));
  STC_RETURN_IF_ERROR(reader.boolean("load_in_4bit", four));
  if (!eight && !four)
    return reader.error("load_in_8bit", "true, there or in load_in_4bit", "false");
  config.schemes = {QuantizationScheme()};
  return absl::OkStatus();
}

/// E2M1 values know two ways to be scaled, which the group tells apart.
absl::Status checkFloat4(const ConfigReader &reader, QuantizationScheme &scheme) {
  return scheme.group == 16 || scheme.group == 32
             ? absl::OkStatus()
             : reader.error("group_size", "16 (NVFP4) or 32 (MXFP4) for 4-bit floats",
                            absl::StrCat(scheme.group));
}

/// TensorRT Model Optimizer, whose algorithms imply all there is to know.
absl::Status readModelOpt(const ConfigReader &reader, QuantizationConfig &config) {
  QuantizationScheme scheme;
  scheme.isFloat = true;
  STC_ASSIGN_OR_RETURN(std::string algorithm, word(reader, "quant_algo", "none"));
  if (algorithm == "nvfp4") {
    scheme.bits = 4;
    scheme.group = 16;
    STC_RETURN_IF_ERROR(reader.integer("group_size", scheme.group));
    if (scheme.group != 16)
      return reader.error("group_size", "16", absl::StrCat(scheme.group));
  } else if (algorithm != "fp8") {
    return reader.error("quant_algo", "NVFP4 or FP8", absl::StrCat("'", printable(algorithm), "'"));
  }
  config.method = Method::ModelOpt;
  config.schemes = {scheme};
  return absl::OkStatus();
}

/// One of `config_groups`: how its weights are quantized.
absl::Status readWeights(const JsonValue &json, const std::string &file, const std::string &prefix,
                         QuantizationConfig &config) {
  ConfigReader reader(json, file, prefix);
  QuantizationScheme scheme;
  STC_RETURN_IF_ERROR(reader.integer("num_bits", scheme.bits));
  STC_ASSIGN_OR_RETURN(std::string type, word(reader, "type", "int"));
  if (type != "int" && type != "float")
    return reader.error("type", "int or float", absl::StrCat("'", printable(type), "'"));
  scheme.isFloat = type == "float";
  if (scheme.isFloat)
    STC_RETURN_IF_ERROR(checkBits(reader, "num_bits", scheme.bits, {4, 8}));
  else
    STC_RETURN_IF_ERROR(checkBits(reader, "num_bits", scheme.bits, {2, 3, 4, 5, 6, 7, 8}));
  STC_RETURN_IF_ERROR(reader.boolean("symmetric", scheme.symmetric));
  if (reader.find("group_size"))
    STC_RETURN_IF_ERROR(readGroup(reader, "group_size", scheme.group));
  STC_ASSIGN_OR_RETURN(std::string strategy,
                       word(reader, "strategy", scheme.group ? "group" : "tensor"));
  if (strategy == "block") {
    STC_RETURN_IF_ERROR(readBlock(reader, "block_structure", scheme));
    scheme.group = 0;
  } else if (strategy == "channel" || strategy == "tensor") {
    scheme.group = 0;
  } else if (strategy != "group" && strategy != "tensor_group") {
    return reader.error("strategy", "tensor, channel, group, tensor_group or block",
                        absl::StrCat("'", printable(strategy), "'"));
  }
  if (scheme.isFloat4())
    STC_RETURN_IF_ERROR(checkFloat4(reader, scheme));
  if (config.isMarlin24 && (scheme.isFloat || !scheme.symmetric || scheme.blockRows))
    return reader.error("symmetric", "symmetric codes of rows or groups in marlin-24",
                        scheme.isFloat     ? "floats"
                        : scheme.blockRows ? "blocks"
                                           : "false");
  if (config.isMarlin24)
    STC_RETURN_IF_ERROR(checkBits(reader, "num_bits", scheme.bits, {4, 8}));
  config.schemes.push_back(scheme);
  return absl::OkStatus();
}

absl::Status readCompressedTensors(const ConfigReader &reader, const std::string &file,
                                   const std::string &prefix, QuantizationConfig &config) {
  constexpr absl::string_view formats[] = {
      "dense",           "pack-quantized",       "int-quantized",        "float-quantized",
      "naive-quantized", "nvfp4-pack-quantized", "mxfp4-pack-quantized", "marlin-24",
      "mixed-precision"};
  STC_ASSIGN_OR_RETURN(std::string format, word(reader, "format", "dense"));
  if (std::find(std::begin(formats), std::end(formats), format) == std::end(formats))
    return reader.error("format", absl::StrCat("one of ", absl::StrJoin(formats, ", ")),
                        absl::StrCat("'", printable(format), "'"));
  config.isMarlin24 = format == "marlin-24";
  STC_RETURN_IF_ERROR(refuseMember(reader, "transform_config", "no transforms of activations"));
  if (const JsonValue *sparsity = reader.find("sparsity_config")) {
    ConfigReader inner(*sparsity, file, prefix + "sparsity_config.");
    STC_ASSIGN_OR_RETURN(std::string kind, word(inner, "format", "dense"));
    if (kind != "dense" && kind != "sparse-bitmask" && kind != "sparse-24-bitmask")
      return inner.error("format", "dense, sparse-bitmask or sparse-24-bitmask",
                         absl::StrCat("'", printable(kind), "'"));
  }
  const JsonValue *groups = reader.find("config_groups");
  if (groups && !groups->isObject())
    return reader.error("config_groups", "an object", ConfigReader::describe(*groups));
  for (size_t i = 0; groups && i < groups->object.size(); ++i) {
    const auto &[name, group] = groups->object[i];
    std::string path = absl::StrCat(prefix, "config_groups.", printable(name), ".");
    const JsonValue *weights = group.find("weights");
    if (!weights || weights->isNull()) // only activations are quantized
      continue;
    if (!weights->isObject())
      return ConfigReader(group, file, path)
          .error("weights", "an object", ConfigReader::describe(*weights));
    STC_RETURN_IF_ERROR(readWeights(*weights, file, path + "weights.", config));
  }
  return absl::OkStatus();
}

} // namespace

std::string QuantizationScheme::str() const {
  std::string codes = isFloat4() ? "f4_e2m1 values"
                      : isFloat  ? "8-bit float values"
                                 : absl::StrCat(bits, "-bit codes");
  if (blockRows)
    return absl::StrCat(codes, " in blocks of ", blockRows, "x", blockColumns);
  return group ? absl::StrCat(codes, " in groups of ", group)
               : absl::StrCat(codes, " with scales of rows");
}

absl::StatusOr<QuantizationConfig> parseQuantizationConfig(const JsonValue &json,
                                                           const std::string &file) {
  QuantizationConfig config;
  ConfigReader outer(json, file);
  std::string key = "quantization_config";
  const JsonValue *member = outer.find(key);
  if (!member)
    member = outer.find(key = "compression_config");
  if (!member)
    return config;
  if (!member->isObject())
    return outer.error(key, "an object", ConfigReader::describe(*member));
  ConfigReader reader(*member, file, key + ".");
  STC_ASSIGN_OR_RETURN(std::string method, word(reader, "quant_method", ""));
  bool isBitsAndBytes = reader.find("load_in_8bit") || reader.find("load_in_4bit");
  if (method.empty())
    method = isBitsAndBytes ? "bitsandbytes" : "compressed-tensors";
  if (method == "gptq") {
    config.method = Method::Gptq;
    STC_RETURN_IF_ERROR(readGptq(reader, config));
  } else if (method == "awq") {
    config.method = Method::Awq;
    STC_RETURN_IF_ERROR(readAwq(reader, config));
  } else if (method == "fp8") {
    config.method = Method::Fp8;
    STC_RETURN_IF_ERROR(readFp8(reader, config));
  } else if (method == "bitsandbytes") {
    config.method = Method::BitsAndBytes;
    STC_RETURN_IF_ERROR(readBitsAndBytes(reader, config));
  } else if (method == "compressed-tensors") {
    config.method = Method::CompressedTensors;
    STC_RETURN_IF_ERROR(readCompressedTensors(reader, file, key + ".", config));
  } else if (method == "mxfp4") {
    config.method = Method::Mxfp4; // its tensors say all there is to know
  } else if (method == "modelopt") {
    STC_RETURN_IF_ERROR(readModelOpt(reader, config));
  } else {
    return reader.error("quant_method",
                        "gptq, awq, compressed-tensors, fp8, bitsandbytes, mxfp4 or modelopt",
                        absl::StrCat("'", printable(method), "'"));
  }
  return config;
}

absl::StatusOr<QuantizationConfig> parseModelOptConfig(const JsonValue &json,
                                                       const std::string &file) {
  QuantizationConfig config;
  ConfigReader outer(json, file);
  const JsonValue *member = outer.find("quantization");
  if (!member || !member->isObject())
    return outer.error("quantization", "an object",
                       member ? ConfigReader::describe(*member) : "none");
  STC_RETURN_IF_ERROR(readModelOpt(ConfigReader(*member, file, "quantization."), config));
  return config;
}

} // namespace stc
