// Latent attention: the orders of columns that its heads are put together with.
#ifndef STC_LIB_IMPORT_LATENTATTENTION_H
#define STC_LIB_IMPORT_LATENTATTENTION_H

#include "WeightTable.h"

namespace stc {

/// Declares the orders that the graph of a model with latent attention reads; of another none.
void declareHeadOrders(mlir::OpBuilder &builder, const ModelConfig &config, WeightTable &weights);

} // namespace stc

#endif // STC_LIB_IMPORT_LATENTATTENTION_H
