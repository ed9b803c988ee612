// The members of config.json that say how compressed-tensors is to read the weights.
#ifndef STC_LIB_EXPORT_COMPRESSEDTENSORSCONFIG_H
#define STC_LIB_EXPORT_COMPRESSEDTENSORSCONFIG_H

#include "ExportedTensor.h"

#include "stc/Support/Json.h"

namespace stc {

/// The module of a tensor "model.layers.0.mlp.up_proj.weight": its name without ".weight".
std::string moduleOf(const ExportedTensor &tensor);

/// Whether the groups of a quantized weight are whole rows, compressed-tensors' strategy `channel`.
bool isPerRow(const ExportedTensor &tensor);

/// Sets `quantization_config` in a configuration (an object) as the weights ask for it; nothing was
/// compressed: takes it away. Clears `tie_word_embeddings` where the head has a tensor of its
/// own.
void describeCompression(const std::vector<ExportedTensor> &tensors, const ModelConfig &model,
                         JsonValue &config);

} // namespace stc

#endif // STC_LIB_EXPORT_COMPRESSEDTENSORSCONFIG_H
