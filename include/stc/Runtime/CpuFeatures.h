// Whether this processor, as its operating system lets us use it, can run the generated code.
#ifndef STC_RUNTIME_CPUFEATURES_H
#define STC_RUNTIME_CPUFEATURES_H

#include "absl/strings/string_view.h"

#include <string>
#include <vector>

namespace stc {

/// What this machine lacks of a comma-separated list of features, named as LLVM names them
/// ("avx2,avx512vnni"). A feature counts only if the operating system saves its registers too.
/// Names this runtime cannot check are lacking, and say so: "avx9000 (unknown)".
std::vector<std::string> missingCpuFeatures(absl::string_view required);

/// Whether this machine has one feature; false for unknown names.
bool hasCpuFeature(absl::string_view name);

} // namespace stc

#endif // STC_RUNTIME_CPUFEATURES_H
