// Puts the tensors of pre-compressed linear layers together. What is stored is described by:
//   GPTQ and AWQ: see JoinGptq.cpp; bitsandbytes' four bits: see BitsAndBytes4.h.
//   compressed-tensors: compressors/quantized_compressors, sparse_compressors and
//     sparse_quantized_compressors of that library.
//   NVFP4: fp4_quantized.py there, and Model Optimizer's export of it, which stores the reciprocal
//     of the matrix's scale: convert/converters/modelopt_nvfp4.py.
//   FP8: transformers' integrations/finegrained_fp8.py, DeepSeek-V3's README_WEIGHTS.md.
//   MXFP4: transformers' integrations/mxfp4.py (`convert_moe_packed_tensors`), OCP Microscaling.
//   bitsandbytes: Dettmers et al. 2022, "LLM.int8()": row-wise absolute maxima beside the codes.
#include "JoinEncoded.h"

#include "BitsAndBytes4.h"
#include "Joiner.h"
#include "Marlin24.h"

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include <cmath>
#include <cstring>

namespace stc {

using Method = QuantizationConfig::Method;

ErrorSite partSite(const TensorView &tensor) {
  return {std::string(tensor.file), absl::StrCat("tensor ", tensor.name), {}};
}

absl::Status shapeError(const TensorView &tensor, absl::string_view expected) {
  return formatError(partSite(tensor), expected,
                     absl::StrCat(dtypeName(tensor.dtype), " ", shapeText(tensor.shape)));
}

std::string shapeText(const std::vector<int64_t> &shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

int64_t wordsOf(int64_t count, int64_t bits, PackedCodes::Order order) {
  return order == PackedCodes::Order::Stream ? tilesOf(count * bits, 32)
                                             : tilesOf(count, 32 / bits);
}

static bool isFloat8(DType dtype) { return dtype == DType::F8E4M3 || dtype == DType::F8E5M2; }

static int64_t integerAt(const TensorView &tensor, int64_t index) {
  if (tensor.dtype == DType::I64) {
    int64_t value;
    std::memcpy(&value, tensor.bytes.data() + 8 * index, 8);
    return value;
  }
  int32_t value;
  std::memcpy(&value, tensor.bytes.data() + 4 * index, 4);
  return value;
}

absl::Status Joiner::setSize(int64_t rows, int64_t columns) {
  if (rows < 1 || columns < 1 || rows >= kMost || columns >= kMost)
    return formatError(partSite(*anchor), "rows and columns from 1 to 2^31 - 1",
                       absl::StrCat(rows, "x", columns));
  encoding.rows = rows;
  encoding.columns = columns;
  encoding.tileRows = 1;
  encoding.tileColumns = columns;
  return absl::OkStatus();
}

/// Whether scales of outputs by groups, or of blocks, have the shape that the scheme asks for.
bool Joiner::scalesFit(const TensorView &scales, const QuantizationScheme &scheme) const {
  int64_t rows = encoding.rows, columns = encoding.columns;
  if (scheme.blockRows)
    return scales.shape ==
           Shape{tilesOf(rows, scheme.blockRows), tilesOf(columns, scheme.blockColumns)};
  if (scheme.group)
    return scales.shape == Shape{rows, tilesOf(columns, scheme.group)};
  return scales.elementCount() == 1 || scales.shape == Shape{rows} ||
         scales.shape == Shape{rows, 1};
}

/// Takes the scales, and from their shape what each is for.
absl::Status Joiner::addScales(absl::string_view suffix, const QuantizationScheme &scheme) {
  STC_ASSIGN_OR_RETURN(const TensorView *scales,
                       need(suffix, absl::StrCat("the scales of ", scheme.str())));
  bool isFloat =
      scales->dtype == DType::F16 || scales->dtype == DType::BF16 || scales->dtype == DType::F32;
  if (!isFloat || !scalesFit(*scales, scheme))
    return shapeError(*scales, absl::StrCat("F16, BF16 or F32 scales of ", scheme.str(), " for ",
                                            encoding.rows, "x", encoding.columns));
  encoding.scales = *scales;
  if (scheme.blockRows) {
    encoding.tileRows = scheme.blockRows;
    encoding.tileColumns = scheme.blockColumns;
  } else if (scheme.group) {
    encoding.tileColumns = std::min(scheme.group, encoding.columns);
  } else if (scales->elementCount() == 1) {
    encoding.tileRows = encoding.rows;
  }
  return absl::OkStatus();
}

/// Zeros of compressed-tensors: packed along rows like codes, or bytes of the scales' shape.
absl::Status Joiner::addZeros(absl::string_view suffix, const QuantizationScheme &scheme) {
  const TensorView *zeros = take(suffix);
  // A symmetric scheme may store zeros all the same, all of them 0.
  if (!zeros)
    return scheme.symmetric ? absl::OkStatus()
                            : need(suffix, "the zeros of an asymmetric scheme").status();
  int bits = int(scheme.bits);
  int64_t height = tilesOf(encoding.rows, encoding.tileRows);
  int64_t groups = tilesOf(encoding.columns, encoding.tileColumns);
  encoding.zeros = PackedCodes{*zeros, bits, Order::Bytes, false, false};
  if (zeros->dtype == DType::I8 && zeros->elementCount() == height * groups)
    return absl::OkStatus();
  for (Order order : {Order::Stream, Order::Words})
    if (zeros->dtype == DType::I32 && zeros->shape == Shape{wordsOf(height, bits, order), groups}) {
      encoding.zeros->order = order;
      encoding.zeros->alongFirst = true;
      return absl::OkStatus();
    }
  return shapeError(*zeros, absl::StrCat("I8 or packed I32 zeros of ", scheme.str(), " for ",
                                         encoding.rows, "x", encoding.columns));
}

/// The group of each column, kept only where columns are not in order.
absl::Status Joiner::addGroupOf(absl::string_view suffix, int64_t groups) {
  const TensorView *order = take(suffix);
  if (!order)
    return absl::OkStatus();
  if (order->dtype != DType::I32 || order->shape != Shape{encoding.columns})
    return shapeError(*order, absl::StrCat("I32 ", shapeText({encoding.columns})));
  bool isSorted = true, isUnset = true;
  for (int64_t column = 0; column < encoding.columns; ++column) {
    int64_t group = integerAt(*order, column);
    isUnset &= group == -1;
    isSorted &= group == column / encoding.tileColumns;
  }
  if (isSorted || isUnset)
    return absl::OkStatus();
  for (int64_t column = 0; column < encoding.columns; ++column)
    if (int64_t group = integerAt(*order, column); group < 0 || group >= groups)
      return formatError(partSite(*order), absl::StrCat("groups from 0 to ", groups - 1),
                         absl::StrCat(group, " for column ", column));
  encoding.groupOf = *order;
  return absl::OkStatus();
}

/// weight_packed: codes packed along columns, whose number weight_shape tells.
absl::Status Joiner::words() {
  STC_ASSIGN_OR_RETURN(const TensorView *shape, need(".weight_shape", "I64 or I32 [2]"));
  if ((shape->dtype != DType::I64 && shape->dtype != DType::I32) || shape->elementCount() != 2)
    return shapeError(*shape, "I64 or I32 [2]");
  STC_RETURN_IF_ERROR(setSize(integerAt(*shape, 0), integerAt(*shape, 1)));
  STC_ASSIGN_OR_RETURN(const TensorView *scales, need(".weight_scale", "the scales of the codes"));
  bool hasZeros = byName.contains(absl::StrCat(layer, ".weight_zero_point"));
  std::string known;
  for (const QuantizationScheme &scheme : config.schemes) {
    absl::StrAppend(&known, known.empty() ? "" : ", or ", scheme.str());
    // Three bits: since 0.17 the library leaves no bits out, before it put ten codes into a word.
    for (Order order : {Order::Stream, Order::Words}) {
      bool fits =
          !scheme.isFloat && anchor->dtype == DType::I32 &&
          anchor->shape == Shape{encoding.rows, wordsOf(encoding.columns, scheme.bits, order)} &&
          scalesFit(*scales, scheme) && (scheme.symmetric || hasZeros);
      if (!fits)
        continue;
      encoding.codes = PackedCodes{*anchor, int(scheme.bits), order, false, false};
      STC_RETURN_IF_ERROR(addScales(".weight_scale", scheme));
      STC_RETURN_IF_ERROR(addZeros(".weight_zero_point", scheme));
      return addGroupOf(".weight_g_idx", tilesOf(encoding.columns, encoding.tileColumns));
    }
  }
  return shapeError(*anchor,
                    absl::StrCat("with weight_scale ", shapeText(scales->shape),
                                 hasZeros ? " and zeros" : ", without zeros,",
                                 " what config_groups has for ", encoding.rows, "x",
                                 encoding.columns, ": ", known.empty() ? "nothing" : known));
}

/// weight_packed and meta, which tell the matrix's shape, and scale_packed, with inputs first.
absl::Status Joiner::marlin24() {
  const TensorView &stored = *anchor;
  if (config.schemes.empty())
    return shapeError(stored, "a type that quantization_config tells of");
  const QuantizationScheme &scheme = config.schemes.front();
  int64_t bits = scheme.bits;
  // Words of a tile hold 16 kept columns, which are 32, of all rows.
  if (stored.dtype != DType::I32 || stored.shape.size() != 2 || stored.shape[0] < 1 ||
      stored.shape[0] >= kMost / kMarlin24Columns || stored.shape[1] < 1 ||
      stored.shape[1] >= kMost || stored.shape[1] * 2 % (bits * kMarlin24Rows) != 0)
    return shapeError(stored, absl::StrCat("I32 words of ", bits, "-bit codes of a multiple of ",
                                           kMarlin24Rows, " rows"));
  STC_RETURN_IF_ERROR(setSize(stored.shape[1] * 2 / bits, stored.shape[0] * kMarlin24Columns));
  int64_t rows = encoding.rows, columns = encoding.columns;
  STC_ASSIGN_OR_RETURN(const TensorView *places, need(".meta", "the places of the codes"));
  Shape ofPlaces = {columns / kMarlin24Columns, 2 * rows};
  if (places->dtype != DType::I16 || places->shape != ofPlaces)
    return shapeError(*places, absl::StrCat("I16 ", shapeText(ofPlaces)));
  STC_ASSIGN_OR_RETURN(const TensorView *scales,
                       need(".scale_packed", absl::StrCat("the scales of ", scheme.str())));
  int64_t group = scheme.group ? std::min(scheme.group, columns) : columns;
  Shape ofScales = {tilesOf(columns, group), rows};
  if (scales->dtype != DType::F16 || scales->shape != ofScales)
    return shapeError(*scales, absl::StrCat("F16 ", shapeText(ofScales), " (", scheme.str(), " of ",
                                            columns, " columns)"));
  encoding.codes = PackedCodes{stored, int(bits), Order::Marlin24, false, false};
  encoding.positions = *places;
  encoding.scales = *scales;
  encoding.scalesTransposed = true;
  // As the library decides it: by the columns that are kept.
  encoding.scalesShuffled = scheme.group && scheme.group < columns / 2;
  encoding.tileColumns = group;
  return absl::OkStatus();
}

/// E2M1 values, two in a byte, and scales of groups: NVFP4 and MXFP4.
absl::Status Joiner::float4() {
  const TensorView &stored = *anchor;
  bool isModelOpt = config.method == Method::ModelOpt;
  if (stored.dtype != DType::U8 || stored.shape.size() != 2 || stored.shape[1] >= kMost / 2)
    return shapeError(stored, "U8 bytes of two f4_e2m1 values");
  STC_RETURN_IF_ERROR(setSize(stored.shape[0], 2 * stored.shape[1]));
  STC_ASSIGN_OR_RETURN(const TensorView *scales,
                       need(".weight_scale", "the scales of f4_e2m1 values"));
  const QuantizationScheme *fitting = nullptr;
  for (const QuantizationScheme &scheme : config.schemes)
    if (scheme.isFloat4() && (!fitting || !scalesFit(*scales, *fitting)))
      fitting = &scheme;
  if (!fitting)
    return shapeError(stored, "a type that quantization_config tells of");
  bool isMx = fitting->group == 32;
  bool isKnown = isMx ? scales->dtype == DType::U8 || scales->dtype == DType::F8E8M0
                      : scales->dtype == DType::F8E4M3;
  if (!isKnown || !scalesFit(*scales, *fitting))
    return shapeError(*scales,
                      absl::StrCat(isMx ? "U8 or F8_E8M0" : "F8_E4M3", " scales of ",
                                   fitting->str(), " for ", encoding.rows, "x", encoding.columns));
  // Twice a value lies between -12 and 12, which takes five bits.
  encoding.codes = PackedCodes{stored, 5, Order::Float4, false, false};
  encoding.scales = *scales;
  encoding.scaleUnit = 0.5;
  encoding.tileColumns = std::min(fitting->group, encoding.columns);
  if (isMx) {
    encoding.scales->dtype = DType::F8E8M0; // which older files call U8
    return absl::OkStatus();
  }
  STC_ASSIGN_OR_RETURN(const TensorView *whole,
                       need(isModelOpt ? ".weight_scale_2" : ".weight_global_scale",
                            "the scale of the whole matrix"));
  float scale = 0;
  if (whole->dtype != DType::F32 || whole->elementCount() != 1)
    return shapeError(*whole, "one F32 scale of the whole matrix");
  STC_RETURN_IF_ERROR(readFloats(*whole, 0, absl::MakeSpan(&scale, 1)));
  if (!std::isfinite(scale) || scale <= 0)
    return formatError(partSite(*whole), "a finite scale above 0", absl::StrCat(scale));
  (isModelOpt ? encoding.scaleUnit : encoding.scaleDivisor) *= scale;
  return absl::OkStatus();
}

/// Codes or 8-bit floats of a byte each, perhaps behind a mask, and their scales.
absl::Status Joiner::bytes() {
  const TensorView &stored = encoding.values ? *encoding.values : *anchor;
  bool isFloat = isFloat8(stored.dtype);
  bool isBits = config.method == Method::BitsAndBytes;
  absl::string_view suffix = isBits ? ".SCB" : ".weight_scale";
  if (config.method == Method::Fp8 && byName.contains(layer + ".weight_scale_inv"))
    suffix = ".weight_scale_inv"; // what values are multiplied by, in spite of its name
  const QuantizationScheme *fitting = nullptr;
  auto scales = byName.find(absl::StrCat(layer, suffix));
  for (const QuantizationScheme &scheme : config.schemes)
    if (scheme.isFloat == isFloat && !scheme.isFloat4() &&
        (!fitting || (scales != byName.end() && !scalesFit(*scales->second, *fitting))))
      fitting = &scheme;
  if (!fitting)
    return shapeError(stored, "a type that quantization_config tells of");
  if (isBits) {
    encoding.scaleUnit = 1.0 / 127;
    (void)take(".weight_format");
  }
  STC_RETURN_IF_ERROR(addScales(suffix, *fitting));
  if (isFloat) {
    encoding.values = stored;
    return absl::OkStatus();
  }
  encoding.codes = PackedCodes{stored, int(fitting->bits), Order::Bytes, false, false};
  encoding.values.reset();
  if (isBits)
    return absl::OkStatus();
  STC_RETURN_IF_ERROR(addZeros(".weight_zero_point", *fitting));
  return addGroupOf(".weight_g_idx", tilesOf(encoding.columns, encoding.tileColumns));
}

absl::Status Joiner::fourBits() {
  auto take = [&](absl::string_view suffix) { return this->take(suffix); };
  STC_ASSIGN_OR_RETURN(encoding, describeBitsAndBytes4(*anchor, take));
  return absl::OkStatus();
}

/// `compressed` holds what `bitmask` has bits for (2:4: two of every four, in rows), by rows.
absl::Status Joiner::bitmask() {
  STC_ASSIGN_OR_RETURN(const TensorView *shape, need(".shape", "I64 or I32 [2]"));
  if ((shape->dtype != DType::I64 && shape->dtype != DType::I32) || shape->elementCount() != 2)
    return shapeError(*shape, "I64 or I32 [2]");
  STC_RETURN_IF_ERROR(setSize(integerAt(*shape, 0), integerAt(*shape, 1)));
  STC_ASSIGN_OR_RETURN(const TensorView *mask, need(".bitmask", "a U8 mask"));
  Shape expected = {encoding.rows, tilesOf(encoding.columns, 8)};
  if (mask->dtype != DType::U8 || mask->shape != expected)
    return shapeError(*mask, absl::StrCat("U8 ", shapeText(expected)));
  (void)take(".row_offsets"); // the sums of the mask's rows once more
  encoding.mask = *mask;
  encoding.values = *anchor;
  int64_t bits = 0;
  for (uint8_t byte : mask->bytes)
    bits += __builtin_popcount(byte);
  if (anchor->elementCount() != bits)
    return formatError(partSite(*anchor),
                       absl::StrCat("a value for each of the ", bits, " bits of its mask"),
                       absl::StrCat(anchor->elementCount()));
  bool isQuantized = anchor->dtype == DType::I8 || isFloat8(anchor->dtype);
  return isQuantized ? bytes() : absl::OkStatus();
}

/// NAME_blocks [experts, rows, columns / 32, 16] of E2M1 numbers and NAME_scales [experts, rows,
/// columns / 32] of E8M0 become the matrices NAME[0], NAME[1] ..., one for each expert.
absl::Status Joiner::addMicroscaled(const TensorView &blocks, std::vector<TensorView> &all) {
  constexpr int64_t kGroup = 32, kMostExperts = 1 << 16;
  anchor = &blocks;
  layer = std::string(absl::StripSuffix(blocks.name, "_blocks"));
  const Shape &shape = blocks.shape;
  if (blocks.dtype != DType::U8 || shape.size() != 4 || shape[3] != kGroup / 2 || shape[0] < 1 ||
      shape[0] > kMostExperts || shape[2] >= kMost / kGroup)
    return shapeError(blocks, "U8 [experts, rows, columns / 32, 16]");
  Shape expected(shape.begin(), shape.begin() + 3);
  STC_ASSIGN_OR_RETURN(const TensorView *scales, need("_scales", "the scales of the blocks"));
  // Files that are older than the type call it U8.
  if ((scales->dtype != DType::U8 && scales->dtype != DType::F8E8M0) || scales->shape != expected)
    return shapeError(*scales, absl::StrCat("U8 ", shapeText(expected)));
  if (byName.contains(layer))
    return formatError(partSite(blocks), absl::StrCat("no plain ", layer, " beside it"), "one");
  for (int64_t expert = 0; expert < shape[0]; ++expert) {
    auto own = [&](const TensorView &tensor, DType dtype) {
      TensorView view = tensor;
      uint64_t size = tensor.bytes.size() / uint64_t(shape[0]);
      view.dtype = dtype;
      view.shape.erase(view.shape.begin());
      view.bytes = tensor.bytes.subspan(uint64_t(expert) * size, size);
      view.offset += uint64_t(expert) * size;
      return view;
    };
    encoding = StoredEncoding();
    STC_RETURN_IF_ERROR(setSize(shape[1], shape[2] * kGroup));
    // Twice a value lies between -12 and 12, which takes five bits.
    encoding.codes = PackedCodes{own(blocks, DType::U8), 5, Order::Float4, false, false};
    encoding.scales = own(*scales, DType::F8E8M0);
    encoding.scaleUnit = 0.5;
    encoding.tileColumns = kGroup;
    encoding.isLinear = true;
    TensorView whole;
    whole.name = absl::StrCat(layer, "[", expert, "]");
    whole.shape = {encoding.rows, encoding.columns};
    whole.file = blocks.file;
    whole.offset = encoding.codes->tensor.offset;
    whole.encoding = std::make_shared<const StoredEncoding>(std::move(encoding));
    all.push_back(std::move(whole));
  }
  taken.insert(blocks.name);
  return absl::OkStatus();
}

/// Fills `encoding` if the tensor is the one that stands for a compressed layer.
absl::StatusOr<bool> Joiner::describe(const TensorView &tensor) {
  anchor = &tensor;
  encoding = StoredEncoding();
  absl::string_view name = tensor.name;
  auto isCalled = [&](absl::string_view suffix) {
    if (!absl::EndsWith(name, suffix))
      return false;
    layer = std::string(absl::StripSuffix(name, suffix));
    return true;
  };
  absl::Status status;
  bool isLibrary = config.method == Method::CompressedTensors;
  bool isByte = (tensor.dtype == DType::I8 || isFloat8(tensor.dtype)) && tensor.shape.size() == 2 &&
                config.method != Method::None;
  bool isPair = tensor.dtype == DType::U8;
  bool isBits = config.method == Method::BitsAndBytes;
  if ((config.method == Method::Gptq || config.method == Method::Awq) && isCalled(".qweight"))
    status = config.isGemv ? gemv() : gptqOrAwq();
  else if (isLibrary && isCalled(".weight_packed"))
    status = config.isMarlin24 ? marlin24() : isPair ? float4() : words();
  else if (config.method == Method::ModelOpt && isPair && isCalled(".weight"))
    status = float4();
  else if (isBits && isCalled(".weight") && isBitsAndBytes4(tensor, byName))
    status = fourBits();
  else if (isLibrary && isCalled(".compressed"))
    status = bitmask();
  else if (isByte && isCalled(".weight")) {
    status = setSize(tensor.shape[0], tensor.shape[1]);
    if (status.ok())
      status = bytes();
  } else
    return false;
  STC_RETURN_IF_ERROR(status);
  return true;
}

/// How activations and the cache were quantized is not how this program does it.
bool Joiner::isOfActivations(absl::string_view name) const {
  if (config.method != Method::CompressedTensors && config.method != Method::Fp8 &&
      config.method != Method::ModelOpt)
    return false;
  for (absl::string_view suffix :
       {".input_scale", ".input_zero_point", ".input_g_idx", ".input_global_scale", ".output_scale",
        ".output_zero_point", ".activation_scale", ".k_scale", ".v_scale", ".q_scale"})
    if (absl::EndsWith(name, suffix))
      return true;
  return false;
}

absl::StatusOr<std::vector<TensorView>> Joiner::join() {
  std::vector<TensorView> all;
  for (const TensorView &tensor : tensors) {
    if (config.method == Method::Mxfp4 && absl::EndsWith(tensor.name, "_blocks")) {
      STC_RETURN_IF_ERROR(addMicroscaled(tensor, all));
      continue;
    }
    STC_ASSIGN_OR_RETURN(bool isEncoded, describe(tensor));
    if (!isEncoded) {
      all.push_back(tensor);
      continue;
    }
    TensorView whole;
    whole.name = layer + ".weight";
    if (whole.name != tensor.name && byName.contains(whole.name))
      return formatError(partSite(tensor), absl::StrCat("no plain ", whole.name, " beside it"),
                         "one");
    whole.shape = {encoding.rows, encoding.columns};
    bool isPlain = encoding.values && !encoding.scales;
    whole.dtype = isPlain ? encoding.values->dtype : DType::F32;
    whole.file = tensor.file;
    whole.offset = tensor.offset;
    whole.encoding = std::make_shared<const StoredEncoding>(std::move(encoding));
    all.push_back(std::move(whole));
  }
  std::vector<TensorView> left;
  for (TensorView &tensor : all)
    if (tensor.encoding || !(taken.contains(tensor.name) || isOfActivations(tensor.name)))
      left.push_back(std::move(tensor));
  return left;
}

absl::StatusOr<std::vector<TensorView>> joinEncoded(const std::vector<TensorView> &tensors,
                                                    const QuantizationConfig &config) {
  return Joiner(tensors, config).join();
}

} // namespace stc
