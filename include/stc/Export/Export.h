// Compressed weights -> checkpoints that other programs read.
#ifndef STC_EXPORT_EXPORT_H
#define STC_EXPORT_EXPORT_H

#include "stc/Compress/Quantize.h"
#include "stc/Formats/Checkpoint.h"

#include "mlir/IR/BuiltinOps.h"

namespace stc {

struct ExportOptions {
  std::string output;
  bool quiet = false;
};

/// Writes the weights of a module of the phase `compressed`, imported from `checkpoint`, as a
/// Hugging Face directory in compressed-tensors' conventions (release 0.17,
/// github.com/vllm-project/compressed-tensors: compressors/pack_quantized, config/base.py,
/// quantization/quant_args.py):
/// - model.safetensors under the checkpoint's own names. A quantized NAME becomes NAME_packed, I32
///   [rows][ceil(columns * bits / 32)], the codes of a row as one stream of bits, lowest first,
///   with 2^(bits - 1) added; NAME_scale, F16 [rows][groups]; NAME_shape, I64 [2]; and where groups
///   have zeros NAME_zero_point, I32 [ceil(rows * bits / 32)][groups], packed like codes along
///   rows; and where columns of a group do not stand beside each other NAME_g_idx, I32 [columns],
///   the group of each. All others keep their type where it holds what compression made of them,
///   else they are F32.
/// - config.json, the checkpoint's with `quantization_config`; tokenizer files as they are.
/// `output` is a new or empty directory; on failure nothing is left. Errors: a checkpoint that is
/// no Hugging Face directory, a group size that divides no row, a weight that is none of the
/// checkpoint's tensors.
absl::Status exportSafetensors(mlir::ModuleOp module, const Checkpoint &checkpoint,
                               const ExportOptions &options);

/// Writes them as a GGUF file with llama.cpp's names, metadata and row order. int4 in groups of 32
/// becomes Q4_0 and int8 in groups of 32 Q8_0, code for code and scale for scale; matrices that
/// were not quantized keep their type and vectors become F32. `tokenizer` may be null; a GGUF's
/// metadata is copied instead. Errors: what checkGgufExport finds, and rows that are no whole
/// number of blocks.
absl::Status exportGguf(mlir::ModuleOp module, const Checkpoint &checkpoint,
                        const Tokenizer *tokenizer, const ExportOptions &options);

/// What can be known before compression: that GGUF has a type for codes of these specifications
/// and keys for the tokenizer, and that `output` is not the checkpoint itself.
absl::Status checkGgufExport(const Checkpoint &checkpoint, const Tokenizer *tokenizer,
                             const std::vector<QuantizeSpec> &specs, const std::string &output);
/// The same of exportSafetensors: the container and the directory.
absl::Status checkSafetensorsExport(const Checkpoint &checkpoint, const std::string &output);

} // namespace stc

#endif // STC_EXPORT_EXPORT_H
