// Builds the graph of an encoder and the decoder behind it.
#ifndef STC_LIB_IMPORT_ENCODERDECODER_H
#define STC_LIB_IMPORT_ENCODERDECODER_H

#include "GraphBuilder.h"

namespace stc {

/// Adds @encode, @forward and @head at `builder`; @stem too where the encoder reads features. Both
/// stacks share one cache, whose layers are
///   0 to max(encoder layers, decoder layers) - 1: the own keys and values of a stack's layers; the
///     encoder has done with them when the decoder begins;
///   max + i: the keys and values that layer i of the decoder reads of what the encoder gave.
void buildEncoderDecoder(mlir::OpBuilder &builder, const ModelConfig &config,
                         const WeightTable &weights, const GraphSettings &settings);

} // namespace stc

#endif // STC_LIB_IMPORT_ENCODERDECODER_H
