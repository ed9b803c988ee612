// Builds the graph of an encoder from its configuration and its declared weights.
#ifndef STC_LIB_IMPORT_ENCODER_H
#define STC_LIB_IMPORT_ENCODER_H

#include "GraphBuilder.h"

namespace stc {

/// Adds @forward at `builder`, from all tokens of a text to their last hidden states. The text must
/// be given to one call: every token attends to those behind it too.
void buildEncoder(mlir::OpBuilder &builder, const ModelConfig &config, const WeightTable &weights,
                  const GraphSettings &settings);

} // namespace stc

#endif // STC_LIB_IMPORT_ENCODER_H
