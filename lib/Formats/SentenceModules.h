// The files that sentence-transformers puts beside a checkpoint.
#ifndef STC_LIB_FORMATS_SENTENCEMODULES_H
#define STC_LIB_FORMATS_SENTENCEMODULES_H

#include "stc/Formats/Config.h"

namespace stc {

/// Reads modules.json in `folder` and the configuration of its pooling into `config`, which stays
/// as it is where there are none. Errors: modules other than Transformer, Pooling and Normalize,
/// and none or several ways of pooling.
absl::Status readSentenceModules(const std::string &folder, ModelConfig &config);

} // namespace stc

#endif // STC_LIB_FORMATS_SENTENCEMODULES_H
