// Paths that must not outlive a process that a signal ends.
#ifndef STC_LIB_SUPPORT_TEMPORARIES_H
#define STC_LIB_SUPPORT_TEMPORARIES_H

#include <csignal>
#include <string>

namespace stc {

/// Has the signal handler of `removeTemporariesOnSignal` remove `path`, a file or an empty folder.
/// Returns a slot, or -1 where all are taken: then nothing is removed on a signal.
int claimTemporary(const std::string &path);
/// Ends that. A slot of -1 is fine.
void releaseTemporary(int slot);

/// Removes all that are claimed, if this process is the one that removeTemporariesOnSignal was
/// called in. A handler of signals may call it; the process is to end then.
void removeTemporaries();

/// While one lives, no signal that removes temporaries acts: whoever makes one and claims it, or
/// renames it, does both behind one, so that none is made that nobody knows of. Short work only, as
/// a signal waits for it.
class TemporaryChange {
public:
  TemporaryChange();
  ~TemporaryChange();
  TemporaryChange(const TemporaryChange &) = delete;
  TemporaryChange &operator=(const TemporaryChange &) = delete;

private:
  sigset_t previousMask;
};

/// A name beside `target` that no other output has. It does not contain the final name, which may
/// already be as long as allowed.
std::string temporaryName(const std::string &target);

} // namespace stc

#endif // STC_LIB_SUPPORT_TEMPORARIES_H
