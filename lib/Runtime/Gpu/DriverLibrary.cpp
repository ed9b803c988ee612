// Finding a driver's library.
#include "stc/Runtime/Gpu/DriverLibrary.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include <cstdlib>
#include <dlfcn.h>

namespace stc {

absl::Status absentDevice(const absl::Status &status) {
  return absl::NotFoundError(status.message());
}

absl::StatusOr<DriverLibrary> DriverLibrary::open(const char *variable, const char *names,
                                                  const char *site, const char *what) {
  const char *given = std::getenv(variable);
  DriverLibrary library;
  std::string first, reason;
  for (absl::string_view name : absl::StrSplit(given && *given ? given : names, ' ')) {
    library.path = std::string(name);
    library.handle = dlopen(library.path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library.handle)
      return library;
    if (first.empty()) {
      const char *words = dlerror();
      first = library.path;
      reason = words ? words : "none";
    }
  }
  return absentDevice(formatError({site, "driver", {}}, absl::StrCat(what, " ", first), reason));
}

void *DriverLibrary::lookUp(const char *symbol) {
  void *found = dlsym(handle, symbol);
  if (!found && !missing)
    missing = symbol;
  return found;
}

absl::Status DriverLibrary::checkComplete(const char *what) const {
  if (!missing)
    return absl::OkStatus();
  return formatError({path, missing, {}}, absl::StrCat("a function of ", what), "none");
}

} // namespace stc
