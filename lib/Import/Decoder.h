// Builds the graph of a decoder from its configuration and its declared weights.
#ifndef STC_LIB_IMPORT_DECODER_H
#define STC_LIB_IMPORT_DECODER_H

#include "Rope.h"
#include "WeightTable.h"

namespace stc {

/// What the graph needs beyond the configuration.
struct DecoderSettings {
  Rotation rotation, localRotation; // the latter empty where all layers have the former
  double embeddingScale = 1;
  ActivationKind activation = ActivationKind::Silu;
  int64_t capacity = 0;               // positions of the key/value cache
  KVElement kvCache = KVElement::F32; // and how it keeps them
};

/// Adds @forward and @head at `builder`.
void buildDecoder(mlir::OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                  const DecoderSettings &settings);

} // namespace stc

#endif // STC_LIB_IMPORT_DECODER_H
