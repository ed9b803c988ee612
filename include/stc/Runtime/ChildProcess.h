// Another program whose output is read through a pipe.
#ifndef STC_RUNTIME_CHILDPROCESS_H
#define STC_RUNTIME_CHILDPROCESS_H

#include "absl/status/statusor.h"

#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace stc {

/// A running program; it is ended, and waited for, with the object.
class ChildProcess {
public:
  /// Runs the file `path` with `arguments`, standard input and environment being this process's.
  static absl::StatusOr<std::unique_ptr<ChildProcess>>
  start(const std::string &path, const std::vector<std::string> &arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess &) = delete;
  ChildProcess &operator=(const ChildProcess &) = delete;

  /// The end of the pipe that its standard output can be read from.
  int output() const { return pipeEnd; }
  /// Waits for its end. Nothing if it succeeded, else the first line it wrote to standard error, or
  /// how it ended.
  std::optional<std::string> wait();

private:
  ChildProcess() = default;
  std::string firstLine() const;
  pid_t process = -1;
  int pipeEnd = -1, errors = -1; // errors: the file that standard error goes to
};

/// Runs `path` to its end: what it wrote to standard output. Errors: it cannot be run, it failed
/// (with its first line of standard error), or it wrote more than 64 MiB.
absl::StatusOr<std::string> outputOf(const std::string &path,
                                     const std::vector<std::string> &arguments);

} // namespace stc

#endif // STC_RUNTIME_CHILDPROCESS_H
