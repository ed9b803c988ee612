// lld, in process.
#ifndef STC_LIB_TARGET_EMISSION_RUNLINKER_H
#define STC_LIB_TARGET_EMISSION_RUNLINKER_H

#include "absl/status/status.h"

#include <string>
#include <vector>

namespace stc {

/// Runs lld on `arguments` and turns its first complaint into a status. One call at a time.
absl::Status runLinker(const std::vector<std::string> &arguments);

} // namespace stc

#endif // STC_LIB_TARGET_EMISSION_RUNLINKER_H
