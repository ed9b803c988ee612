// Commands on a checkpoint: compile it once into a cache, then run the binary.
#ifndef STC_DRIVER_CACHE_H
#define STC_DRIVER_CACHE_H

#include "stc/Driver/Compile.h"

#include "absl/status/statusor.h"

#include <string>
#include <vector>

namespace stc {

/// $XDG_CACHE_HOME/stc, or ~/.cache/stc; it need not exist.
std::string cacheDirectory();

/// What results that are kept there hold for: this very compiler, as another one generates other
/// code.
absl::StatusOr<std::string> compilerIdentity();

/// The executable for `options.model`: the model itself if it is compiled already, else a cached
/// compilation under $XDG_CACHE_HOME/stc (or ~/.cache/stc), made when it is absent or when the
/// checkpoint, the options or the compiler changed.
absl::StatusOr<std::string> cachedExecutable(CompileOptions options);

/// Replaces this process by `executable arguments...`. Returns only on failure.
absl::Status execute(const std::string &executable, const std::vector<std::string> &arguments);

} // namespace stc

#endif // STC_DRIVER_CACHE_H
