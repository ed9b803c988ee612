// What a config.json says about how its weights are stored.
#ifndef STC_LIB_FORMATS_QUANTIZATIONCONFIG_H
#define STC_LIB_FORMATS_QUANTIZATIONCONFIG_H

#include "stc/Support/Json.h"

namespace stc {

/// One way in which linear layers are stored.
struct QuantizationScheme {
  int64_t bits = 8;
  bool isFloat = false;  // F8_E4M3 or F8_E5M2, or E2M1 of 4 bits, else whole numbers
  bool symmetric = true; // without zeros
  int64_t group = 0;     // columns that share a scale; 0: all of a row, or of the matrix
  int64_t blockRows = 0, blockColumns = 0; // of a scale where it is for a block, else 0
  std::string str() const;                 // "4-bit codes in groups of 128"
  /// Whether values are E2M1: in groups of 16 with F8_E4M3 scales below one of the whole matrix
  /// (NVFP4), or in groups of 32 with powers of two (MXFP4).
  bool isFloat4() const { return isFloat && bits == 4; }
};

struct QuantizationConfig {
  enum class Method { None, Gptq, Awq, CompressedTensors, Fp8, BitsAndBytes, Mxfp4, ModelOpt };
  Method method = Method::None;
  /// Where there are several, a layer's tensors say which of them it has.
  std::vector<QuantizationScheme> schemes;
  bool zerosMinusOne = false; // GPTQ's first format: the stored zero is one less
  bool isGemv = false;        // AWQ's version for single tokens: outputs come first
  bool isMarlin24 = false;    // compressed-tensors' marlin-24
};

/// Reads the member `quantization_config` (or `compression_config`, as old files of
/// compressed-tensors call it) of a config.json; a file without it has the method None. Errors name
/// what is not supported.
absl::StatusOr<QuantizationConfig> parseQuantizationConfig(const JsonValue &json,
                                                           const std::string &file);
/// The same of a hf_quant_config.json, which TensorRT Model Optimizer writes beside a config.json.
absl::StatusOr<QuantizationConfig> parseModelOptConfig(const JsonValue &json,
                                                       const std::string &file);

} // namespace stc

#endif // STC_LIB_FORMATS_QUANTIZATIONCONFIG_H
