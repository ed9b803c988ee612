// Whether this processor, as its operating system lets us use it, can run the generated code.
#ifndef STC_RUNTIME_CPUFEATURES_H
#define STC_RUNTIME_CPUFEATURES_H

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

#include <string>

namespace stc {

/// Checks a comma-separated list of features, named as LLVM names them ("avx2,avx512vnni"). A
/// feature counts only if the operating system saves its registers too. The error names the
/// features that are missing or unknown; `file` is the model.
absl::Status checkCpuFeatures(absl::string_view required, const std::string &file);

/// Whether this machine has one feature; false for unknown names.
bool hasCpuFeature(absl::string_view name);

} // namespace stc

#endif // STC_RUNTIME_CPUFEATURES_H
