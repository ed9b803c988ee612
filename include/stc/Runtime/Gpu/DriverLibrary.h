// A driver's library, found when the program runs.
#ifndef STC_RUNTIME_GPU_DRIVERLIBRARY_H
#define STC_RUNTIME_GPU_DRIVERLIBRARY_H

#include "absl/status/statusor.h"

#include <string>
#include <type_traits>

namespace stc {

/// An open library, for as long as the process lives: drivers leave threads behind.
class DriverLibrary {
public:
  /// Opens the first of `names` (separated by spaces) that there is, or what the environment
  /// variable `variable` names. `site` ("device cuda") and `what` ("NVIDIA's driver library") word
  /// the error, which is NotFound.
  static absl::StatusOr<DriverLibrary> open(const char *variable, const char *names,
                                            const char *site, const char *what);
  /// Looks up a function; remembers the first that there is not.
  template <typename Function> void find(Function &function, const char *symbol) {
    function = reinterpret_cast<std::decay_t<Function>>(lookUp(symbol));
  }
  /// An error if a function was not there; `what` says of which versions it is one.
  absl::Status checkComplete(const char *what) const;

private:
  void *lookUp(const char *symbol);

  void *handle = nullptr;
  std::string path;
  const char *missing = nullptr;
};

/// The same message with the code by which callers know that there is simply no such device.
absl::Status absentDevice(const absl::Status &status);

} // namespace stc

#endif // STC_RUNTIME_GPU_DRIVERLIBRARY_H
