// What a command-line tool wants of its process, whatever surrounds it.
#ifndef STC_SUPPORT_PROCESS_H
#define STC_SUPPORT_PROCESS_H

#include "absl/strings/string_view.h"

#include <string>

namespace stc {

/// To be called first in `main`. From then on
/// - a standard file that was closed is none that a file opened later could get, which then would
///   get its messages too: reading finds nothing, writing to standard output fails, and messages
///   are lost;
/// - a closed pipe and a limit on the size of files are errors of the write that meets them, and no
///   signals;
/// - signals that end the process remove its temporary files, and so does memory that runs out,
///   which is an error of one line and exit status 1.
/// A library leaves all of this to its host.
void prepareProcess();

/// Prints `error: MESSAGE`, removes temporary files and ends the process with exit status 1: where
/// no error can be returned, as deep within another library.
[[noreturn]] void endWithError(absl::string_view message);

/// The program that is running, under its name while that still means it. Where /proc is not
/// mounted, the name it was started under, which means it as long as the working directory is the
/// same.
std::string executablePath();

} // namespace stc

#endif // STC_SUPPORT_PROCESS_H
