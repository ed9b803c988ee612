// Builds the graph of a decoder from its configuration and its declared weights.
#ifndef STC_LIB_IMPORT_DECODER_H
#define STC_LIB_IMPORT_DECODER_H

#include "GraphBuilder.h"

namespace stc {

/// Adds @forward and @head at `builder`.
void buildDecoder(mlir::OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                  const GraphSettings &settings);

} // namespace stc

#endif // STC_LIB_IMPORT_DECODER_H
