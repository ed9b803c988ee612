// The one shape of every error message: FILE: FIELD @0xOFFSET: expected X, got Y.
#ifndef STC_SUPPORT_ERROR_H
#define STC_SUPPORT_ERROR_H

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include <cstdint>
#include <optional>
#include <string>

namespace stc {

/// Where in an input something was wrong. `file` is the path as the user gave it; `field` names
/// the metadata key, tensor or section; `offset` is a byte offset into the file where known.
struct ErrorSite {
  std::string file;
  std::string field;
  std::optional<uint64_t> offset;
};

/// Builds an InvalidArgument status that reads
/// `FILE: FIELD @0xOFFSET: expected EXPECTED, got GOT` (absent parts are left out).
absl::Status formatError(const ErrorSite &site, absl::string_view expected, absl::string_view got);

/// A user-supplied string made safe for one line of terminal output: control bytes and invalid
/// UTF-8 are escaped, and anything past `limit` bytes is cut.
std::string printable(absl::string_view text, size_t limit = 120);

} // namespace stc

/// Returns early with the status of `expr` if it is not OK.
#define STC_RETURN_IF_ERROR(expr)                                                                  \
  do {                                                                                             \
    if (absl::Status stcStatus = (expr); !stcStatus.ok())                                          \
      return stcStatus;                                                                            \
  } while (false)

#define STC_CONCAT_IMPL(a, b) a##b
#define STC_CONCAT(a, b) STC_CONCAT_IMPL(a, b)
/// `STC_ASSIGN_OR_RETURN(auto x, expr)`: unwraps a StatusOr or returns its status.
#define STC_ASSIGN_OR_RETURN(lhs, expr)                                                            \
  STC_ASSIGN_OR_RETURN_IMPL(STC_CONCAT(stcResult, __LINE__), lhs, expr)
#define STC_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr)                                                  \
  auto tmp = (expr);                                                                               \
  if (!tmp.ok())                                                                                   \
    return tmp.status();                                                                           \
  lhs = std::move(tmp).value()

#endif // STC_SUPPORT_ERROR_H
