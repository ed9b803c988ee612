// Layers of GPTQ and AWQ. What is stored is described by AutoGPTQ's qlinear_cuda_old.py (`pack`,
// `forward`), GPTQModel's "gptq_v2" and `dynamic` (quantization/config.py), and AutoAWQ's
// modules/linear/gemm.py, gemv.py and utils/packing_utils.py.
#include "Joiner.h"

namespace stc {

const QuantizationScheme &Joiner::gptqScheme() const {
  auto shapeOf = [&](absl::string_view suffix) {
    auto found = byName.find(absl::StrCat(layer, suffix));
    return found == byName.end() ? Shape() : found->second->shape;
  };
  Shape codes = shapeOf(".qweight"), scales = shapeOf(".scales"), zeros = shapeOf(".qzeros");
  for (const QuantizationScheme &scheme : config.schemes) {
    if (codes.size() != 2 || codes[0] < 1 || codes[0] >= kMost / 32 ||
        codes[0] * 32 % scheme.bits != 0)
      continue;
    int64_t columns = codes[0] * 32 / scheme.bits, rows = codes[1];
    int64_t groups = scheme.group ? tilesOf(columns, scheme.group) : 1;
    if (scales == Shape{groups, rows} &&
        (zeros.empty() || zeros == Shape{groups, wordsOf(rows, scheme.bits, Order::Stream)}))
      return scheme;
  }
  return config.schemes.front();
}

/// qweight, qzeros and scales are stored with inputs first. GPTQ packs codes along inputs, AWQ
/// along outputs, both their zeros along outputs.
absl::Status Joiner::gptqOrAwq() {
  bool isGptq = config.method == Method::Gptq;
  const QuantizationScheme &scheme = gptqScheme();
  const TensorView &stored = *anchor;
  int bits = int(scheme.bits);
  Order order = isGptq ? Order::Stream : Order::Awq;
  if (stored.dtype != DType::I32 || stored.shape.size() != 2)
    return shapeError(stored, "I32 words of two dimensions");
  // A word of AWQ's holds 8 codes, 32 codes of GPTQ's take `bits` words.
  int64_t words = stored.shape[isGptq ? 0 : 1], other = stored.shape[isGptq ? 1 : 0];
  int64_t packed = words * 32 / bits;
  if (words * 32 % bits != 0 || words < 1 || words >= kMost / 32)
    return shapeError(stored, absl::StrCat("whole words of ", bits, "-bit codes"));
  STC_RETURN_IF_ERROR(isGptq ? setSize(other, packed) : setSize(packed, other));
  int64_t rows = encoding.rows, columns = encoding.columns;
  encoding.isLinear = true;
  encoding.codes = PackedCodes{stored, bits, order, isGptq, true};
  STC_ASSIGN_OR_RETURN(const TensorView *scales,
                       need(".scales", absl::StrCat("the scales of ", scheme.str())));
  int64_t group = scheme.group ? std::min(scheme.group, columns) : columns;
  Shape expected = {tilesOf(columns, group), rows};
  if (scales->shape != expected || !dtypeIsFloat(scales->dtype))
    return shapeError(*scales, absl::StrCat("F16, BF16 or F32 ", shapeText(expected), " (",
                                            scheme.str(), " of ", columns, " columns)"));
  encoding.scales = *scales;
  encoding.scalesTransposed = true;
  encoding.tileColumns = group;
  if (!scheme.symmetric) {
    STC_ASSIGN_OR_RETURN(const TensorView *zeros, need(".qzeros", "the zeros of the codes"));
    Shape packedZeros = {expected[0], wordsOf(rows, bits, isGptq ? Order::Stream : Order::Words)};
    if (zeros->dtype != DType::I32 || zeros->shape != packedZeros)
      return shapeError(*zeros, absl::StrCat("I32 ", shapeText(packedZeros)));
    encoding.zeros = PackedCodes{*zeros, bits, order, false, true};
    // AutoGPTQ adds the one back modulo 2^bits, so that a zero of 0 is stored as all ones.
    encoding.zeroOffset = config.zerosMinusOne ? 1 : 0;
  } else {
    (void)take(".qzeros"); // of the middle
  }
  if (isGptq)
    STC_RETURN_IF_ERROR(addGroupOf(".g_idx", expected[0]));
  return absl::OkStatus();
}

/// qweight, qzeros and scales with outputs first; zeros and scales take whole words of eight
/// groups, or more of them, the rest of which is unused.
absl::Status Joiner::gemv() {
  const QuantizationScheme &scheme = config.schemes.front();
  const TensorView &stored = *anchor;
  constexpr int64_t kPerWord = 8;
  if (stored.dtype != DType::I32 || stored.shape.size() != 2 || stored.shape[1] >= kMost / kPerWord)
    return shapeError(stored, "I32 words of two dimensions");
  STC_RETURN_IF_ERROR(setSize(stored.shape[0], stored.shape[1] * kPerWord));
  int64_t rows = encoding.rows, columns = encoding.columns;
  encoding.isLinear = true;
  encoding.codes = PackedCodes{stored, 4, Order::Words, false, false};
  encoding.tileColumns = scheme.group ? std::min(scheme.group, columns) : columns;
  int64_t groups = tilesOf(columns, encoding.tileColumns);
  STC_ASSIGN_OR_RETURN(const TensorView *scales,
                       need(".scales", absl::StrCat("the scales of ", scheme.str())));
  int64_t width = scales->shape.size() == 2 ? scales->shape[1] : 0;
  if (!dtypeIsFloat(scales->dtype) || width < groups || width % kPerWord != 0 ||
      scales->shape != Shape{rows, width})
    return shapeError(*scales, absl::StrCat("F16, BF16 or F32 [", rows, ", ",
                                            tilesOf(groups, kPerWord) * kPerWord, "] or wider (",
                                            scheme.str(), " of ", columns, " columns)"));
  encoding.scales = *scales;
  encoding.scalesWidth = width;
  if (scheme.symmetric) {
    (void)take(".qzeros"); // of the middle
    return absl::OkStatus();
  }
  STC_ASSIGN_OR_RETURN(const TensorView *zeros, need(".qzeros", "the zeros of the codes"));
  Shape expected = {rows, width / kPerWord};
  if (zeros->dtype != DType::I32 || zeros->shape != expected)
    return shapeError(*zeros, absl::StrCat("I32 ", shapeText(expected)));
  encoding.zeros = PackedCodes{*zeros, 4, Order::Words, false, false, width / kPerWord};
  return absl::OkStatus();
}

} // namespace stc
