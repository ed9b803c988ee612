// Standard files, signals, and the ends of a process that no status reports.
#include "stc/Support/Process.h"

#include "Temporaries.h"
#include "stc/Support/File.h"

#include <climits>
#include <csignal>
#include <exception>
#include <fcntl.h>
#include <new>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace stc {

namespace {

/// Fills the places of closed standard files. The lowest free descriptor is what an open gets, so
/// each lands in its own place.
void occupyStandardFiles() {
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(descriptor, F_GETFD) != -1)
      continue;
    // Only messages may get lost: results that nobody can read are a failed write.
    int mode = descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", mode) < 0)
      (void)::open("/", O_RDONLY);
  }
}

[[noreturn]] void endWithoutMemory() { endWithError("memory: expected enough of it, got none"); }

} // namespace

void prepareProcess() {
  occupyStandardFiles();
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  removeTemporariesOnSignal();
  std::set_new_handler(endWithoutMemory);
  // What libraries throw: a thread that the system refuses, an allocation of more than there can
  // be.
  std::set_terminate([] { endWithError("system: expected threads and memory, got a refusal"); });
}

void endWithError(absl::string_view message) {
  // Neither memory nor locks are to be had where this is called.
  auto part = [](absl::string_view text) {
    return iovec{const_cast<char *>(text.data()), text.size()};
  };
  iovec line[] = {part("error: "), part(message), part("\n")};
  (void)!writev(STDERR_FILENO, line, 3);
  removeTemporaries();
  _exit(1);
}

std::string executablePath() {
  constexpr const char *link = "/proc/self/exe";
  char name[PATH_MAX];
  ssize_t length = readlink(link, name, sizeof(name) - 1);
  if (length <= 0) {
    auto *given = reinterpret_cast<const char *>(getauxval(AT_EXECFN));
    return given ? given : link;
  }
  name[length] = '\0';
  // The name may by now belong to another file (a rebuild); the link always means this one.
  struct stat running, named;
  if (stat(link, &running) != 0 || stat(name, &named) != 0 || running.st_ino != named.st_ino ||
      running.st_dev != named.st_dev)
    return link;
  return name;
}

} // namespace stc
