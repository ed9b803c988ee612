// Removes unfinished files, and folders made for them, when a signal ends the process.
#include "Temporaries.h"

#include "stc/Support/File.h"

#include "absl/strings/str_cat.h"

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <unistd.h>

namespace stc {

namespace {

// Each slot owns a copy, since a handler may neither allocate nor read a string that another thread
// is changing.
constexpr int slotCount = 64;
std::atomic<char *> slots[slotCount];
pid_t owner = 0; // a forked child ends alone: the files are not its own

std::atomic<int> changes{0};         // of threads that are making or renaming a temporary
std::atomic<bool> isRemoving{false}; // the process is about to end

constexpr int endingSignals[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};

/// Waits for the other threads' changes; this thread has none, since it took a signal. A second is
/// more than a change takes, unless its file system hangs.
void awaitChanges() {
  isRemoving = true;
  for (int wait = 0; wait < 1000 && changes != 0; ++wait) {
    struct timespec millisecond = {0, 1000000};
    nanosleep(&millisecond, nullptr);
  }
}

extern "C" void endOnSignal(int signal) {
  removeTemporaries();
  // The default action was restored by SA_RESETHAND.
  raise(signal);
}

} // namespace

void removeTemporaries() {
  if (getpid() != owner)
    return;
  awaitChanges();
  // Folders go last, when the files in them are gone.
  const char *folders[slotCount] = {};
  for (int i = 0; i < slotCount; ++i)
    if (const char *path = slots[i].exchange(nullptr))
      folders[i] = unlink(path) != 0 ? path : nullptr;
  // Twice, as one may lie in another.
  for (int round = 0; round < 2; ++round)
    for (int i = slotCount - 1; i >= 0; --i)
      if (folders[i] && rmdir(folders[i]) == 0)
        folders[i] = nullptr;
}

TemporaryChange::TemporaryChange() {
  sigset_t ending;
  sigemptyset(&ending);
  for (int signal : endingSignals)
    sigaddset(&ending, signal);
  pthread_sigmask(SIG_BLOCK, &ending, &previousMask);
  ++changes;
  if (!isRemoving || getpid() != owner)
    return;
  --changes; // another thread is ending the process
  for (;;)
    pause();
}

TemporaryChange::~TemporaryChange() {
  --changes;
  pthread_sigmask(SIG_SETMASK, &previousMask, nullptr);
}

int claimTemporary(const std::string &path) {
  char *copy = strdup(path.c_str());
  for (int i = 0; i < slotCount && copy; ++i) {
    char *empty = nullptr;
    if (slots[i].compare_exchange_strong(empty, copy))
      return i;
  }
  std::free(copy);
  return -1; // more than 64 open outputs: those beyond are not removed on a signal
}

void releaseTemporary(int slot) {
  if (slot >= 0)
    std::free(slots[slot].exchange(nullptr));
}

std::string temporaryName(const std::string &target) {
  static std::atomic<uint64_t> counter{0};
  uint64_t now = uint64_t(std::chrono::steady_clock::now().time_since_epoch().count());
  return absl::StrCat(target.substr(0, target.rfind('/') + 1), ".stc-", getpid(), "-",
                      absl::Hex(now), "-", counter.fetch_add(1), ".tmp");
}

void removeTemporariesOnSignal() {
  owner = getpid();
  for (int signal : endingSignals) {
    struct sigaction action = {};
    // Whoever started us may have chosen to ignore a signal (nohup does): leave that as it is.
    if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler == SIG_IGN)
      continue;
    action = {};
    action.sa_handler = endOnSignal;
    action.sa_flags = int(SA_RESETHAND);
    sigemptyset(&action.sa_mask);
    sigaction(signal, &action, nullptr);
  }
}

} // namespace stc
