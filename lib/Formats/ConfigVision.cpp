// Vision transformers: the known ones as data, and what their configurations and image processors
// say. Defaults are those of ViTConfig, DeiTConfig, ViTImageProcessor and DeiTImageProcessor of
// Hugging Face transformers.
#include "ConfigReader.h"

#include "absl/strings/numbers.h"

#include <cmath>

namespace stc {

namespace {

// Dosovitskiy et al. 2021, "An Image is Worth 16x16 Words". Pre-norm blocks behind patches.
constexpr ArchitectureRow vit() {
  ArchitectureRow row;
  row.kind = ModelKind::Encoder;
  row.name = "vit";
  row.models = "ViT, DINO";
  row.maxPositions = 1; // as many as there are patches
  row.vocabSize = 1;
  row.normEpsilon = 1e-12;
  row.activation = "gelu";
  row.tiedEmbeddings = true; // no head of tokens
  row.attentionBias = true;  // unless qkv_bias says otherwise
  row.block.norm = NormKind::Layer;
  row.block.gated = false;
  row.block.learnedPositions = true;
  row.keys.kvHeads = row.keys.headDim = row.keys.maxPositions = "";
  row.keys.normEpsilon = "layer_norm_eps";
  row.vision.classTokens = 1;
  return row;
}

// Touvron et al. 2021, "Training data-efficient image transformers": a distillation token beside
// CLS, and perhaps a head for each.
constexpr ArchitectureRow deit() {
  ArchitectureRow row = vit();
  row.name = "deit";
  row.models = "DeiT, distilled";
  row.vision.classTokens = 2;
  row.vision.resample = Resample::Bicubic;
  row.vision.size = 256;
  row.vision.cropSize = 224;
  return row;
}

constexpr ArchitectureRow kVision[] = {vit(), deit()};

/// One length for both directions, or [height, width].
absl::Status readLengths(const ConfigReader &reader, absl::string_view key, int64_t missing,
                         int64_t &height, int64_t &width) {
  std::vector<int64_t> lengths{missing};
  if (reader.find(key))
    lengths.clear();
  STC_RETURN_IF_ERROR(reader.integers(key, lengths));
  if (lengths.empty() || lengths.size() > 2)
    return reader.error(key, "a length, or a height and a width",
                        absl::StrCat(lengths.size(), " numbers"));
  height = lengths.front();
  width = lengths.back();
  for (int64_t length : lengths)
    if (length < 1 || length > kLargestImageSize)
      return reader.error(key, absl::StrCat("a length from 1 to ", kLargestImageSize),
                          absl::StrCat(length));
  return absl::OkStatus();
}

/// id2label, or as many names as num_labels says (2 where nothing does).
absl::Status readLabels(const ConfigReader &reader, std::vector<std::string> &labels) {
  constexpr int64_t most = 1 << 20;
  int64_t count = 2;
  const JsonValue *names = reader.find("id2label");
  if (!names) {
    STC_RETURN_IF_ERROR(reader.integer("num_labels", count));
    if (count < 0 || count > most)
      return reader.error("num_labels", absl::StrCat("0 to ", most), absl::StrCat(count));
    for (int64_t i = 0; i < count; ++i)
      labels.push_back(absl::StrCat("LABEL_", i));
    return absl::OkStatus();
  }
  if (!names->isObject() || int64_t(names->object.size()) > most)
    return reader.error("id2label", absl::StrCat("an object of up to ", most, " labels"),
                        ConfigReader::describe(*names));
  count = int64_t(names->object.size());
  labels.resize(size_t(count));
  std::vector<bool> isGiven(labels.size());
  for (const auto &[key, name] : names->object) {
    int64_t id = 0;
    if (!absl::SimpleAtoi(key, &id) || id < 0 || id >= count || isGiven[size_t(id)])
      return reader.error("id2label", absl::StrCat("each number from 0 to ", count - 1, " once"),
                          absl::StrCat("'", printable(key), "'"));
    if (!name.isString())
      return reader.error(absl::StrCat("id2label.", id), "a string", ConfigReader::describe(name));
    isGiven[size_t(id)] = true;
    labels[size_t(id)] = name.string;
    for (char &c : labels[size_t(id)])
      if (uint8_t(c) < 0x20)
        c = ' '; // a label is one line
  }
  return absl::OkStatus();
}

/// Whether the file names an image processor that this reads; sets what its class leaves unsaid.
absl::Status readProcessorKind(const ConfigReader &reader, VisionDefaults &defaults) {
  std::string type;
  STC_RETURN_IF_ERROR(reader.text("feature_extractor_type", type));
  STC_RETURN_IF_ERROR(reader.text("image_processor_type", type));
  constexpr absl::string_view kViT[] = {"ViTImageProcessor", "ViTImageProcessorFast",
                                        "ViTFeatureExtractor"};
  constexpr absl::string_view kDeiT[] = {"DeiTImageProcessor", "DeiTImageProcessorFast",
                                         "DeiTFeatureExtractor"};
  auto isOneOf = [&](absl::Span<const absl::string_view> names) {
    return std::count(names.begin(), names.end(), type) != 0;
  };
  if (isOneOf(kViT))
    defaults = vit().vision;
  else if (isOneOf(kDeiT))
    defaults = deit().vision;
  else if (!type.empty())
    return reader.error("image_processor_type", "ViTImageProcessor or DeiTImageProcessor",
                        absl::StrCat("'", printable(type), "'"));
  return absl::OkStatus();
}

/// `size` and `crop_size`: a length, or an object of height and width, or (where `edge` is not
/// null) of shortest_edge.
absl::Status readSize(const ConfigReader &reader, const std::string &file, absl::string_view key,
                      int64_t missing, int64_t &height, int64_t &width, int64_t *edge) {
  const JsonValue *value = reader.find(key);
  if (!value || !value->isObject())
    return readLengths(reader, key, missing, height, width);
  ConfigReader own(*value, file, absl::StrCat(key, "."));
  std::vector<std::pair<absl::string_view, int64_t *>> lengths;
  if (edge && own.find("shortest_edge"))
    lengths = {{"shortest_edge", edge}};
  else
    lengths = {{"height", &height}, {"width", &width}};
  for (auto [name, length] : lengths) {
    STC_RETURN_IF_ERROR(own.integer(name, *length, /*required=*/true));
    if (*length < 1 || *length > kLargestImageSize)
      return own.error(name, absl::StrCat("a length from 1 to ", kLargestImageSize),
                       absl::StrCat(*length));
  }
  return absl::OkStatus();
}

/// A number for all channels, or one for each.
absl::Status readPerChannel(const ConfigReader &reader, absl::string_view key, bool isDivisor,
                            std::vector<double> &values) {
  const JsonValue *given = reader.find(key);
  if (!given)
    return absl::OkStatus();
  size_t channels = values.size();
  std::vector<double> own;
  if (given->isArray())
    STC_RETURN_IF_ERROR(reader.numbers(key, own));
  else
    STC_RETURN_IF_ERROR(reader.number(key, own.emplace_back()));
  if (own.size() == 1)
    own.resize(channels, own.front());
  if (own.size() != channels)
    return reader.error(key, absl::StrCat("a number, or ", channels), absl::StrCat(own.size()));
  for (double value : own)
    if (!std::isfinite(value) || (isDivisor && !(value > 0)))
      return reader.error(key, isDivisor ? "finite numbers above 0" : "finite numbers",
                          absl::StrCat(value));
  values = own;
  return absl::OkStatus();
}

/// What images are scaled and cut to; in the end they must be what the model reads.
absl::Status readGeometry(const ConfigReader &reader, const std::string &file,
                          const VisionDefaults &defaults, ImageSettings &image) {
  image.resizeHeight = image.resizeWidth = image.cropHeight = image.cropWidth = 0;
  bool resizes = true, crops = defaults.cropSize != 0;
  STC_RETURN_IF_ERROR(reader.boolean("do_resize", resizes));
  STC_RETURN_IF_ERROR(reader.boolean("do_center_crop", crops));
  if (resizes)
    STC_RETURN_IF_ERROR(readSize(reader, file, "size", defaults.size, image.resizeHeight,
                                 image.resizeWidth, &image.shortestEdge));
  if (crops)
    STC_RETURN_IF_ERROR(readSize(reader, file, "crop_size",
                                 defaults.cropSize != 0 ? defaults.cropSize : 224, image.cropHeight,
                                 image.cropWidth, nullptr));
  auto check = [&](absl::string_view key, int64_t height, int64_t width) {
    if (height == image.height && width == image.width)
      return absl::OkStatus();
    return reader.error(key,
                        absl::StrCat("the image_size of config.json, ", image.height, " x ",
                                     image.width,
                                     " (other sizes need other position embeddings, "
                                     "which is not supported yet)"),
                        absl::StrCat(height, " x ", width));
  };
  if (!crops && image.shortestEdge != 0)
    return reader.error("size", "a height and a width, or a crop_size beside shortest_edge",
                        "shortest_edge alone");
  STC_RETURN_IF_ERROR(crops     ? check("crop_size", image.cropHeight, image.cropWidth)
                      : resizes ? check("size", image.resizeHeight, image.resizeWidth)
                                : absl::OkStatus());
  if (!crops || !resizes)
    return absl::OkStatus();
  int64_t height = image.shortestEdge != 0 ? image.shortestEdge : image.resizeHeight;
  int64_t width = image.shortestEdge != 0 ? image.shortestEdge : image.resizeWidth;
  if (height < image.cropHeight || width < image.cropWidth)
    return reader.error(
        "size", absl::StrCat("at least crop_size, ", image.cropHeight, " x ", image.cropWidth),
        absl::StrCat(height, " x ", width));
  return absl::OkStatus();
}

} // namespace

absl::Span<const ArchitectureRow> visionRows() { return kVision; }

absl::Status readVision(const ConfigReader &reader, const ArchitectureRow &row,
                        ModelConfig &config) {
  ImageSettings &image = config.image;
  image.classTokens = row.vision.classTokens;
  STC_RETURN_IF_ERROR(readLengths(reader, "image_size", 224, image.height, image.width));
  STC_RETURN_IF_ERROR(readLengths(reader, "patch_size", 16, image.patchHeight, image.patchWidth));
  if (image.patchHeight > image.height || image.patchWidth > image.width)
    return reader.error("patch_size",
                        absl::StrCat("at most image_size = ", image.height, " x ", image.width),
                        absl::StrCat(image.patchHeight, " x ", image.patchWidth));
  STC_RETURN_IF_ERROR(reader.integer("num_channels", image.channels));
  if (image.channels != 3)
    return reader.error("num_channels", "3, red, green and blue (others are not supported yet)",
                        absl::StrCat(image.channels));
  STC_RETURN_IF_ERROR(reader.boolean("qkv_bias", config.attentionBias));
  STC_RETURN_IF_ERROR(readLabels(reader, image.labels));
  std::string problem;
  STC_RETURN_IF_ERROR(reader.text("problem_type", problem));
  image.isMultiLabel = problem == "multi_label_classification" || image.labels.size() == 1;
  image.resample = row.vision.resample;
  // Without a preprocessor_config.json: scaled in the family's ratio to what is cut out.
  bool crops = row.vision.cropSize != 0;
  auto before = [&](int64_t length) {
    return crops ? length * row.vision.size / row.vision.cropSize : length;
  };
  image.resizeHeight = before(image.height);
  image.resizeWidth = before(image.width);
  if (crops) {
    image.cropHeight = image.height;
    image.cropWidth = image.width;
  }
  config.maxPositions = image.positions();
  config.vocabSize = image.classTokens + 1;
  config.pooling = Pooling::First;
  config.normalizedVectors = false;
  return absl::OkStatus();
}

absl::Status readImageProcessor(const JsonValue &json, const std::string &file,
                                ModelConfig &config) {
  if (!json.isObject())
    return formatError({file, "", {}}, "an object", ConfigReader::describe(json));
  ConfigReader reader(json, file);
  VisionDefaults defaults = findArchitecture(config.architecture)->vision;
  STC_RETURN_IF_ERROR(readProcessorKind(reader, defaults));
  ImageSettings &image = config.image;
  STC_RETURN_IF_ERROR(readGeometry(reader, file, defaults, image));
  auto resample = int64_t(defaults.resample);
  STC_RETURN_IF_ERROR(reader.integer("resample", resample));
  if (resample < 0 || resample > int64_t(Resample::Hamming))
    return reader.error("resample",
                        "0 (nearest), 1 (Lanczos), 2 (bilinear), 3 (bicubic), 4 (box) "
                        "or 5 (Hamming)",
                        absl::StrCat(resample));
  image.resample = Resample(resample);
  bool rescales = true, normalizes = true;
  STC_RETURN_IF_ERROR(reader.boolean("do_rescale", rescales));
  STC_RETURN_IF_ERROR(reader.boolean("do_normalize", normalizes));
  STC_RETURN_IF_ERROR(reader.number("rescale_factor", image.rescale));
  if (!std::isfinite(image.rescale) || !(image.rescale > 0))
    return reader.error("rescale_factor", "a finite number above 0", absl::StrCat(image.rescale));
  if (!rescales)
    image.rescale = 1;
  STC_RETURN_IF_ERROR(readPerChannel(reader, "image_mean", /*isDivisor=*/false, image.mean));
  STC_RETURN_IF_ERROR(readPerChannel(reader, "image_std", /*isDivisor=*/true, image.deviation));
  if (!normalizes) {
    image.mean.assign(image.mean.size(), 0);
    image.deviation.assign(image.deviation.size(), 1);
  }
  return absl::OkStatus();
}

} // namespace stc
