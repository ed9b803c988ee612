// The `stc` command line.
#ifndef STC_DRIVER_DRIVER_H
#define STC_DRIVER_DRIVER_H

namespace stc {

/// What `stc --version` prints.
inline constexpr const char kVersion[] = "stc 0.1.0 (LLVM 22)";

/// Runs `stc ARGV...` and returns the exit status: 0, or 1 after one line on stderr.
int driverMain(int argc, char **argv);

} // namespace stc

#endif // STC_DRIVER_DRIVER_H
