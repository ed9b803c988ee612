// Another program whose output is read through a pipe.
#include "stc/Runtime/ChildProcess.h"

#include "stc/Support/Error.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace stc {

absl::StatusOr<std::unique_ptr<ChildProcess>>
ChildProcess::start(const std::string &path, const std::vector<std::string> &arguments) {
  std::unique_ptr<ChildProcess> child(new ChildProcess);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return formatError({path, "", {}}, "a pipe to it", std::strerror(errno));
  child->pipeEnd = ends[0];
#ifdef F_SETPIPE_SZ
  // Fewer changes between the two processes; a refusal does no harm.
  fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
#endif
  // A file rather than a pipe: nobody has to read it while the program runs.
  child->errors = memfd_create("errors", MFD_CLOEXEC);

  std::vector<char *> words{const_cast<char *>(path.c_str())};
  for (const std::string &argument : arguments)
    words.push_back(const_cast<char *>(argument.c_str()));
  words.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (child->errors >= 0)
    posix_spawn_file_actions_adddup2(&actions, child->errors, STDERR_FILENO);
  int error = posix_spawn(&child->process, path.c_str(), &actions, nullptr, words.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    child->process = -1;
    return formatError({path, "", {}}, "a program that can be run", std::strerror(error));
  }
  return child;
}

ChildProcess::~ChildProcess() {
  if (pipeEnd >= 0)
    close(pipeEnd);
  if (process > 0) {
    kill(process, SIGTERM);
    wait();
  }
  if (errors >= 0)
    close(errors);
}

std::string ChildProcess::firstLine() const {
  char buffer[1024];
  ssize_t count = errors >= 0 ? pread(errors, buffer, sizeof(buffer), 0) : 0;
  absl::string_view text(buffer, size_t(std::max<ssize_t>(count, 0)));
  return printable(absl::StripPrefix(text.substr(0, text.find('\n')), "error: "), 400);
}

std::optional<std::string> ChildProcess::wait() {
  if (process <= 0)
    return std::nullopt;
  int status = 0;
  while (waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  process = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return std::nullopt;
  std::string line = firstLine();
  if (!line.empty())
    return line;
  return WIFEXITED(status) ? absl::StrCat("exit status ", WEXITSTATUS(status))
                           : absl::StrCat("signal ", WTERMSIG(status));
}

absl::StatusOr<std::string> outputOf(const std::string &path,
                                     const std::vector<std::string> &arguments) {
  constexpr size_t most = 64 << 20;
  STC_ASSIGN_OR_RETURN(std::unique_ptr<ChildProcess> child, ChildProcess::start(path, arguments));
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    ssize_t count = read(child->output(), buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR)
      continue;
    if (count < 0)
      return formatError({path, "output", {}}, "to be read", std::strerror(errno));
    if (count == 0)
      break;
    text.append(buffer, size_t(count));
    if (text.size() > most)
      return formatError({path, "output", {}}, absl::StrCat("at most ", most, " bytes"), "more");
  }
  if (std::optional<std::string> failure = child->wait())
    return formatError({path, arguments.empty() ? "" : arguments[0], {}}, "success", *failure);
  return text;
}

} // namespace stc
