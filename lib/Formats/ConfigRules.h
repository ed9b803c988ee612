// What the configuration readers share: the known architectures and the rules every config obeys.
#ifndef STC_LIB_FORMATS_CONFIGRULES_H
#define STC_LIB_FORMATS_CONFIGRULES_H

#include "stc/Formats/Config.h"

namespace stc {

/// What an architecture's configuration leaves unsaid: the values that apply where a key is
/// missing, and what is fixed. A new architecture of the family is a new row.
struct ArchitectureRow {
  absl::string_view name; // Hugging Face model_type
  absl::string_view gguf; // general.architecture; empty when GGUF files use another row's
  int64_t kvHeads;        // 0: as many as heads
  int64_t maxPositions;
  int64_t slidingWindow;    // 0: none
  bool windowNeedsSwitch;   // use_sliding_window turns the window on
  bool attentionBias;       // always; otherwise the key attention_bias says
  bool ggufInterleavedRope; // GGUF's converter permutes query and key rows
};

/// The row of a model_type; nullptr for one we do not know.
const ArchitectureRow *findArchitecture(absl::string_view name);
/// The row of a GGUF general.architecture; nullptr for one we do not know.
const ArchitectureRow *findGgufArchitecture(absl::string_view name);
/// The names of all rows, for messages.
std::string supportedArchitectures();

/// The field names of one container, for the messages of `checkConfig`.
struct ConfigNames {
  std::string file;
  std::string hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize;
  std::string maxPositions, normEpsilon, ropeTheta, ropeScaling, slidingWindow, bosToken, eosToken;
  std::string experts, expertsPerToken, expertSize, sharedExpertSize;
};

/// Fills in the head size where it was left open (0) and checks every rule. A head size of 0 means
/// "not given".
absl::Status checkConfig(const ConfigNames &names, ModelConfig &config);

} // namespace stc

#endif // STC_LIB_FORMATS_CONFIGRULES_H
