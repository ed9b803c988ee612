// Paths that must not outlive a process that a signal ends.
#ifndef STC_LIB_SUPPORT_TEMPORARIES_H
#define STC_LIB_SUPPORT_TEMPORARIES_H

#include <string>

namespace stc {

/// Has the signal handler of `removeTemporariesOnSignal` remove `path`, a file or an empty folder.
/// Returns a slot, or -1 where all are taken: then nothing is removed on a signal.
int claimTemporary(const std::string &path);
/// Ends that. A slot of -1 is fine.
void releaseTemporary(int slot);

/// A name beside `target` that no other output has. It does not contain the final name, which may
/// already be as long as allowed.
std::string temporaryName(const std::string &target);

} // namespace stc

#endif // STC_LIB_SUPPORT_TEMPORARIES_H
