// Kernels that are still to be written.
#include "WeightReader.h"

using namespace stc;
using namespace stc::gpu;

std::unique_ptr<WeightReader> stc::gpu::createMaskReader(packed::WeightType) { return nullptr; }
std::unique_ptr<WeightReader> stc::gpu::createPairsReader(packed::WeightType) { return nullptr; }
std::unique_ptr<WeightReader> stc::gpu::createBlockReader(packed::WeightType) { return nullptr; }
