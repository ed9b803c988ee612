// Links generated objects with the runtime, in process (lld).
#ifndef STC_TARGET_EMISSION_LINKER_H
#define STC_TARGET_EMISSION_LINKER_H

#include "absl/status/status.h"

#include <string>
#include <vector>

namespace stc {

enum class LinkKind {
  Executable,  // with the runtime's main()
  Shared,      // exports the C API only, under the model's prefix
  Relocatable, // one object holding the model and the runtime, C API under the model's prefix
};

struct LinkJob {
  LinkKind kind = LinkKind::Executable;
  std::vector<std::string> objectPaths; // the generated objects
  std::string outputPath;
  std::string prefix; // "books": stc_model_open is exported as books_open
};

/// Runs the link. Only this machine's architecture can be linked. Errors carry the linker's first
/// line.
absl::Status link(const LinkJob &job);

/// The C API's exported functions, without the stc_model_ prefix ("open", "close", ...).
std::vector<std::string> capiFunctions();

} // namespace stc

#endif // STC_TARGET_EMISSION_LINKER_H
